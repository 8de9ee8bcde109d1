"""Files that another program reads while they are written.

Rule of this file: a reader finds the old file or the new one, never a part, and so with a
whole folder; a file that would say the same is left alone, so that its reader is not made to
load it again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netwatch.errors import UsageError


def write_atomically(path: Path, text: str) -> bool:
    """Put the text in the place of the file; whether anything changed.

    The new file keeps the old one's mode; a first one is readable by all, as Prometheus
    runs as a user of its own. Raises UsageError where it cannot be written: the old file
    is then as it was.
    """
    content = text.encode()
    try:
        if path.is_file() and path.read_bytes() == content:
            return False
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    return True


@contextmanager
def new_folder(output: Path, marker: str, what: str) -> Iterator[Path]:
    """A folder to write into, which takes the place of ``output`` when all went well.

    One that is there already is replaced if it holds the file ``marker``, as ``what`` does;
    with other things in it it is refused. Whatever goes wrong, ``output`` is as it was and
    nothing lies beside it. Raises UsageError for that and for the disk.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file: give --output a folder")
    if output.is_dir() and any(output.iterdir()) and not (output / marker).exists():
        raise UsageError(
            f"{output}: holds other things: give --output a new folder, or that of {what}"
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
        try:
            staging.chmod(0o755)
            yield staging
            _replace_folder(staging, output)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise UsageError(
            f"{error.filename or output}: cannot be written: {error.strerror or error}"
        ) from None


def _replace_folder(new: Path, output: Path) -> None:
    if not output.exists():
        new.replace(output)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    output.replace(old)
    try:
        new.replace(output)
    except OSError:
        old.replace(output)
        raise
    shutil.rmtree(old, ignore_errors=True)
