"""A fit, its predictions and its watch as rows for people and as documents for machines."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import to_builtins
from msgspec.structs import asdict

from hwmodel.laws.fit_loss import HeldOut, LossFit
from hwmodel.laws.fit_repeats import RepeatFit
from hwmodel.laws.fit_slices import AllocationFit
from hwmodel.plain import JsonObject, Row, Rows
from hwmodel.solve.law.answers import Uncertain
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


class OpenEnds(msgspec.Struct, frozen=True, kw_only=True):
    """An 80 % interval; an end that the runs leave open is None."""

    low: float | None
    high: float | None


class OptimumFound(msgspec.Struct, frozen=True, kw_only=True):
    """The best size of a slice of runs at one compute [FLOP], and its loss [nats/token]."""

    flop: float
    params: float
    loss_nats: float


class AllocationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """N* = k_params C^a_params through the optima of slices, as JSON."""

    approach: str
    constants: dict[str, float]
    a_params: Uncertain
    optima: list[OptimumFound]
    slices_dropped: int


class RepeatFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The worth of repeats, as JSON; the robust spread is of the residuals of log loss."""

    form: str
    constants: dict[str, float]
    intervals: dict[str, OpenEnds]
    objective: float
    points: int
    repeating_runs: int
    residual_sd: float
    ranges: dict[str, tuple[float, float]]


class FloorFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The floors [nats/token] that the runs allow, and whether they bound it from below."""

    low: float | None
    high: float | None
    identified: bool


class LossFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A law of the loss, as JSON: constants with their spread, joint covariance, and what is doubtful about the form
    (as shares of the loss)."""

    form: str
    constants: dict[str, float]
    standard_errors: dict[str, float | None]
    intervals: dict[str, OpenEnds]
    covariance_of: tuple[str, ...]
    covariance: list[list[float]]
    objective: float
    points: int
    starts: int
    starts_at_the_minimum: int
    floor_interval: FloorFigures
    residual_sd: float
    discrepancy_per_decade: float
    discrepancy_centre: float
    held_out: HeldOut | None
    ranges: dict[str, tuple[float, float]]


Figures: TypeAlias = AllocationFigures | RepeatFigures | LossFigures


class ColumnRead(msgspec.Struct, frozen=True, kw_only=True):
    """Which header gave a quantity, in which unit (None: SI)."""

    quantity: str
    header: str
    unit: str | None


class FitReading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read for a fit, and every doubt of it."""

    columns: list[ColumnRead]
    params_convention: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


class PointBeside(msgspec.Struct, frozen=True, kw_only=True):
    """A running loss [nats/token] at some tokens beside its forecast band, and whether it lies in it."""

    tokens: float
    measured: float
    forecast: float
    low: float
    high: float
    inside: bool


class WatchFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A running loss against its band: where it left it, the latest gap as a share, and what the pattern means."""

    level: float
    points: list[PointBeside]
    left_band_at_tokens: float | None
    inside_now: bool
    gap: float
    pattern: str
    explanation: str


class Described(NamedTuple):
    """A fit for machines and for people."""

    figures: Figures
    reading: FitReading
    rows: Rows


def fit_document(
    found: Described, predictions: list[Prediction] | None = None, watched: WatchFigures | None = None,
    saved: str | None = None,
) -> JsonObject:  # fmt: skip
    """The JSON of a fit, with the losses predicted, the run watched and the file that it was saved in, if any."""
    more = {"predictions": predictions or None, "watch": watched, "saved": saved}
    document: JsonObject = to_builtins(
        {**asdict(found.figures), **asdict(found.reading), **{k: v for k, v in more.items() if v is not None}}
    )
    return document


def describe(fitted: Fitted) -> Described:
    """A fit as records and as rows: what was read, the constants with their spread, every doubt."""
    figures, rows = _body(fitted.fit)
    reading = FitReading(
        columns=[ColumnRead(quantity=c.quantity, header=c.header, unit=c.unit or None) for c in fitted.columns],
        params_convention=fitted.params_convention, notes=fitted.notes, warnings=fitted.warnings,
    )  # fmt: skip
    sized = any(c.quantity == "params" for c in fitted.columns)
    convention = f"{fitted.params_convention.replace('_', '-')} parameters" if sized else ""
    taken = ", ".join(map(_column, fitted.columns))
    rows = [{"quantity": "columns taken", "value": taken, "spread": convention}, *rows]
    rows += [{"quantity": "warning", "value": w, "spread": ""} for w in fitted.warnings]
    return Described(figures, reading, rows)


