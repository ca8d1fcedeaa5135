"""The figures beside a report: deterministic SVG, PNG on request."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hwmodel.errors import InputError
from hwmodel.report.phrases import ENGLISH, say, speaking, spoken
from hwmodel.report.published import published_beside
from hwmodel.report.words import cost, count, number
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import Band

INK, ACCENT, BAND = "#333333", "#1f6fb2", "#cfe3f5"
WIDTH_IN, HEIGHT_IN = 7.2, 3.4


def axes_of(title: str, pad: float = 6.0) -> tuple[Any, Any]:
    """A figure and its axes under a title, in the style of all reports."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "hwmodel", "font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False})  # fmt: skip
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, pad=pad)
    figure.set_label(spoken())
    return figure, axes


def size_figure(plan: Plan) -> Any:
    """Loss against size at the plan's compute, with the band of sizes that waste at most 5 %."""
    points = [(row.params, row.loss_nats) for row in plan.curves.size]
    every = 10  # points to a tick
    figure, axes = axes_of(say("Loss against size at this compute"), pad=22.0)  # the legend stands under the title
    axes.plot([size for size, _ in points], [value for _, value in points], color=ACCENT)
    if plan.regret_band:
        low, high = plan.regret_band.params_low, plan.regret_band.params_high
        axes.axvspan(low, high, color=BAND, zorder=0, label=say("wastes at most 5 % of the compute"))
    axes.axvline(number(plan.answer.params) or 1.0, color=INK, linestyle="--", linewidth=1, label=say("this plan"))
    axes.set_xscale("log")
    axes.minorticks_off()
    ticks = [size for size, _ in points[::every]]
    axes.set_xticks(ticks, [count(tick) for tick in ticks])
    axes.set_xlabel(say("parameters"))
    axes.set_ylabel(say("loss (nats a token)"))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
    return figure


MOST_TICKS, LEAST_TICKS = 9, 3  # of a log scale


