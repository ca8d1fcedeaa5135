"""The published test points of the laws, recomputed: each holds at its printed precision or says why it cannot.

A law's YAML names for each point what to compute (`ask`), from what (`with`), which number of the result is meant
(`want`) and the digits printed (`expect`). Here the asking is done; no expected value stands in this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from hwmodel import laws
from hwmodel.errors import CatalogError
from hwmodel.laws import additive, inference, precision
from hwmodel.laws.experts import at_experts
from hwmodel.laws.kaplan import embedding_split
from hwmodel.laws.lifetime import lifetime_optimum
from hwmodel.ops import Num
from hwmodel.report.tables import table
from hwmodel.specs.law import LawSpec, PrintedNumber, PrintedPoint
from hwmodel.validation.claims.values import Lookup

Asked = Mapping[str, float]  # what a point is computed from
Found = Mapping[str, Num]  # what comes out, by name
Extra = Mapping[str, Callable[[], Found]]  # asks that need data from outside, such as the refit of the runs


class PointResult(msgspec.Struct, frozen=True, kw_only=True):
    """One number of one test point: what was printed, what comes out, and whether the digits agree."""

    law: str
    text: str
    status: str
    want: str
    expect: str
    value: float | None
    holds: bool | None  # None: not computable, see reason
    reason: str
    tolerance: str


def _optimum(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """The law's optimum for a budget, a size or tokens."""
    spec = laws.specialise(spec, experts=g.get("experts"))
    if "flop" in g:
        o = laws.optimum_for_flop(spec, g["flop"])
    elif "params" in g:
        o = laws.optimum_for_params(spec, g["params"])
    else:
        o = laws.optimum_for_tokens(spec, g["tokens"])
    n, d = o.params, o.tokens
    found = {"params": n, "tokens": d, "flop": o.flop, "tokens_per_param": d / n,
             "six_nd_over_flop": 6.0 * n * d / o.flop,
             "lifetime_flop": o.flop + 2.0 * n * g.get("inference_tokens", 0.0)}  # fmt: skip
    return found if o.loss is None else found | {"loss": o.loss}


