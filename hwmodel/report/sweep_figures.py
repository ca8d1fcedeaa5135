"""Figures of a sweep: its Pareto front among its rows, and an answer over two axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodel.report.figures import ACCENT, INK, axes_of, figure_files, ticks_of_decades
from hwmodel.report.sweep import cell
from hwmodel.solve.sweep.answers import SweepRow
from hwmodel.solve.sweep.show import Heat, Rows

LOG_FROM = 20.0  # a spread of so many times is drawn on a log scale
TICKS = 8
DARK = 0.45  # of the colours, from which on they are too dark for dark letters
ROWS = "#9bb8d3"
LABEL_ROOM = 0.12  # of a figure's height, below the lowest row of its front
# Where a label stands, the first that is free: points to the right and up, the side and level of it that are there.
# Above the front, among the rows, stand those of its ends alone.
BELOW = ((-3, -3, "right", "top"), (0, -6, "center", "top"), (4, -3, "left", "top"), (4, -10, "left", "top"))
PLACES = (*BELOW, (6, 0, "left", "center"), (4, 4, "left", "bottom"), (-3, 4, "right", "bottom"))


def front_picture(rows: Rows, names: Sequence[str], front: Sequence[SweepRow]) -> bytes:
    """The figure of a front as the content of an SVG file."""
    return figure_files({"front": (Path("front.svg"), drawn_front(rows, names, front))})[Path("front.svg")]


def drawn_front(rows: Rows, names: Sequence[str], front: Sequence[SweepRow], where: str | None = None) -> Any:
    """The figure of a front among the rows of a sweep that meet a constraint."""
    return front_figure(
        names, rows.points(names[:2], where), front, units_of(rows), [axis.column for axis in rows.space.axes]
    )  # fmt: skip


def units_of(rows: Rows) -> dict[str, str]:
    """The units of the columns of a sweep's rows."""
    return rows.space.units()


def front_figure(
    names: Sequence[str], points: Mapping[str, NDArray[np.float64]], front: Sequence[SweepRow],
    units: Mapping[str, str], labels: Sequence[str] = (),
) -> Any:  # fmt: skip
    """Rows by two answers, and among them the front, whose rows carry their values of the columns `labels` where there
    is room."""
    x, y = names[:2]
    figure, axes = axes_of(f"{y} against {x}: rows and their front")
    axes.scatter(points[x], points[y], s=5, color=ROWS, linewidths=0, rasterized=True, label="rows")
    ordered = sorted((_marked_row(row, x, y, labels) for row in front), key=lambda mark: mark.x)
    axes.plot([mark.x for mark in ordered], [mark.y for mark in ordered], "o-", color=ACCENT, markersize=4,
              linewidth=1.2, label="front")  # fmt: skip
    for axis, name in ((axes.xaxis, x), (axes.yaxis, y)):
        _scale(axis, name, np.ma.filled(np.ma.asarray(points[name], dtype=float), np.nan))
        axis.set_label_text(f"{name} ({units[name]})" if units.get(name, "1") not in ("1", "") else name)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, markerscale=2.0, fontsize=8)
    _labelled(figure, axes, ordered)
    return figure


class _Mark(NamedTuple):
    """A row of a front in the figure: its two answers, and the words that it may carry."""

    x: float
    y: float
    words: str


def _marked_row(row: SweepRow, x: str, y: str, labels: Sequence[str]) -> _Mark:
    across, up = row[x], row[y]
    assert isinstance(across, (int, float))  # only answers that are numbers have a front
    assert isinstance(up, (int, float))
    return _Mark(x=across, y=up, words=" ".join(cell(name, row[name]) for name in labels))


def _labelled(figure: Any, axes: Any, rows: Sequence[_Mark]) -> None:
    """Write beside rows what they are, the ends first, where the words are inside the axes and meet neither the front
    nor other words."""
    from matplotlib.path import Path as Line

    if not rows:
        return
    low, high = axes.get_ylim()
    linear = axes.get_yscale() == "linear"
    axes.set_ylim(low - LABEL_ROOM * (high - low) if linear else low * (low / high) ** LABEL_ROOM, high)
    figure.canvas.draw()
    inside, taken = axes.get_window_extent(), [axes.get_legend().get_window_extent()]
    drawn = Line(axes.transData.transform([(mark.x, mark.y) for mark in rows]))
    for place in sorted(range(len(rows)), key=lambda k: (0 < k < len(rows) - 1, k)):
        mark = rows[place]
        for across, up, side, level in PLACES if place in (0, len(rows) - 1) else BELOW:
            one = axes.annotate(mark.words, (mark.x, mark.y), (across, up), textcoords="offset points", ha=side,
                                va=level, fontsize=7, color=INK)  # fmt: skip
            box = one.get_window_extent()
            within = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            if within and not drawn.intersects_bbox(box, filled=False) and not box.count_overlaps(taken):
                taken.append(box)
                break
            one.remove()


def _scale(axis: Any, name: str, values: Any) -> None:
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() / finite.min() > LOG_FROM:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.axes.minorticks_off()
        ticks = ticks_of_decades(axis.get_view_interval())
    else:
        low, high = axis.get_view_interval()
        ticks = [tick for tick in axis.get_ticklocs() if low <= tick <= high]
    axis.set_ticks(ticks, _words(name, ticks))


def _words(name: str, ticks: Sequence[float]) -> list[str]:
    """Ticks as figures of a column are written, with more digits where these would be alike."""
    words = [cell(name, float(f"{tick:.6g}")) for tick in ticks]
    return words if len(set(words)) == len(words) else [f"{tick:,.10g}" for tick in ticks]


def heat_figure(heat: Heat, units: Mapping[str, str]) -> Any:
    """The best of an answer at each pair of values of two axes; white where nothing answers."""
    across, up, answer = heat.names
    unit = units.get(answer, "1")
    figure, axes = axes_of(f"best {answer}{f' ({unit})' if unit not in ('1', '') else ''} by {across} and {up}")
    values = np.array([[np.nan if v is None else v for v in row] for row in heat.best], dtype=float)
    norm = _norm(values)
    drawn = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis_r", norm=norm)
    for axis, name, ticks in ((axes.xaxis, across, heat.across), (axes.yaxis, up, heat.up)):
        every = max(1, -(-len(ticks) // TICKS))
        axis.set_ticks(range(0, len(ticks), every), [cell(name, tick) for tick in ticks[::every]])
        axis.set_label_text(name)
    bar = figure.colorbar(drawn, ax=axes)
    _scale(bar.ax.yaxis, answer, values)
    _marked(axes, heat, values, norm)
    return figure


def _norm(values: Any) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() / finite.min() > LOG_FROM:
        return LogNorm(finite.min(), finite.max())
    return Normalize(finite.min() if len(finite) else 0.0, finite.max() if len(finite) else 1.0)


def _marked(axes: Any, heat: Heat, values: Any, norm: Any) -> None:
    """Write the figures into the cells where they have room."""
    if len(heat.across) > 10 or len(heat.up) > 8:
        return
    for (row, place), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(place, row, cell(heat.names[2], float(value)), ha="center", va="center", fontsize=7,
                      color="white" if norm(value) > DARK else INK)  # fmt: skip
