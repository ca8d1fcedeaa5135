"""A file or pipe that a user names: read once, at most so many bytes, UTF-8; every failure one line with its name."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hwmodel.errors import HwModelError, InputError

MOST_BYTES = 64_000_000
MOST_CELL = 1_000_000  # letters of one cell of a table
_PIPES: dict[tuple[int, int], bytes] = {}  # what came through a pipe (`<(...)`), which gives it once


def _bytes(path: Path, most: int) -> bytes:
    """At most one byte more than `most`, of a device that never ends too; OSError where nothing can be read."""
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(0, "it is a folder; name a file in it")
    key = (state.st_dev, state.st_ino)
    if stat.S_ISFIFO(state.st_mode) and key in _PIPES:
        return _PIPES[key]
    with path.open("rb") as stream:
        data = stream.read(most + 1)
    if stat.S_ISFIFO(state.st_mode):
        _PIPES[key] = data
    return data


def text_of(
    path: Path, option: str = "", most: int = MOST_BYTES, fault: type[HwModelError] = InputError, errors: str = "strict"
) -> str:
    """The text, with `\\n` at the ends of its lines and without a byte order mark.

    `option` (`--prices`) stands before the path in a refusal. Raises `fault` for what is missing, a folder, longer than
    `most` bytes or no UTF-8 (with `errors="replace"`, odd bytes are replaced).
    """
    named = f"{option} {path}".strip()
    try:
        data = _bytes(path, most)
        if len(data) > most:
            raise fault(f"{named}: too large: at most {most:,} bytes are read")
        return data.decode("utf-8-sig", errors).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise fault(f"{named}: not UTF-8 text (byte {error.start})") from error
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error.args[-1])
        raise fault(f"{named}: cannot be read: {why}") from error


def csv_lines(path: Path, option: str = "") -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each line of a CSV file. Raises InputError for what is none."""
    before = csv.field_size_limit(MOST_CELL)
    reader = csv.reader(io.StringIO(text_of(path, option), newline=""))
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{option} {path}: line {reader.line_num} is not CSV: {error}".strip()) from error
    finally:
        csv.field_size_limit(before)
