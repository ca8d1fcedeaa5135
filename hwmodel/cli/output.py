"""Where a result goes: stdout or a file that appears whole or not at all."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from hwmodel.catalog.writing import check_target, write_files, write_folder, write_whole
from hwmodel.errors import InputError


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all. Raises InputError if it cannot."""
    write_whole(path, text)


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their path below a folder, which is made. Raises InputError if it cannot."""
    write_folder(folder, texts)


def emit(text: str, out: Path | None, beside: Mapping[Path, bytes] | None = None) -> None:
    """Print the result, or put it into `out` with the files `beside` it, all or none.

    Raises InputError where a file or stdout takes nothing.
    """
    text = text if text.endswith("\n") else text + "\n"
    if out is not None:
        write_files({**(beside or {}), out: text})
        return
    if sys.stdout is None:
        raise InputError("cannot write the result: standard output is closed; name a file with --out")
    try:
        click.echo(text, nl=False)
        sys.stdout.flush()
    except UnicodeEncodeError as error:
        raise InputError(
            f"standard output ({error.encoding}) cannot show {error.object[error.start]!r}; name a file with --out"
        ) from error


def note(message: str, *, quiet: bool = False) -> None:
    """A line for the person, on stderr."""
    if not quiet:
        click.echo(message, err=True)


def check_writable(path: Path | None, flag: str = "--out") -> None:
    """Raise InputError before any work is done if the `path` of an option could not be written."""
    check_target(path, flag)


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
