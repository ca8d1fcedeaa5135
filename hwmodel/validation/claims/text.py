"""A text as passages, and the numbers in it: `70B`, `1.4万亿`, `10^23`, `a thousand`, `2.6 MB` as plain values."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import msgspec

from hwmodel.validation.claims.spelled import written_out

# magnitudes by how they are written; Chinese ones count by ten thousands
MAGNITUDES = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9, "t": 1e12,
    "tn": 1e12, "trillion": 1e12, "千": 1e3, "万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "十亿": 1e9, "百亿": 1e10,
    "千亿": 1e11, "万亿": 1e12, "兆": 1e12,
    "kb": 1e3, "mb": 1e6, "gb": 1e9, "g": 1e9, "kib": 1024.0, "mib": 1024.0**2, "gib": 1024.0**3,
    "bytes": 1.0, "字节": 1.0,
}  # fmt: skip
WORDS = {
    "two": 2, "four": 4, "five": 5, "seven": 7, "ten": 10, "twenty": 20, "hundred": 100, "a hundred": 100,
    "thousand": 1e3, "a thousand": 1e3, "one thousand": 1e3, "一千": 1e3, "上千": 1e3, "千": 1e3, "十": 10,
    "二十": 20, "四": 4, "百": 100, "一百": 100, "七千万": 7e7,
}  # fmt: skip
_NUM = r"\d(?:[\d,]*\d)?(?:\.\d+)?"  # a comma after a number is none of it
_SCI = rf"{_NUM}\s*(?:e\+?\d+|[×x*·]\s*10\s*\^?\s*\d+)|10\s*\^\s*\d+"
_MAG = r"(?:[KMBT]\b|bn\b|million|billion|trillion|万亿|千亿|百亿|十亿|百万|千万|亿|万)"
# what <num>, <mag>, <sci> and <qty> stand for in the patterns of claims
PATTERNS = {
    "sci": _SCI,
    "num": rf"{_NUM}(?:\s*(?:e[+-]?\d+|[×x*·]\s*10\s*\^?\s*-?\d+))?|10\s*\^\s*\d+",
    "mag": _MAG,
    "qty": rf"{_SCI}|{_NUM}\s*{_MAG}",
}
_POWER = re.compile(r"\s*(?:[×x*·]\s*10\s*\^?|e\+?)\s*(-?\d+)", re.IGNORECASE)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_LATEX = (
    (r"\\(?:text|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}", r"\1"),
    (r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\1/\2"),
    (r"\\alpha", "α"), (r"\\beta", "β"), (r"\\times|\\cdot", "×"), (r"\\propto", "∝"), (r"\\approx|\\sim|\\simeq", "≈"),
    (r"\\(?:left|right|,|;|!|quad)", ""), (r"[{}$]", ""),
)  # fmt: skip
_DASHES = str.maketrans({"−": "-", "–": "-", "—": "-", "‑": "-", "～": "~"})
_END = re.compile(
    r"(?<=[。！？；!?;])\s*|(?<=[a-zA-Z\d)\]%\"'”][.])\s+(?=[A-Z\"'“(\[*#])|\n(?=\s*(?:[-*+•|]|\d+[.)])\s*)"
)


_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,2}[.)])\s+")
_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
LIST = 240  # characters up to which a list is also one passage


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the text, made plain, and the lines it stands on."""

    line: int
    text: str
    last: int


def normal(text: str) -> str:
    """Full-width forms, superscripts, LaTeX, dashes and emphasis as plain characters; line breaks stay."""
    text = re.sub("([⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+)", lambda m: "^" + m[1].translate(_SUPERSCRIPTS), text)
    for pattern, plain in _LATEX:
        text = re.sub(pattern, plain, text)
    keep = {"。": "\x01", "；": "\x02", "，": "\x03"}
    for mark, stand_in in keep.items():
        text = text.replace(mark, stand_in)
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    for mark, stand_in in keep.items():
        text = text.replace(stand_in, mark)
    text = written_out(text)
    return re.sub(r"\*\*(?=\w)|(?<=\w)\*\*(?!\s*\(?-?[\d.])|__|`", "", text)


def passages(text: str) -> dict[str, list[Passage]]:
    """The text as its sentences, as pairs of neighbours, and as paragraphs.

    A row of a table is a sentence with its headings before its cells; an item of a list stands alone, with what
    introduces the list, and, where the list is short, with all of it.
    """
    found: dict[str, list[Passage]] = {"sentence": [], "pair": [], "paragraph": []}
    intro = ""
    for line, lines in _paragraphs(normal(text)):
        rows = _table(line, lines)
        sentences = rows or _sentences(line, "\n".join(lines))
        listed = [] if rows else _introduced(line, lines, intro)
        found["sentence"] += [*sentences, *listed]
        two = [] if rows else pairwise(sentences)
        pairs = [Passage(line=a.line, text=f"{a.text} {b.text}", last=b.last) for a, b in two]
        found["pair"] += pairs or [*sentences, *listed]
        whole = " ".join(row.text for row in rows) if rows else " ".join("\n".join(lines).split())
        found["paragraph"].append(Passage(line=line, text=whole, last=line + len(lines) - 1))
        intro = lines[-1].strip(" #:：") if len(lines) == 1 and (lines[0].startswith("#") or _leads(lines[0])) else ""
    return found


