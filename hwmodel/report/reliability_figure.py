"""What was said to happen against what happened, as a small SVG written by hand: a reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec

SIZE, LEFT, TOP, BOTTOM = 340, 52, 34, 46
INK, FAINT, DOT = "#333333", "#c9ced3", "#0d3a61"
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Cases of like probability: the one said, the share that came true, and how many there are."""

    said: float
    came_true: float
    cases: int


def _x(share: float) -> float:
    return round(LEFT + share * (SIZE - LEFT - 16), 1)


def _y(share: float) -> float:
    return round(SIZE - BOTTOM - share * (SIZE - BOTTOM - TOP), 1)


def reliability_svg(bins: Sequence[ReliabilityBin], title: str, said: str, came_true: str) -> str:
    """A dot a bin, its area by its cases, a bar of two standard errors; on the diagonal what is said comes true."""
    most = max(one.cases for one in bins)
    body = [line for one in bins for line in _bin(one, most)]
    middle = _y(0.5)
    return "\n".join((
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}"'
        ' font-family="sans-serif" font-size="11" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{SIZE}" height="{SIZE}" fill="#ffffff"/>',
        f'<text x="8" y="18" font-size="13" fill="{INK}">{escape(title)}</text>',
        *_axes(), *body,
        f'<text x="{_x(0.5)}" y="{SIZE - 8}" text-anchor="middle" fill="{INK}">{escape(said)}</text>',
        f'<text x="12" y="{middle}" text-anchor="middle" fill="{INK}" transform="rotate(-90 12 {middle})">'
        f"{escape(came_true)}</text>",
        "</svg>",
    )) + "\n"  # fmt: skip


def _axes() -> list[str]:
    lines = [f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="{INK}" stroke-dasharray="4 3"/>']
    for tick in TICKS:
        lines.append(f'<path d="M{_x(tick)} {_y(0)}V{_y(1)}M{_x(0)} {_y(tick)}H{_x(1)}" stroke="{FAINT}"/>')
        words = f"{100.0 * tick:g} %"
        lines.append(f'<text x="{_x(tick)}" y="{_y(0) + 14}" text-anchor="middle" fill="{INK}">{words}</text>')
        lines.append(f'<text x="{_x(0) - 4}" y="{_y(tick) + 4}" text-anchor="end" fill="{INK}">{words}</text>')
    return lines


def _bin(one: ReliabilityBin, most: int) -> list[str]:
    error = 2.0 * (one.came_true * (1.0 - one.came_true) / one.cases) ** 0.5
    low, high = _y(max(one.came_true - error, 0.0)), _y(min(one.came_true + error, 1.0))
    radius = round(2.5 + 6.0 * (one.cases / most) ** 0.5, 1)
    return [
        f'<path d="M{_x(one.said)} {low}V{high}" stroke="{DOT}"/>',
        f'<circle cx="{_x(one.said)}" cy="{_y(one.came_true)}" r="{radius}" fill="{DOT}" fill-opacity="0.7"/>',
    ]
