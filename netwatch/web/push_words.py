"""The words of the page's sending of the measurements, in French and English.

Rule of this file: data, as `words`, which takes them in.
"""

from __future__ import annotations

from collections.abc import Mapping

PUSH_WORDS: Mapping[str, Mapping[str, str]] = {
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
}
