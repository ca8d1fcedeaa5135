"""Chooses a serving fleet: part, format, layout, batch and replicas for a demand and latency limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.economics.energy import mean_chip_power_w
from hwmodel.errors import InfeasibleError, InputError, unknown
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import weights_bytes
from hwmodel.solve.serving_quality import measured_quality
from hwmodel.solve.serving_question import ServingQuestion
from hwmodel.solve.serving_table import Options, options, row, serving_formats
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import Engine, ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape

DEFAULT_PARTS = ("h100", "h200", "b200", "gb200", "mi300x", "l40s", "rtx-5090")
DEFAULT_PRECISIONS = ("bf16", "fp8", "nvfp4", "w4a16")
ENGINES = ("generic", "trtllm", "vllm", "sglang")
SECONDS_PER_HOUR = 3600.0


def engine_for(name: str, family: str, recipe: str) -> Engine:
    """Fitted constants of an engine; InputError for one unknown."""
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    return engine_of(serving_calibration(), name, family=family, recipe=recipe)


def load_of(question: ServingQuestion) -> ServingLoad:
    """The load of a question; cached prompt tokens are not computed again."""
    return ServingLoad(
        prompt_tokens=question.prompt_tokens,
        output_tokens=question.output_tokens,
        cached_tokens=question.prompt_tokens * question.hit_rate,
    )


def check_context(shape: Shape, question: ServingQuestion) -> None:
    """Raises InputError where prompt and output are longer than the model takes."""
    longest = question.prompt_tokens + question.output_tokens
    if shape.max_seq_len and longest > shape.max_seq_len:
        raise InputError(
            f"{longest:,.0f} tokens of prompt and output, {shape.name} takes {shape.max_seq_len:,.0f}; "
            "shorten --input or --output, or choose another model"
        )


def tables(question: ServingQuestion, shape: Shape, catalog: Catalog) -> list[Options]:
    """Options of every part and recipe that the question allows and the hardware has."""
    out = []
    load = load_of(question)
    for name in question.parts or DEFAULT_PARTS:
        part = catalog.part(name)
        system = catalog.default_system(part.id)
        for recipe in _recipes(question, catalog):
            if not part.peak_dense_flop_per_s.get(recipe.gemm_format):
                continue
            m = machine(part, system, recipe, kernel_calibration())
            engine = engine_for(question.engine, part.family, recipe.id)
            out.append(options(shape, part, system, m, recipe, engine, load, question.percentile, question.speculation))
    if not out:
        parts = ", ".join(question.parts or DEFAULT_PARTS)
        raise InputError(f"none of {parts} computes in {', '.join(question.precisions)}; try --precision bf16")
    return out


def _recipes(question: ServingQuestion, catalog: Catalog) -> list[ServingPrecision]:
    return [catalog.serving_precision(p) for p in question.precisions or DEFAULT_PRECISIONS]


def choose(question: ServingQuestion, catalog: Catalog) -> dict[str, Any]:
    """The cheapest fleet that meets the limits, with alternatives and the Pareto front of latency and cost.

    Raises InfeasibleError naming the limit that binds and the smallest change that helps.
    """
    shape = catalog.model(question.model)
    check_context(shape, question)
    found = tables(question, shape, catalog)
    rows: list[dict[str, Any]] = []
    for o in found:
        meets = (o.fits > 0) & (o.tpot_tail_s <= question.tpot_s) & (o.ttft_tail_s <= question.ttft_s)
        rows += [_fleet(question, o, int(i), catalog) for i in _distinct_best(o, meets)]
    rows = [r for r in rows if r["usd_per_hour"] is not None] or rows
    if not rows:
        raise _infeasible(question, shape, found)
    rows.sort(key=lambda r: (r["usd_per_hour"] if r["usd_per_hour"] is not None else math.inf, r["accelerators"]))
    quality = {r["precision"]: measured_quality(r["precision"]) for r in rows}
    return {
        "answer": _with_intervals(rows[0], shape),
        "quality": quality,
        "alternatives": _alternatives(rows),
        "pareto": _pareto(rows),
    }


def _distinct_best(o: Options, meets: Any) -> Sequence[int]:
    """Of each layout the largest batches that meet the limits: the best two, for the front of latency and cost."""
    out: list[int] = []
    keys = np.round(o.tp * 1e6 + o.dp * 1e3 + o.ep)
    for key in np.unique(keys):
        mine = np.flatnonzero((keys == key) & meets)
        out += mine[np.argsort(-o.requests_per_s[mine])][:4].tolist()
    return out


def _fleet(question: ServingQuestion, o: Options, i: int, catalog: Catalog) -> dict[str, Any]:
    """Replicas, money and energy of one configuration under the demand."""
    r = row(o, i)
    peak = question.rate * question.peak_to_mean
    replicas = math.ceil(peak / r["requests_per_s_per_replica"] - 1e-9) + question.spares
    n = replicas * r["accelerators_per_replica"]
    price = catalog.price_summary(o.part.id)
    hourly = n * price.median_usd_per_accelerator_hour if price else None
    facts = catalog.energy(system=o.system)
    chip_w, _ = mean_chip_power_w(o.part, facts)
    watts = n * chip_w * (1.0 + facts.server_overhead_fraction) * facts.pue
    prompt_rate, output_rate = question.rate * question.prompt_tokens, question.rate * question.output_tokens
    share = r["prefill_share"]

    def per_million(part_of: float, rate: float) -> float | None:
        return None if hourly is None else hourly * part_of / (rate * SECONDS_PER_HOUR) * 1e6

    new = max(1.0 - question.hit_rate, 1e-9)
    r |= {
        "replicas": replicas, "spare_replicas": question.spares, "accelerators": n, "usd_per_hour": hourly,
        "usd_per_million_input": per_million(share, prompt_rate * new),
        "usd_per_million_cached_input": 0.0 if question.hit_rate else None,
        "usd_per_million_output": per_million(1.0 - share, output_rate),
        "usd_per_accelerator_hour": price.median_usd_per_accelerator_hour if price else None,
        "price_dates": f"{price.first_date}..{price.last_date}" if price else None,
        "joules_per_output_token": watts * (1.0 - share) / output_rate,
        "joules_per_input_token": watts * share / (prompt_rate * new),
        "headroom": (replicas - question.spares) * r["requests_per_s_per_replica"] / peak - 1.0,
        "load": peak / (replicas * r["requests_per_s_per_replica"]),
    }  # fmt: skip
    return r


def _with_intervals(r: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """80 % intervals: latencies as measured runs of left-out models scatter, money with the engine's rate."""
    widths = serving_calibration().intervals
    kind = "experts" if any(b.n_experts for b in shape.blocks) else "dense"

    def half(name: str) -> float:
        return (widths.get(f"{name} | closed loop | {kind}") or widths.get(name) or [0.35])[0]

    out = dict(r)
    for key, name in (("tpot_s", "tpot"), ("tpot_tail_s", "tpot"), ("ttft_s", "ttft"), ("ttft_tail_s", "ttft"),
                      ("usd_per_million_input", "tpot"), ("usd_per_million_output", "tpot")):  # fmt: skip
        if r[key] is not None:
            f = math.exp(half(name))
            out[key] = {"value": r[key], "low": r[key] / f, "high": r[key] * f}
    return out


