"""Boxes of ratios in rows, as a small SVG written by hand: what lies within a source, and how sources differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import msgspec

WIDTH, LEFT, RIGHT, ROW, HEAD = 700, 268, 46, 14, 30
LEAST, MOST = 0.25, 4.0  # ratios beyond stand at the edge
TICKS = (0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
NAME = 44  # letters of a name that fit
INK, FAINT, BOX, MIDDLE = "#333333", "#c9ced3", "#9dc3e6", "#0d3a61"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A heading (no ratios), or a name with its ratios."""

    name: str
    ratios: Sequence[float] = ()


def quantiles(values: Sequence[float]) -> list[float]:
    """Tenth, quarter, half, three quarters, nine tenths; linear between values."""
    ordered = sorted(values)
    out = []
    for share in SHARES:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        out.append(ordered[low] + (place - low) * (ordered[high] - ordered[low]))
    return out


def _x(ratio: float) -> float:
    share = math.log(min(max(ratio, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def boxes_svg(rows: Sequence[Row], title: str, axis: str) -> str:
    """Whiskers from the tenth to the ninetieth percentile, a box over the middle half, a bar at the median; the number
    of runs at the right."""
    height = HEAD + ROW * len(rows) + 34
    body = [line for place, row in enumerate(rows) for line in _row(row, HEAD + ROW * place)]
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="11" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="18" font-size="13" fill="{INK}">{escape(title)}</text>',
        *_grid(HEAD, height - 32), *body,
        f'<text x="{_x(1.0)}" y="{height - 4}" text-anchor="middle" fill="{INK}">{escape(axis)}</text>',
        "</svg>",
    )) + "\n"  # fmt: skip


def _grid(top: float, bottom: float) -> list[str]:
    lines = []
    for tick in TICKS:
        x, colour = _x(tick), INK if tick == 1.0 else FAINT
        lines.append(f'<path d="M{x} {top}V{bottom}" stroke="{colour}" stroke-width="1"/>')
        lines.append(f'<text x="{x}" y="{bottom + 14}" text-anchor="middle" fill="{INK}">{tick:g}</text>')
    return lines


def _row(row: Row, top: float) -> list[str]:
    base = top + ROW - 3
    if not row.ratios:
        return [f'<text x="8" y="{base}" font-weight="bold" fill="{INK}">{escape(row.name)}</text>']
    low, first, middle, last, high = (_x(value) for value in quantiles(row.ratios))
    y = top + 0.5 * ROW
    name = row.name if len(row.name) <= NAME else row.name[: NAME - 1].rstrip() + "…"
    width = round(max(last - first, 1.0), 1)
    return [
        f'<text x="16" y="{base}" fill="{INK}">{escape(name)}</text>',
        f'<path d="M{low} {y}H{high}" stroke="{MIDDLE}" stroke-width="1"/>',
        f'<rect x="{first}" y="{top + 3}" width="{width}" height="{ROW - 6}" fill="{BOX}"/>',
        f'<path d="M{middle} {top + 1}V{top + ROW - 1}" stroke="{MIDDLE}" stroke-width="2"/>',
        f'<text x="{WIDTH - 6}" y="{base}" text-anchor="end" fill="{INK}">{len(row.ratios):,}</text>',
    ]
