"""From measured runs to calibration files: the fit, what it covered, and intervals from rows left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from hwmodel.catalog.writing import write_whole
from hwmodel.predict.uncertainty import training_familiarity
from hwmodel.specs.intervals import IntervalConstants
from hwmodel.validation.board import targets
from hwmodel.validation.board.board import Trainer, folds_of
from hwmodel.validation.board.predict_training import fitted_on, traits_of
from hwmodel.validation.board.searched import calibrate_optimism
from hwmodel.validation.board.training import predicted, sequence_s, stacks_of
from hwmodel.validation.fit.calibration_files import training_document, write_training
from hwmodel.validation.fit.interval_fit import FACTORS, Residual, fit_widths
from hwmodel.validation.fit.memory_fit import calibrate_memory
from hwmodel.validation.fit.run_fit import measured_sequence_s
from hwmodel.validation.rows.tables import Row

Progress = Callable[[str], None]
FOLDS = 5

INTERVALS_HEADER = """\
# Half-width of the 80 % interval of a training prediction in natural logs (`seen`), and the factors that widen it
# where the source, stack, family, part, format or settings were not measured. Fitted on rows whose source or whose
# (source, model) group was left out of the fit that predicted them; written by `hwmodel calibrate`.
"""


def _labels(trainer: Trainer, groups: bool) -> list[str]:
    out = []
    for case in trainer.prepared.cases:
        name = "" if case is None else case.source
        out.append(name if case is None or not groups else f"{case.source} | {case.model}")
    return out


def left_out(trainer: Trainer, groups: bool, say: Progress) -> list[Residual]:
    """Errors of every usable row predicted without its source, or without its (source, model) group in 5 folds."""
    labels = np.array(_labels(trainer, groups))
    usable = trainer.usable
    lots = folds_of(list(labels[usable]), FOLDS if groups else 0, 0)
    target = measured_sequence_s(trainer.prepared)
    out: list[Residual] = []
    for number, lot in enumerate(lots):
        say(f"{'groups' if groups else 'source'} left out, {number + 1} of {len(lots)}")
        left = usable & np.isin(labels, sorted(lot))
        use = usable & ~left
        _, calibration = trainer.fit(use)
        known = fitted_on(trainer.prepared, use)
        places = np.flatnonzero(left)
        seconds = np.full(len(target), np.nan)
        seconds[places] = sequence_s(predicted(trainer.prepared, stacks_of(trainer.prepared, calibration), places))
        out += _residuals(trainer, left, target, seconds, known)
        say(f"{', '.join(sorted(lot))[:60]}: median error {np.nanmedian(np.abs(target / seconds - 1.0)):.1%}")
    return out


def _residuals(trainer: Trainer, left: NDArray[np.bool_], target: Any, seconds: Any, known: Any) -> list[Residual]:
    out = []
    for place in np.flatnonzero(left):
        case = trainer.prepared.cases[place]
        if case is None or not math.isfinite(seconds[place]):
            continue
        error = float(np.log(target[place] / seconds[place]))
        distance = training_familiarity(traits_of(trainer.prepared, int(place), known), known.known)
        out.append(Residual(source=case.source, log_error=error, familiarity=distance))
    return out


def calibrate_runs(rows: list[Row], out: Path, say: Progress, intervals: bool = True) -> dict[str, Any]:
    """Fit the training constants on `rows`, write training.yaml and intervals.yaml to `out`; returns the figures."""
    trainer = Trainer(rows, fitting=True, pool_only=True)
    say(f"fit on {int(trainer.usable.sum())} rows")
    fit, calibration = trainer.fit(trainer.usable)
    known = fitted_on(trainer.prepared, trainer.usable)
    cases = trainer.prepared.cases
    counted = Counter(case.source for case, used in zip(cases, trainer.usable) if case is not None and used)
    sources = dict(sorted(counted.items()))
    every = np.array([case is not None for case in cases])
    seconds = sequence_s(predicted(trainer.prepared, stacks_of(trainer.prepared, calibration)))
    apes = np.abs(measured_sequence_s(trainer.prepared) / seconds - 1.0)
    labels = np.array(_labels(trainer, False))
    medians = {s: round(float(np.median(apes[trainer.usable & (labels == s)])), 4) for s in sources}
    figures = {
        "median_ape_by_source": medians,
        "mean_of_source_medians": round(float(np.mean(list(medians.values()))), 4),
    }
    document = training_document(fit, known.known, targets.learn(trainer.prepared, every), figures, sources)
    out.mkdir(parents=True, exist_ok=True)
    write_training(document, out / "training.yaml")
    figures["fits"] = calibrate_memory(rows, out)
    figures["optimism"] = calibrate_optimism(rows, calibration, out)
    if intervals:
        figures["intervals"] = calibrate_intervals(trainer, out, say)
    return figures


START = IntervalConstants(
    seen=0.12,
    source=1.7,
    stack=1.3,
    family=1.4,
    part=1.15,
    number_format=1.2,
    kind=1.4,
    settings=1.2,
    scale=1.1,
    level=1.1,
)


def calibrate_intervals(trainer: Trainer, out: Path, say: Progress) -> dict[str, float]:
    """Fit and write the widths; returns them."""
    seen = left_out(trainer, True, say)
    unseen = left_out(trainer, False, say)
    found = fit_widths(seen + unseen, START)
    plain = {name: getattr(found, name) for name in ("seen", *FACTORS, "scale", "level", "most")}
    document = {"training": plain, "rows": len(seen) + len(unseen), "assumed": ["scale", "level", "most"]}
    write_whole(out / "intervals.yaml", INTERVALS_HEADER + yaml.safe_dump(document, sort_keys=False, width=120))
    return plain


def cluster_level(rows: list[Row], say: Progress) -> dict[str, Any]:
    """The level of a user's own cluster from its runs: factor on predicted seconds, and errors before and after.

    `after` predicts every run with the level that the other runs give.
    """
    from hwmodel.validation.board.measured import BETWEEN, WITHIN

    trainer = Trainer(rows, fitting=False)
    say(f"{len(rows)} runs of your own")
    seconds = sequence_s(predicted(trainer.prepared, stacks_of(trainer.prepared, trainer.base)))
    errors = np.log(measured_sequence_s(trainer.prepared) / seconds)
    usable = np.flatnonzero(np.isfinite(errors))
    e = errors[usable]

    def level(values: Any) -> float:
        return float(np.median(values) * BETWEEN**2 / (BETWEEN**2 + WITHIN**2 / len(values))) if len(values) else 0.0

    after = [abs(math.expm1(-(e[i] - level(np.delete(e, i))))) for i in range(len(e))]
    refused = {trainer.rows[i]["id"]: trainer.prepared.reasons[i] for i in range(len(errors)) if i not in usable}
    return {
        "runs": len(usable),
        "refused": refused,
        "seconds_factor": math.exp(level(e)),
        "median_ape_before": float(np.median(np.abs(np.expm1(-e)))) if len(e) else None,
        "median_ape_after": float(np.median(after)) if len(e) > 1 else None,
    }
