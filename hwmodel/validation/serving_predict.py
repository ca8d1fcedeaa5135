"""Predictions of a table of measured serving settings: service terms by regime, quantities as asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.engine import engine_of
from hwmodel.physics.serving import (
    bulk_prompt_s,
    cache_transfer_s,
    decode_terms,
    first_pass_s,
    memory,
    mixed_terms,
    prefill_terms,
    sequences_that_fit,
)
from hwmodel.physics.serving_queue import closed_loop, open_loop, pools, saturated_rate, sent_at_once, static_batch
from hwmodel.physics.shape import forward_flop_per_token
from hwmodel.solve.serving_columns import stack
from hwmodel.specs.serving import Engine, ServiceTerms
from hwmodel.specs.serving_calibration import ServingCalibration
from hwmodel.validation.serving_bench import Bench, Case, bench, scaled
from hwmodel.validation.serving_rows import AT_ONCE, CLOSED, DISAGGREGATED, OPEN, SATURATED, STATIC, Asked

Column = NDArray[np.float64]
OLD_BEFORE = 2025.0
MAX_RUNNING = 2048.0  # requests that one engine instance decodes at once (engines' usual ceiling, an attention rank)


class Table:
    """Cases split by regime, each as a bench; evaluated together under any constants."""

    def __init__(self, cases: Sequence[Case]) -> None:
        regimes = sorted({c.setting.regime for c in cases})
        self.benches = {r: bench([c for c in cases if c.setting.regime == r]) for r in regimes}
        keys = {r: [_engine_key(c) for c in b.cases] for r, b in self.benches.items()}
        self._unique = {r: sorted(set(k)) for r, k in keys.items()}
        self._index = {r: np.array([self._unique[r].index(k) for k in keys[r]]) for r in keys}

    def engines(self, regime: str, c: ServingCalibration) -> Engine:
        """Engine constants of a regime's cases as columns."""
        one = stack([engine_of(c, *key) for key in self._unique[regime]])
        index = self._index[regime]
        fields = {f: getattr(one, f) for f in Engine.__struct_fields__}
        return Engine(**{f: v[index] if isinstance(v, np.ndarray) else v for f, v in fields.items()})

    def service(self, regime: str, c: ServingCalibration) -> ServiceTerms:
        """Service terms of all cases of a regime."""
        return SERVICES[regime](self.benches[regime], self.engines(regime, c), c)


def _engine_key(case: Case) -> tuple[str, float, str, str]:
    return case.setting.engine, case.setting.year, case.part.family, case.recipe


def _capacity(b: Bench, load: Any, engine: Engine) -> Column:
    held = memory(b.shape, b.formats, b.layout, load, engine, b.machine.hbm_bytes)
    room = sequences_that_fit(held, load, b.layout, engine)
    return np.clip(room, 1.0, MAX_RUNNING * b.layout.dp) + 0.0 * b.concurrency


def _closed(b: Bench, engine: Engine, c: ServingCalibration) -> ServiceTerms:
    load = scaled(b.load, c.shared["length_share"])
    room = _capacity(b, load, engine)
    running = np.minimum(b.concurrency, room)
    step = decode_terms(b.shape, b.machine, b.formats, b.layout, engine, running, load.mean_context).total_s
    mixed = mixed_terms(b.shape, b.machine, b.formats, b.layout, engine, running, load).total_s
    alone = first_pass_s(b.shape, engine, mixed)
    service = (mixed - step) / b.layout.dp
    bulk = bulk_prompt_s(b.shape, b.machine, b.formats, b.layout, engine, running, load)
    return closed_loop(step, alone, service, room, b.concurrency, load.output_tokens, 1.0, engine, bulk)


