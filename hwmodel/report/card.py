"""A card: one answer on one terminal screen. What stands on it is said by `cards`; whole reports are elsewhere."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence

COLUMNS, LINES = 80, 24


def card(
    headline: str,
    rows: Sequence[tuple[str, str, str]],
    said: Sequence[tuple[str, str]],
    columns: int = COLUMNS,
    more: str = "",
) -> str:
    """The headline, rows of (label, value, interval) and labelled sentences, at most `columns` wide and 24 lines high.

    Sentences are shortened first, rows never; `more` says where the rest stands and is always the last line.
    """
    room = max(40, columns)
    head = _wrapped(headline, room, "", 4)
    label, value = (max((width(one[i]) for one in rows), default=0) for i in (0, 1))
    table = [_cut(f"{_padded(one[0], label)}  {_padded(one[1], -value)}  {one[2]}".rstrip(), room) for one in rows]
    left = LINES - len(head) - len(table) - 2 - (1 if more else 0)
    below = _sentences([one for one in said if one[1]], room, left)
    lines = [*head, "", *table, *([""] if below else []), *below, *([_cut(more, room)] if more else [])]
    return "\n".join(lines) + "\n"


def width(text: str) -> int:
    """Columns that a text takes on a terminal: two for a Chinese character."""
    return len(text) + sum(unicodedata.east_asian_width(one) in "WF" for one in text)


def _padded(text: str, columns: int) -> str:
    """A text with spaces behind it, before it where `columns` is negative."""
    space = " " * max(abs(columns) - width(text), 0)
    return text + space if columns >= 0 else space + text


def _cut(line: str, columns: int) -> str:
    """A line of at most `columns`; three dots stand for what is gone."""
    return line if width(line) <= columns else _first(line, columns - 4).rstrip() + " ..."


def _first(text: str, columns: int) -> str:
    """As much of a text as fits."""
    taken = 0
    for place, one in enumerate(text):
        taken += width(one)
        if taken > columns:
            return text[:place]
    return text


def _sentences(said: Sequence[tuple[str, str]], columns: int, room: int) -> list[str]:
    """Labelled sentences in `room` lines: each gets one, and what is left over goes to the first that need more."""
    said = said[: max(0, room)]
    wanted = [len(_wrapped(text, columns, f"{_padded(label, 9)} ")) for label, text in said]
    given = [1] * len(said)
    for i, need in enumerate(wanted):
        given[i] += min(need - 1, room - sum(given))
    return [
        line for (label, text), lines in zip(said, given, strict=True)
        for line in _wrapped(text, columns, f"{_padded(label, 9)} ", lines)
    ]  # fmt: skip


def _wrapped(text: str, columns: int, label: str, most: int | None = None) -> list[str]:
    """Text wrapped under its label; cut with three dots after `most` lines."""
    if width(text) != len(text):
        return _wrapped_wide(text, columns, label, most)
    return textwrap.wrap(
        text, columns, initial_indent=label, subsequent_indent=" " * width(label), max_lines=most, placeholder=" ...",
        break_on_hyphens=False,
    )  # fmt: skip


WORD = re.compile(r"[\x21-\x7e]+|.")  # a run of Latin letters and figures stays whole; a Chinese character stands alone


def _wrapped_wide(text: str, columns: int, label: str, most: int | None) -> list[str]:
    """The same for a script without spaces between its words."""
    lines, indent = [label], " " * width(label)
    for word in WORD.findall(text):
        if width(lines[-1]) + width(word) > columns:
            lines.append(indent)
        lines[-1] += word if lines[-1] != indent else word.lstrip()
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], _cut(lines[most - 1] + "     ", columns - 1).rstrip(" .") + " ..."]
    return lines
