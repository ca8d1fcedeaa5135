"""The figures beside a report: deterministic SVG, PNG on request."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

from hwmodel.report.words import TERM_WORDS, cost, count, number
from hwmodel.solve.run.result import Plan

INK, ACCENT, BAND = "#333333", "#1f6fb2", "#cfe3f5"
WIDTH_IN, HEIGHT_IN = 7.2, 3.4


def axes_of(title: str, pad: float = 6.0) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "hwmodel", "font.size": 9, "axes.spines.top": False,
                                "axes.spines.right": False})  # fmt: skip
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, pad=pad)
    return figure, axes


def size_figure(plan: Plan) -> Any:
    """Loss against size at the plan's compute, with the band of sizes that waste at most 5 %."""
    points = [(row["params"], row["loss_nats"]) for row in plan.curves["size"]]
    return _against_size(plan, points, 10, "Loss against size at this compute", "loss (nats a token)", "compute")


def lifetime_figure(plan: Plan) -> Any:
    """Lifetime cost against size, every size trained to the plan's loss."""
    least = min(row["lifetime_cost"] for row in plan.curves["lifetime"])
    points = [(row["params"], row["lifetime_cost"] / least) for row in plan.curves["lifetime"]]
    near = [point for point in points if point[1] < 3]
    title, axis = "Lifetime cost of sizes that reach the same loss", "lifetime cost over the least"
    return _against_size(plan, near, max(1, len(near) // 5), title, axis, "lifetime cost")


def _against_size(plan: Plan, points: list[tuple[float, float]], every: int, title: str, axis: str, wasted: str) -> Any:
    """A curve over sizes, with the plan's own size and the band that wastes at most 5 %; a tick `every` so many."""
    figure, axes = axes_of(title, pad=22.0)  # the legend stands between the title and the curve
    axes.plot([size for size, _ in points], [value for _, value in points], color=ACCENT)
    if plan.regret_band:
        low, high = plan.regret_band["params_low"], plan.regret_band["params_high"]
        axes.axvspan(low, high, color=BAND, zorder=0, label=f"wastes at most 5 % of the {wasted}")
    axes.axvline(number(plan.answer.params) or 1.0, color=INK, linestyle="--", linewidth=1, label="this plan")
    axes.set_xscale("log")
    axes.minorticks_off()
    ticks = [size for size, _ in points[::every]]
    axes.set_xticks(ticks, [count(tick) for tick in ticks])
    axes.set_xlabel("parameters")
    axes.set_ylabel(axis)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
    return figure


def _ticks(interval: Any) -> list[float]:
    """1, 2 and 5 of each decade inside an interval of a log scale."""
    low, high = interval
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [t for t in (m * 10.0**e for e in decades for m in (1, 2, 5)) if low <= t <= high]


DEMAND_COLOURS = ("#9bb8d3", "#5b93c4", "#1f6fb2", "#0d3a61")


def sizes_figure(plan: Plan) -> Any:
    """Lifetime cost against size at one loss, a curve a demand, each with its cheapest size, and the plan's own."""
    o = plan.objectives
    figure, axes = axes_of("Cost of sizes that reach the same loss, by tokens served", pad=22.0)
    for curve, colour in zip(o["demand_sizes"], DEMAND_COLOURS):
        least = min(point["lifetime_cost"] for point in curve["points"])
        near = [p for p in curve["points"] if p["lifetime_cost"] < 3 * least]
        name = f"{count(curve['inference_tokens'])} served" if curve["inference_tokens"] else "training alone"
        axes.plot([p["params"] for p in near], [p["lifetime_cost"] for p in near], color=colour, label=name)
        best = min(near, key=lambda p: p["lifetime_cost"])
        axes.plot([best["params"]], [best["lifetime_cost"]], "o", color=colour, markersize=5)
    axes.axvline(number(plan.answer.params) or 1.0, color=INK, linestyle="--", linewidth=1, label="this plan")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.minorticks_off()
    sizes, costs = (_ticks(axis.get_view_interval()) for axis in (axes.xaxis, axes.yaxis))
    axes.set_xticks(sizes, [count(t) for t in sizes])
    axes.set_yticks(costs, [cost(t, o["demand_unit"]) for t in costs])
    axes.set_xlabel("parameters")
    axes.set_ylabel(f"cost ({o['demand_unit']})")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, frameon=False, fontsize=8)
    return figure


def step_figure(plan: Plan) -> Any:
    """Share of each term in a step, as one bar each."""
    assert plan.step is not None
    figure, axes = axes_of("Where a step's time goes")
    total = plan.step["total_s"]
    terms = sorted(((k, v) for k, v in plan.step.items() if k != "total_s" and v > 1e-3 * total), key=lambda kv: kv[1])
    names, shares = [TERM_WORDS[k] for k, _ in terms], [100 * v / total for _, v in terms]
    axes.barh(names, shares, color=ACCENT)
    for place, share in enumerate(shares):
        axes.text(share + 0.5, place, f"{share:.1f} %", va="center", color=INK)
    axes.set_xlabel("share of the step (%)")
    axes.set_xlim(0, max(shares) * 1.12)
    return figure


def speedup_figure(plan: Plan) -> Any:
    """The band of each format's speed-up beside the band of speed-ups that its measured loss needs to be regained."""
    rows = [row for row in plan.precisions if row["status"] == "ok" and row["tokens_factor"] is not None]
    rows = [row for row in rows if row["verdict"] != "reference"]
    figure, axes = axes_of("Speed-up against the one that pays for the measured loss", pad=22.0)
    for place, row in enumerate(rows):
        needed, fast = row["tokens_factor"], row["speedup"]
        axes.barh(place + 0.17, needed.high - needed.low, left=needed.low, height=0.28, color=BAND,
                  label="tokens that the loss gap needs (80 %)" if place == 0 else None)  # fmt: skip
        axes.plot([needed.value], [place + 0.17], "|", color=INK, markersize=12)
        axes.barh(place - 0.17, fast.high - fast.low, left=fast.low, height=0.28, color=ACCENT,
                  label="speed-up (80 %)" if place == 0 else None)  # fmt: skip
        axes.plot([fast.value], [place - 0.17], "|", color=INK, markersize=12)
    axes.set_yticks(range(len(rows)), [row["precision"] for row in rows])
    shown = [min(row["tokens_factor"].high, 4.0) for row in rows] + [row["speedup"].high for row in rows]
    axes.set_xlim(0.9, max(shown) * 1.05)
    axes.set_xlabel("times the reference")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
    return figure


def compare_figures(plan: Plan, out: Path, kind: str = "svg") -> dict[str, tuple[Path, Any]]:
    """The figure of a comparison, where a format has both bands."""
    ready = [row for row in plan.precisions if row["status"] == "ok" and row["tokens_factor"] is not None]
    if not any(row["verdict"] != "reference" for row in ready):
        return {}
    return {"speedup": (out.with_name(f"{out.stem}-speedup.{kind}"), speedup_figure(plan))}


def plan_figures(plan: Plan, out: Path, kind: str = "svg") -> dict[str, tuple[Path, Any]]:
    """The figures that this plan has: name -> (file beside `out`, figure). Nothing is written yet."""
    drawn = {}
    if plan.objectives["demand_sizes"]:
        drawn["sizes"] = sizes_figure(plan)
    if plan.curves.get("lifetime"):
        drawn["lifetime"] = lifetime_figure(plan)
    elif plan.curves["size"]:
        drawn["size"] = size_figure(plan)
    if plan.step is not None:
        drawn["step"] = step_figure(plan)
    return {name: (out.with_name(f"{out.stem}-{name}.{kind}"), figure) for name, figure in drawn.items()}


def figure_files(drawn: dict[str, tuple[Path, Any]], kind: str = "svg") -> dict[Path, bytes]:
    """Each figure as the content of its file, without dates, so that the same plan gives the same bytes."""
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    files = {}
    for path, figure in drawn.values():
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, metadata=metadata, dpi=150)
        files[path] = stream.getvalue()
    return files
