"""Predictions of a table of measured serving settings: service terms by regime, quantities as asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.ops import Num
from hwmodel.physics.engine import engine_of
from hwmodel.physics.shape import forward_flop_per_token
from hwmodel.predict.columns import gather, grouped_best, stack
from hwmodel.predict.service import ServiceSetting, serve
from hwmodel.predict.service.intervals import THROUGHPUT, TPOT, TTFT, Parts, parts_of
from hwmodel.specs.serving import Engine, ServiceTerms
from hwmodel.specs.serving_calibration import ServingCalibration
from hwmodel.validation.predicted.serving_bench import Bench, ServingCase, bench
from hwmodel.validation.rows.serving_rows import MeasuredQuantity

Column = NDArray[np.float64]
OLD_BEFORE = 2025.0


class CaseTable:
    """Cases split by regime, each as a bench; evaluated together under any constants."""

    def __init__(self, cases: Sequence[ServingCase]) -> None:
        regimes = sorted({c.setting.regime for c in cases})
        self.benches = {r: bench([c for c in cases if c.setting.regime == r]) for r in regimes}
        keys = {r: [_engine_key(c) for c in b.cases] for r, b in self.benches.items()}
        self._unique = {r: sorted(set(k)) for r, k in keys.items()}
        self._index = {r: np.array([self._unique[r].index(k) for k in keys[r]]) for r in keys}

    def engines(self, regime: str, c: ServingCalibration) -> Engine:
        """Engine constants of a regime's cases as columns."""
        found = gather(stack([engine_of(c, *key) for key in self._unique[regime]]), self._index[regime])
        return msgspec.structs.replace(found, **self._stated(regime, found))

    def _stated(self, regime: str, engine: Engine) -> dict[str, Column]:
        """Settings of engines that rows state, over the engine's own."""
        cases = self.benches[regime].cases
        names = {name for c in cases for name in c.setting.settings}
        stated = {n: np.array([c.setting.settings.get(n, np.nan) for c in cases]) for n in names}
        return {n: np.where(np.isnan(v), getattr(engine, n), v) for n, v in stated.items()}

    def service(self, regime: str, c: ServingCalibration) -> ServiceTerms:
        """Service terms of all cases of a regime."""
        return serve(_with_engine(self.benches[regime].service, self.engines(regime, c)), regime)


def _with_engine(s: ServiceSetting, engine: Engine) -> ServiceSetting:
    change = msgspec.structs.replace
    prefill = None if s.prefill is None else change(s.prefill, engine=engine)
    return change(s, worker=change(s.worker, engine=engine), prefill=prefill)


def _engine_key(case: ServingCase) -> tuple[str, float, str, str]:
    return case.setting.engine, case.setting.year, case.part.family, case.recipe


def quantities(b: Bench, s: ServiceTerms) -> dict[str, Column]:
    """All quantities that can be asked of a regime's cases, in seconds and per second, an engine row each."""
    ones, of = np.ones(len(b.cases)), b.service
    rate = s.requests_per_s * b.instances
    prompts = np.maximum(of.clients, 1.0)
    flop = forward_flop_per_token(of.shape, of.load.prompt_tokens) * of.load.prompt_tokens * prompts
    peak = of.worker.layout.accelerators * of.worker.machine.gemm.peak_flop_per_s
    return {
        "ttft": s.ttft_s * ones,
        "tpot": s.tpot_s * ones,
        "request": s.request_s * ones,
        "output_rate": rate * of.load.output_tokens * ones,
        "total_rate": rate * (of.load.output_tokens + of.load.prompt_tokens) * ones,
        "input_rate": b.instances * prompts * of.load.new_tokens / s.prefill_s * ones,
        "prefill_mfu": 100.0 * flop / (s.prefill_s * peak) * ones,
    }


# Which interval a quantity takes; rates and shares of the peak take a throughput's, of its seconds.
QUANTITIES = {"ttft": TTFT, "tpot": TPOT, "request": TPOT}
KINDS = ("ttft", "tpot", "request", "output_rate", "total_rate", "input_rate", "prefill_mfu")
TIMES = ("ttft", "tpot", "request")


