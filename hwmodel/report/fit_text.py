"""A fit, its predictions and its watch as rows for people and as documents for machines."""

from __future__ import annotations

import msgspec

from hwmodel.laws.fit_loss import LossFit
from hwmodel.laws.fit_repeats import RepeatFit
from hwmodel.laws.fit_slices import AllocationFit
from hwmodel.plain import Document, Row, Rows
from hwmodel.solve.law.fit import Fit, Fitted, Prediction, TakenColumn, Watched, watch_pattern

# pattern of a running loss -> what it usually means and what to look at
WATCH_WORDS = {
    "inside": "The run goes as its law forecasts.",
    "level": "Off by much the same share all along: another corpus, tokenizer, validation set or recipe than the runs "
    "that were fitted, or a count of parameters of another convention. The level does not transfer; the shape may.",
    "closing": "The gap closes: the forecast is of a run that ends at these tokens, and a learning rate that has not "
    "decayed yet keeps the loss above it. Compare a decayed checkpoint before anything is concluded.",
    "opening": "The gap opens with tokens: a learning rate or batch that does not fit this size, data that repeat or "
    "got worse, or a size beyond what the law can be trusted for.",
    "turned": "It was inside and has left: look at what changed there (data, learning rate, a restart, a spike); a run "
    "that was fine until then is not explained by its level.",
}


def describe(fitted: Fitted) -> tuple[Document, Rows]:
    """A fit as a document and as rows: what was read, the constants with their spread, every doubt."""
    document, rows = _body(fitted.fit)
    document |= {
        "columns": [{"quantity": c.quantity, "header": c.header, "unit": c.unit or None} for c in fitted.columns],
        "params_convention": fitted.params_convention,
        "notes": list(fitted.notes),
        "warnings": list(fitted.warnings),
    }
    sized = any(c.quantity == "params" for c in fitted.columns)
    convention = f"{fitted.params_convention.replace('_', '-')} parameters" if sized else ""
    taken = ", ".join(map(_column, fitted.columns))
    rows = [{"quantity": "columns taken", "value": taken, "spread": convention}, *rows]
    rows += [{"quantity": "warning", "value": w, "spread": ""} for w in fitted.warnings]
    return document, rows


def _column(taken: TakenColumn) -> str:
    """A column in words: quantity = header [unit]."""
    return f"{taken.quantity} = {taken.header}" + (f" [{taken.unit}]" if taken.unit else "")


def _body(fit: Fit) -> tuple[Document, Rows]:
    if isinstance(fit, AllocationFit):
        return _allocation(fit)
    return _repeats(fit) if isinstance(fit, RepeatFit) else _loss(fit)


def _allocation(fit: AllocationFit) -> tuple[Document, Rows]:
    document: Document = {
        "approach": fit.approach,
        "constants": {"k_params": fit.k_params, "a_params": fit.a_params},
        "a_params": {"value": fit.a_params, "low": fit.a_params_low, "high": fit.a_params_high},
        "optima": [{"flop": c, "params": n, "loss_nats": v} for c, n, v in fit.optima],
        "slices_dropped": fit.slices_dropped,
    }
    rows = [
        {"quantity": "N* = k C^a: a", "value": f"{fit.a_params:.4f}",
         "spread": f"{fit.a_params_low:.4f} to {fit.a_params_high:.4f} (80 %)"},
        {"quantity": "N* = k C^a: k", "value": f"{fit.k_params:.5g}", "spread": ""},
        {"quantity": "optima found", "value": str(len(fit.optima)), "spread": f"{fit.slices_dropped} dropped"},
    ]  # fmt: skip
    return document, rows


def _repeats(fit: RepeatFit) -> tuple[Document, Rows]:
    spans = fit.intervals
    document: Document = {
        "form": "repeated",
        "constants": fit.constants,
        "intervals": {name: {"low": low, "high": high} for name, (low, high) in spans.items()},
        "objective": fit.objective,
        "points": fit.points,
        "repeating_runs": fit.repeating,
        "residual_sd": fit.residual_sd,
        "ranges": {name: list(span) for name, span in fit.ranges.items()},
    }
    names = {"RD_star": "R_D* (epochs of data)",
             "RN_star": "R_N* (excess parameters)"}  # fmt: skip
    rows = [
        {"quantity": words, "value": f"{fit.constants[name]:.4g}", "spread": _ends(*spans.get(name, (None, None)))}
        for name, words in names.items()
    ]
    rows += [{"quantity": f"base: {n}", "value": f"{v:.6g}", "spread": ""} for n, v in fit.base.items()]
    rows += [
        {
            "quantity": "objective",
            "value": f"{fit.objective:.8g}",
            "spread": f"{fit.points} runs, {fit.repeating} repeating",
        },
        {"quantity": "scatter of log loss", "value": f"{fit.residual_sd:.3g}", "spread": "robust sd"},
    ]
    return document, rows