def _reduced(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """The joint law of experts at one number of experts."""
    c = at_experts(spec.constants, g["experts"])
    return {"m": c["A"], "mu": -c["alpha"], "n": c["B"], "nu": -c["beta"]}


def _lifetime(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """The cheapest life at a loss, against the training optimum."""
    best = lifetime_optimum(spec, g["loss"], g["inference_tokens"])
    return {"params": best.params, "tokens": best.tokens,
            "params_percent": 100.0 * best.params / best.training_optimal_params,
            "tokens_percent": 100.0 * best.tokens / best.training_optimal_tokens,
            "flop_percent": 100.0 * best.total_cost / best.training_optimal_cost}  # fmt: skip


def _quality(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """The cheapest life at the loss of an optimal size."""
    start = laws.optimum_for_params(spec, g["params"])
    best = lifetime_optimum(spec, laws.loss(spec, start.params, start.tokens), g["inference_tokens"])
    saved = best.training_optimal_cost - best.total_cost
    return {"params": best.params, "tokens": best.tokens, "saved_flop": saved,
            "saved_percent": 100.0 * best.saved_fraction}  # fmt: skip


def _dollars(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """Dollars of training and serving at given utilisations and prices."""
    o = laws.optimum_for_params(spec, g["params"])
    train = o.flop / (g["train_peak"] * g["train_mfu"]) / 3600.0 * g["train_usd_per_hour"]
    work = g["input"] / g["prefill_mfu"] + g["output"] / g["decode_mfu"]
    serve = 2.0 * g["params"] * g["requests"] * work / g["serve_peak"] / 3600.0 * g["serve_usd_per_hour"]
    return {"train_usd": train, "total_usd": train + serve}


def _devries(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """Size and tokens at a factor of the optimal size, the loss held."""
    n = additive.params_for_flop(spec.constants, g["flop"])
    factor = inference.tokens_factor(spec.constants["alpha"], spec.constants["beta"], g["size_factor"])
    return {"params": n * g["size_factor"], "tokens": g["flop"] / (6.0 * n) * factor}


def _growth(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """How optimal size and tokens grow with compute."""
    low, high = laws.optimum_for_flop(spec, g["flop"]), laws.optimum_for_flop(spec, g["flop"] * g["factor"])
    return {"params_factor": high.params / low.params, "tokens_factor": high.tokens / low.tokens}


def _contradiction(_spec: LawSpec, _g: Asked, law: Lookup) -> Found:
    """Where Kaplan's L(C_min) falls below L(D) of the data that the same compute consumes (section 6.3)."""
    by_data, by_compute, split = (law(f"kaplan_2020/{n}") for n in ("L_D", "L_Cmin", "N_opt"))

    def gap(log_flop: float) -> float:
        """L(C_min) above L(D) at a budget."""
        flop = math.exp(log_flop)
        tokens = laws.optimum_for_flop(split, flop).tokens
        by_c = laws.evaluate(by_compute, flop=flop)["loss_nats"]
        return float(by_c - laws.evaluate(by_data, tokens=tokens)["loss_nats"])

    low, high = math.log(8.64e19), math.log(8.64e29)
    for _ in range(80):
        mid = 0.5 * (low + high)
        low, high = (mid, high) if gap(mid) > 0.0 else (low, mid)
    flop = math.exp(low)
    o = laws.optimum_for_flop(split, flop)
    return {"pf_days": flop / 8.64e19, "params": o.params, "tokens": o.tokens,
            "loss": laws.evaluate(by_compute, flop=flop)["loss_nats"]}  # fmt: skip


def _qat_ratio(_spec: LawSpec, g: Asked, law: Lookup) -> Found:
    """Loss of quantised activations over that of quantised weights."""
    inputs = {"params": g["params"], "tokens": g["params"] * g["ratio"], "scale_block": g["scale_block"]}
    a, w = (laws.evaluate(law(f"chen_qat_2025/{n}"), **inputs)["penalty_nats"] for n in ("W16A4", "W4A16"))
    return {"ratio": a / w}


def _hunyuan(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """Optimal size and tokens at the law's own count of compute."""
    c = spec.constants
    flop = c["flop_per_param_token"] * g["params"] * g["tokens"] + c["flop_per_token"] * g["tokens"]
    return laws.evaluate(spec, flop=flop)


def _slope(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """Exponent of N (non-embedding) in C between two sizes: a straight line through points uniform in log C."""
    import numpy as np

    log_n = np.linspace(math.log(g["low"]), math.log(g["high"]), 400)
    log_c = np.log(embedding_split(spec.constants, np.exp(log_n))["flop_non_embedding"])
    even = np.linspace(log_c[0], log_c[-1], 400)
    return {"slope": float(np.polyfit(even, np.interp(even, log_c, log_n), 1)[0])}


def _asymptote(spec: LawSpec) -> Found:
    """The exponent of size in compute of an additive law."""
    c = spec.constants
    return {"a": c["beta"] / (c["alpha"] + c["beta"])}


def _sun_best_bits(spec: LawSpec, g: Asked, _: Lookup) -> Found:
    """Bits P (best split of exponent and mantissa) of the least loss at cost (6/16) N D P = C, N and D free."""
    import numpy as np

    c = spec.constants
    bits = np.linspace(3.0, 16.0, 131)[:, None]
    n = np.geomspace(1e8, 1e24, 1601)[None, :]
    d = g["flop"] * 16.0 / (6.0 * n * bits)
    mantissa = precision.sun_best_mantissa(c, bits)
    log2_block = math.log2(g["scale_block"])
    term = precision.sun_term(c, n, d, bits - 1.0 - mantissa, mantissa, log2_block)
    loss = c["n"] * n ** -c["alpha"] + c["d"] * d ** -c["beta"] + c["epsilon"] + term
    return {"bits": float(bits[np.argmin(loss.min(axis=1)), 0])}


_ASK: dict[str, Callable[[LawSpec, Asked, Lookup], Found]] = {
    "evaluate": lambda s, g, _: laws.evaluate(s, **g),
    "optimum": _optimum,
    "joint_optimum": _optimum,
    "joint_reduced": _reduced,
    "lifetime": _lifetime,
    "quality_13b": _quality,
    "dollars": _dollars,
    "devries_row": _devries,
    "optimum_growth": _growth,
    "kaplan_contradiction": _contradiction,
    "qat_ratio": _qat_ratio,
    "clark_cutoff": lambda s, g, _: {"cutoff": 10.0 ** (-s.constants["b"] / s.constants["c"])},
    "hunyuan_budget": _hunyuan,
    "split_slope": _slope,
    "best_bits": lambda s, g, _: {"bits": precision.best_bits(s.constants)},
    "kumar_factor": lambda s, g, _: {"factor": precision.kumar_factor(s.constants, g["bits"], g["bits"], g["bits"])},
    "kumar_weights": lambda s, g, _: {"factor": precision.kumar_weight_factor(s.constants, g["bits"])},
    "kumar_ptq": lambda s, g, _: laws.evaluate(s, **g),
    "sun_layout": lambda s, g, _: {"mantissa_bits": round(float(precision.sun_best_mantissa(s.constants, g["bits"])))},
    "sun_best_bits": _sun_best_bits,
}


def printed_tolerance(expect: str) -> float:
    """Half a unit of the last digit that is printed: '2.418e+10' -> 5e6."""
    mantissa, _, exponent = expect.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 0.5 * 10.0 ** (-decimals + int(exponent or 0))


def _holds(check: PrintedNumber, value: float) -> tuple[bool, str]:
    """Whether a number agrees with what was printed, and how closely it was held to it."""
    if check.between is not None:
        low, high = check.between
        return low <= value <= high, f"{low:g} to {high:g}"
    expected = float(check.expect)
    if check.decades is not None:
        return abs(math.log10(value / expected)) <= check.decades, f"{check.decades:g} decade"
    if check.within is not None:
        return abs(value / expected - 1.0) <= check.within, f"{100.0 * check.within:g} %"
    return abs(value - expected) <= printed_tolerance(check.expect) * (1.0 + 1e-6), "printed digits"


def _got(check: PrintedNumber, subject: LawSpec, law: Lookup, extra: Extra | None) -> Found:
    """What is asked, computed. Raises CatalogError for what nobody can compute."""
    if check.ask == "split_asymptote":
        return _asymptote(law(str(check.given["law"])))
    if check.ask in _ASK:
        return _ASK[check.ask](subject, check.numbers, law)
    if extra is not None and check.ask in extra:
        return extra[check.ask]()
    raise CatalogError(f"law {subject.id}: test point asks for {check.ask!r}, which is not known")


def check_point(spec: LawSpec, point: PrintedPoint, law: Lookup, extra: Extra | None = None) -> list[PointResult]:
    """The numbers of one test point; without `extra` those of a refit are left out."""
    rows: list[PointResult] = []
    for check in point.checks:
        if extra is None and check.ask == "refit":
            continue
        subject = law(check.law) if check.law else spec
        value = float(_got(check, subject, law, extra)[check.want])
        holds, tolerance = _holds(check, value)
        expect = check.expect or str(list(check.between or ()))
        rows.append(PointResult(law=subject.id, text=point.text, status=point.status, want=check.want, expect=expect,
                                value=value, holds=holds, reason=point.reason, tolerance=tolerance))  # fmt: skip
    if not point.checks:
        rows.append(PointResult(law=spec.id, text=point.text, status=point.status, want="", expect="",
                                value=None, holds=None, reason=point.reason, tolerance=""))  # fmt: skip
    return rows


def check_points(specs: Sequence[LawSpec], extra: Extra | None = None) -> list[PointResult]:
    """All test points of all laws."""
    by_id = {spec.id: spec for spec in specs}

    def law(name: str) -> LawSpec:
        """A law by its id."""
        return by_id[name]

    return [row for spec in specs for point in spec.test_points for row in check_point(spec, point, law, extra)]


def point_table(rows: Sequence[PointResult]) -> str:
    """The results as a Markdown table."""
    cells = []
    for r in rows:
        value = "" if r.value is None else f"{r.value:.6g}"
        verdict = "-" if r.holds is None else ("yes" if r.holds else "NO")
        cells.append([r.law, r.text, r.status, r.want, r.expect, value, r.tolerance, verdict, r.reason])
    header = ["law", "point", "status", "number", "printed", "computed", "held to", "holds", "reason"]
    return table(header, cells) + "\n"


def document(rows: Sequence[PointResult]) -> str:
    """The table with its tally, as a page."""
    held = sum(r.holds is True for r in rows)
    exact = sum(r.holds is True and r.tolerance == "printed digits" for r in rows)
    reasons = sum(r.holds is None for r in rows)
    return (
        "<!-- generated by `hwmodel law docs` -->\n\n# Published test points, recomputed\n\n"
        f"{held} numbers hold ({exact} of them at the digits printed, the others within the span given, with its "
        f"reason); {reasons} points carry a written reason why they are not computed. The refit of the Chinchilla runs "
        "(its minimiser, objective and standard errors) is held by the tests, which have the runs.\n\n"
        + point_table(rows)
    )
