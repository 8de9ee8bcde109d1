"""The words for a verdict, its cause, who is at fault and what to do, in French and English.

Rule of this file: data, as `words`, which takes them in.
"""

from __future__ import annotations

from collections.abc import Mapping

VERDICT_WORDS: Mapping[str, Mapping[str, str]] = {
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
}
