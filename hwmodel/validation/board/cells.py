"""The board in cells: every measured run as predicted without its source, by the shipped constants and by a constant
utilisation, with what it ran on. Written as accuracy.yaml, which answers and docs/accuracy.md read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import yaml

from hwmodel.catalog.writing import write_whole
from hwmodel.specs.accuracy import BoardCell
from hwmodel.validation.board.board import runs_file
from hwmodel.validation.board.files import validate_file
from hwmodel.validation.predicted.records import RowPrediction
from hwmodel.validation.predicted.score import constant_prediction, fit_constants, is_time
from hwmodel.version import __version__

HEADER = """\
# Measured runs in cells: kind, source, part, family, software, mixture, format, then predicted over measured less one,
# in thousandths: without the source, by the shipped constants, by a constant utilisation without the source; at last
# how many lie inside their 80 % interval, and how many more were refused. Written by `hwmodel calibrate --intervals`,
# for answers and docs/accuracy.md.
"""
MOST = 99_999  # thousandths: an error a hundred times the value says no more
# Kinds whose boards leave sources out by themselves, and their files; the others come of residuals of the fits.
BY_BOARD = {"whole": "whole", "rl": "rl_steps"}
FILES = ("training", "serving", "throughput", *BY_BOARD.values())
SEARCHED = "searched"  # its rows are those of training, which the shipped constants answer as printed
# Kinds of the other files by metric; "": the headline of a row.
KINDS_OF = {"serving": {"tpot_ms": "tpot", "ttft_ms": "ttft"}, "throughput": {"": "throughput"},
            "training": {"": "training", "peak_mem_gb": "memory"}}  # fmt: skip
FORMLESS = tuple(BY_BOARD)  # kinds whose rows name no number format


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity of a row as predicted without its source, with the ends of the interval then given."""

    kind: str
    id: str
    metric: str  # "": the headline of the row
    left: str  # what had no part in the fit: the source; for a latency its model on its engine
    log_seconds: float  # of measured over predicted; of seconds where a rate was measured
    down: float  # natural logs of predicted over low and of high over predicted, of seconds too
    up: float

    @property
    def inside(self) -> bool:
        """Whether the measured value lies in the interval."""
        return -self.down <= self.log_seconds <= self.up


Pair = tuple[Held, RowPrediction]
Key = tuple[str, str, str]  # kind, id, metric


def key_of(one: Held) -> Key:
    """What tells a measured quantity from all others."""
    return one.kind, one.id, one.metric


def paired(held: Sequence[Held], predictions: Iterable[RowPrediction]) -> list[Pair]:
    """The held-out quantities that the shipped constants answer too, each with that answer."""
    every = list(predictions)
    shipped = {(row.id, row.metric): row for row in every} | {(row.id, ""): row for row in every if row.headline}
    found = ((one, shipped.get((one.id, one.metric))) for one in held)
    return [(one, row) for one, row in found if row is not None and row.predicted is not None]


def refusals(predictions: dict[str, list[RowPrediction]]) -> list[tuple[str, RowPrediction]]:
    """The scored quantities of each file that got no prediction, with their kinds."""
    kinds = KINDS_OF | {name: {"": kind} for kind, name in BY_BOARD.items()}
    gone = [(name, row) for name, rows in predictions.items() for row in rows if row.scored and row.predicted is None]
    found = (
        (kinds[name].get(row.metric) or (kinds[name].get("") if row.headline else None), row) for name, row in gone
    )
    return [(kind, row) for kind, row in found if kind is not None]


def _in_seconds(row: RowPrediction) -> bool:
    return is_time(row.metric) or row.metric == "peak_mem_gb"


def constant_errors(pairs: Sequence[Pair]) -> dict[Key, float]:
    """Log of measured over what one utilisation a part and format says (of seconds, as `log_seconds`), for each kind
    fitted without what the prediction left out too; only what has a utilisation."""
    out: dict[Key, float] = {}
    for kind in {held.kind for held, _ in pairs}:
        of_kind = [(held, msgspec.structs.replace(row, headline=True)) for held, row in pairs if held.kind == kind]
        for left in {held.left for held, _ in of_kind}:
            constants = fit_constants([row for held, row in of_kind if held.left != left])
            for held, row in of_kind:
                value = constant_prediction(row, constants) if held.left == left else None
                if value is not None:
                    error = math.log(row.measured / value)
                    out[key_of(held)] = error if _in_seconds(row) else -error
    return out