def _column(taken: TakenColumn) -> str:
    """A column in words: quantity = header [unit]."""
    return f"{taken.quantity} = {taken.header}" + (f" [{taken.unit}]" if taken.unit else "")


def _body(fit: Fit) -> tuple[Figures, Rows]:
    if isinstance(fit, AllocationFit):
        return _allocation(fit)
    return _repeats(fit) if isinstance(fit, RepeatFit) else _loss(fit)


def _allocation(fit: AllocationFit) -> tuple[AllocationFigures, Rows]:
    figures = AllocationFigures(
        approach=fit.approach,
        constants={"k_params": fit.k_params, "a_params": fit.a_params},
        a_params=Uncertain(value=fit.a_params, low=fit.a_params_low, high=fit.a_params_high),
        optima=[OptimumFound(flop=c, params=n, loss_nats=v) for c, n, v in fit.optima],
        slices_dropped=fit.slices_dropped,
    )
    rows = [
        {"quantity": "N* = k C^a: a", "value": f"{fit.a_params:.4f}",
         "spread": f"{fit.a_params_low:.4f} to {fit.a_params_high:.4f} (80 %)"},
        {"quantity": "N* = k C^a: k", "value": f"{fit.k_params:.5g}", "spread": ""},
        {"quantity": "optima found", "value": str(len(fit.optima)), "spread": f"{fit.slices_dropped} dropped"},
    ]  # fmt: skip
    return figures, rows


def _repeats(fit: RepeatFit) -> tuple[RepeatFigures, Rows]:
    spans = fit.intervals
    figures = RepeatFigures(
        form="repeated",
        constants=fit.constants,
        intervals={name: OpenEnds(low=low, high=high) for name, (low, high) in spans.items()},
        objective=fit.objective,
        points=fit.points,
        repeating_runs=fit.repeating,
        residual_sd=fit.residual_sd,
        ranges=fit.ranges,
    )
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
    return figures, rows


def _ends(low: float | None, high: float | None) -> str:
    """An interval in words; an open end says so."""
    if low is None and high is None:
        return "not identified"
    if low is None or high is None:
        return f"below {high:.4g}" if low is None else f"above {low:.4g}, open upwards"
    return f"{low:.4g} to {high:.4g} (80 %)"


def _loss(fit: LossFit) -> tuple[LossFigures, Rows]:
    floor, held = fit.floor_interval, fit.held_out
    figures = LossFigures(
        form=fit.form,
        constants=fit.constants,
        standard_errors=fit.standard_errors,
        intervals={name: OpenEnds(low=low, high=high) for name, (low, high) in fit.intervals.items()},
        covariance_of=fit.names,
        covariance=fit.covariance.tolist(),
        objective=fit.objective,
        points=fit.points,
        starts=fit.starts,
        starts_at_the_minimum=fit.minima,
        floor_interval=FloorFigures(low=floor.low, high=floor.high, identified=floor.identified),
        residual_sd=fit.residual_sd,
        discrepancy_per_decade=fit.discrepancy,
        discrepancy_centre=fit.discrepancy_centre,
        held_out=held,
        ranges=fit.ranges,
    )
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
    return figures, rows


def describe_prediction(text: str, got: Prediction) -> Row:
    """A predicted loss as a row."""
    spread = f"{got.low:.4f} to {got.high:.4f} ({100 * got.level:g} %), {got.decades_outside_fit:.1f} decades beyond"
    return {"quantity": f"loss at {text}", "value": f"{got.loss_nats:.4f}", "spread": spread}


def describe_watch(points: list[Watched], level: float, outside_decades: float) -> tuple[WatchFigures, Rows]:
    """A running loss against its band: where it stands, since when, and what that pattern usually means."""
    left = next((p for p in points if not p.inside), None)
    last, pattern = points[-1], watch_pattern(points)
    gap = last.measured / last.forecast - 1.0
    why = WATCH_WORDS[pattern]
    if outside_decades > 0.0:
        why += (
            f" This size or its tokens lie {outside_decades:.1f} decades beyond the runs fitted, so the band is wide."
        )
    figures = WatchFigures(
        level=level,
        points=[PointBeside(**asdict(p), inside=p.inside) for p in points],
        left_band_at_tokens=None if left is None else left.tokens,
        inside_now=last.inside,
        gap=gap,
        pattern=pattern,
        explanation=why,
    )
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
    return figures, rows
