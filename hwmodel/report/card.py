"""A card: one answer on one terminal screen. What stands on it is said by `cards`; whole reports are elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hwmodel.report.phrases import heard, say
from hwmodel.report.tables import GAP
from hwmodel.report.wide import first, longest_piece, padded, width, wrapped

COLUMNS, LINES = 80, 24
LEAST, NARROW = 20, 70  # columns: no card is drawn narrower; one below it may be higher than a screen
DOTS = " ..."
_SHORTEST = 2 / 3  # of a column of labels, when they are wrapped
WHOLE = "The whole answer: --format md, --out FILE.md or --format json"


def card(
    headline: str,
    rows: Sequence[tuple[str, str, str]],
    said: Sequence[tuple[str, str]],
    columns: int = COLUMNS,
    more: str = "",
) -> str:
    """The headline, rows of (label, value, interval) and labelled sentences, at most `columns` wide and 24 lines high;
    on a terminal narrower than 70 columns with as many signs.

    Sentences are shortened first, rows never; `more` says where the rest stands and is always the last line.
    """
    room = max(LEAST, columns)
    high = LINES if room >= NARROW else LINES * COLUMNS // room
    below = wrapped(more, room) if more else []
    table = _shortened(_rows(rows, room), room, high - len(below) - 5)
    head = _shortened(wrapped(headline, room), room, max(4, high - len(table) - len(said) - len(below) - 3))
    told = _sentences([one for one in said if one[1]], room, high - len(head) - len(table) - len(below) - 2)
    return "\n".join([*head, "", *table, *([""] if told else []), *told, *below]) + "\n"


def _rows(rows: Sequence[tuple[str, str, str]], columns: int) -> list[str]:
    """Rows in three columns; on a narrow terminal long labels are wrapped, on a narrower one intervals stand below."""
    label, value, interval = (max((width(one[i]) for one in rows), default=0) for i in range(3))
    widths = min(label, columns - value - interval - 2 * GAP), value
    if widths[0] == label or widths[0] >= max(_SHORTEST * label, *(longest_piece(one[0]) for one in rows)):
        return [line for one in rows for line in _row(one, widths, columns)]
    folded: list[str] = []
    for name, figure, around in rows:
        folded += _row((name, figure, ""), (min(label, max(columns - value - GAP, columns // 3)), value), columns)
        folded += [padded(line, -columns) for line in wrapped(around, columns)] if around else []
    return folded


def _row(one: tuple[str, str, str], widths: tuple[int, int], columns: int) -> list[str]:
    """A row, its label wrapped in its column, the figure and the interval beside the last line of it."""
    *above, named = wrapped(one[0], max(1, widths[0]))
    figures = f"{padded(one[1], -widths[1])}{' ' * GAP}{one[2]}".rstrip()
    below = wrapped(figures, columns, padded(named, widths[0] + GAP), " " * 2 * GAP)
    return [*above, *(line.rstrip() for line in below)]


def notes_words(warnings: Iterable[str]) -> str:
    """Warnings as one sentence, in the language spoken."""
    return say("; ").join(heard(line) for line in warnings)


def _shortened(lines: list[str], columns: int, most: int) -> list[str]:
    """At most so many lines; three dots stand for what is gone, behind a whole word where a line has several."""
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    if width(last) + len(DOTS) > columns:
        last = first(last, columns - len(DOTS) + 1)
        head, space, _ = last.rpartition(" ")
        last = head if space and head.strip() and last.isascii() else last[:-1]
    return [*lines[: most - 1], last.rstrip() + DOTS]


def _sentences(said: Sequence[tuple[str, str]], columns: int, room: int) -> list[str]:
    """Labelled sentences in `room` lines: each gets one, and what is left over goes to the first that need more."""
    said = said[: max(0, room)]
    wanted = [_labelled(label, text, columns) for label, text in said]
    given = [1] * len(said)
    for i, lines in enumerate(wanted):
        given[i] += min(len(lines) - 1, room - sum(given))
    return [line for lines, most in zip(wanted, given, strict=True) for line in _shortened(lines, columns, most)]


def _labelled(label: str, text: str, columns: int) -> list[str]:
    """A sentence beside its label."""
    begin = f"{padded(label, 9)} "
    return wrapped(text, columns, begin, " " * width(begin))
