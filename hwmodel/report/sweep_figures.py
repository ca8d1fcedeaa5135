"""Figures of a sweep: its Pareto front among its rows, and an answer over two axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hwmodel.report.figures import ACCENT, BAND, INK, axes_of
from hwmodel.report.sweep import cell
from hwmodel.solve.sweep.show import Heat

LOG_FROM = 20.0  # a spread of so many times is drawn on a log scale
TICKS = 8


def front_figure(
    names: Sequence[str], points: Mapping[str, Any], front: Sequence[Mapping[str, Any]], units: Mapping[str, str]
) -> Any:
    """Rows by two answers, and among them the front."""
    x, y = names[:2]
    figure, axes = axes_of(f"{x} against {y}: rows and the front")
    axes.scatter(points[x], points[y], s=4, color=BAND, linewidths=0, rasterized=True, label="rows")
    ordered = sorted(((row[x], row[y]) for row in front), key=lambda pair: pair[0])
    axes.plot(
        [a for a, _ in ordered], [b for _, b in ordered], "o-", color=ACCENT, markersize=3, linewidth=1, label="front"
    )
    for axis, name in ((axes.xaxis, x), (axes.yaxis, y)):
        _scale(axis, name, np.ma.filled(np.ma.asarray(points[name], dtype=float), np.nan))
        axis.set_label_text(f"{name} ({units[name]})" if units.get(name, "1") not in ("1", "") else name)
    axes.legend(frameon=False, loc="upper right")
    return figure


def _scale(axis: Any, name: str, values: Any) -> None:
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() / finite.min() > LOG_FROM:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.axes.minorticks_off()
    axis.set_major_formatter(lambda value, _place: cell(name, float(f"{value:.6g}")))


def heat_figure(heat: Heat, units: Mapping[str, str]) -> Any:
    """The best of an answer at each pair of values of two axes; white where nothing answers."""
    across, up, answer = heat.names
    unit = units.get(answer, "1")
    figure, axes = axes_of(f"best {answer}{f' ({unit})' if unit not in ('1', '') else ''} by {across} and {up}")
    values = np.array([[np.nan if v is None else v for v in row] for row in heat.best], dtype=float)
    drawn = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis_r", norm=_norm(values))
    for axis, name, ticks in ((axes.xaxis, across, heat.across), (axes.yaxis, up, heat.up)):
        every = max(1, -(-len(ticks) // TICKS))
        axis.set_ticks(range(0, len(ticks), every), [cell(name, tick) for tick in ticks[::every]])
        axis.set_label_text(name)
    bar = figure.colorbar(drawn, ax=axes)
    bar.ax.yaxis.set_major_formatter(lambda value, _place: cell(answer, float(f"{value:.4g}")))
    bar.ax.yaxis.set_minor_formatter(lambda _value, _place: "")
    _marked(axes, heat, values)
    return figure


def _norm(values: Any) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() / finite.min() > LOG_FROM:
        return LogNorm(finite.min(), finite.max())
    return Normalize(finite.min() if len(finite) else 0.0, finite.max() if len(finite) else 1.0)


def _marked(axes: Any, heat: Heat, values: Any) -> None:
    """Write the figures into the cells where they have room."""
    if len(heat.across) > 10 or len(heat.up) > 8:
        return
    for (row, place), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(place, row, cell(heat.names[2], float(value)), ha="center", va="center", fontsize=7, color=INK)
