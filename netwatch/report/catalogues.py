"""Keeps the message catalogues in step with the code: ``python -m netwatch.report.catalogues``.

Rule of this file: it finds every message of this package, adds what is new to the .po
files and drops what is gone. English says each message as it stands in the code; French
is written by hand, and what is not yet written is told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TextIO

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from netwatch.report.language import LANGUAGES

#: Functions whose first string is a message: ours are called ``_`` and ``plural``.
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "plural": (1, 2)}
_FOLDER = Path(__file__).parent

MessageId = str | tuple[str, str]


def read_messages(folder: Path = _FOLDER) -> Iterator[tuple[MessageId, str]]:
    """Every message of the code and templates, with the file that says it."""
    sources = [(path, "python") for path in sorted(folder.glob("*.py"))]
    sources += [
        (path, "jinja2.ext:babel_extract") for path in sorted(folder.glob("templates/*.html"))
    ]
    for path, method in sources:
        options = {"newstyle_gettext": "true", "trimmed": "true"}
        with path.open("rb") as stream:
            for _line, message, _comments, _context in extract(
                method, stream, keywords=_KEYWORDS, options=options
            ):
                yield (
                    message if isinstance(message, str) else (message[0], message[1]),
                    path.name,
                )


def read_catalogue(code: str, folder: Path = _FOLDER) -> Catalog:
    """A language's catalogue as it stands on disk."""
    return read_po(BytesIO(_path(code, folder).read_bytes()), locale=code)


def update_catalogue(code: str, folder: Path = _FOLDER) -> list[str]:
    """Bring one .po file in step; return the messages that are not translated yet."""
    old = read_catalogue(code, folder)
    new = Catalog(locale=code, project="netwatch", charset="utf-8", fuzzy=False)
    missing = []
    for message, source in read_messages(folder):
        known = old.get(message)
        translated = known.string if known is not None else ""
        if code == "en":
            translated = message
        if not translated or not all([translated] if isinstance(translated, str) else translated):
            missing.append(message if isinstance(message, str) else message[0])
            translated = "" if isinstance(message, str) else ("", "")
        new.add(message, translated, locations=[(source, 0)])
    stream = BytesIO()
    # No line numbers and no dates: the file changes only when a message does.
    write_po(stream, new, width=98, sort_output=True, include_lineno=False, omit_header=True)
    plural = "n > 1" if code == "fr" else "n != 1"
    header = (
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {code}\\n"\n"Plural-Forms: nplurals=2; plural=({plural});\\n"\n\n'
    )
    _path(code, folder).write_text(header + stream.getvalue().decode(), encoding="utf-8")
    return list(dict.fromkeys(missing))


def _path(code: str, folder: Path) -> Path:
    return folder / "locale" / code / "LC_MESSAGES" / "messages.po"


def main(out: TextIO = sys.stdout) -> int:
    """Update every catalogue; 1 when a message lacks its translation."""
    lacking = 0
    for code in LANGUAGES:
        for message in update_catalogue(code):
            lacking += 1
            out.write(f"{code}: not translated: {message}\n")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
