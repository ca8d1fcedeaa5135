"""Runs as `plan` sees them: layout blank, searched; a test of the choice and of its optimism at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from hwmodel.predict.optimism import search_factor
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.board.board import Trainer
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.fit.run_fit import measured_sequence_s
from hwmodel.validation.predicted.training import predicted, sequence_s, stacks_of
from hwmodel.validation.rows.tables import Row

LAYOUT = (
    "tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "zero_stage_or_fsdp", "recompute", "sequence_parallel",
    "etp", "offload",
)  # fmt: skip
_SAME = ("source", "model", "accelerator", "n_accel", "seq_len", "precision", "global_batch_seqs", "framework")
GRID = 4  # layouts of the same work from which on a source is a grid, whose layouts nobody chose


def tuned(rows: list[Row]) -> list[Row]:
    """Scored rows of the sources that print what they ran, not a grid of layouts."""
    scored = [row for row in rows if row["score"].lower() != "no"]
    layouts = Counter(tuple(row[name] for name in _SAME) for row in scored)
    grids = {key[0] for key, count in layouts.items() if count >= GRID}
    return [row for row in scored if row["source"] not in grids]


def _log_errors(rows: list[Row], calibration: TrainingCalibration | None) -> tuple[np.ndarray, np.ndarray]:
    """Predicted over measured rate of each row in logs, and the same without what is taken off for a search."""
    trainer = Trainer(rows, fitting=False)
    found = predicted(trainer.prepared, stacks_of(trainer.prepared, calibration or trainer.base))
    taken = [math.nan if one is None else math.log(search_factor(one.run.policy)) for one in found]
    errors = np.log(measured_sequence_s(trainer.prepared) / sequence_s(found))
    return errors, errors + np.array(taken)


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one source: median error (predicted over measured rate, less one) as printed and with the layout
    searched, the median size of the latter, and the median of the one rate over the other (a natural log) without what
    is taken off for the search."""

    source: str
    rows: float
    printed: float
    searched: float
    searched_abs: float
    faster: float


def searched_layouts(rows: list[Row], calibration: TrainingCalibration | None = None) -> list[Searched]:
    """What a search in place of the printed layouts costs, by source."""
    mine = tuned(rows)
    known, known_plain = _log_errors(mine, calibration)
    blank, blank_plain = _log_errors([row | dict.fromkeys(LAYOUT, "") for row in mine], calibration)
    sources = np.array([row["source"] for row in mine])
    out = []
    for source in sorted(set(sources)):
        here = (sources == source) & np.isfinite(known) & np.isfinite(blank)
        out.append(
            Searched(
                source=str(source),
                rows=float(here.sum()),
                printed=float(np.median(np.expm1(known[here]))),
                searched=float(np.median(np.expm1(blank[here]))),
                searched_abs=float(np.median(np.abs(np.expm1(blank[here])))),
                faster=float(np.median(blank_plain[here] - known_plain[here])),
            )
        )
    return out


HEADER = """\
# By how much layouts that were searched run slower than predicted [natural log]: the mean over sources of `faster`, the
# median rate predicted in the searched layout over that in the printed one. `left_out`: the mean without the source.
# Written by `hwmodel calibrate`; used by plan, train and validate alike (hwmodel/predict/optimism.py).
"""


class OfSource(msgspec.Struct, frozen=True, kw_only=True):
    """How much faster one source is predicted when searched, and the optimism without it [natural logs]."""

    faster: float
    left_out: float


class Optimism(msgspec.Struct, frozen=True, kw_only=True):
    """The content of searched.yaml."""

    optimism: float
    by_source: dict[str, OfSource]


def fit_optimism(found: Sequence[Searched]) -> Optimism:
    """The optimism of the search over all sources, and what it is without each of them."""
    total, count = sum(one.faster for one in found), len(found)
    by_source = {
        one.source: OfSource(faster=round(one.faster, 4), left_out=round((total - one.faster) / max(count - 1, 1), 4))
        for one in found
    }
    return Optimism(optimism=round(total / count, 4), by_source=by_source)


def calibrate_optimism(rows: list[Row], calibration: TrainingCalibration, out: Path) -> float:
    """Fit and write searched.yaml; returns the optimism."""
    document = fit_optimism(searched_layouts(rows, calibration))
    return write_document(out / "searched.yaml", HEADER, document).optimism
