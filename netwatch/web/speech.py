"""Which language, and which words of it.

Rule of this file: pure look-ups in the tables. It knows no page.
"""

from __future__ import annotations

from netwatch.web.words import LANGUAGES, WORDS


def say(lang: str, key: str, **names: object) -> str:
    """The words of ``key`` in ``lang``; KeyError when there are none.

    >>> say("en", "node.some", answering=4, asked=6)
    '4 of 6 answer'
    """
    text = WORDS[key][lang]
    return text.format(**names) if names else text


def say_finest(lang: str, *parts: str | None) -> str:
    """The words of the longest key that exists: ``why.unknown.local.carrier``, else without the last.

    >>> say_finest("en", "cause", "access", "no_such_reason")
    'operator’s access network'
    """
    known = [part for part in parts if part is not None]
    while len(known) > 1:
        key = ".".join(known)
        if key in WORDS:
            return WORDS[key][lang]
        known.pop()
    return WORDS[known[0]][lang]


def choose_language(wanted: str | None, accept_language: str) -> str:
    """``wanted`` if it is one of ours, else the browser's best liked of ours, else English.

    >>> choose_language(None, "de, fr-CH;q=0.8, en;q=0.5")
    'fr'
    >>> choose_language("en", "fr")
    'en'
    """
    if wanted in LANGUAGES:
        return str(wanted)
    best, liked = "en", 0.0
    for part in accept_language.split(","):
        name, _, quality = part.partition(";")
        language = name.strip().lower().split("-")[0]
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        if language in LANGUAGES and weight > liked:
            best, liked = language, weight
    return best
