"""A user's training runs as columns: parameters, tokens, compute, loss. Every bad cell is an error with its line."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.reading import csv_lines
from hwmodel.errors import InputError
from hwmodel.interop.loss_columns import ALIASES, SIZES, FoundColumn, find_columns

Array = NDArray[np.float64]

SWITCH = re.compile(r"use|used|used_\w+", re.IGNORECASE)
MAX_ROWS = 1_000_000


class LossRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length in SI units; a quantity that the file lacks is None.

    `taken` says which header gave which quantity, `convention` how the size counts parameters, `notes` what was left
    out and why, `lines` the line of each run in its file; `others` holds the cells of all other columns as text.
    """

    loss: Array
    params: Array | None = None
    tokens: Array | None = None
    flop: Array | None = None
    unique_tokens: Array | None = None
    budget: Array | None = None
    notes: tuple[str, ...]
    taken: tuple[FoundColumn, ...] = ()
    convention: str = "total"
    lines: tuple[int, ...] = ()
    others: dict[str, tuple[str, ...]] = {}

    def need(self, name: str) -> Array:
        """A column, or an InputError that says how to name it.

        Tokens and FLOPs follow from each other by 6 N D; a nominal budget stands in for compute that is not given.
        """
        column: Array | None = getattr(self, name)
        compute = self.budget if self.flop is None else self.flop
        if column is not None:
            return column
        if name == "tokens" and compute is not None and self.params is not None:
            return compute / (6.0 * self.params)
        if name == "flop" and self.tokens is not None and self.params is not None:
            return 6.0 * self.params * self.tokens
        if name == "flop" and self.budget is not None:
            return self.budget
        known = [*ALIASES[name][:5], *(SIZES["non_embedding"][:1] if name == "params" else ())]
        raise InputError(
            f"the runs have no column for {name}; one of {', '.join(known)} is read, or name it with "
            f"--column {name}=HEADER"
        )


def read_runs(
    path: Path, columns: Mapping[str, str] | None = None, where: Mapping[str, str] | None = None, *,
    units: Mapping[str, str] | None = None, convention: str | None = None, skip_bad: bool = False,
    all_rows: bool = False,
) -> LossRuns:  # fmt: skip
    """Read a CSV of runs.

    `columns` maps a quantity to its header, `units` to its unit (`flop` to `GFLOP`); `where` keeps rows whose column
    has the value. A column `use`, `used` or `used_...` that says 0 leaves its row out, with a note, unless
    `all_rows`. Empty, non-numeric and non-positive cells raise InputError with line and column, or drop the row under
    `skip_bad`. Rows that are alike in every quantity are dropped with a note.
    """
    header, lines = _lines(path)
    found, counted = find_columns(header, columns or {}, units or {}, convention, str(path))
    if "loss" not in found:
        raise _without_loss(header, path)
    switch = None if all_rows else next((i for i, h in enumerate(header) if SWITCH.fullmatch(h)), None)
    asked = [(number, line) for number, line in lines if _chosen(line, header, where or {}, path)]
    used = [(number, line) for number, line in asked if not _switched_off(line, switch)]
    kept, left_out = _distinct(used, list(found.values()), path, skip_bad)
    if not kept:
        raise InputError(f"{path}: no runs left to read; check --where and the file")
    table = np.array(list(kept))
    quantities = {name: table[:, i] for i, name in enumerate(found)}
    chosen = [used[place] for place in kept.values()]
    return LossRuns(
        **quantities,
        notes=_notes({"switched": len(asked) - len(used), **left_out}, header[switch or 0]),
        taken=tuple(found.values()),
        convention=counted,
        lines=tuple(number for number, _ in chosen),
        others=_others(
            header, chosen, {column.place for column in found.values()} | {-1 if switch is None else switch}
        ),
    )


def _without_loss(header: list[str], path: Path) -> InputError:
    """The refusal of a file without losses, with the column that may hold them."""
    near = [name for name in header if "loss" in name.lower() or "perplexity" in name.lower()]
    example = near[0] if near else "HEADER"
    return InputError(
        f"{path}: no column for loss; name it with --column loss={example} (has {', '.join(near or header)})"
    )


def _distinct(
    lines: list[tuple[int, list[str]]], columns: list[FoundColumn], path: Path, skip_bad: bool
) -> tuple[dict[tuple[float, ...], int], dict[str, int]]:
    """The rows that differ, in the order of the file, with their places in `lines`; how many were dropped, and why."""
    kept: dict[tuple[float, ...], int] = {}
    left_out = {"bad": 0, "duplicates": 0}
    for place, (number, line) in enumerate(lines):
        try:
            row = tuple(_cell(line, column, number, path) for column in columns)
        except InputError:
            if not skip_bad:
                raise
            left_out["bad"] += 1
            continue
        left_out["duplicates"] += row in kept
        kept.setdefault(row, place)
    return kept, left_out


def _notes(left_out: Mapping[str, int], switch: str) -> tuple[str, ...]:
    """What was left out, in sentences."""
    texts = {
        "switched": f"rows left out: {switch} says so (--all-rows keeps them)",
        "bad": "rows with missing or invalid cells left out",
        "duplicates": "exact duplicates of earlier rows left out",
    }
    return tuple(f"{count} {texts[why]}" for why, count in left_out.items() if count)


def _others(header: list[str], lines: list[tuple[int, list[str]]], taken: set[int]) -> dict[str, tuple[str, ...]]:
    """The cells of the columns that hold no quantity, as text."""
    return {
        name: tuple(line[place].strip() if place < len(line) else "" for _, line in lines)
        for place, name in enumerate(header)
        if place not in taken and name
    }


def _switched_off(line: list[str], switch: int | None) -> bool:
    """Whether the row's own column `use` or `used_...` says to leave it out."""
    return switch is not None and switch < len(line) and line[switch].strip().lower() in ("0", "no", "false")


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the lines that are not empty, with their numbers."""
    reader = csv_lines(path)
    _, header = next(reader, (1, []))
    lines = [(number, line) for number, line in islice(reader, MAX_ROWS + 1) if any(line)]
    if not header:
        raise InputError(f"{path}: empty; a header line with columns such as N,D,loss is needed")
    if len(lines) > MAX_ROWS:
        raise InputError(f"{path}: more than {MAX_ROWS} rows")
    return [h.strip() for h in header], lines


def _chosen(line: list[str], header: list[str], where: Mapping[str, str], path: Path) -> bool:
    """Whether the row has the values asked for."""
    for name, value in where.items():
        if name not in header:
            raise InputError(f"{path}: --where names column {name!r}; the file has {', '.join(header)}")
        place = header.index(name)
        if place >= len(line) or line[place].strip() != value:
            return False
    return True


def _cell(line: list[str], column: FoundColumn, number: int, path: Path) -> float:
    """A positive number in SI, or an InputError that says where it is missing."""
    text = line[column.place].strip() if column.place < len(line) else ""
    where = f"{path}, line {number}, column {column.quantity}"
    remedy = "mend the cell, or leave such rows out with --skip-bad"
    if not text:
        raise InputError(f"{where}: empty; {remedy}")
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{where}: {text[:40]!r} is not a number; {remedy}") from None
    if not math.isfinite(value) or value <= 0.0:
        raise InputError(f"{where}: {text[:40]} must be a positive number; {remedy}")
    return column.to_si(value)
