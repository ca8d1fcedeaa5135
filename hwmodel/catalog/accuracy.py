"""The board of measured runs as a compiled table (`accuracy.yaml`): read when an answer says how right it is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.specs.accuracy import BoardCell

FIELDS = BoardCell.__struct_fields__


class _Board(msgspec.Struct, frozen=True, kw_only=True):
    cells: tuple[tuple[object, ...], ...]  # FIELDS of each


@cache
def board_cells(directory: Path | None = None) -> tuple[BoardCell, ...]:
    """Every cell of the committed board."""
    data = read_calibration((directory or calibrations_dir()) / "accuracy.yaml", _Board)
    return msgspec.convert([dict(zip(FIELDS, row, strict=True)) for row in data.cells], tuple[BoardCell, ...])
