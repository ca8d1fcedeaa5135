"""The same run in each format that the part has: time, memory, layout, money, and what the bits cost in loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwmodel import laws
from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.laws.precision import training_penalty
from hwmodel.predict.search import choice
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.answers import answer, plan_layout
from hwmodel.solve.fleet import Fleet
from hwmodel.solve.result import Band, value_of
from hwmodel.solve.setting import Fleeted, default_precision, step_width
from hwmodel.solve.sizing import Sized, loss_model, with_repeats
from hwmodel.specs import Precision

if TYPE_CHECKING:
    from hwmodel.solve.solved import Solved

KUMAR, SUN, REPEATS = "kumar_2024", "sun_2025", "muennighoff_2023"


def loss_penalty(setting: Fleeted, precision: Precision, params: float, tokens: float) -> dict[str, Any] | None:
    """Nats a token above bf16: the span of Kumar's three transports, and Sun's term; None where no law can carry it."""
    if not precision.quantised:
        return {"low": 0.0, "high": 0.0, "sun": 0.0, "outside_fit": False}
    try:
        found = training_penalty(
            setting.law, setting.catalog.law(KUMAR), setting.catalog.law(SUN), params, tokens,
            exponent_bits=precision.exponent_bits, mantissa_bits=precision.mantissa_bits,
            scale_block=precision.scale_block,
        )  # fmt: skip
    except InputError:
        return None
    return {
        "low": float(found.low),
        "high": float(found.high),
        "sun": None if found.sun is None else float(found.sun),
        "outside_fit": found.outside_fit,
    }


def _extra_tokens(setting: Fleeted, sized: Sized, penalty_nats: float) -> float | None:
    """Factor on the tokens that regains a loss at the same size; None where no amount of data does."""
    if sized.loss is None:
        return None
    try:
        target = value_of(sized.loss) - penalty_nats
        unique = setting.request.unique_tokens
        if unique is None:
            return float(laws.tokens_for_loss(setting.law, sized.n, target)) / sized.d
        repeats = loss_model(setting.law, setting.catalog.law(REPEATS), unique, setting.request.seed)
        return with_repeats(repeats, target, sized.n, None)[1] / sized.d
    except InfeasibleError:
        return None


def supported(setting: Fleeted) -> list[Precision]:
    """Training recipes whose GEMM format the part has, bf16 (or fp16) first."""
    part = setting.part
    first = default_precision(part)
    own = [
        p
        for p in setting.catalog.precisions()
        if any(part.peak_dense_flop_per_s.get(name) for name in (p.gemm_format, *p.fallback_formats))
        and part.peak_dense_flop_per_s.get(p.gemm_format, 0.0) is not None  # None: the hardware lacks it
        and (p.quantised or p.id == first)
    ]
    return sorted(own, key=lambda p: p.id != first)


def precision_row(setting: Fleeted, solved: Solved, precision: Precision) -> dict[str, Any]:
    """One precision of a comparison: the layout is chosen anew."""
    row: dict[str, Any] = {"precision": precision.id, "title": precision.title}
    try:
        fleet = Fleet(setting, solved.fleet.accelerators, precision, setting.machine_for(precision))
        evaluation = fleet.evaluate(solved.at.shape, solved.sized.n)
    except HwModelError as error:
        return {**row, "status": "refused", "reason": str(error)}
    best = int(evaluation.best[0])
    if best < 0:
        return {**row, "status": "infeasible", "reason": "no layout fits"}
    found = choice(evaluation, best, fleet.machine, precision, setting.stack)
    width = step_width(setting, precision, is_mixture(solved.at.shape), fleet.accelerators)
    rate = None
    if setting.request.mfu is not None and precision.id != setting.precision.id:
        # An MFU given was reached in the plan's own format: it sets the level, the prediction the ratio to another.
        rate = found.tokens_per_s * value_of(solved.answer.tokens_per_s) / solved.choice.tokens_per_s
    got = answer(fleet, solved.sized, solved.at, found, width, rate)
    return {
        **row,
        "status": "ok",
        "train_days": got.train_days,
        "mfu": got.mfu,
        "peak_memory_bytes": got.peak_memory_bytes,
        "cost_usd": got.cost_usd,
        "layout": plan_layout(found),
        "loss_penalty_nats": loss_penalty(setting, precision, solved.sized.n, solved.sized.d),
    }


def precision_rows(setting: Fleeted, solved: Solved, wanted: list[Precision] | None = None) -> list[dict[str, Any]]:
    """A row each, with the speed-up over the reference, the speed-up it needs to pay its loss back, and the verdict.

    The reference is the first format without a loss penalty (bf16, fp16), else the first that fits.
    """
    rows = [precision_row(setting, solved, p) for p in (wanted or supported(setting))]
    fitting = [row for row in rows if row["status"] == "ok"]
    lossless = [row for row in fitting if (row["loss_penalty_nats"] or {}).get("high") == 0.0]
    for row in fitting:
        base = (lossless or fitting)[0]
        row["speedup"] = _days(base) / _days(row)
        row.update(_verdict(setting, solved.sized, row, base))
    return rows


def _days(row: dict[str, Any]) -> float:
    days: Band = row["train_days"]
    return days.value


def _verdict(setting: Fleeted, sized: Sized, row: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    penalty, free = row["loss_penalty_nats"], base["loss_penalty_nats"]
    if penalty is None or free is None or sized.loss is None:
        return {"break_even_speedup": None, "verdict": "unknown: no law gives the loss of these bits"}
    known = [end for end in ("low", "high", "sun") if penalty[end] is not None and free[end] is not None]
    ends = [penalty[end] - free[end] for end in known]
    cheap = _extra_tokens(setting, sized, max(min(ends), 0.0))
    dear = _extra_tokens(setting, sized, max(ends))
    needed = {"low": cheap, "high": dear}
    if row is base:
        verdict = "reference"
    elif dear is not None and row["speedup"] > dear:
        verdict = "wins under every law of the band"
    elif cheap is not None and row["speedup"] > cheap:
        verdict = "wins only if the loss penalty lies in the lower part of the band"
    else:
        verdict = "does not pay its loss back"
    return {"break_even_speedup": needed, "verdict": verdict}