def ticks_of_decades(interval: Any) -> list[float]:
    """Round ticks inside an interval of a log scale: 1, 2 and 5 of each decade; where these are too many the decades
    alone, or some of them; where they are too few every figure of a decade, or even steps."""
    low, high = interval[0] * (1.0 - 1e-9), interval[1] * (1.0 + 1e-9)  # a limit is a tick, rounded or not
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)

    def inside(figures: Iterable[int], every: int = 1) -> list[float]:
        return [t for t in (m * 10.0**e for e in decades if e % every == 0 for m in figures) if low <= t <= high]

    usual = inside((1, 2, 5))
    if len(usual) > MOST_TICKS:
        return inside((1,), -(-len(inside((1,))) // MOST_TICKS))
    if len(usual) < LEAST_TICKS and len(usual := inside(range(1, 10))) < LEAST_TICKS:
        from matplotlib.ticker import MaxNLocator

        even = MaxNLocator(2 * LEAST_TICKS, steps=(1, 2, 5, 10)).tick_values(low, high)
        return [float(t) for t in even if low <= t <= high]
    return usual


DEMAND_COLOURS = ("#9bb8d3", "#5b93c4", "#1f6fb2", "#0d3a61")
FURTHEST = 3.0  # times the least cost that a curve is drawn to
ALONE = 0.0  # tokens served of the curve of training alone
USUAL_DEMAND = 1e13  # the demand whose optimum stands for a life where none is asked


def sizes_figure(plan: Plan) -> Any:
    """Lifetime cost against size at one loss, a curve a demand: both optima and the plan's own size are marked."""
    o = plan.objectives
    figure, axes = axes_of(say("Cost of sizes that reach the same loss, by tokens served"), pad=22.0)
    curves, asked = _demand_curves(plan)
    own = number(plan.answer.params) or 1.0
    for (demand, points), colour in zip(curves, DEMAND_COLOURS, strict=False):
        least, cheapest = min((cost, size) for size, cost in points)
        ends = sorted((own, cheapest)) if demand == asked else (math.inf, -math.inf)
        near = [one for one in points if one[1] < FURTHEST * least or ends[0] <= one[0] <= ends[1]]
        name = say("{tokens} served", tokens=count(demand)) if demand else say("training alone")
        axes.plot([n for n, _ in near], [v for _, v in near], color=colour, label=name)
        best = min(near, key=lambda point: point[1])
        axes.plot(*best, "o", color=colour, markersize=8 if demand in (ALONE, asked) else 4)
    axes.axvline(own, color=INK, linestyle="--", linewidth=1, label=say("this plan"))
    on = dict(curves)[asked]
    axes.plot([own], [_interpolated(on, own)], "x", color=INK, markersize=8, markeredgewidth=2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    sizes, costs = (ticks_of_decades(axis.get_view_interval()) for axis in (axes.xaxis, axes.yaxis))
    axes.set_xticks(sizes, [count(t) for t in sizes])
    axes.set_yticks(costs, [cost(t, o.demand_unit) for t in costs])
    axes.set_xlabel(say("parameters"))
    axes.set_ylabel(say("cost ({unit})", unit=o.demand_unit))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, frameon=False, fontsize=8)
    return figure


Curve = list[tuple[float, float]]


def _demand_curves(plan: Plan) -> tuple[list[tuple[float, Curve]], float]:
    """(Demand, curve of size and cost) of training alone, of usual demands, and of the one asked; and which that is."""
    usual = {
        float(one.inference_tokens): [(p.params, p.lifetime_cost) for p in one.points]
        for one in plan.objectives.demand_sizes
    }
    asked = plan.request.given.get("inference_tokens")
    if not isinstance(asked, (int, float)) or not plan.curves.lifetime:
        return sorted(usual.items()), USUAL_DEMAND
    kept = {demand: curve for demand, curve in usual.items() if demand == ALONE or not 0.2 < demand / asked < 5.0}
    kept[float(asked)] = [(row.params, row.lifetime_cost) for row in plan.curves.lifetime]
    nearest = sorted((d for d in kept if d != ALONE), key=lambda d: abs(math.log(d / asked)))
    shown = {ALONE, *nearest[: len(DEMAND_COLOURS) - 1]}
    return sorted((demand, curve) for demand, curve in kept.items() if demand in shown), float(asked)


def _interpolated(curve: Curve, size: float) -> float:
    """Cost at a size between those of a curve, on log scales; that of its end beyond it."""
    import numpy as np

    logs = np.log(np.array(sorted(curve)))
    return float(np.exp(np.interp(math.log(size), logs[:, 0], logs[:, 1])))


def fleet_figure(plan: Plan) -> Any:
    """Elapsed days with their 80 % interval, and MFU with published runs on the same part, against accelerators."""
    rows = [
        (one.accelerators, one.elapsed_days, one.mfu.value) for one in plan.curves.accelerators
        if one.elapsed_days is not None and one.mfu is not None
    ]  # fmt: skip
    _, (left, right) = _panels()
    counts, days = [count for count, _, _ in rows], [elapsed for _, elapsed, _ in rows]
    left.fill_between(counts, [d.low for d in days], [d.high for d in days], color=BAND, label="80 %")
    left.plot(counts, [d.value for d in days], color=ACCENT, label=say("with doubts at their medians"))
    own = plan.answer.mfu
    if isinstance(own, Band):
        low, high = own.low / own.value, own.high / own.value
        ends = ([100 * mfu * end for _, _, mfu in rows] for end in (low, high))
        right.fill_between(counts, *ends, color=BAND)
    right.plot(counts, [100 * mfu for _, _, mfu in rows], color=ACCENT, label=say("predicted"))
    published = published_beside(plan)
    if published:
        right.plot([n for n, _ in published], [100 * m for _, m in published], ".", color=INK, alpha=0.5,
                   label=say("published runs"))  # fmt: skip
    left.set_yscale("log")
    for axes in (left, right):
        axes.axvline(plan.answer.accelerators, color=INK, linestyle="--", linewidth=1,
                     label=say("this plan") if axes is right else None)  # fmt: skip
        axes.set_xscale("log")
        axes.minorticks_off()
        low, high = (f(counts) for f in (min, max))
        axes.set_xlim(low / 1.2, high * 1.2)
        ticks = counts[:: max(1, len(counts) // 4)]
        axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
        axes.set_xlabel(say("accelerators"))
        axes.legend(loc="lower left", bbox_to_anchor=(-0.12, 1.0), ncols=3, frameon=False, fontsize=8, handlelength=1.5,
                    columnspacing=1.0)  # fmt: skip
    shown = ticks_of_decades(left.yaxis.get_view_interval())
    left.set_yticks(shown, [f"{t:g}" for t in shown])
    left.set_ylabel(say("elapsed days"))
    right.set_ylabel("MFU (%)")
    right.set_ylim(0, ROOM * right.get_ylim()[1])
    return left.figure


def _panels() -> tuple[Any, Any]:
    """Two axes side by side."""
    figure, axes = axes_of("")
    axes.remove()
    return figure, figure.subplots(1, 2)


ROOM = 1.05  # of an axis beyond what is drawn
FEW_FORMATS = 3  # rows that a comparison has room for at least
FURTHEST_NEED = 4.0  # times the reference's tokens that an axis reaches to


def speedup_figure(plan: Plan) -> Any:
    """The band of each format's speed-up beside the band of speed-ups that its measured loss needs to be regained."""
    rows = _both_bands(plan)
    figure, axes = axes_of(say("Speed-up against the one that pays for the measured loss"), pad=22.0)
    for place, (_, needed, fast) in enumerate(rows):
        axes.barh(place + 0.17, needed.high - needed.low, left=needed.low, height=0.28, color=BAND,
                  label=say("tokens that the loss gap needs (80 %)") if place == 0 else None)  # fmt: skip
        axes.plot([needed.value], [place + 0.17], "|", color=INK, markersize=12)
        axes.barh(place - 0.17, fast.high - fast.low, left=fast.low, height=0.28, color=ACCENT,
                  label=say("speed-up (80 %)") if place == 0 else None)  # fmt: skip
        axes.plot([fast.value], [place - 0.17], "|", color=INK, markersize=12)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylim(-0.5, max(len(rows), FEW_FORMATS) - 0.5)
    most = ROOM * max(high for _, needed, fast in rows for high in (min(needed.high, FURTHEST_NEED), fast.high))
    axes.set_xlim(min(0.9, *(low / ROOM for _, needed, fast in rows for low in (needed.low, fast.low))), most)
    for place, (_, needed, _) in enumerate(rows):
        if needed.high > most:
            axes.text(most, place + 0.17, f"→ {needed.high:.3g} ", ha="right", va="center", fontsize=8, color=INK)
    axes.set_xlabel(say("times the reference"))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
    return figure


def _both_bands(plan: Plan) -> list[tuple[str, Band, Band]]:
    """(format, tokens that its gap needs, speed-up) of each format beside the reference that has both bands."""
    return [
        (row.precision, row.tokens_factor, row.speedup)
        for row in plan.precisions
        if row.judged and row.tokens_factor is not None and row.speedup is not None
    ]


def compare_figures(plan: Plan, out: Path, kind: str = "svg", language: str = ENGLISH) -> dict[str, tuple[Path, Any]]:
    """The figure of a comparison, where a format has both bands."""
    if not _both_bands(plan):
        return {}
    with speaking(language):
        return {"speedup": (out.with_name(f"{out.stem}-speedup.{kind}"), speedup_figure(plan))}


def plan_figures(plan: Plan, out: Path, kind: str = "svg", language: str = ENGLISH) -> dict[str, tuple[Path, Any]]:
    """The figures that this plan has: name -> (file beside `out`, figure). Nothing is written yet."""
    drawn = {}
    with speaking(language):
        if plan.objectives.demand_sizes:
            drawn["sizes"] = sizes_figure(plan)
        elif plan.curves.size:
            drawn["size"] = size_figure(plan)
        if plan.curves.accelerators:
            drawn["fleet"] = fleet_figure(plan)
    return {name: (out.with_name(f"{out.stem}-{name}.{kind}"), figure) for name, figure in drawn.items()}


def pictures(drawn: dict[str, tuple[Path, Any]]) -> dict[str, bytes]:
    """Each figure as SVG, by its name."""
    return {name: _saved(figure, "svg") for name, (_, figure) in drawn.items()}


def figure_files(drawn: dict[str, tuple[Path, Any]], kind: str = "svg") -> dict[Path, bytes]:
    """Each figure as the content of its file."""
    return {path: _saved(figure, kind) for path, figure in drawn.values()}


def _saved(figure: Any, kind: str) -> bytes:
    """A figure without dates, so that the same plan gives the same bytes.

    English letters are drawn as outlines; other scripts stay text, for the reader's program has the letters.
    """
    import warnings

    import matplotlib

    foreign = figure.get_label() != ENGLISH
    if foreign and kind != "svg":
        raise InputError(
            f"--figures {kind} draws English letters alone; take --figures svg for --lang {figure.get_label()}"
        )
    stream = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.fonttype": "none" if foreign else "path"}):
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # of the font that only measures here
        figure.savefig(stream, format=kind, metadata=metadata, dpi=150)
    return stream.getvalue()
