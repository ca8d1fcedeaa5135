"""Constants of reinforcement learning fitted on published steps: robust, sources weighted alike, shrunk to priors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import HwModelError
from hwmodel.numerics import Problem, gauss_newton
from hwmodel.predict.rl import RlPhases, phase_shares, phases, rl_familiarity, step_terms
from hwmodel.specs.intervals import IntervalConstants
from hwmodel.specs.rl import RlConstants
from hwmodel.validation.fit.document import write_left_out
from hwmodel.validation.fit.interval_fit import Residual, fit_intervals
from hwmodel.validation.fit.run_fit import CROWD
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.rl_rows import read_row, seconds, sync_bytes
from hwmodel.validation.rows.tables import CellError, Row, positive, text

Column = NDArray[np.float64]

# Levels near those of serving and training; ten seconds of rewards and scheduling; states move through host memory at
# about 2 GB/s an accelerator, new weights into engines at about 4 (470 GB in 12 s into pools of 16 ranks).
PRIOR = {"rollout_level": 1.1, "update_level": 1.2, "step_s": 10.0, "switch_bytes_per_s": 2e9}
SYNC_BYTES_PER_S = 4e9
WIDTH = np.array([0.3, 0.3, 1.0, 0.7])
SPREADS = (0.8, 1.0, 1.2, 1.4)  # of log lengths, tried in turn
SHARES = (0.14, 0.2, 0.28, 0.4, 0.56)  # mean response over its limit where the limit alone is stated, tried in turn
SCALE, PULL = 0.25, 0.1
# Priors of the widths (natural logs): three tenths of the seconds of each phase, as activations and kernels that are no
# products of matrices have elsewhere; a mean response taken of its limit, one scatter between sources.
WIDTHS = IntervalConstants(
    row=0.1, level=0.1, shares={"rollouts": 0.3, "updates": 0.3, "moves": 0.3}, distances={"length": 1.0}
)
LEAST_SOURCES = 3
PHASES = {"rollout_s": "rollout_s", "logprob_s": "logprob_s", "update_s": "update_s"}
HEADER = """\
# Steps of reinforcement learning beside the predictions of serving and training. Written by `hwmodel calibrate --runs
# catalogs/runs/rl_steps.csv`; widths come from steps whose source was left out of the fit.
"""


class MeasuredTime(msgspec.Struct, frozen=True, kw_only=True):
    """One measured time: of which row and phase (`total_s` of the step)."""

    row: int
    phase: str
    log_s: float


class Corpus:
    """Rows with their bare predictions by spread of lengths, and what was measured of each."""

    def __init__(self, rows: Sequence[Row], resolver: Resolver) -> None:
        self.rows, self.resolver = list(rows), resolver
        self._kept: dict[tuple[int, float, float], tuple[RlPhases, bool] | None] = {}
        self.targets = [t for i, row in enumerate(rows) for t in _targets(i, row)]
        self._syncs = [(i, rate) for i, row in enumerate(rows) if (rate := _sync_rate(row, resolver)) is not None]

    @property
    def sources(self) -> int:
        """How many sources print steps that a fit may use."""
        return len({text(self.rows[t.row], "source") for t in self.targets})

    def sync_bytes_per_s(self, use: Sequence[bool]) -> float:
        """Rate of the printed hand-overs of weights: geometric mean over sources of their medians, the prior one."""
        rates: dict[str, list[float]] = {}
        for i, rate in self._syncs:
            if use[i]:
                rates.setdefault(text(self.rows[i], "source"), []).append(math.log(rate))
        logs = [math.log(SYNC_BYTES_PER_S), *(median(values) for values in rates.values())]
        return math.exp(math.fsum(logs) / len(logs))

    def phases(self, row: int, log_sd: float, share: float) -> tuple[RlPhases, bool] | None:
        """The phases of a row and whether its mean length is stated; None where it cannot be predicted."""
        stated = positive_or_none(self.rows[row], "response_len_mean") is not None
        key = (row, log_sd, 0.0 if stated else round(share, 3))
        if key not in self._kept:
            self._kept[key] = self._predicted(row, log_sd, share)
        return self._kept[key]

    def _predicted(self, row: int, log_sd: float, share: float) -> tuple[RlPhases, bool] | None:
        at = msgspec.structs.replace(prior_constants(), length_log_sd=log_sd, length_share=share)
        try:
            read = read_row(self.rows[row], self.resolver, at)
            return phases(read.setting), read.length_stated
        except (CellError, HwModelError):
            return None


def _sync_rate(row: Row, resolver: Resolver) -> float | None:
    taken = seconds(row, "weight_sync_s")
    if taken is None or not counts(row):
        return None
    try:
        return sync_bytes(row, resolver) / taken
    except (CellError, HwModelError):
        return None


def positive_or_none(row: Row, name: str) -> float | None:
    """A number above zero; None for a blank or an unreadable cell."""
    try:
        return positive(row, name)
    except CellError:
        return None


def prior_constants() -> RlConstants:
    """The constants before any row is seen."""
    return RlConstants(
        rollout_level=PRIOR["rollout_level"], update_level=PRIOR["update_level"], step_s=PRIOR["step_s"],
        switch_bytes_per_s=PRIOR["switch_bytes_per_s"], sync_bytes_per_s=SYNC_BYTES_PER_S, length_log_sd=SPREADS[0],
        length_share=SHARES[-1], widths=WIDTHS,
    )  # fmt: skip


def counts(row: Row) -> bool:
    """Whether a row may set constants: printed by its makers, not a user's report or a figure read elsewhere."""
    return text(row, "status") in ("", "primary") and "#" not in text(row, "locator")


