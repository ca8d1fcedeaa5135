"""Files that appear whole or not at all; what is no regular file is written through, never replaced."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from hwmodel.errors import InputError


def refusal(path: Path | str, error: OSError | ValueError, flag: str = "--out") -> InputError:
    """The refusal of a path, in one line and at most 200 letters of it."""
    named = str(path) if len(str(path)) <= 200 else str(path)[:197] + "..."
    why = error.strerror if isinstance(error, OSError) else "no path of this system"
    return InputError(f"cannot write {flag} {named!r}: {why}; choose a folder that exists and is writable")


def _mode(target: Path) -> int:
    """Permissions of the file to be: those of the one it replaces, else what the user's umask leaves."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def is_special(path: Path) -> bool:
    """Whether the path names a device, a pipe or a socket (directly or through a link)."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _meant(path: Path) -> Path:
    """The file that a link leads to; any other path itself. OSError where links lead in a circle."""
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


PIPE_WAIT_S = 5.0  # for somebody to read a pipe


def _opened(path: Path) -> int:
    """A device or pipe open for writing. OSError where nobody reads the pipe after a while."""
    end = time.monotonic() + PIPE_WAIT_S
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            os.set_blocking(handle, True)
            return handle


def write_whole(path: Path, text: str | bytes, flag: str = "--out") -> None:
    """Write `text` beside the target under a name of its own, then rename, so that no reader ever sees half a file.

    A link stays and its target is written; a device or pipe is written through. Raises InputError where it cannot be.
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    try:
        if is_special(path):
            with os.fdopen(_opened(path), "wb") as stream:
                stream.write(data)
            return
        target = _meant(path)
        mode = _mode(target)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".hwmodel.")
    except (OSError, ValueError) as error:
        raise refusal(path, error, flag) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        os.unlink(temporary)
        raise refusal(path, error, flag) from error


def write_files(texts: Mapping[Path, str | bytes]) -> None:
    """Write several files, all or none: what came into being is taken away where one cannot be written."""
    made: list[Path] = []
    for path, text in texts.items():
        fresh = not os.path.lexists(path)
        try:
            write_whole(path, text)
        except InputError:
            for earlier in made:
                earlier.unlink(missing_ok=True)
            raise
        if fresh:
            made.append(path)


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their path below a folder, which is made. Raises InputError if it cannot."""
    for name in texts:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no path of this system"
            raise InputError(f"cannot make the folder {path.parent}: {why}; name another one") from error
    write_files({folder / name: text for name, text in texts.items()})


def check_target(path: Path | None, flag: str = "--out") -> None:
    """Raise InputError before any work is done if the `path` of an option could not be written."""
    if path is None:
        return
    try:
        if path.is_dir():
            raise InputError(f"cannot write {flag} {path}: it is a folder; name a file in it")
        if is_special(path):
            return
        folder = _meant(path).parent
        if not folder.is_dir():
            raise InputError(f"cannot write {flag} {path}: no folder {folder}; create it or choose one that exists")
        # Asking for permission is not enough: a read-only or virtual file system refuses in its own way.
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:
        raise refusal(path, error, flag) from error