def _static(b: Bench, engine: Engine, c: ServingCalibration) -> ServiceTerms:
    room = _capacity(b, b.load, engine)
    running = np.minimum(b.concurrency, room)
    load = b.load
    step = decode_terms(b.shape, b.machine, b.formats, b.layout, engine, running, load.mean_context).total_s
    prompts = np.maximum(running / b.layout.dp, 1.0)
    whole = prefill_terms(
        b.shape, b.machine, b.formats, b.layout, engine, load.new_tokens, load.prompt_tokens, prompts
    ).total_s
    return static_batch(step, whole, running, load.output_tokens)


def _saturated(b: Bench, engine: Engine, c: ServingCalibration) -> ServiceTerms:
    room = _capacity(b, b.load, engine)
    load = b.load
    step = decode_terms(b.shape, b.machine, b.formats, b.layout, engine, room, load.mean_context).total_s
    mixed = mixed_terms(b.shape, b.machine, b.formats, b.layout, engine, room, load).total_s
    service = engine.prefill_stall * (mixed - step) / (b.layout.dp * b.layout.pp)
    rate = saturated_rate(step, service, room, load.output_tokens)
    rate = rate * np.where(b.limited > 0, c.shared["limited_share"], 1.0)
    tpot = step + service * room / load.output_tokens
    return ServiceTerms(
        ttft_s=mixed, tpot_s=tpot, request_s=mixed + tpot * load.output_tokens, step_s=step, prefill_s=mixed,
        running=room, waiting=np.full_like(room, np.inf), requests_per_s=rate, utilisation=rate * service,
    )  # fmt: skip


def _open(b: Bench, engine: Engine, c: ServingCalibration) -> ServiceTerms:
    room = _capacity(b, b.load, engine)
    replicas = np.maximum(b.accelerators / b.layout.accelerators, 1.0)
    rate = b.rate / replicas
    load = b.load
    running = np.minimum(8.0, room)
    found = None
    for _ in range(4):
        step = decode_terms(b.shape, b.machine, b.formats, b.layout, engine, running, load.mean_context).total_s
        base = decode_terms(b.shape, b.machine, b.formats, b.layout, engine, 1.0, load.mean_context).total_s
        slope = np.maximum(step - base, 0.0) / np.maximum(running - 1.0, 1e-3)
        mixed = mixed_terms(b.shape, b.machine, b.formats, b.layout, engine, running, load).total_s
        alone = first_pass_s(b.shape, engine, mixed)
        line = (base - slope, slope)
        found = open_loop(line, alone, mixed - step, room, rate, load.output_tokens, 1.0, engine)
        running = np.clip(found.running, 1.0, room)
    assert found is not None
    return found


def _pools(b: Bench, engine: Engine, c: ServingCalibration) -> ServiceTerms:
    load = scaled(b.load, c.shared["length_share"])
    room = _capacity(b, load, engine)
    pre, layout = b.prefill_layout, b.layout
    alone = prefill_terms(b.shape, b.machine, b.formats, pre, engine, load.new_tokens, load.prompt_tokens).total_s
    service = alone / (pre.dp * pre.pp)
    transfer = cache_transfer_s(b.shape, b.machine, b.formats.kv_bytes, load.prompt_tokens, pre.tp)
    running = np.minimum(b.concurrency / b.decode_workers, room)
    found = None
    for _ in range(3):
        step = decode_terms(b.shape, b.machine, b.formats, layout, engine, running, load.mean_context).total_s
        first = first_pass_s(b.shape, engine, alone)
        found = pools(first, service, b.prefill_workers, step, transfer, b.concurrency, load.output_tokens, 1.0, engine)
        running = np.clip(found.running / b.decode_workers, 1.0, room)
    assert found is not None
    return found


