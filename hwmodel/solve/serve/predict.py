"""One serving configuration in a closed loop: latencies, rates, memory, terms of the step."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec.structs import asdict

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.ops import Num
from hwmodel.physics.machine import machine
from hwmodel.predict.service import CLOSED, DISAGGREGATED, ServiceSetting, on_layout, serve, service_ends, traits_of
from hwmodel.predict.service.intervals import THROUGHPUT, TPOT, TTFT
from hwmodel.predict.service.layouts import Sizes, cells, check_sizes, column
from hwmodel.predict.service.passes import held, room, step_terms, transfer_s
from hwmodel.predict.service.regimes import closed_loop_rate, paced
from hwmodel.predict.service.search import best_layout, candidates, fitting, numbers, replicas, shared
from hwmodel.solve.run.band import Band
from hwmodel.solve.serve.choose import check_context, engine_for
from hwmodel.solve.serve.citations import service_sources
from hwmodel.solve.serve.doubt import banded
from hwmodel.solve.serve.likely import service_like
from hwmodel.solve.serve.money import Spent, money, price_of, share_of, token_rate
from hwmodel.solve.serve.notes import ALL, meant, named, notes, resolved, tight
from hwmodel.solve.serve.question import PoolLimit, ServingQuestion, sizes_of
from hwmodel.solve.serve.records import SIZES, EngineFound, PredictedRow, PrefillPool, ServingBill
from hwmodel.solve.serve.table import cache_requests, setting_of
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import ServiceTerms, ServingLayout
from hwmodel.specs.shape import Shape

Workers = tuple[int, int]  # prefill, decode


def predict(
    question: ServingQuestion,
    catalog: Catalog,
    clients: float,
    workers: Workers | None = None,
    prefill_tp: float | None = None,
    accelerators: float | None = None,
) -> EngineFound:
    """Prediction of one configuration: an engine that does both, or pools of prefill and decode `workers`.

    The layout is the one given, or with `accelerators` the best on so many; pools whose workers are not given are as
    large as keeps pace, or fill the accelerators of their part. Raises InfeasibleError where weights or one request do
    not fit.
    """
    question, said = named(question, catalog)
    shape = question.shape or catalog.model(question.model)
    check_context(shape, question)
    check_sizes(shape, sizes_of(question))
    at = _equipped(question, catalog, shape, question.decode.part if question.decode else _part(question))
    other = _equipped(question, catalog, shape, question.prefill.part) if question.prefill else at
    start = msgspec.structs.replace(at.setting, clients=clients)
    if question.prefill is not None:
        if workers is not None or accelerators is not None:
            raise InputError("--prefill and --decode say how many accelerators each pool has: drop --pools and --gpus")
        setting = _two_pools(start, other, question, at.part.name, prefill_tp)
    else:
        setting = _laid_out(start, question, at.part.name, workers, prefill_tp, accelerators)
    n = 1.0 if accelerators is None else float(replicas(accelerators, setting.worker.layout))
    regime = CLOSED if setting.prefill is None else DISAGGREGATED
    searched = accelerators is not None and not sizes_of(question).any
    of = traits_of(regime, setting, question.engine, at.part, searched=searched)
    setting = paced(setting) if setting.prefill is not None else setting
    s = serve(setting, regime)
    rate = float(closed_loop_rate(clients, float(s.request_s)))
    held_by = _split(setting, s, other.part.id) if setting.prefill is not None else _both(setting, s, n)
    share, bill = _spent(question, at, other, held_by, float(s.utilisation), rate, catalog)
    layout = setting.worker.layout
    answer = PredictedRow(
        part=at.part.id, system=at.system.id, precision=at.recipe.id,
        **{name: getattr(layout, name) for name in SIZES}, clients=clients,
        ttft_s=float(s.ttft_s), tpot_s=float(s.tpot_s),
        request_s=float(s.request_s), requests_per_s=rate,
        output_tokens_per_s=float(token_rate(rate, question.output_tokens)),
        total_tokens_per_s=float(token_rate(rate, question.output_tokens + question.prompt_tokens)),
        prefill_share=share,
        **held_by._asdict(), **asdict(bill),
    )  # fmt: skip
    answer = banded(answer, {name: service_ends(of, setting, s, name) for name in (TPOT, TTFT, THROUGHPUT)})
    model = "" if question.shape is not None else question.model
    return EngineFound(
        answer=answer,
        like=service_like(question, at.part, shape),
        resolved=resolved(question, at.part, at.system),
        notes=[*said, *shape.notes, *notes(at.part, at.system, setting.worker.machine, at.recipe, None),
               *tight(answer.cache_requests)],
        step=msgspec.to_builtins(step_terms(setting, answer.batch)), prefill_s=float(s.prefill_s),
        sources=service_sources(catalog, model, at.part.id, at.system.id, at.recipe, None),
    )  # fmt: skip


class _Equipped(NamedTuple):
    """A part with its system and recipe, and one engine instance on it under the load of the question."""

    part: Part
    system: System
    recipe: ServingPrecision
    setting: ServiceSetting


def _part(question: ServingQuestion) -> str:
    if len(question.parts) != 1 or question.parts == ALL:
        raise InputError("a prediction takes one --part, like --part h200")
    return question.parts[0]


def _equipped(question: ServingQuestion, catalog: Catalog, shape: Shape, name: str) -> _Equipped:
    part = catalog.part(name)
    system = catalog.default_system(part.id)
    names = question.precisions or ("bf16" if part.peak_dense_flop_per_s.get("bf16") else "fp16",)
    if len(names) != 1:
        raise InputError("a prediction takes one --precision, like --precision fp8")
    recipe = catalog.serving_precision(meant(question, names[0], part, catalog))
    m = machine(part, system, recipe, kernel_calibration())
    engine = engine_for(question.engine, part.family, recipe.id, question.engine_year)
    return _Equipped(part, system, recipe, setting_of(question, shape, m, recipe, engine))


def _spent(
    question: ServingQuestion, at: _Equipped, other: _Equipped, held_by: _Held, busy: float, rate: float,
    catalog: Catalog,
) -> tuple[float, ServingBill]:  # fmt: skip
    """The share of the accelerators' hour that prompts take, and their dollars and joules at the rate they carry."""

    def of(one: _Equipped, accelerators: float) -> Spent:
        return Spent(one.part, one.system, price_of(question, one.part.id, catalog), accelerators)

    before = held_by.prefill.accelerators if held_by.prefill else 0.0
    spent = [of(at, held_by.accelerators - before)]
    if before:
        spent.append(of(other, before))
    share = share_of(spent[1], spent) if before else busy
    return share, money(question, spent, share, rate, catalog)