def _ends(low: float | None, high: float | None) -> str:
    """An interval in words; an open end says so."""
    if low is None and high is None:
        return "not identified"
    if low is None or high is None:
        return f"below {high:.4g}" if low is None else f"above {low:.4g}, open upwards"
    return f"{low:.4g} to {high:.4g} (80 %)"


def _loss(fit: LossFit) -> tuple[Document, Rows]:
    floor, held = fit.floor_interval, fit.held_out
    document = {
        "form": fit.form,
        "constants": fit.constants,
        "standard_errors": fit.standard_errors,
        "intervals": {name: {"low": low, "high": high} for name, (low, high) in fit.intervals.items()},
        "covariance_of": list(fit.names),
        "covariance": fit.covariance.tolist(),
        "objective": fit.objective,
        "points": fit.points,
        "starts": fit.starts,
        "starts_at_the_minimum": fit.minima,
        "floor_interval": {"low": floor.low, "high": floor.high, "identified": floor.identified},
        "residual_sd": fit.residual_sd,
        "discrepancy_per_decade": fit.discrepancy,
        "discrepancy_centre": fit.discrepancy_centre,
        "held_out": None if held is None else msgspec.to_builtins(held),
        "ranges": {name: list(span) for name, span in fit.ranges.items()},
    }
    spans = fit.intervals
    rows = [{"quantity": n, "value": f"{v:.6g}", "spread": _ends(*spans[n])} for n, v in fit.constants.items()]
    rows += [
        {"quantity": "objective", "value": f"{fit.objective:.8g}", "spread": f"{fit.points} runs"},
        {"quantity": "floor, profile likelihood", "value": floor.said(), "spread": "80 %" if floor.identified else ""},
        {"quantity": "scatter of log loss", "value": f"{fit.residual_sd:.3g}", "spread": "robust sd"},
        {"quantity": "doubt of the form beyond them", "value": f"{100 * fit.discrepancy:.2g} % of the loss at a decade",
         "spread": f"sd, about {100 * fit.discrepancy_centre:+.2g} %; grows as its root; in the intervals of --at"},
    ]  # fmt: skip
    if held is not None:
        rows.append(
            {"quantity": "dearest 30 % by the rest", "value": f"{100 * held.covered:.0f} % of {held.runs} inside",
             "spread": f"promised {100 * held.level:.0f} %; median off by {100 * held.median_error:+.1f} %"}
        )  # fmt: skip
    return document, rows


def describe_prediction(text: str, got: Prediction) -> Row:
    """A predicted loss as a row."""
    spread = f"{got.low:.4f} to {got.high:.4f} ({100 * got.level:g} %), {got.decades_outside_fit:.1f} decades beyond"
    return {"quantity": f"loss at {text}", "value": f"{got.loss_nats:.4f}", "spread": spread}


def describe_watch(points: list[Watched], level: float, outside_decades: float) -> tuple[Document, Rows]:
    """A running loss against its band: where it stands, since when, and what that pattern usually means."""
    left = next((p for p in points if not p.inside), None)
    last, pattern = points[-1], watch_pattern(points)
    gap = last.measured / last.forecast - 1.0
    why = WATCH_WORDS[pattern]
    if outside_decades > 0.0:
        why += (
            f" This size or its tokens lie {outside_decades:.1f} decades beyond the runs fitted, so the band is wide."
        )
    document = {
        "level": level,
        "points": [{**msgspec.to_builtins(p), "inside": p.inside} for p in points],
        "left_band_at_tokens": left and left.tokens,
        "inside_now": last.inside,
        "gap": gap,
        "pattern": pattern,
        "explanation": why,
    }
    band = f"{100 * level:g} % band {last.low:.4f} to {last.high:.4f}"
    state = "inside" if last.inside else ("above" if last.measured > last.high else "below")
    rows = [
        {"quantity": "running loss, latest", "value": f"{last.measured:.4f}",
         "spread": f"{state} the {band}, {100 * gap:+.1f} % off its forecast"}
    ]  # fmt: skip
    if left is not None:
        where = f"{left.measured:.4f} against {left.low:.4f} to {left.high:.4f}"
        rows.append({"quantity": "left its band first at", "value": f"{left.tokens:.4g} tokens", "spread": where})
    rows.append({"quantity": "what that means", "value": why, "spread": ""})
    return document, rows
