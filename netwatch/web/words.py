"""Every word of the page, in French and English.

Rule of this file: data. A word that is missing in one language is a defect that a
test finds; a key that is not here raises, so no page shows a key to a person.
Names in braces are filled in by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping

from netwatch.web.push_words import PUSH_WORDS
from netwatch.web.throughput_words import THROUGHPUT_WORDS
from netwatch.web.verdict_words import VERDICT_WORDS

LANGUAGES = ("fr", "en")

WORDS: Mapping[str, Mapping[str, str]] = {
    **VERDICT_WORDS,
    # -- since when
    "since": {"fr": "Depuis {when}, soit {duration}.", "en": "Since {when}, that is {duration}."},
    "since.held": {
        "fr": "Depuis {duration} (heure exacte inconnue).",
        "en": "For {duration} (the exact time is not known).",
    },
    # -- by when the contract wants the line restored
    "deadline.ahead": {
        "fr": "À rétablir avant {when}, selon le contrat.",
        "en": "To be restored by {when}, as the contract says.",
    },
    "deadline.passed": {
        "fr": "Devait être rétablie avant {when} : le délai du contrat est dépassé.",
        "en": "Was to be restored by {when}: the contract’s time is over.",
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
    **PUSH_WORDS,
    # -- the page itself
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
