"""A card: one answer on one terminal screen. What stands on it is said by `cards`; whole reports are elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from hwmodel.report.phrases import heard, say
from hwmodel.report.wide import first, padded, width, wrapped

COLUMNS, LINES = 80, 24
WHOLE = "The whole answer: --format md, --out FILE.md or --format json"


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
    table = [_cut(f"{padded(one[0], label)}  {padded(one[1], -value)}  {one[2]}".rstrip(), room) for one in rows]
    left = LINES - len(head) - len(table) - 2 - (1 if more else 0)
    below = _sentences([one for one in said if one[1]], room, left)
    lines = [*head, "", *table, *([""] if below else []), *below, *([_cut(more, room)] if more else [])]
    return "\n".join(lines) + "\n"


def notes_words(warnings: Iterable[str]) -> str:
    """Warnings as one sentence, in the language spoken."""
    return say("; ").join(heard(line) for line in warnings)


def _cut(line: str, columns: int) -> str:
    """A line of at most `columns`; three dots stand for what is gone."""
    return line if width(line) <= columns else first(line, columns - 4).rstrip() + " ..."


def _sentences(said: Sequence[tuple[str, str]], columns: int, room: int) -> list[str]:
    """Labelled sentences in `room` lines: each gets one, and what is left over goes to the first that need more."""
    said = said[: max(0, room)]
    wanted = [len(_wrapped(text, columns, f"{padded(label, 9)} ")) for label, text in said]
    given = [1] * len(said)
    for i, need in enumerate(wanted):
        given[i] += min(need - 1, room - sum(given))
    return [
        line for (label, text), lines in zip(said, given, strict=True)
        for line in _wrapped(text, columns, f"{padded(label, 9)} ", lines)
    ]  # fmt: skip


def _wrapped(text: str, columns: int, label: str, most: int | None = None) -> list[str]:
    """Text wrapped under its label; cut with three dots after `most` lines."""
    if width(text) == len(text):
        return textwrap.wrap(
            text, columns, initial_indent=label, subsequent_indent=" " * width(label), max_lines=most,
            placeholder=" ...", break_on_hyphens=False,
        )  # fmt: skip
    lines = wrapped(text, columns, label, " " * width(label))
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], _cut(lines[most - 1] + "     ", columns - 1).rstrip(" .") + " ..."]
    return lines
