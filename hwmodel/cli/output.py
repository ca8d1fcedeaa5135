"""Where a result goes: stdout or a file that appears whole or not at all."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from hwmodel.errors import InputError


def _unwritable(path: Path, error: OSError, flag: str = "--out") -> InputError:
    """The refusal of a path."""
    return InputError(f"cannot write {flag} {path}: {error.strerror}; choose a folder that exists and is writable")


def write_text(path: Path, text: str) -> None:
    """Write beside the target, then rename, so that no reader ever sees half a file. Raises InputError if it cannot."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise _unwritable(path, error) from error


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their path below a folder, which is made. Raises InputError if it cannot."""
    for name, text in texts.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {path.parent}: {error.strerror}; name another one") from error
        write_text(path, text)


def emit(text: str, out: Path | None) -> None:
    """Print the result, or put it into `out`."""
    text = text if text.endswith("\n") else text + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)


def note(message: str, *, quiet: bool = False) -> None:
    """A line for the person, on stderr."""
    if not quiet:
        click.echo(message, err=True)


def check_writable(path: Path | None, flag: str = "--out") -> None:
    """Raise InputError before any work is done if the `path` of an option could not be written."""
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"cannot write {flag} {path}: it is a folder; name a file in it")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"cannot write {flag} {path}: no folder {folder}; create it or choose one that exists")
    try:
        # Asking for permission is not enough: a read-only or virtual file system refuses in its own way.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _unwritable(path, error, flag) from error


def json_text(data: object, *, sort_keys: bool = False) -> str:
    """Indented JSON with null for what is not finite."""
    import json

    return json.dumps(_finite(data), indent=2, ensure_ascii=False, sort_keys=sort_keys)


def _finite(data: object) -> object:
    """Plain data with None for what is not finite."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return data
