"""CSV files of measured runs: told apart by their header, read cell by cell."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import msgspec

from hwmodel.catalog.reading import csv_lines
from hwmodel.errors import InputError

Row = dict[str, str]

# Columns that a file of each kind must have; the first kind whose columns are all there is taken.
KINDS: dict[str, tuple[str, ...]] = {
    "training": ("id", "n_accel", "accelerator", "precision", "global_batch_seqs", "n_layers", "d_model"),
    "serving": ("id", "accelerator", "input_len", "output_len", "concurrency", "tpot_ms"),
    "throughput": ("id", "model", "n_accel", "accelerator", "metric", "value", "input_len"),
    "rl": ("gpus", "part", "prompts_per_step", "samples_per_prompt", "seconds_per_step"),
    "whole": ("id", "params_total", "tokens", "gpu"),
}


def file_kind(header: list[str], path: Path) -> str:
    """training | serving | throughput | rl | whole, by the header's columns. Raises InputError naming what lacks."""
    columns = set(header)
    for kind, needed in KINDS.items():
        if columns.issuperset(needed):
            return kind
    best = max(KINDS, key=lambda kind: len(columns.intersection(KINDS[kind])))
    missing = [name for name in KINDS[best] if name not in columns]
    raise InputError(
        f"{path}: the header is none of training_runs, serving_runs, throughput_runs, rl_steps, whole_runs; "
        f"nearest is {best}, which also needs: {', '.join(missing)}"
    )


def read_table(path: Path) -> tuple[str, list[Row]]:
    """Kind and rows of a CSV file. Raises InputError for a file that is missing, empty or of no known kind."""
    lines = [cells for _, cells in csv_lines(path) if cells]
    header = [name.strip() for name in lines[0]] if lines else []
    rows = [dict(zip_longest(header, (c.strip() for c in cells[: len(header)]), fillvalue="")) for cells in lines[1:]]
    if not header:
        raise InputError(f"{path} is empty; it needs a header line and rows like catalogs/runs/training.csv")
    kind = file_kind(header, path)
    if not rows:
        raise InputError(f"{path} has a header but no rows")
    return kind, rows


Record = TypeVar("Record", bound=msgspec.Struct)


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Rows of a shipped file whose columns are known, blank cells left to the defaults of the record. Raises InputError
    naming the line and the cell that does not hold what the record wants."""
    (_, header), *lines = csv_lines(path)
    return [_record(path, line, dict(zip(header, cells, strict=True)), kind) for line, cells in lines if cells]


def _record(path: Path, line: int, row: Row, kind: type[Record]) -> Record:
    try:
        return msgspec.convert({name: cell for name, cell in row.items() if cell}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{path.name}:{line}: {error}") from error


class CellError(ValueError):
    """A cell that cannot be read; the row is refused with this reason."""


_BLANK = ("nan", "none", "null", "n/a", "na", "-", "<na>")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")


def text(row: Row, name: str) -> str:
    """The cell as text; empty for a blank or missing one."""
    value = row.get(name, "")
    return "" if value.lower() in _BLANK else value


def stated(row: Row, name: str) -> str:
    """The cell of a column whose word `none` is a setting (no recomputation, no sharding), not a blank."""
    value = row.get(name, "")
    return value if value.lower() == "none" else text(row, name)


LARGEST = 1e60  # of any quantity of a run, FLOPs of the largest included


def number(row: Row, name: str) -> float | None:
    """The cell as a finite number; None for a blank or missing one; CellError for anything else."""
    cell = text(row, name)
    if not cell:
        return None
    try:
        value = float(cell.replace(",", "") if _THOUSANDS.fullmatch(cell) else cell)
    except ValueError as error:
        raise CellError(f"{name} is not a number: {cell!r}") from error
    if not math.isfinite(value):
        raise CellError(f"{name} is not finite: {cell!r}")
    if abs(value) > LARGEST:
        raise CellError(f"{name} is {value:g}, beyond any run")
    return value


def positive(row: Row, name: str) -> float | None:
    """A number above zero; None for blank; CellError otherwise."""
    value = number(row, name)
    if value is not None and value <= 0:
        raise CellError(f"{name} must be above zero, is {value:g}")
    return value


def measured(row: Row, name: str) -> float | None:
    """A measured result if the cell holds one above zero; None otherwise. Never read by a prediction."""
    try:
        return positive(row, name)
    except CellError:
        return None


def content(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    """What a row states in the columns `names`, numbers in one spelling: equal for rows that say the same."""

    def cell(name: str) -> str:
        """The cell in one spelling."""
        try:
            value = number(row, name)
        except CellError:
            return text(row, name).lower()
        return "" if value is None else f"{value:.6g}"

    return tuple(cell(name) for name in names)
