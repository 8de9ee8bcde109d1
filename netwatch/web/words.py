"""Every word of the page, in French and English.

Rule of this file: data. A word that is missing in one language is a defect that a
test finds; a key that is not here raises, so no page shows a key to a person.
Names in braces are filled in by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping

from netwatch.web.throughput_words import THROUGHPUT_WORDS

LANGUAGES = ("fr", "en")

WORDS: Mapping[str, Mapping[str, str]] = {
    # -- the verdict, in the large
    "verdict.up": {"fr": "La ligne fonctionne", "en": "The line works"},
    "verdict.degraded": {"fr": "La ligne fonctionne mal", "en": "The line works poorly"},
    "verdict.down": {"fr": "La ligne est coupée", "en": "The line is down"},
    "verdict.unknown": {"fr": "La ligne n’est pas mesurée", "en": "The line is not being measured"},
    # -- and in one word, for legends and tables
    "short.up": {"fr": "En service", "en": "Up"},
    "short.degraded": {"fr": "Dégradée", "en": "Degraded"},
    "short.down": {"fr": "Coupée", "en": "Down"},
    "short.unknown": {"fr": "Non mesurée", "en": "Not measured"},
    # -- why, and who is at fault: key is verdict.cause, or verdict.cause.reason
    "why.up": {
        "fr": "Internet répond normalement.",
        "en": "The internet answers as it should.",
    },
    "why.down.gateway": {
        "fr": "La box du bâtiment ne répond plus. Le câble de cet appareil est branché.",
        "en": "The box in the building does not answer. This device’s own cable is plugged in.",
    },
    "why.down.access": {
        "fr": "Le réseau d’accès de l’opérateur ne répond plus. La box du bâtiment, elle, répond.",
        "en": "The operator’s access network does not answer. The box in the building answers.",
    },
    "why.down.upstream": {
        "fr": "Le réseau de l’opérateur répond, mais il ne mène plus à internet.",
        "en": "The operator’s network answers, but it no longer leads to the internet.",
    },
    "why.down.dns": {
        "fr": "Internet répond, mais aucun serveur de noms (DNS) : les sites ne s’ouvrent plus.",
        "en": "The internet answers, but no name server (DNS) does: websites no longer open.",
    },
    "why.degraded.loss": {
        "fr": "La ligne perd trop de paquets : la visioconférence et le téléphone en souffrent.",
        "en": "The line loses too many packets: video calls and telephone suffer from it.",
    },
    "why.degraded.latency": {
        "fr": "La ligne répond trop lentement.",
        "en": "The line answers too slowly.",
    },
    "why.degraded.throughput": {
        "fr": "Le débit mesuré est inférieur à celui que le contrat garantit.",
        "en": "The measured rate is below the one that the contract guarantees.",
    },
    "why.unknown.agent": {
        "fr": "Cet appareil n’a pas mesuré. Rien ne dit que la ligne soit en panne.",
        "en": "This device has not measured. Nothing says that the line is at fault.",
    },
    "why.unknown.clock": {
        "fr": "L’horloge de cet appareil n’est pas à l’heure : il ne peut pas dater ce qu’il mesure.",
        "en": "This device’s clock is not set: it cannot date what it measures.",
    },
    "why.unknown.local": {
        "fr": "Cet appareil n’est pas relié au réseau. Rien ne dit que la ligne soit en panne.",
        "en": "This device is not connected to the network. Nothing says that the line is at fault.",
    },
    "why.unknown.local.carrier": {
        "fr": "Le câble réseau de cet appareil est débranché. Rien ne dit que la ligne soit en panne.",
        "en": "This device’s network cable is unplugged. Nothing says that the line is at fault.",
    },
    "why.unknown.local.address": {
        "fr": "Cet appareil n’a reçu aucune adresse. Rien ne dit que la ligne soit en panne.",
        "en": "This device was given no address. Nothing says that the line is at fault.",
    },
    "why.unknown.local.default_route": {
        "fr": "Cet appareil n’a pas de route vers l’extérieur. Rien ne dit que la ligne soit en panne.",
        "en": "This device has no way out of the building’s network. Nothing says that the line is at fault.",
    },
    # -- who acts
    "who": {"fr": "Responsable", "en": "At fault"},
    "do": {"fr": "À faire", "en": "To do"},
    "who.down.gateway": {
        "fr": "La box du bâtiment, ou son alimentation",
        "en": "The box in the building, or its power",
    },
    "who.down.access": {"fr": "L’opérateur", "en": "The operator"},
    "who.down.upstream": {"fr": "L’opérateur", "en": "The operator"},
    "who.down.dns": {
        "fr": "Celui qui tient les serveurs de noms, l’opérateur le plus souvent",
        "en": "Whoever runs the name servers, mostly the operator",
    },
    "who.degraded": {
        "fr": "L’opérateur, si la ligne n’est pas simplement chargée",
        "en": "The operator, unless the line is merely busy",
    },
    "who.unknown": {"fr": "Pas l’opérateur", "en": "Not the operator"},
    "do.down.gateway": {
        "fr": "Vérifier que la box est allumée ; si elle l’est, appeler l’opérateur{reference}.",
        "en": "Check that the box is switched on; if it is, call the operator{reference}.",
    },
    "do.down.access": {
        "fr": "Ouvrir un ticket chez l’opérateur{reference}.",
        "en": "Open a ticket with the operator{reference}.",
    },
    "do.down.upstream": {
        "fr": "Ouvrir un ticket chez l’opérateur{reference}.",
        "en": "Open a ticket with the operator{reference}.",
    },
    "do.down.dns": {
        "fr": "Ouvrir un ticket chez l’opérateur{reference}, ou essayer d’autres serveurs de noms.",
        "en": "Open a ticket with the operator{reference}, or try other name servers.",
    },
    "do.degraded": {
        "fr": "Regarder si quelqu’un charge la ligne ; sinon, le signaler à l’opérateur{reference}.",
        "en": "See whether somebody is loading the line; if not, tell the operator{reference}.",
    },
    "do.unknown.agent": {
        "fr": "Attendre une minute ; si rien ne change, lire le journal de cet appareil.",
        "en": "Wait a minute; if nothing changes, read this device’s log.",
    },
    "do.unknown.clock": {
        "fr": "Ouvrir l’accès à un serveur de temps (NTP).",
        "en": "Give it access to a time server (NTP).",
    },
    "do.unknown.local": {
        "fr": "Vérifier le câble entre cet appareil et la box.",
        "en": "Check the cable between this device and the box.",
    },
    "do.reference": {"fr": ", référence {reference}", "en": ", reference {reference}"},
    # -- a cause in a few words, for tables
    "cause.agent": {"fr": "appareil de mesure arrêté", "en": "measuring device not running"},
    "cause.agent.stopped": {"fr": "appareil de mesure arrêté", "en": "measuring device stopped"},
    "cause.agent.crashed": {
        "fr": "appareil de mesure interrompu",
        "en": "measuring device crashed",
    },
    "cause.agent.power_loss": {
        "fr": "appareil de mesure privé de courant",
        "en": "measuring device without power",
    },
    "cause.agent.stalled": {"fr": "appareil de mesure surchargé", "en": "measuring device stalled"},
    "cause.clock": {"fr": "horloge pas à l’heure", "en": "clock not set"},
    "cause.clock.stepped": {"fr": "horloge corrigée d’un bond", "en": "clock put forward"},
    "cause.clock.unsynchronised": {
        "fr": "mesuré sans connaître l’heure",
        "en": "measured without knowing the time",
    },
    "cause.local": {"fr": "appareil de mesure non relié", "en": "measuring device not connected"},
    "cause.local.carrier": {
        "fr": "câble de l’appareil débranché",
        "en": "device’s cable unplugged",
    },
    "cause.gateway": {"fr": "box du bâtiment", "en": "box in the building"},
    "cause.access": {"fr": "réseau d’accès de l’opérateur", "en": "operator’s access network"},
    "cause.upstream": {"fr": "cœur de réseau de l’opérateur", "en": "operator’s core network"},
    "cause.dns": {"fr": "serveurs de noms (DNS)", "en": "name servers (DNS)"},
    "cause.loss": {"fr": "perte de paquets", "en": "packet loss"},
    "cause.latency": {"fr": "latence", "en": "latency"},
    "cause.throughput": {"fr": "débit", "en": "throughput"},
    # -- since when
    "since": {"fr": "Depuis {when}, soit {duration}.", "en": "Since {when}, that is {duration}."},
    "since.held": {
        "fr": "Depuis {duration} (heure exacte inconnue).",
        "en": "For {duration} (the exact time is not known).",
    },
    # -- the path
    "path": {"fr": "Du bâtiment à internet", "en": "From the building to the internet"},
    "path.device": {"fr": "Cet appareil", "en": "This device"},
    "path.gateway": {"fr": "Box du bâtiment", "en": "Box in the building"},
    "path.first_hop": {"fr": "Opérateur", "en": "Operator"},
    "path.internet": {"fr": "Internet", "en": "Internet"},
    "path.resolver": {"fr": "Noms (DNS)", "en": "Names (DNS)"},
    "node.ok": {"fr": "répond", "en": "answers"},
    "node.device.ok": {"fr": "en marche", "en": "running"},
    "node.bad": {"fr": "ne répond pas", "en": "does not answer"},
    "node.beyond": {"fr": "hors d’atteinte", "en": "out of reach"},
    "node.none": {"fr": "pas surveillé", "en": "not watched"},
    "node.unknown": {"fr": "pas encore mesuré", "en": "not measured yet"},
    "node.some": {"fr": "{answering} sur {asked} répondent", "en": "{answering} of {asked} answer"},
    "node.carrier": {"fr": "câble débranché", "en": "cable unplugged"},
    "node.address": {"fr": "pas d’adresse", "en": "no address"},
    "node.default_route": {"fr": "pas de route", "en": "no route"},
    # -- availability
    "availability": {"fr": "Disponibilité", "en": "Availability"},
    "coverage": {"fr": "Couverture", "en": "Coverage"},
    "availability.short": {"fr": "Dispo.", "en": "Avail."},
    "coverage.short": {"fr": "Couv.", "en": "Cov."},
    "availability.today": {"fr": "Aujourd’hui", "en": "Today"},
    "availability.day": {"fr": "24 dernières heures", "en": "Last 24 hours"},
    "availability.none": {"fr": "Rien n’a été mesuré", "en": "Nothing was measured"},
    "availability.coverage": {
        "fr": "mesuré {coverage} du temps",
        "en": "measured {coverage} of the time",
    },
    "availability.down": {"fr": "coupée {duration}", "en": "down {duration}"},
    "availability.degraded": {"fr": "dégradée {duration}", "en": "degraded {duration}"},
    "availability.never": {"fr": "aucune coupure vue", "en": "no outage seen"},
    "availability.bounds": {
        "fr": "entre {low} et {high} selon le temps non mesuré",
        "en": "between {low} and {high}, as the unmeasured time may have been",
    },
    "availability.note": {
        "fr": "Part du temps mesuré pendant laquelle la ligne a porté le trafic. Le temps non mesuré n’est "
        "compté ni comme bon ni comme mauvais ; les pourcentages sont arrondis vers le bas.",
        "en": "Share of the measured time during which the line carried traffic. Time that was not measured "
        "counts neither as good nor as bad; percentages are rounded down.",
    },
    # -- ribbons
    "ribbon.day": {"fr": "Les 24 dernières heures", "en": "The last 24 hours"},
    "ribbon.month": {"fr": "Le mois, jour par jour", "en": "The month, day by day"},
    "ribbon.legend": {"fr": "Légende", "en": "Legend"},
    "ribbon.note": {
        "fr": "Une coupure plus courte qu’un trait est tracée aussi large que lui, pour rester visible.",
        "en": "An outage shorter than a stroke is drawn as wide as one, so that it stays visible.",
    },
    "ribbon.desc": {
        "fr": "En service {up}, dégradée {degraded}, coupée {down}, non mesurée {unknown}.",
        "en": "Up {up}, degraded {degraded}, down {down}, not measured {unknown}.",
    },
    "ribbon.date": {"fr": "Jour", "en": "Day"},
    "ribbon.earlier": {"fr": "Mois précédent", "en": "Month before"},
    "ribbon.later": {"fr": "Mois suivant", "en": "Month after"},
    # -- latency
    "latency": {"fr": "Temps de réponse d’internet", "en": "Response time of the internet"},
    "latency.median": {"fr": "médiane", "en": "median"},
    "latency.band": {"fr": "du minimum au 95e centile", "en": "minimum to 95th percentile"},
    "latency.unit": {"fr": "Millisecondes, aller et retour", "en": "Milliseconds, there and back"},
    "latency.desc": {
        "fr": "Médiane entre {low} et {high} sur 24 heures, {count} points de 5 minutes ; rien n’est tracé là "
        "où rien n’a répondu.",
        "en": "Median between {low} and {high} over 24 hours, {count} points of 5 minutes; nothing is drawn "
        "where nothing answered.",
    },
    "latency.none": {
        "fr": "Pas encore de mesure sur les 24 dernières heures.",
        "en": "No measurement in the last 24 hours yet.",
    },
    # -- events
    "events": {"fr": "Derniers événements", "en": "Latest events"},
    "events.none": {
        "fr": "Ni coupure ni dégradation depuis le {when} ; aucune interruption de la mesure d’une minute "
        "ou plus.",
        "en": "No outage and no degradation since {when}; no break of a minute or more in the measurement.",
    },
    "events.unmeasured": {
        "fr": "Rien n’a encore été mesuré.",
        "en": "Nothing has been measured yet.",
    },
    "events.start": {"fr": "Début", "en": "Start"},
    "events.duration": {"fr": "Durée", "en": "Duration"},
    "events.what": {"fr": "État", "en": "State"},
    "events.cause": {"fr": "Cause", "en": "Cause"},
    "events.ongoing": {"fr": "en cours", "en": "ongoing"},
    # -- tables of targets
    "targets": {"fr": "Ce qui est surveillé", "en": "What is watched"},
    "targets.note": {
        "fr": "Sur les cinq dernières minutes. Une sonde perdue n’a pas de temps de réponse : elle compte "
        "dans les pertes seulement.",
        "en": "Over the last five minutes. A lost probe has no response time: it counts as loss only.",
    },
    "targets.name": {"fr": "Cible", "en": "Target"},
    "targets.role": {"fr": "Rôle", "en": "Role"},
    "targets.address": {"fr": "Adresse", "en": "Address"},
    "targets.state": {"fr": "État", "en": "State"},
    "targets.median": {"fr": "Médiane", "en": "Median"},
    "targets.p95": {"fr": "95e centile", "en": "95th pct."},
    "targets.jitter": {"fr": "Gigue", "en": "Jitter"},
    "targets.loss": {"fr": "Pertes", "en": "Loss"},
    "targets.since": {"fr": "Depuis", "en": "Since"},
    "role.gateway": {"fr": "box", "en": "box"},
    "role.first_hop": {"fr": "premier saut de l’opérateur", "en": "operator’s first hop"},
    "role.internet": {"fr": "internet", "en": "internet"},
    "role.resolver": {"fr": "serveur de noms", "en": "name server"},
    "role.service": {"fr": "service", "en": "service"},
    "role.host": {"fr": "cet appareil", "en": "this device"},
    "services": {"fr": "Services", "en": "Services"},
    "services.note": {
        "fr": "Un service qui ne répond pas n’est pas une panne de la ligne.",
        "en": "A service that does not answer is no fault of the line.",
    },
    "services.certificate": {"fr": "Certificat jusqu’au", "en": "Certificate until"},
    "services.detail": {"fr": "Détail", "en": "Detail"},
    # -- notices
    "notices": {"fr": "À voir sur cet appareil", "en": "To see to on this device"},
    # -- foot
    "foot.version": {"fr": "netwatch {version}", "en": "netwatch {version}"},
    "foot.at": {"fr": "Page du {when}", "en": "Page of {when}"},
    "foot.uptime": {"fr": "en marche depuis {duration}", "en": "running for {duration}"},
    "foot.clock.true": {"fr": "horloge à l’heure", "en": "clock synchronised"},
    "foot.clock.false": {"fr": "horloge pas à l’heure", "en": "clock not synchronised"},
    "foot.clock.held": {
        "fr": "heure tenue depuis la dernière synchronisation",
        "en": "time kept since the clock was last synchronised",
    },
    "foot.store": {"fr": "registre {size}", "en": "books {size}"},
    "foot.written": {"fr": "{size} écrits aujourd’hui", "en": "{size} written today"},
    "foot.zone": {"fr": "heures de {zone}", "en": "times of {zone}"},
    "foot.missed": {"fr": "{count} sondes manquées", "en": "{count} probes missed"},
    "foot.metrics": {"fr": "Métriques", "en": "Metrics"},
    "foot.status": {"fr": "État (JSON)", "en": "Status (JSON)"},
    "foot.ledger": {"fr": "Registre (JSON)", "en": "Ledger (JSON)"},
    # -- the push
    "push": {"fr": "Envoi des mesures", "en": "Sending of the measurements"},
    "push.ok": {"fr": "Tout part.", "en": "All of it leaves."},
    "push.some": {"fr": "L’envoi rattrape, ou perd.", "en": "It catches up, or loses some."},
    "push.bad": {"fr": "Rien ne part.", "en": "Nothing leaves."},
    "push.unknown": {"fr": "Rien n’a encore été envoyé.", "en": "Nothing was sent yet."},
    "push.waiting": {
        "fr": "{duration} de mesures attendent, depuis {when}.",
        "en": "{duration} of measurements wait, since {when}.",
    },
    "push.nothing": {"fr": "Rien n’attend.", "en": "Nothing waits."},
    "push.unlooked": {
        "fr": "Ce qui attend n’a pas encore pu être compté.",
        "en": "What waits could not be counted yet.",
    },
    "push.sent": {
        "fr": "Points reçus par le serveur depuis le démarrage : {count}.",
        "en": "Points taken by the server since the start: {count}.",
    },
    "push.problem": {"fr": "Problème", "en": "Problem"},
    "push.note": {
        "fr": "Ce qui n’a pas pu partir reste sur cet appareil et part plus tard, à sa date.",
        "en": "What could not leave stays on this device and leaves later, under its own date.",
    },
    "page.main": {"fr": "Aller au contenu", "en": "Go to the content"},
    "page.other": {"fr": "English", "en": "Français"},
    "page.still": {"fr": "Ne plus actualiser la page", "en": "Stop refreshing the page"},
    "page.live": {"fr": "Actualiser toutes les 30 secondes", "en": "Refresh every 30 seconds"},
    "page.circuit": {"fr": "circuit {reference}", "en": "circuit {reference}"},
    **THROUGHPUT_WORDS,
}

MONTHS: Mapping[str, tuple[str, ...]] = {
    "fr": (
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}

WEEKDAYS: Mapping[str, tuple[str, ...]] = {
    "fr": ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