def _targets(place: int, row: Row) -> list[MeasuredTime]:
    """What a fit holds a row to: the step, and the phases of one pool (two pools print waits instead)."""
    if not counts(row):
        return []
    found = [("seconds_per_step", "total_s")]
    if "split" not in text(row, "pools").lower():
        found += list(PHASES.items())
    values = [(phase, seconds(row, name)) for name, phase in found]
    return [MeasuredTime(row=place, phase=phase, log_s=math.log(v)) for phase, v in values if v is not None]


def _constants(x: Sequence[float], at: RlConstants) -> RlConstants:
    return msgspec.structs.replace(at, **{name: math.exp(float(v)) for name, v in zip(PRIOR, x)})


class FittedRl(msgspec.Struct, frozen=True, kw_only=True):
    """Constants, and the loss that they leave."""

    constants: RlConstants
    loss: float


def fit(corpus: Corpus, use: Sequence[bool]) -> FittedRl:
    """The constants that the rows in `use` give; spread and share of lengths are those that leave least."""
    start = msgspec.structs.replace(prior_constants(), sync_bytes_per_s=corpus.sync_bytes_per_s(use))
    tried = (
        msgspec.structs.replace(start, length_log_sd=sd, length_share=share) for sd, share in product(SPREADS, SHARES)
    )
    return min((_fit_at(corpus, use, at) for at in tried), key=lambda f: f.loss)


def _fit_at(corpus: Corpus, use: Sequence[bool], at: RlConstants) -> FittedRl:
    found = [(t, corpus.phases(t.row, at.length_log_sd, at.length_share)) for t in corpus.targets if use[t.row]]
    pairs = [(t, kept[0]) for t, kept in found if kept is not None]
    sources = [text(corpus.rows[t.row], "source") for t, _ in pairs]
    weight = np.array([sources.count(name) ** -CROWD for name in sources])
    weight = weight / weight.sum()
    target = np.array([t.log_s for t, _ in pairs])

    def errors(x: Column) -> Column:
        c = _constants(list(x), at)
        return (np.array([math.log(getattr(step_terms(p, c), t.phase)) for t, p in pairs]) - target) / SCALE

    def jacobian(x: Column, z: Column) -> Column:
        return np.stack([(errors(x + 1e-4 * row) - z) / 1e-4 for row in np.eye(len(x))], axis=1)

    prior = np.log(np.array(list(PRIOR.values())))
    problem = Problem(errors=errors, jacobian=jacobian, prior=prior, pull=PULL / WIDTH, weight=weight,
                      low=prior - 4 * WIDTH, high=prior + 4 * WIDTH, longest=1.0)  # fmt: skip
    solved = gauss_newton(problem, 40, 1e-8)
    return FittedRl(constants=_constants(list(solved.x), at), loss=solved.loss)


def left_out(corpus: Corpus, names: Sequence[str]) -> dict[str, RlConstants]:
    """Constants without the rows of each name that has any."""
    known = {names[t.row] for t in corpus.targets if t.phase == "total_s"}
    return {name: fit(corpus, [one != name for one in names]).constants for name in sorted(known)}


def residuals(corpus: Corpus, names: Sequence[str], by: dict[str, RlConstants]) -> list[Residual]:
    """Errors of the steps, each by the constants without its name, and what they go by."""
    out = []
    for t in corpus.targets:
        c = by[names[t.row]]
        kept = corpus.phases(t.row, c.length_log_sd, c.length_share)
        if t.phase != "total_s" or kept is None:
            continue
        terms, row = step_terms(kept[0], c), corpus.rows[t.row]
        of = rl_familiarity(phase_shares(terms), length_stated=kept[1])
        out.append(Residual(kind="rl", id=text(row, "id"), source=names[t.row],
                            log_error=t.log_s - math.log(terms.total_s), familiarity=of))  # fmt: skip
    return out


def constants(corpus: Corpus) -> tuple[RlConstants, dict[str, float]]:
    """The shipped constants, and the left-out log error (of predicted over measured) of every step."""
    names = [text(row, "source") for row in corpus.rows]
    errors = residuals(corpus, names, left_out(corpus, names))
    every = fit(corpus, [True] * len(corpus.rows)).constants
    fitted_on = f"{len(errors)} steps of {len({r.source for r in errors})} sources"
    found = msgspec.structs.replace(every, fitted_on=fitted_on, widths=fit_intervals(errors, WIDTHS))
    return _rounded(found), {r.id: -r.log_error for r in errors}


def _rounded(c: RlConstants) -> RlConstants:
    kept = ("widths", "fitted_on")
    values = {name: float(f"{getattr(c, name):.4g}") for name in c.__struct_fields__ if name not in kept}
    return msgspec.structs.replace(c, **values)


def write(c: RlConstants, errors: dict[str, float], folder: Path) -> None:
    """rl.yaml with the constants and the left-out error of each step."""
    write_left_out(folder / "rl.yaml", HEADER, c, errors)
