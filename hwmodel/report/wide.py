"""Text in the columns of a terminal, where a Chinese character takes two."""

from __future__ import annotations

import re
import unicodedata

# Characters that take two columns each, between which a line may end; closing marks stay with what they follow, opening
# ones with what follows them; every other run without spaces is a word, with the percent sign of a figure.
_DOUBLE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
_WORD = re.compile(rf"\s+|[（“]*(?:[{_DOUBLE}]|[^\s{_DOUBLE}]+(?: %)?)[，。；：、）”]*")
# Where a word too long for its line ends best: behind a mark between two names, never inside a figure.
_PIECE = re.compile(r".+?(?:(?<=[_/|:=+*&])|(?<=\w\()|(?<=[-.,])(?!\d)|$)", re.DOTALL)


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


def longest_piece(text: str) -> int:
    """Columns of the widest piece of a text that is broken at spaces and between the names of a word alone."""
    return max((width(piece) for word in _WORD.findall(text) for piece in _PIECE.findall(word.strip())), default=0)


def wrapped(text: str, columns: int, begin: str = "", indent: str = "") -> list[str]:
    """Lines of at most `columns`, the first begun with `begin` and the others with `indent`; at least one."""
    lines, bare, gap = [begin], True, ""
    for word in _WORD.findall(text):
        if word.isspace():
            gap = "" if bare and len(lines) > 1 else " " * len(word)
            continue
        for piece in _pieces(word, max(columns - max(width(begin), width(indent)), 2)):
            room = columns - width(lines[-1]) - width(piece)
            if not bare and len(gap) > room:
                lines.append(indent)
                gap = ""
            lines[-1] += gap[: max(room, 0)] + piece
            bare, gap = False, ""
    return lines


def _pieces(word: str, columns: int) -> list[str]:
    """A word that fits a line as it is; else what stands between its marks, and that cut where it must be."""
    if width(word) <= columns:
        return [word]
    found: list[str] = []
    for piece in _PIECE.findall(word):
        rest = piece
        while width(rest) > columns:
            found.append(first(rest, columns))
            rest = rest[len(found[-1]) :]
        found += [rest] if rest else []
    return found