def cells_of(
    pairs: Sequence[Pair], constant: dict[Key, float], refused: Sequence[tuple[str, RowPrediction]] = ()
) -> list[BoardCell]:
    """The held-out errors beside those of the shipped constants and of one utilisation, and what was refused, by
    cell."""
    groups: dict[tuple[object, ...], list[Pair]] = {}
    for one, row in pairs:
        groups.setdefault(_place(one.kind, row), []).append((one, row))
    missing = Counter(_place(kind, row) for kind, row in refused)
    places = sorted({*groups, *missing}, key=str)
    return [_cell(place, groups.get(place, []), constant, missing[place]) for place in places]


def _place(kind: str, row: RowPrediction) -> tuple[object, ...]:
    fmt = "" if kind in FORMLESS else row.baseline_key.rpartition("|")[2]
    return kind, row.source, row.part, row.family, row.software, row.mixture, fmt


def _thousandths(error: float) -> int:
    return min(round(1e3 * error), MOST)


def _off(log_seconds: float, row: RowPrediction) -> int:
    """Predicted over measured less one, in the metric of the row."""
    return _thousandths(math.expm1(min(-log_seconds if _in_seconds(row) else log_seconds, math.log(MOST))))


def _shipped(row: RowPrediction) -> int:
    return _thousandths((row.predicted or 0.0) / row.measured - 1.0)


def _cell(key: tuple[object, ...], pairs: list[Pair], constant: dict[Key, float], refused: int) -> BoardCell:
    names = ("kind", "source", "part", "family", "software", "mixture", "number_format")
    fields: dict[str, object] = dict(zip(names, key, strict=True))
    fields |= {
        "left_out": [_off(held.log_seconds, row) for held, row in pairs],
        "shipped": [_shipped(row) for held, row in pairs if held.kind != SEARCHED],
        "constant": [_off(constant[key_of(held)], row) for held, row in pairs if key_of(held) in constant],
        "inside": sum(held.inside for held, _ in pairs),
        "refused": refused,
    }
    return msgspec.convert(fields, BoardCell)


def write_cells(cells: Sequence[BoardCell], path: Path) -> None:
    """accuracy.yaml, a line a cell."""
    rows = [[getattr(cell, name) for name in BoardCell.__struct_fields__] for cell in cells]
    plain = [[list(value) if isinstance(value, tuple) else value for value in row] for row in rows]
    lines = [yaml.safe_dump(row, default_flow_style=True, width=10**6).strip() for row in plain]
    body = "".join(f"- {line}\n" for line in lines)
    write_whole(path, f"{HEADER}code_version: {__version__}\ncells:\n{body}")


def held_boards() -> list[Held]:
    """Whole runs and steps of reinforcement learning by constants fitted without their source."""
    return [one for kind, name in BY_BOARD.items() for one in _held(kind, runs_file().with_name(f"{name}.csv"))]


def _held(kind: str, path: Path) -> list[Held]:
    return [
        Held(
            kind=kind, id=row.id, metric=row.metric, left=row.source,
            log_seconds=math.log(row.measured / row.predicted),
            down=math.log(row.predicted / row.low), up=math.log(row.high / row.predicted),
        )
        for row in validate_file(path, "source").rows
        if row.scored and row.headline and row.predicted and row.low and row.high
    ]  # fmt: skip


def shipped_predictions(say: Callable[[str], None]) -> dict[str, list[RowPrediction]]:
    """Every shipped run by the shipped constants, by the name of its file."""
    out = {}
    for name in FILES:
        say(f"board: {name} runs by the shipped constants")
        out[name] = validate_file(runs_file().with_name(f"{name}.csv")).rows
    return out