def _alternatives(rows: list[dict[str, Any]], most: int = 8) -> list[dict[str, Any]]:
    """The cheapest of each part and recipe after the winner."""
    out: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = {(rows[0]["part"], rows[0]["precision"])}
    for r in rows[1:]:
        key = (r["part"], r["precision"])
        if key not in seen:
            seen.add(key)
            out.append(r)
    return out[:most]


def _pareto(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Configurations that nothing beats in both hourly cost and time per output token."""
    out: list[dict[str, Any]] = []
    best = math.inf
    for r in rows:
        if r["tpot_tail_s"] < best * 0.98:
            best = r["tpot_tail_s"]
            out.append(r)
    return out


def _infeasible(question: ServingQuestion, shape: Shape, found: list[Options]) -> InfeasibleError:
    """Which limit binds, by which term, and the smallest change that helps."""
    fitting = [o for o in found if (o.fits > 0).any()]
    if not fitting:
        return _does_not_fit(question, shape, found)
    fastest = min(float(o.tpot_tail_s[o.fits > 0].min()) for o in fitting)
    first = min(float(o.ttft_tail_s[o.fits > 0].min()) for o in fitting)
    p = f"p{100 * question.percentile:g}"
    if fastest > question.tpot_s:
        o = min(fitting, key=lambda o: float(o.tpot_tail_s[o.fits > 0].min()))
        return InfeasibleError(
            f"no allowed configuration reaches {p} TPOT {1e3 * question.tpot_s:g} ms: the fastest, {o.part.name} in "
            f"{o.recipe.id}, takes {1e3 * fastest:.1f} ms a step (weights, cache and launch latency); allow "
            f"--tpot {1e3 * fastest * 1.02:.1f}ms, a lower precision or a faster part",
            binding="tpot",
            remedy=f"--tpot {1e3 * fastest * 1.02:.1f}ms",
        )
    if first > question.ttft_s:
        return InfeasibleError(
            f"no allowed configuration reaches {p} TTFT {question.ttft_s:g} s: the best takes {first:.3g} s to prefill "
            f"{question.prompt_tokens:,.0f} tokens; allow --ttft {first * 1.02:.3g}s or shorten --input",
            binding="ttft",
            remedy=f"--ttft {first * 1.02:.3g}s",
        )
    return InfeasibleError(
        f"nothing allowed meets {p} TTFT {question.ttft_s:g} s and TPOT {1e3 * question.tpot_s:g} ms together; "
        f"alone they reach {first:.3g} s and {1e3 * fastest:.1f} ms: relax either",
        binding="ttft and tpot",
        remedy="a longer --ttft or --tpot",
    )


def _does_not_fit(question: ServingQuestion, shape: Shape, found: list[Options]) -> InfeasibleError:
    best = None
    for o in found:
        formats = serving_formats(shape, o.recipe)
        widest = float((o.tp * o.dp).max())
        layout = ServingLayout(tp=float(o.tp.max()))
        need = float(weights_bytes(shape, formats, layout))
        over = need / float(o.machine.hbm_bytes)
        if best is None or over < best[0]:
            best = (over, need, widest, o)
    assert best is not None
    over, need, widest, o = best
    return InfeasibleError(
        f"{question.model} does not fit: nearest is {o.part.name} x {widest:g} in {o.recipe.id}, which needs "
        f"{need / 1e9:.0f} GB of weights and a cache on each accelerator of {float(o.machine.hbm_bytes) / 1e9:.0f} GB; "
        "allow a smaller format (--precision nvfp4,w4a16), a part with more memory, or shorter prompts",
        binding="memory",
        remedy="--precision nvfp4,w4a16, or a part with more memory",
    )
