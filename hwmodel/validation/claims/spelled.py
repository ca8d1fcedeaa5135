"""Numbers and units that a text writes out, as digits: `sixty-four`, `七千万`, `2.6 megabytes`."""

from __future__ import annotations

import re

_ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
         "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]  # fmt: skip
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_SMALL = {word: value for value, word in enumerate(_ONES)} | _TENS
_WORD = "(?:" + "|".join([*sorted(_SMALL, key=len, reverse=True), "hundred", "thousand"]) + ")"
_ENGLISH = re.compile(rf"\b(?:an? (?=hundred\b[- ]))?({_WORD}(?:[- ](?:and )?{_WORD})*)\b(?!\w)", re.IGNORECASE)
_MAGNITUDE = re.compile(r"[- ](?:million|billion|trillion)\b", re.IGNORECASE)
# single words that texts of this field use as words (`two passes`, `ten times`, `a hundred`): patterns name them
_LEFT = {*_ONES[:13], "twenty", "hundred", "thousand"}

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_PLACES = {"十": 10, "百": 100, "千": 1000}
_CHINESE = re.compile(r"(?:[一二两三四五六七八九]千)?零?(?:[一二两三四五六七八九]百)?零?(?:[一二三四五六七八九]?十)?"
                      r"[一二两三四五六七八九]?")  # fmt: skip

_BYTES = {"kilo": "KB", "mega": "MB", "giga": "GB", "tera": "TB", "kibi": "KiB", "mebi": "MiB", "gibi": "GiB"}
_CHINESE_BYTES = {"千字节": "KB", "兆字节": "MB", "吉字节": "GB", "太字节": "TB"}


def written_out(text: str) -> str:
    """The text with its spelled numbers and units as digits and symbols; lone small words stay as they are."""
    text = re.sub(r"二分之一", "0.5", re.sub(r"\b(?:one|a)[- ]half\b(?! (?:of )?(?:the|an?|as|again)\b)", "0.5", text))
    text = _CHINESE.sub(_chinese, re.sub("百分之([零一二两三四五六七八九十百]+)", _percent, text))
    text = _ENGLISH.sub(_english, text)
    text = re.sub(r"(\d)-(?=(?:million|billion|trillion|gigabyte|megabyte|[KMGT]i?B\b))", r"\1 ", text)
    text = re.sub(r"(\d)\s*(?:percent|per cent)\b", r"\1 %", text)
    for prefix, symbol in _BYTES.items():
        text = re.sub(rf"(\d\s*){prefix}bytes?\b", rf"\1{symbol}", text, flags=re.IGNORECASE)
    for name, symbol in _CHINESE_BYTES.items():
        text = text.replace(name, symbol)
    return re.sub(r"([KMGT]i?B) (?:per|a) second\b", r"\1/s", text)


def _english(match: re.Match[str]) -> str:
    """Digits of a run of number words, unless it is one that stays."""
    words = re.split(r"[- ](?:and )?", match[1].lower())
    scaled = _MAGNITUDE.match(match.string, match.end()) is not None
    if len(words) == 1 and words[0] in _LEFT and not scaled:
        return match[0]
    total, part = 0, 0
    for word in words:
        if word == "thousand":
            total, part = total + max(part, 1) * 1000, 0
        elif word == "hundred":
            part = max(part, 1) * 100
        elif part % (10 if _SMALL[word] < 10 else 100):
            return match[0]  # two numbers side by side
        else:
            part += _SMALL[word]
    return str(total + part)


def _chinese(match: re.Match[str]) -> str:
    """Digits of a Chinese numeral of two signs and more, or of one before 万 and 亿."""
    text = match[0]
    before_scale = match.string[match.end() : match.end() + 1] in ("万", "亿")
    alone = len(text) < 2 and not (before_scale and text)
    if alone or (len(text) > 1 and not any(sign in _PLACES for sign in text)):
        return text
    return str(_value(text))


def _percent(match: re.Match[str]) -> str:
    return f"{_value(match[1])}%"


def _value(text: str) -> int:
    """The value of a Chinese numeral below ten thousand."""
    total, digit = 0, 0
    for sign in text:
        if sign in _PLACES:
            total, digit = total + max(digit, 1) * _PLACES[sign], 0
        else:
            digit = _DIGITS[sign]
    return total + digit
