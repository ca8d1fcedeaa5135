"""Text in the columns of a terminal, where a Chinese character takes two."""

from __future__ import annotations

import re
import textwrap
import unicodedata

# A run of Latin letters and figures stays whole, a Chinese character stands alone; marks stay with what they follow.
_WORD = re.compile(r"(?:[\x21-\x7e]+|.)[，。；：、）]*")


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return len(text) if text.isascii() else len(text) + sum(unicodedata.east_asian_width(one) in "WF" for one in text)


def padded(text: str, columns: int) -> str:
    """A text with spaces behind it, before it where `columns` is negative."""
    space = " " * max(abs(columns) - width(text), 0)
    return text + space if columns >= 0 else space + text


def first(text: str, columns: int) -> str:
    """As much of a text as fits."""
    taken = 0
    for place, one in enumerate(text):
        taken += width(one)
        if taken > columns:
            return text[:place]
    return text


def wrapped(text: str, columns: int, begin: str = "", indent: str = "") -> list[str]:
    """Lines of at most `columns`, the first begun with `begin` and the others with `indent`; at least one."""
    if width(text) == len(text):
        lines = textwrap.wrap(
            text, columns, initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False
        )  # fmt: skip
        return lines or [begin]
    lines = [begin]
    for word in _pieces(text, max(columns - width(indent), 2)):
        if width(lines[-1]) + width(word) > columns and lines[-1] not in (begin, indent):
            lines.append(indent)
        lines[-1] += word if lines[-1] != indent else word.lstrip()
    return lines


def _pieces(text: str, columns: int) -> list[str]:
    """The words of a text, those wider than a line cut."""
    found: list[str] = []
    for word in _WORD.findall(text):
        while width(word) > columns:
            found.append(first(word, columns))
            word = word[len(found[-1]) :]
        found.append(word)
    return found
