"""A user's training runs as columns: parameters, tokens, compute, loss. Every bad cell is an error with its line."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InputError, unknown

Array = NDArray[np.float64]

# column of a run -> names it goes by, first match wins
ALIASES: Mapping[str, Sequence[str]] = {
    "params": ("params", "N", "n_params", "parameters"),
    "tokens": ("tokens", "D", "n_tokens"),
    "flop": ("flop", "flops", "C", "compute"),
    "loss": ("loss", "L", "loss_nats", "val_loss_nats", "val_loss", "final_loss"),
    "unique_tokens": ("unique_tokens", "U"),
}
SWITCH = re.compile(r"use|used|used_\w+", re.IGNORECASE)
MAX_ROWS = 1_000_000


class LossRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length; a column that the file lacks is None. `notes` say what was left out and why."""

    loss: Array
    params: Array | None
    tokens: Array | None
    flop: Array | None
    unique_tokens: Array | None
    notes: tuple[str, ...]

    def need(self, name: str) -> Array:
        """A column, or an InputError that says how to name it. Tokens and FLOPs follow from each other by 6 N D."""
        column: Array | None = getattr(self, name)
        if column is None and name == "tokens" and self.flop is not None and self.params is not None:
            return self.flop / (6.0 * self.params)
        if column is None and name == "flop" and self.tokens is not None and self.params is not None:
            return 6.0 * self.params * self.tokens
        if column is None:
            raise InputError(
                f"the runs have no column for {name}; one of {', '.join(ALIASES[name])} is read, or name it with "
                f"--column {name}=HEADER"
            )
        return column


def read_runs(
    path: Path, columns: Mapping[str, str] | None = None, where: Mapping[str, str] | None = None, *,
    skip_bad: bool = False, all_rows: bool = False,
) -> LossRuns:  # fmt: skip
    """Read a CSV of runs.

    `columns` maps a quantity to its header; `where` keeps rows whose column has the value. A column `use`, `used` or
    `used_...` that says 0 leaves its row out, with a note, unless `all_rows`. Empty, non-numeric and non-positive cells
    raise InputError with line and column, or drop the row under `skip_bad`. Exact duplicates are dropped with a note.
    """
    header, lines = _lines(path)
    places = _places(header, columns or {}, path)
    switch = None if all_rows else next((i for i, h in enumerate(header) if SWITCH.fullmatch(h)), None)
    kept: dict[tuple[float, ...], None] = {}  # a set in the order of the file
    bad = duplicates = switched = 0
    for number, line in lines:
        if not _chosen(line, header, where or {}, path):
            continue
        if _switched_off(line, switch):
            switched += 1
            continue
        try:
            row = tuple(_cell(line, place, name, number, path) for name, place in places.items())
        except InputError:
            if not skip_bad:
                raise
            bad += 1
            continue
        duplicates += row in kept
        kept[row] = None
    if not kept:
        raise InputError(f"{path}: no runs left to read; check --where and the file")
    table = np.array(list(kept))
    found: dict[str, Any] = dict.fromkeys(ALIASES)
    found |= {name: table[:, i] for i, name in enumerate(places)}
    notes = [f"{switched} rows left out: {header[switch or 0]} says so (--all-rows keeps them)"] if switched else []
    notes += [f"{bad} rows with missing or invalid cells left out"] if bad else []
    notes += [f"{duplicates} exact duplicates of earlier rows left out"] if duplicates else []
    return LossRuns(**found, notes=tuple(notes))


def _switched_off(line: list[str], switch: int | None) -> bool:
    """Whether the row's own column `use` or `used_...` says to leave it out."""
    return switch is not None and switch < len(line) and line[switch].strip().lower() in ("0", "no", "false")


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the lines that are not empty, with their numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            lines = [(reader.line_num, line) for line, _ in zip(reader, range(MAX_ROWS + 1)) if any(line)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV file: {error}") from error
    if not header:
        raise InputError(f"{path}: empty; a header line with columns such as N,D,loss is needed")
    if len(lines) > MAX_ROWS:
        raise InputError(f"{path}: more than {MAX_ROWS} rows")
    return [h.strip() for h in header], lines


def _places(header: list[str], columns: Mapping[str, str], path: Path) -> dict[str, int]:
    """The place of each quantity's column."""
    strange = next((name for name in columns if name not in ALIASES), None)
    if strange is not None:
        raise unknown("quantity of --column", strange, ALIASES)
    places = {}
    for name, headers in ALIASES.items():
        wanted = [columns[name]] if name in columns else headers
        place = next((header.index(h) for h in wanted if h in header), None)
        if place is not None:
            places[name] = place
        elif name in columns:
            raise InputError(f"{path}: no column {columns[name]!r} for {name}; the file has {', '.join(header)}")
    if "loss" not in places:
        raise InputError(f"{path}: no column for loss; name it with --column loss=HEADER (has {', '.join(header)})")
    return places


def _chosen(line: list[str], header: list[str], where: Mapping[str, str], path: Path) -> bool:
    """Whether the row has the values asked for."""
    for name, value in where.items():
        if name not in header:
            raise InputError(f"{path}: --where names column {name!r}; the file has {', '.join(header)}")
        place = header.index(name)
        if place >= len(line) or line[place].strip() != value:
            return False
    return True


def _cell(line: list[str], place: int, name: str, number: int, path: Path) -> float:
    """A positive number, or an InputError that says where it is missing."""
    text = line[place].strip() if place < len(line) else ""
    where = f"{path}, line {number}, column {name}"
    remedy = "mend the cell, or leave such rows out with --skip-bad"
    if not text:
        raise InputError(f"{where}: empty; {remedy}")
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{where}: {text[:40]!r} is not a number; {remedy}") from None
    if not math.isfinite(value) or value <= 0.0:
        raise InputError(f"{where}: {text[:40]} must be a positive number; {remedy}")
    return value