def _two_pools(
    s: ServiceSetting, other: _Equipped, question: ServingQuestion, part: str, prefill_tp: float | None
) -> ServiceSetting:
    """Pools on two parts: workers of the smallest layout (unless one is given) that fill the accelerators of each."""
    assert question.prefill is not None
    assert question.decode is not None
    decode = _smallest(s, sizes_of(question), question.decode, question, part)
    bare = on_layout(other.setting, ServingLayout())
    sizes = Sizes(tp=prefill_tp or question.tp, pp=question.pp, dp=question.dp, ep=None if prefill_tp else question.ep)
    before = _smallest(bare, sizes, question.prefill, question, other.part.name)

    def count(pool: PoolLimit, layout: ServingLayout) -> float:
        return 0.0 if math.isinf(pool.most) else float(pool.most // layout.accelerators)

    return msgspec.structs.replace(
        on_layout(s, decode), prefill=on_layout(bare, before).worker,
        prefill_workers=count(question.prefill, before), decode_workers=count(question.decode, decode),
    )  # fmt: skip


def _smallest(s: ServiceSetting, given: Sizes, pool: PoolLimit, question: ServingQuestion, part: str) -> ServingLayout:
    """The layout of fewest accelerators in a pool that holds the model and one request."""
    tried = candidates(s, min(pool.most, 1e6), given)
    if not len(column(tried.tp)):
        widest = ServingLayout(tp=min(pool.most, float(s.worker.machine.network.domain)))
        raise _does_not_fit(on_layout(s, widest), question, part)
    return numbers(tried, int(np.lexsort((column(tried.pp), column(tried.accelerators)))[0]))


def _laid_out(
    s: ServiceSetting,
    question: ServingQuestion,
    part: str,
    workers: Workers | None,
    prefill_tp: float | None,
    accelerators: float | None,
) -> ServiceSetting:
    """The setting in the layout given or searched, with its pools. Raises InfeasibleError where it does not fit."""
    if accelerators is not None:
        _check_one_kind(question, workers, prefill_tp)
        tried = candidates(s, accelerators, sizes_of(question))
        found = best_layout(s, CLOSED, accelerators, tried)
        if found is None:
            one = ServingLayout(tp=min(accelerators, float(s.worker.machine.network.domain)))
            raise _does_not_fit(on_layout(s, one), question, part)
        return shared(s, accelerators, found)
    layout = ServingLayout(**{f: getattr(question, f) or 1.0 for f in SIZES})
    _check_layout(question, layout, workers, prefill_tp)
    setting = on_layout(s, layout)
    _check_room(setting, question, part)
    if workers is None and not question.disaggregated:
        return setting
    before = msgspec.structs.replace(layout, tp=prefill_tp or layout.tp)
    if before.ep > 1.0:
        before = msgspec.structs.replace(before, ep=before.tp * before.dp)
    check_sizes(s.shape, Sizes(tp=float(before.tp), dp=float(before.dp), ep=float(before.ep)))
    _check_room(on_layout(s, before), question, part)
    return msgspec.structs.replace(
        setting, prefill=msgspec.structs.replace(s.worker, layout=before),
        prefill_workers=float(workers[0]) if workers else 0.0, decode_workers=float(workers[1]) if workers else 0.0,
    )  # fmt: skip


def _check_layout(
    question: ServingQuestion, layout: ServingLayout, workers: Workers | None, prefill_tp: float | None
) -> None:
    if (layout.tp * layout.dp) % layout.ep:
        n = layout.stage_accelerators
        raise InputError(f"--ep {layout.ep:g} does not divide the {n:g} accelerators of a stage (--tp x --dp)")
    if workers is not None and question.disaggregated is False:
        raise InputError("--pools are disaggregated and --aggregated forbids them: drop one")
    if prefill_tp is not None and workers is None and not question.disaggregated:
        raise InputError("--prefill-tp is the size of prefill workers: add --pools, like --pools 2:3")


def _check_one_kind(question: ServingQuestion, workers: Workers | None, prefill_tp: float | None) -> None:
    """Refuse pools where accelerators are given for the layout of engines that do both."""
    pools = {"--pools": workers is not None, "--disaggregated": question.disaggregated, "--prefill-tp": prefill_tp}
    name = next((name for name, given in pools.items() if given), None)
    if name is not None:
        raise InputError(
            f"--gpus searches the layout of one kind of engine; drop it, or {name} (--prefill 2xh200 --decode 6xh200 "
            "says how many accelerators each pool has)"
        )


class _Held(NamedTuple):
    """Engine instances or pools, and what one instance holds at its batch: fields of a `PredictedRow`."""

    mode: str
    prefill: PrefillPool | None
    replicas: int
    accelerators: float
    batch: float
    cache_requests: Band
    kv_pool_bytes: float
    weights_bytes: float


def _both(s: ServiceSetting, found: ServiceTerms, instances: float) -> _Held:
    """What an engine that prefills and decodes holds."""
    total = instances * float(s.worker.layout.accelerators)
    return _Held("aggregated", None, int(instances), total, *_holds(s, found.running))


def _split(s: ServiceSetting, found: ServiceTerms, part: str) -> _Held:
    """What pools of prefill and of decode workers hold."""
    assert s.prefill is not None
    before, workers = s.prefill.layout, int(s.prefill_workers)
    pool = PrefillPool(
        part=part, workers=workers, **{name: getattr(before, name) for name in SIZES},
        accelerators_per_worker=float(before.accelerators), accelerators=workers * float(before.accelerators),
        cache_transfer_s=float(transfer_s(s.shape, s.prefill, s.load)),
    )  # fmt: skip
    total = pool.accelerators + float(s.decode_workers * s.worker.layout.accelerators)
    batch = min(max(found.running / s.decode_workers, 1.0), room(s))
    return _Held("disaggregated", pool, int(s.decode_workers), total, *_holds(s, batch))


def _holds(s: ServiceSetting, batch: Num) -> tuple[float, Band, float, float]:
    """Batch, requests in the cache, bytes of the cache and of weights."""
    memory = held(s)
    return float(batch), cache_requests(s), float(memory.kv_pool_bytes), float(memory.weights_bytes)


def _check_room(s: ServiceSetting, question: ServingQuestion, part: str) -> None:
    if held(s).kv_pool_bytes <= 0 or room(s) < 1.0:
        raise _does_not_fit(s, question, part)


def _does_not_fit(s: ServiceSetting, question: ServingQuestion, part: str) -> InfeasibleError:
    memory, hbm = held(s), float(s.worker.machine.hbm_bytes)
    lacking = max(-float(memory.kv_pool_bytes), 0.0)
    wider = _smallest_that_fits(s)
    return InfeasibleError(
        f"{question.model} does not fit {s.worker.layout.accelerators:g} x {part}: "
        f"{float(memory.weights_bytes) / 1e9:.0f} GB of weights on each accelerator of {hbm / 1e9:.0f} GB"
        + (f", {lacking / 1e9:.0f} GB are missing" if lacking else f" leave no room for one request{_at_best(s)}")
        + f"; try {wider or 'a part with more memory'} or a smaller format",
        binding="memory",
        remedy=wider or "a part with more memory",
    )


def _at_best(s: ServiceSetting) -> str:
    """What other settings of the engine would leave room for, where that may be a request."""
    high = cache_requests(s).high
    return f" (usual settings; {high:.2g} where the engine is started with more of the memory)" if high >= 1.0 else ""


def _smallest_that_fits(s: ServiceSetting) -> str:
    """Options of the layout of fewest accelerators that holds the model and one request; empty where none does."""
    tried = fitting(s, float("inf"))
    if not len(column(tried.tp)):
        return ""
    order = np.lexsort((column(tried.pp), column(tried.accelerators)))
    sizes = cells(tried, int(order[0]))
    return " ".join(f"--{name} {value:g}" for name, value in sizes.items() if value > 1)