def _at_once(b: Bench, engine: Engine, c: ServingCalibration) -> ServiceTerms:
    load = b.load
    room = _capacity(b, load, engine)
    running = np.minimum(b.concurrency, room)
    full = decode_terms(b.shape, b.machine, b.formats, b.layout, engine, running, load.mean_context).total_s
    base = decode_terms(b.shape, b.machine, b.formats, b.layout, engine, 1.0, load.mean_context).total_s
    bulk = bulk_prompt_s(b.shape, b.machine, b.formats, b.layout, engine, 0.5 * running, load)
    return sent_at_once((base, full - base), bulk, room, b.concurrency, load.output_tokens, engine)


SERVICES = {
    CLOSED: _closed, STATIC: _static, SATURATED: _saturated, OPEN: _open, DISAGGREGATED: _pools, AT_ONCE: _at_once,
}  # fmt: skip


def quantities(b: Bench, s: ServiceTerms) -> dict[str, Column]:
    """All quantities that can be asked of a regime's cases, in seconds and per second, an engine row each."""
    ones = np.ones(len(b.cases))
    replicas = np.maximum(b.accelerators / b.layout.accelerators, 1.0)
    rate = s.requests_per_s * replicas
    prompts = np.maximum(b.concurrency, 1.0)
    flop = forward_flop_per_token(b.shape, b.load.prompt_tokens) * b.load.prompt_tokens * prompts
    peak = b.layout.accelerators * b.machine.gemm.peak_flop_per_s
    return {
        "ttft": s.ttft_s * ones,
        "tpot": s.tpot_s * ones,
        "request": s.request_s * ones,
        "output_rate": rate * b.load.output_tokens * ones,
        "total_rate": rate * (b.load.output_tokens + b.load.prompt_tokens) * ones,
        "prefill_mfu": 100.0 * flop / (s.prefill_s * peak) * ones,
    }


KINDS = ("ttft", "tpot", "request", "output_rate", "total_rate", "prefill_mfu")
TIMES = ("ttft", "tpot", "request")


class Questions:
    """What the rows ask, flat: one entry for each (row, metric), answered by the best of its searched layouts."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.keys: list[tuple[int, Asked]] = []
        index: dict[tuple[int, str], int] = {}
        self._wanted: dict[str, tuple[Any, Any, Any, Any]] = {}
        for regime, b in table.benches.items():
            entry, place, kind, scale = [], [], [], []
            for i, case in enumerate(b.cases):
                for asked in case.setting.asked:
                    key = (case.row, asked.metric)
                    if key not in index:
                        index[key] = len(self.keys)
                        self.keys.append((case.row, asked))
                    entry.append(index[key])
                    place.append(i)
                    kind.append(KINDS.index(asked.kind))
                    by = case.setting.accelerators if asked.per_accelerator else 1.0
                    scale.append((1e3 if asked.kind in TIMES and asked.milliseconds else 1.0) / by)
            self._wanted[regime] = (np.array(entry), np.array(place), np.array(kind), np.array(scale))
        self.times = np.array([asked.kind in TIMES for _, asked in self.keys])
        self.rows = np.array([row for row, _ in self.keys], dtype=np.intp)
        by_row = {c.row: c for b in table.benches.values() for c in b.cases}
        mine = [by_row[row] for row, _ in self.keys]
        self.engine = np.array([c.setting.engine for c in mine])
        self.recipe = np.array([c.recipe for c in mine])
        self.family = np.array([c.part.family for c in mine])
        self.old = np.array([c.setting.year < OLD_BEFORE for c in mine])

    def answer(self, c: ServingCalibration) -> Column:
        """One value for each key, in the unit asked; infinite where no layout carries the load."""
        best = np.where(self.times, np.inf, 0.0)
        for regime, (entry, place, kind, scale) in self._wanted.items():
            if not len(entry):
                continue
            b = self.table.benches[regime]
            every = quantities(b, self.table.service(regime, c))
            stacked = np.stack([every[k] for k in KINDS])
            value = stacked[kind, place] * scale
            slow = self.times[entry]
            np.minimum.at(best, entry[slow], value[slow])
            np.maximum.at(best, entry[~slow], value[~slow])
        return best
