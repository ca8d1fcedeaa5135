"""The layouts of a shard's runs: each distinct search is made once, many fleets of one shape together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import HwModelError, InfeasibleError
from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.predict import recompute
from hwmodel.predict.fastest import Fastest, Kernels, fastest, fronts
from hwmodel.predict.footprint import footprint
from hwmodel.predict.layouts import Cases, option_table
from hwmodel.predict.optimism import with_search
from hwmodel.predict.policy import Policy, policy
from hwmodel.predict.search import Evaluation, evaluate, few_of, pareto, require_fit
from hwmodel.predict.space import LayoutSpace
from hwmodel.predict.uncertainty import StepShares, step_shares
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.billing import BilledHours, billed_hours
from hwmodel.solve.sweep.closing import Refused, refused
from hwmodel.specs import Layout, Precision, Shape, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.specs.layout import NAMES, SPLITS, schedule_word
from hwmodel.specs.stack import Stack

# Layout columns of a found row, then the batch, step, memory and the number of layouts that the case admits.
FIGURES = (*NAMES, "global_batch_seqs", "step_s", "peak_memory_bytes", "reserved_memory_bytes", "layouts")
USED = [NAMES.index(name) for name in SPLITS]  # whose product is the accelerators that train
WORDS = ("recompute", "offload", "schedule")  # columns of a found row that are texts
WHAT = "{what}"  # stands for the model in a refusal that several points share
MOST_ROWS = 1 << 18  # layouts in memory at once
MOST_CASES = 1 << 10  # searched at once where only their winners are kept
MOST_KEPT = 1 << 18  # searches whose winners are remembered
Case = tuple[float, float]  # accelerators, cap of the batch
Asked = tuple[Machine, Precision, Stack, Policy, BilledHours]


class Key(msgspec.Struct, frozen=True):
    """What a search depends on beside its fleet and batch."""

    shape: Shape
    machine: Machine
    precision: Precision
    stack: Stack
    policy: Policy
    seq_len: float
    batch_given: bool
    billed: BilledHours


class Layouts(msgspec.Struct, frozen=True, kw_only=True):
    """Layouts of one case, a row each: figures in the order of FIGURES, what of their step is hard to tell, how sure
    their memory is, and the words of what comes again."""

    figures: NDArray[np.float64]
    parts: StepShares
    memory: tuple[NDArray[np.float64], NDArray[np.float64]]  # natural-log ends of the 80 % interval
    recompute: list[str]
    offload: list[str]
    schedule: list[str]

    def rows(self) -> Iterable[Layouts]:
        """Each row alone."""
        parts = msgspec.structs.asdict(self.parts)
        for i in range(len(self.figures)):
            yield Layouts(
                figures=self.figures[i : i + 1],
                parts=StepShares(**{name: value[i : i + 1] for name, value in parts.items()}),
                memory=(self.memory[0][i : i + 1], self.memory[1][i : i + 1]),
                **{name: getattr(self, name)[i : i + 1] for name in WORDS},
            )


def joined_layouts(found: list[Layouts], of: NDArray[np.int64]) -> tuple[Layouts, NDArray[np.int64]]:
    """The layouts of points, those of one after those of the one before, and the place of each row's point; `of` says
    which of `found` each point has."""
    counts = np.array([len(one.figures) for one in found])
    starts, per = np.cumsum(counts) - counts, counts[of]
    rows = np.arange(per.sum()) + np.repeat(starts[of] - (np.cumsum(per) - per), per)
    parts = {name: np.concatenate([getattr(one.parts, name) for one in found])[rows]
             for name in StepShares.__struct_fields__}  # fmt: skip
    words = {name: np.array([word for one in found for word in getattr(one, name)], dtype=object)[rows].tolist()
             for name in WORDS}  # fmt: skip
    figures = np.concatenate([one.figures for one in found])[rows]
    down, up = (np.concatenate([one.memory[end] for one in found])[rows] for end in (0, 1))
    place = np.repeat(np.arange(len(of)), per)
    return Layouts(figures=figures, parts=StepShares(**parts), memory=(down, up), **words), place


def key_of(setting: Fleeted, shape: Shape) -> Key:
    """The search of a shape under a setting."""
    r = setting.request
    fixed = policy(setting.stack, r.layout, again=r.again, offload=r.offloads, schedules=r.schedules)
    return Key(
        shape, setting.machine, setting.precision, setting.stack, fixed, float(r.seq_len),
        r.global_batch_seqs is not None, billed_hours(setting, shape),
    )  # fmt: skip


class Searches:
    """Layouts of searches already made: the best of each case, or as many as a space asks for (see `Space.layouts`)."""

    def __init__(self, layouts: str, kernels: Kernels) -> None:
        self.layouts, self.kernels = layouts, kernels
        self.every = layouts == "all"
        self._found: dict[Key, dict[Case, Layouts | Refused]] = {}
        self._kept = 0

    def find(self, key: Key, cases: Iterable[Case]) -> dict[Case, Layouts | Refused]:
        """The layouts of each case."""
        if self._kept > MOST_KEPT or self.layouts != "best":
            self._found, self._kept = {}, 0
        known = self._found.setdefault(key, {})
        fresh = sorted({case for case in cases if case not in known})
        for group in _batches(key, fresh, self.every):
            known |= self._evaluated(key, group)
        self._kept += len(fresh)
        return known

    def _evaluated(self, key: Key, group: list[Case]) -> dict[Case, Layouts | Refused]:
        cases, asked = _cases(key, group), (key.machine, key.precision, key.stack, key.policy, key.billed)
        try:
            if self.every:
                whole = evaluate(cases, *asked)
                counts = np.bincount(whole.space.case, minlength=cases.count)
                return _several(key, whole, counts, group, _all_of)
            return self._searched_for(key, cases, asked, group)
        except HwModelError as error:
            return dict.fromkeys(group, refused(error))

    def _searched_for(self, key: Key, cases: Cases, asked: Asked, group: list[Case]) -> dict[Case, Layouts | Refused]:
        """The layouts asked for of each case, those that floors exclude never evaluated."""
        if self.layouts == "front":
            search, rows = partial(fronts, cases, *asked), pareto
        else:
            few = 1 if self.layouts == "best" else int(self.layouts)
            search, rows = partial(fastest, cases, *asked, few), partial(few_of, count=few)
        found = self.kernels.search(key.shape, key.policy, search)
        if self.layouts == "best":
            return _winners(key, found, group)
        return _several(key, found.evaluation, found.layouts, group, rows)


def _all_of(found: Evaluation, case: int) -> NDArray[np.int64]:
    """Rows of all layouts of a case, those too that do not fit."""
    return np.flatnonzero(found.space.case == case)


def _several(
    key: Key,
    found: Evaluation,
    counts: NDArray[np.int64],
    group: list[Case],
    rows: Callable[[Evaluation, int], Any],
) -> dict[Case, Layouts | Refused]:
    """Some layouts of each case."""
    each = [np.array(rows(found, place), dtype=np.int64) for place in range(len(group))]
    return {
        case: _layouts(key, found, mine, counts[place]) if len(mine) else _refused(key, found, place)
        for place, (case, mine) in enumerate(zip(group, each))
    }


def _winners(key: Key, found: Fastest, group: list[Case]) -> dict[Case, Layouts | Refused]:
    """The fastest layout of each case; their steps are told apart together."""
    best = found.evaluation.best
    fits = np.flatnonzero(best >= 0)
    rows = iter(_layouts(key, found.evaluation, best[fits], found.layouts[fits]).rows())
    return {
        case: next(rows) if best[place] >= 0 else _refused(key, found.evaluation, place)
        for place, case in enumerate(group)
    }


def _refused(key: Key, found: Evaluation, place: int) -> Refused:
    """Why a case has no layout."""
    try:
        require_fit(found, place, key.machine, WHAT)
    except InfeasibleError as error:
        return refused(error)
    raise AssertionError("a case without a layout has a reason")


def _cases(key: Key, group: list[Case]) -> Cases:
    return Cases(
        shape=key.shape, accelerators=np.array([fleet for fleet, _ in group]),
        batch_cap_seqs=np.array([cap for _, cap in group]), batch_given=key.batch_given, seq_len=key.seq_len,
    )  # fmt: skip


def _batches(key: Key, cases: list[Case], every: bool) -> Iterable[list[Case]]:
    """Cases that may be searched together: so many that what is built of them stays in memory, and, under a given
    batch, those of one batch that are larger than it or not (which decides what the space holds)."""
    groups: dict[tuple[float, bool], list[Case]] = {}
    for fleet, cap in cases:
        kind = (cap, fleet > cap) if key.batch_given else (0.0, False)
        groups.setdefault(kind, []).append((fleet, cap))
    for group in groups.values():
        rows = max(1, len(option_table(_cases(key, group), float(key.machine.network.domain), key.policy)))
        most = max(1, MOST_ROWS // rows) if every else MOST_CASES
        for start in range(0, len(group), most):
            yield group[start : start + most]


def _layouts(key: Key, found: Evaluation, rows: NDArray[np.int64], count: Any) -> Layouts:
    some = found.space.rows(rows)
    figures = np.empty((len(rows), len(FIGURES)))
    columns = [getattr(some.layout, name) for name in NAMES]
    load = Workload(seq_len=key.seq_len, global_batch_seqs=some.batch_seqs)
    fullest = peak_memory(key.shape, key.precision, some.layout, load, key.stack)
    held = footprint(key.shape, some.layout, load, key.stack, fullest, float(key.machine.hbm_bytes))
    columns += [some.batch_seqs, found.step_s[rows], found.memory_bytes[rows], held.reserved_bytes]
    for place, column in enumerate(columns):
        figures[:, place] = column
    figures[:, -1] = count
    again, offload, schedule = _words(key, some)
    down, up = (end + np.zeros(some.count) for end in held.doubt)
    return Layouts(figures=figures, parts=_parts(key, found, some, load), memory=(down, up), recompute=again,
                   offload=offload, schedule=schedule)  # fmt: skip


def _parts(key: Key, found: Evaluation, some: LayoutSpace, load: Workload) -> StepShares:
    """Shares of the steps of some layouts; what does not fit has none of interest."""
    terms = step(key.shape, key.machine, key.precision, some.layout, load, key.stack)
    parts = step_shares(with_search(terms, found.search_factor))
    return StepShares(**{name: value + np.zeros(some.count) for name, value in msgspec.structs.asdict(parts).items()})


def _words(key: Key, some: LayoutSpace) -> tuple[list[str], list[str], list[str]]:
    """What each layout computes again and moves to the host, and its schedule, in the words of the options."""
    names = (*recompute.FIELDS, *recompute.OFFLOADS.values(), "schedule")
    fields = np.empty((some.count, len(names)))
    for place, name in enumerate(names):
        fields[:, place] = getattr(some.layout, name)
    kinds, which = np.unique(fields, axis=0, return_inverse=True)
    ones = [Layout(**dict(zip(names, map(float, kind)))) for kind in kinds]
    words = [
        (recompute.recompute_word(one, key.stack), recompute.offload_word(one), schedule_word(one)) for one in ones
    ]
    chosen = [words[place] for place in which.ravel()]
    again, offload, schedule = (list(kind) for kind in zip(*chosen)) if chosen else ([], [], [])
    return again, offload, schedule


def rates(seq_len: float, figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tokens a second of each layout; nan where it does not fit."""
    step = figures[:, FIGURES.index("step_s")]
    batch = figures[:, FIGURES.index("global_batch_seqs")]
    return np.where(np.isfinite(step), batch * seq_len / step, np.nan)