def _columns(parts: Parts, count: int) -> dict[str, Column]:
    return {name: np.asarray(value + np.zeros(count)) for name, value in msgspec.structs.asdict(parts).items()}


def _serving_most(group: NDArray[np.int64], rate: Num) -> NDArray[np.int64]:
    """Of each row the case of the highest rate of requests."""
    return grouped_best(group, -np.nan_to_num(rate + np.zeros(len(group))), int(group.max()) + 1)


class Wanted(NamedTuple):
    """What the rows of one regime ask: the number of each case's row (`group`); then for each quantity asked of a row
    its place among the keys, the number of the row, what it is (of KINDS), and the scale it is asked in."""

    group: NDArray[np.int64]
    at: NDArray[np.int64]
    row: NDArray[np.int64]
    kind: NDArray[np.int64]
    scale: Column


class Questions:
    """What the rows ask, flat: one entry for each (row, metric), answered by the layout that the row states or, of
    those searched, by the one that serves most."""

    def __init__(self, table: CaseTable) -> None:
        self.table = table
        self.keys: list[tuple[int, MeasuredQuantity]] = []
        self._wanted: dict[str, Wanted] = {}
        by_row = {c.row: c for b in table.benches.values() for c in b.cases}
        self._index = {}
        for row, case in by_row.items():
            for asked in case.setting.asked:
                self._index[row, asked.metric] = len(self.keys)
                self.keys.append((row, asked))
        for regime, b in table.benches.items():
            self._wanted[regime] = self._of(b)
        self.rows = np.array([row for row, _ in self.keys], dtype=np.intp)
        mine = [by_row[row] for row, _ in self.keys]
        self.engine = np.array([c.setting.engine for c in mine])
        self.recipe = np.array([c.recipe for c in mine])
        self.family = np.array([c.part.family for c in mine])
        self.old = np.array([0.0 < c.setting.year < OLD_BEFORE for c in mine])

    def _of(self, b: Bench) -> Wanted:
        """What the rows of one regime's cases ask."""
        rows = sorted({case.row for case in b.cases})
        number = {row: i for i, row in enumerate(rows)}
        wanted = []
        for case in {case.row: case for case in b.cases}.values():
            for asked in case.setting.asked:
                by = case.setting.accelerators if asked.per_accelerator else 1.0
                scale = (1e3 if asked.kind in TIMES and asked.milliseconds else 1.0) / by
                at = self._index[case.row, asked.metric]
                wanted.append((at, number[case.row], KINDS.index(asked.kind), scale))
        places, which, kinds, scales = np.array(wanted, dtype=float).reshape(-1, 4).T
        group = np.array([number[case.row] for case in b.cases])
        return Wanted(group, places.astype(np.int64), which.astype(np.int64), kinds.astype(np.int64), scales)

    def chosen(self, c: ServingCalibration) -> dict[int, tuple[ServingCase, Parts]]:
        """For each key the case that answers it, and the shares that its doubtful mechanisms have in the answer."""
        out = {}
        for regime, wanted in self._wanted.items():
            b = self.table.benches[regime]
            service = _with_engine(b.service, self.table.engines(regime, c))
            terms = serve(service, regime)
            best = _serving_most(wanted.group, terms.requests_per_s * b.instances)[wanted.row]
            every = {name: _columns(parts_of(service, terms, name), len(b.cases)) for name in (TTFT, TPOT, THROUGHPUT)}
            for key, place in zip(wanted.at, best, strict=True):
                columns = every[QUANTITIES.get(self.keys[key][1].kind, THROUGHPUT)]
                shares = Parts(**{name: float(values[place]) for name, values in columns.items()})
                out[int(key)] = b.cases[int(place)], shares
        return out

    def answer(self, c: ServingCalibration) -> Column:
        """One value for each key, in the unit asked; infinite where no layout carries the load."""
        out = np.full(len(self.keys), np.inf)
        for regime, (group, at, row, kind, scale) in self._wanted.items():
            b = self.table.benches[regime]
            terms = self.table.service(regime, c)
            every = quantities(b, terms)
            best = _serving_most(group, terms.requests_per_s * b.instances)
            out[at] = np.stack([every[k] for k in KINDS])[kind, best[row]] * scale
        return out
