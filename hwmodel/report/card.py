"""A card: one answer on one terminal screen. What stands on it is said by `cards`; whole reports are elsewhere."""

from __future__ import annotations

import textwrap
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
    width = max(40, columns)
    head = _wrapped(headline, width, "", 4)
    label, value = (max((len(one[i]) for one in rows), default=0) for i in (0, 1))
    table = [_cut(f"{one[0]:<{label}}  {one[1]:>{value}}  {one[2]}".rstrip(), width) for one in rows]
    left = LINES - len(head) - len(table) - 2 - (1 if more else 0)
    below = _sentences([one for one in said if one[1]], width, left)
    lines = [*head, "", *table, *([""] if below else []), *below, *([_cut(more, width)] if more else [])]
    return "\n".join(lines) + "\n"


def _cut(line: str, width: int) -> str:
    """A line of at most `width` columns; three dots stand for what is gone."""
    return line if len(line) <= width else line[: width - 4].rstrip() + " ..."


def _sentences(said: Sequence[tuple[str, str]], width: int, room: int) -> list[str]:
    """Labelled sentences in `room` lines: each gets one, and what is left over goes to the first that need more."""
    said = said[: max(0, room)]
    wanted = [len(_wrapped(text, width, f"{label:<9} ")) for label, text in said]
    given = [1] * len(said)
    for i, need in enumerate(wanted):
        given[i] += min(need - 1, room - sum(given))
    return [
        line for (label, text), lines in zip(said, given, strict=True)
        for line in _wrapped(text, width, f"{label:<9} ", lines)
    ]  # fmt: skip


def _wrapped(text: str, width: int, label: str, most: int | None = None) -> list[str]:
    """Text wrapped under its label; cut with three dots after `most` lines."""
    return textwrap.wrap(
        text, width, initial_indent=label, subsequent_indent=" " * len(label), max_lines=most, placeholder=" ...",
        break_on_hyphens=False,
    )  # fmt: skip