def _leads(line: str) -> bool:
    """Whether a line announces what follows it."""
    return line.rstrip().endswith((":", "："))


def _table(line: int, lines: list[str]) -> list[Passage]:
    """The rows of a table as sentences, `heading: cell` for `heading: cell`; none where the lines are no table."""
    rule = next((i for i, text in enumerate(lines) if i and "|" in text and _RULE.fullmatch(text)), None)
    if rule != 1:
        return []
    heads = _cells(lines[0])
    return [
        Passage(
            line=line + i, last=line + i,
            text=", ".join(f"{head}: {cell}" if head else cell for head, cell in zip(heads, _cells(text)) if cell),
        )
        for i, text in enumerate(lines)
        if i > rule and "|" in text
    ]  # fmt: skip


def _cells(row: str) -> list[str]:
    return [" ".join(cell.split()) for cell in row.strip().removeprefix("|").removesuffix("|").split("|")]


def _introduced(line: int, lines: list[str], intro: str) -> list[Passage]:
    """The items of a list with what introduces them, and a short list as one passage."""
    first = next((i for i, text in enumerate(lines) if _ITEM.match(text)), None)
    if first is None:
        return []
    if first and _leads(lines[first - 1]):
        intro = lines[first - 1].strip(" :：")
    items: list[tuple[int, str]] = []
    for i, text in enumerate(lines[first:], first):
        if (mark := _ITEM.match(text)) is not None:
            items.append((line + i, text[mark.end() :].strip()))
        else:
            items[-1] = (items[-1][0], f"{items[-1][1]} {text.strip()}")
    whole = f"{intro}: {', '.join(text.rstrip('.;；。') for _, text in items)}"
    found = [Passage(line=at, last=at, text=f"{intro}: {text}") for at, text in items] if intro else []
    if len(items) > 1 and len(whole) <= LIST:
        found.append(Passage(line=line + first, last=line + len(lines) - 1, text=whole))
    return found


def _sentences(line: int, paragraph: str) -> list[Passage]:
    """The sentences of a paragraph with their lines."""
    found, start = [], 0
    for end in [*(m.end() for m in _END.finditer(paragraph)), len(paragraph)]:
        piece = paragraph[start:end]
        if piece.strip():
            blank = len(piece) - len(piece.lstrip())
            first = line + paragraph[: start + blank].count("\n")
            last = first + piece.strip().count("\n")
            found.append(Passage(line=first, text=" ".join(piece.split()), last=last))
        start = end
    return found


def _paragraphs(text: str) -> list[tuple[int, list[str]]]:
    """(line of its start, lines) of each paragraph."""
    paragraphs: list[tuple[int, list[str]]] = []
    start, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip():
            if not lines:
                start = number
            lines.append(line)
        elif lines:
            paragraphs.append((start, lines))
            lines = []
    return paragraphs


def value_of(text: str) -> float | None:
    """The number that a piece of text states; None where it states none."""
    plain = text.strip().lower().rstrip(".,")
    if plain in WORDS:
        return float(WORDS[plain])
    match = re.match(r"-?\s*(?:\d[\d,]*(?:\.\d+)?|\.\d+)", plain)
    if match is None:
        return None
    number, rest = float(match[0].replace(",", "").replace(" ", "")), plain[match.end() :]
    if number == 10.0 and (caret := re.match(r"\s*\^\s*(-?\d+)", rest)):
        number, rest = 10.0 ** int(caret[1]), rest[caret.end() :]
    elif power := _POWER.match(rest):
        number, rest = number * 10.0 ** int(power[1]), rest[power.end() :]
    return number * MAGNITUDES.get(rest.strip().removesuffix(" parameters"), 1.0)


def written_to(text: str) -> float:
    """Half a unit in the last digit that a number is written with: what rounding may hide (`5.4` hides 0.05)."""
    match = re.match(r"-?\s*(\d[\d,]*)(?:\.(\d+))?", text.strip())
    value = value_of(text)
    if match is None or not value:
        return 0.0
    mantissa = float(f"{match[1].replace(',', '')}.{match[2] or 0}")
    return 0.5 * 10.0 ** -len(match[2] or "") * abs(value) / mantissa if mantissa else 0.0
