"""What the page says of each notice, and what to do about it, in French and English.

Rule of this file: data. Keys are those of ``Snapshot.notices``.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Sentence and remedy.
NOTICES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "clock_unsynchronised": {
        "fr": (
            "L’horloge n’est pas synchronisée : l’heure affichée peut être fausse.",
            "Ce qui est mesuré sera daté dès qu’elle le sera, et reste inconnu si l’appareil s’éteint avant. "
            "Ouvrir l’accès à un serveur de temps (NTP).",
        ),
        "en": (
            "The clock is not synchronised: the time shown may be wrong.",
            "What is measured will be dated once it is, and stays unknown if the device is switched off "
            "before. Give access to a time server (NTP).",
        ),
    },
    "clock_held": {
        "fr": (
            "L’horloge n’est plus comparée à un serveur de temps.",
            "Les mesures restent datées, à 9 s près par jour. Si la ligne marche, ouvrir l’accès à un "
            "serveur de temps (NTP).",
        ),
        "en": (
            "The clock is no longer compared with a time server.",
            "Measurements keep their dates, to within 9 s a day. If the line works, give access to a "
            "time server (NTP).",
        ),
    },
    "icmp_refused": {
        "fr": (
            "Le système refuse les sondes ICMP ; des connexions TCP les remplacent.",
            "Donner CAP_NET_RAW au service, ou élargir net.ipv4.ping_group_range.",
        ),
        "en": (
            "The system refuses ICMP probes; TCP connections stand in for them.",
            "Give the service CAP_NET_RAW, or widen net.ipv4.ping_group_range.",
        ),
    },
    "icmp_filtered": {
        "fr": (
            "Un pare-feu jette les sondes ICMP ; des connexions TCP les remplacent.",
            "Laisser passer les échos ICMP (ping) de cet appareil : les temps de réponse seront plus justes.",
        ),
        "en": (
            "A firewall drops ICMP probes; TCP connections stand in for them.",
            "Let this device’s ICMP echoes (ping) pass: response times will be truer.",
        ),
    },
    "disk_full": {
        "fr": (
            "La carte est pleine : plus rien n’est enregistré.",
            "Libérer de la place ; les mesures en mémoire seront écrites ensuite.",
        ),
        "en": (
            "The card is full: nothing is recorded any more.",
            "Free some space; what is in memory will be written then.",
        ),
    },
    "disk_read_only": {
        "fr": (
            "La carte est en lecture seule : plus rien n’est enregistré.",
            "Les mesures restent en mémoire. Lire « dmesg » : une carte qui faiblit est à remplacer.",
        ),
        "en": (
            "The card is read-only: nothing is recorded any more.",
            "Measurements stay in memory. Read `dmesg`: a card that fails must be replaced.",
        ),
    },
    "store_dropped": {
        "fr": (
            "La mémoire n’a pas suffi : des mesures anciennes ont été abandonnées.",
            "Les durées d’état sont gardées en dernier ; rétablir l’écriture sur la carte.",
        ),
        "en": (
            "Memory did not suffice: old measurements were given up.",
            "Spans of verdicts are kept longest; have the card written again.",
        ),
    },
    "store_failing": {
        "fr": (
            "Le registre ne peut pas être écrit ou lu.",
            "Lire le journal de cet appareil ; vérifier la carte.",
        ),
        "en": (
            "The books cannot be written or read.",
            "Read this device’s log; check the card.",
        ),
    },
    "store_set_aside": {
        "fr": (
            "Le registre était abîmé : il a été mis de côté et un nouveau est commencé.",
            "Garder l’ancien fichier, nommé dans le journal : il peut souvent être relu.",
        ),
        "en": (
            "The books were damaged: they were set aside and new ones begun.",
            "Keep the old file, named in the log: it can often be read again.",
        ),
    },
    "loop_stalled": {
        "fr": (
            "L’agent ne mesure plus : cette page est ancienne.",
            "Redémarrer le service netwatch et garder son journal.",
        ),
        "en": (
            "The agent has ceased to measure: this page is old.",
            "Restart the netwatch service and keep its log.",
        ),
    },
    "sends_late": {
        "fr": (
            "Les sondes partent en retard : cet appareil est surchargé.",
            "Regarder ce qui d’autre y tourne.",
        ),
        "en": (
            "Probes leave late: this device is overloaded.",
            "See what else runs on it.",
        ),
    },
    "gateway_unknown": {
        "fr": (
            "La box n’a pas été trouvée.",
            'Donner son adresse : [[target]] role = "gateway".',
        ),
        "en": (
            "The box was not found.",
            'Give its address: [[target]] role = "gateway".',
        ),
    },
    "first_hop_unknown": {
        "fr": (
            "Le premier équipement de l’opérateur n’a pas été trouvé : accès et cœur de réseau ne peuvent "
            "être distingués.",
            'Donner son adresse : [[target]] role = "first_hop".',
        ),
        "en": (
            "The operator’s first hop was not found: access and core cannot be told apart.",
            'Give its address: [[target]] role = "first_hop".',
        ),
    },
    "few_targets": {
        "fr": (
            "Moins de trois cibles internet : une coupure ne peut pas être prononcée sûrement.",
            "Ajouter des [[target]] de propriétaires différents.",
        ),
        "en": (
            "Fewer than three internet targets: an outage cannot be told with certainty.",
            "Add [[target]] of different owners.",
        ),
    },
    "captive_portal": {
        "fr": (
            "Un portail captif intercepte les connexions.",
            "Dispenser cet appareil du portail.",
        ),
        "en": (
            "A captive portal intercepts connections.",
            "Exempt this device from the portal.",
        ),
    },
    "ipv6_down": {
        "fr": (
            "IPv6 ne répond plus, IPv4 si.",
            "Le signaler à l’opérateur : certains sites s’ouvrent lentement.",
        ),
        "en": (
            "IPv6 does not answer, IPv4 does.",
            "Tell the operator: some websites open slowly.",
        ),
    },
    "configuration_refused": {
        "fr": (
            "La configuration publiée par la ville est refusée par cet appareil ; la précédente reste en vigueur.",
            "« netwatch status » dit pourquoi ; publier une version corrigée.",
        ),
        "en": (
            "The configuration that the town publishes is refused by this device; the one before it holds.",
            "`netwatch status` says why; publish a corrected version.",
        ),
    },
    "configuration_untrusted": {
        "fr": (
            "Ce qui est servi comme configuration n’est pas signé par la ville, ou n’est pas pour cet appareil.",
            "« netwatch status » dit ce qui ne va pas ; rien n’en a été pris.",
        ),
        "en": (
            "What is served as the configuration is not signed by the town, or not for this device.",
            "`netwatch status` says what is wrong; nothing of it was taken.",
        ),
    },
    "configuration_unreachable": {
        "fr": (
            "La configuration publiée par la ville ne peut plus être lue depuis plus d’un jour.",
            "« netwatch status » dit pourquoi ; les mesures continuent avec la dernière bonne.",
        ),
        "en": (
            "The configuration that the town publishes could not be read for more than a day.",
            "`netwatch status` says why; measuring goes on with the last good one.",
        ),
    },
}

#: For a notice that this page has no words for.
OTHER_NOTICE: Mapping[str, tuple[str, str]] = {
    "fr": ("L’agent signale : {key}.", "Lire le journal de cet appareil."),
    "en": ("The agent reports: {key}.", "Read this device’s log."),
}
