"""The board in cells: every measured run as predicted without its source, by the shipped constants and by a constant
utilisation, with what it ran on. Written as accuracy.yaml, which answers read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import yaml

from hwmodel.catalog.writing import write_whole
from hwmodel.specs.accuracy import BoardCell
from hwmodel.validation.board.board import runs_file
from hwmodel.validation.board.files import validate_file
from hwmodel.validation.board.records import RowPrediction
from hwmodel.validation.board.score import constant_prediction, fit_constants, is_time
from hwmodel.version import __version__

HEADER = """\
# Measured runs in cells: kind, source, part, family, software, mixture, format, then errors in thousandths without the
# source, by the shipped constants, by a constant utilisation without the source; runs inside their 80 % interval.
# Written by `hwmodel calibrate --intervals`; answers say from it how right they are, docs/accuracy.md shows it.
"""
MOST = 99_999  # thousandths: an error a hundred times the value says no more


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity of a row as predicted without its source."""

    kind: str
    id: str
    metric: str  # "": the headline of the row
    log_seconds: float  # of measured over predicted; of seconds where a rate was measured
    inside: bool


def _thousandths(error: float) -> int:
    return min(round(1e3 * error), MOST)


def cells_of(held: Sequence[Held], predictions: Iterable[RowPrediction]) -> list[BoardCell]:
    """The held-out errors beside those of the shipped constants, by cell."""
    every = list(predictions)
    shipped = {(row.id, row.metric): row for row in every} | {(row.id, ""): row for row in every if row.headline}
    constant = _constant_errors(every)
    groups: dict[tuple[object, ...], list[tuple[Held, RowPrediction]]] = {}
    for one in held:
        row = shipped.get((one.id, one.metric))
        if row is None or row.predicted is None:
            continue
        fmt = row.baseline_key.rpartition("|")[2]
        key = (one.kind, row.source, row.part, row.family, row.software, row.mixture, fmt)
        groups.setdefault(key, []).append((one, row))
    return [_cell(key, pairs, constant) for key, pairs in sorted(groups.items(), key=lambda item: str(item[0]))]


def _ape(one: Held, row: RowPrediction) -> float:
    """Size of predicted over measured, less one."""
    seconds = is_time(row.metric) or row.metric == "peak_mem_gb"
    return abs(math.expm1(-one.log_seconds if seconds else one.log_seconds))


def _cell(
    key: tuple[object, ...], pairs: list[tuple[Held, RowPrediction]], constant: dict[tuple[str, str], float]
) -> BoardCell:
    names = ("kind", "source", "part", "family", "software", "mixture", "number_format")
    fields: dict[str, object] = dict(zip(names, key, strict=True))
    own = [constant[row.id, row.metric] for _, row in pairs if (row.id, row.metric) in constant]
    fields |= {
        "left_out": [_thousandths(_ape(one, row)) for one, row in pairs],
        "shipped": [_thousandths(abs((row.predicted or 0.0) / row.measured - 1.0)) for _, row in pairs],
        "constant": [_thousandths(error) for error in own],
        "inside": sum(one.inside for one, _ in pairs),
    }
    return msgspec.convert(fields, BoardCell)


def _constant_errors(rows: list[RowPrediction]) -> dict[tuple[str, str], float]:
    """Error of one utilisation a part and format on each headline quantity, fitted without the row's source."""
    scored = [row for row in rows if row.scored and row.headline and row.baseline_unit]
    out = {}
    for source in {row.source for row in scored}:
        constants = fit_constants([row for row in scored if row.source != source])
        for row in scored:
            value = constant_prediction(row, constants) if row.source == source else None
            if value is not None:
                out[row.id, row.metric] = abs(value / row.measured - 1.0)
    return out


def write_cells(cells: Sequence[BoardCell], path: Path) -> None:
    """accuracy.yaml, a line a cell."""
    rows = [[getattr(cell, name) for name in BoardCell.__struct_fields__] for cell in cells]
    plain = [[list(value) if isinstance(value, tuple) else value for value in row] for row in rows]
    lines = [yaml.safe_dump(row, default_flow_style=True, width=10**6).strip() for row in plain]
    body = "".join(f"- {line}\n" for line in lines)
    write_whole(path, f"{HEADER}code_version: {__version__}\ncells:\n{body}")


def held_whole_runs() -> list[Held]:
    """Whole runs by a factor fitted without their source."""
    board = validate_file(runs_file().with_name("whole.csv"), "source")
    return [
        Held(
            kind="whole", id=row.id, metric=row.metric, log_seconds=math.log(row.measured / row.predicted),
            inside=(row.low or 0.0) <= row.measured <= (row.high or math.inf),
        )
        for row in board.rows
        if row.scored and row.headline and row.predicted
    ]  # fmt: skip


def shipped_predictions(say: Callable[[str], None]) -> list[RowPrediction]:
    """Every shipped run by the shipped constants."""
    out: list[RowPrediction] = []
    for kind in ("training", "serving", "throughput", "whole"):
        say(f"board: {kind} runs by the shipped constants")
        out += validate_file(runs_file().with_name(f"{kind}.csv")).rows
    return out
