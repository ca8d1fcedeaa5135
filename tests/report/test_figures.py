"""Figures are read without guessing: ticks that are round and few, labels that stand free, no mark beside its curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Line

import hwmodel as hm
from hwmodel.report.figures import fleet_figure, sizes_figure, speedup_figure, ticks_of_decades
from hwmodel.report.sweep_figures import front_figure, heat_figure
from hwmodel.solve.sweep.show import Heat

SHARE = np.linspace(0.0, 1.0, 9)
FRONTS = {
    "steep": (1e5 * np.exp(4 * SHARE), 1.9 + 0.5 * np.exp(-6 * SHARE)),
    "straight": (1e5 * (1 + SHARE), 2.2 - 0.2 * SHARE),
    "a ratio of 10^6": (10 ** (6 * SHARE), 10 ** (6 - 6 * SHARE)),
    "rising": (1e5 * (1 + SHARE), 2.0 + 0.2 * SHARE),
    "one": (np.array([1e5]), np.array([2.0])),
}


@pytest.mark.parametrize(
    ("interval", "ticks"),
    [
        ((4.0, 220.0), [5, 10, 20, 50, 100, 200]),
        ((0.9, 2e6), [1, 10, 100, 1e3, 1e4, 1e5, 1e6]),  # 1, 2 and 5 of six decades are nineteen
        ((1e-3, 1e9), [1e-2, 1, 1e2, 1e4, 1e6, 1e8]),  # thirteen decades: every second
        ((1.1, 4.5), [2, 3, 4]),
        ((1.21, 1.79), [1.3, 1.4, 1.5, 1.6, 1.7]),
        ((10.0, 100.0), [10, 20, 50, 100]),
    ],
)
def test_ticks_of_a_log_scale_are_round_and_few(interval: tuple[float, float], ticks: list[float]) -> None:
    assert ticks_of_decades(interval) == pytest.approx(ticks)


@pytest.mark.parametrize("name", FRONTS)
@pytest.mark.parametrize("words", ["64xH100", "512xnvidia-gb200-nvl72+1024xamd-mi355x-288gb"])
def test_a_label_meets_neither_its_front_nor_another_nor_the_axes(name: str, words: str) -> None:
    across, up = FRONTS[name]
    rows = [{"x": float(x), "y": float(y), "gpus": words} for x, y in zip(across, up, strict=True)]
    figure = front_figure(["x", "y"], {"x": across, "y": up}, rows, {}, ["gpus"])
    (axes,) = figure.axes
    inside, boxes = axes.get_window_extent(), [one.get_window_extent() for one in axes.texts]
    front = Line(axes.transData.transform(np.column_stack([across, up])))
    assert boxes
    for place, box in enumerate(boxes):
        assert not front.intersects_bbox(box, filled=False)
        assert not box.count_overlaps(boxes[:place])
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1
        assert inside.y0 <= box.y0
        assert box.y1 <= inside.y1


def test_ticks_that_read_alike_get_more_digits() -> None:
    heat = Heat(names=("params", "gpus", "cost_usd"), across=[1e9, 2e9], up=["a", "b"], best=[[150e3, 150010.0]] * 2)
    words = [label.get_text() for label in heat_figure(heat, {}).axes[1].get_yticklabels()]
    assert len(set(words)) == len(words) > 2
    assert "150,002" in words


@pytest.mark.parametrize("served", ["1000T", "1B"])
def test_the_mark_of_a_plan_stands_on_the_curve_of_its_demand(served: str) -> None:
    """Whatever the demand is, and however far the size is from the cheapest."""
    plan = hm.plan(gpus="64xB200", params="3B", tokens="500B", inference_tokens=served)
    (axes,) = sizes_figure(plan).axes
    (mark,) = [line for line in axes.lines if line.get_marker() == "x"]
    asked = {"1000T": "1e15 served", "1B": "1B served"}[served]
    (curve,) = [line for line in axes.lines if line.get_label() == asked]
    sizes, costs = np.log(curve.get_xdata()), np.log(curve.get_ydata())
    at, cost = np.log(mark.get_xdata()[0]), np.log(mark.get_ydata()[0])
    step = np.diff(np.sort(sizes)).max()
    assert sizes.min() - step <= at <= sizes.max() + step
    assert abs(np.interp(at, *np.array(sorted(zip(sizes, costs, strict=True))).T) - cost) < 0.3


def test_legends_of_a_fleet_stand_above_its_axes_and_name_the_plan() -> None:
    figure = fleet_figure(hm.plan(gpus="64xH100", params="7B", tokens="100B"))
    figure.canvas.draw()
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1
        assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert "this plan" in [text.get_text() for text in figure.axes[1].get_legend().texts]
    left, right = (axes.get_legend().get_window_extent() for axes in figure.axes)
    assert left.x1 <= right.x0


def test_every_band_of_a_comparison_is_inside_or_says_where_it_ends(tmp_path: Path) -> None:
    found = hm.compare(gpus="128xB200", params="8B", tokens="1T", precision="bf16,fp8,nvfp4")
    (axes,) = speedup_figure(found).axes
    low, high = axes.get_xlim()
    cut = [bar for bar in axes.patches if bar.get_x() + bar.get_width() > high]
    assert all(bar.get_x() >= low for bar in axes.patches)
    assert [text.get_text().strip() for text in axes.texts] == [f"→ {bar.get_x() + bar.get_width():.3g}" for bar in cut]
