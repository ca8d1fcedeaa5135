"""Two saved answers side by side: what was asked otherwise, what changed by how much, and whether it means anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hwmodel.errors import InputError
from hwmodel.report import words
from hwmodel.report.blocks import Block, Heading, Table, Text, markdown, plain_text
from hwmodel.report.fields import field_words
from hwmodel.report.phrases import ENGLISH, say, speaking
from hwmodel.report.words import DASH

# quantity of an answer -> how it reads
SHOWN: dict[str, Any] = {
    "params": words.count, "tokens": words.count, "train_flop": words.flop, "accelerators": words.plain,
    "train_days": words.days, "elapsed_days": words.days, "gpu_hours": words.plain, "mfu": words.percent,
    "tokens_per_s": words.count, "loss_nats": words.loss, "cost_usd": words.usd, "energy_mwh": words.energy,
    "co2e_t": words.carbon, "peak_memory_bytes": words.memory, "goodput": words.percent,
    "lifetime_cost": words.plain,
}  # fmt: skip
NAMES = {
    "params": "parameters", "tokens": "tokens", "train_flop": "training compute", "accelerators": "accelerators",
    "train_days": "productive time", "elapsed_days": "elapsed time billed", "gpu_hours": "accelerator-hours billed",
    "mfu": "MFU", "tokens_per_s": "tokens a second", "loss_nats": "loss, nats a token", "cost_usd": "rent",
    "energy_mwh": "energy", "co2e_t": "carbon", "peak_memory_bytes": "fullest accelerator", "goodput": "goodput",
    "lifetime_cost": "cost of its life",
}  # fmt: skip
SAME = 1e-9  # relative change below which nothing changed
VERDICTS = {
    "within": "within both intervals",
    "overlap": "intervals overlap",
    "apart": "intervals do not meet",
    "exact": "exact",
}
COUNTED = {
    "within": "{count} within both intervals",
    "overlap": "{count} where one value lies outside the other's interval",
    "apart": "{count} whose intervals do not meet",
    "exact": "{count} exact",
}


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """What differs between two answers of `plan`: the question, what names were read as, and the figures.

    Raises InputError where either is no answer of `plan`.
    """
    for one in (first, second):
        if not isinstance(one.get("answer"), Mapping) or "train_flop" not in one["answer"]:
            raise InputError("diff compares two answers of `hwmodel plan ... --format json`")
    return {
        "question": _changed(_options(first), _options(second)),
        "resolved": _changed(first["resolved"], second["resolved"]),
        "answer": [row for name in SHOWN for row in _row(name, first["answer"].get(name), second["answer"].get(name))],
    }


def _options(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Option -> value as asked; a repeated option's values together."""
    found: dict[str, Any] = {}
    for name, value in answer["request"]["options"]:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = dict.fromkeys((*first, *second))
    return [
        {"name": name, "first": first.get(name), "second": second.get(name)}
        for name in names
        if first.get(name) != second.get(name)
    ]


def _row(name: str, first: Any, second: Any) -> list[dict[str, Any]]:
    """The row of a quantity that changed; none where both are the same."""
    a, b = _plain(first), _plain(second)
    if a is None and b is None:
        return []
    if a is not None and b is not None and math.isclose(a, b, rel_tol=SAME):
        return []
    share = None if a is None or b is None or a == 0 else b / a - 1.0
    return [{"name": name, "first": first, "second": second, "change": share, "verdict": _verdict(first, second)}]


def _plain(value: Any) -> float | None:
    found = value["value"] if isinstance(value, Mapping) else value
    return None if found is None else float(found)


def _verdict(first: Any, second: Any) -> str | None:
    """Whether a change exceeds the doubt of the two figures; None where one of them is missing."""
    if first is None or second is None:
        return None
    a, b = _ends(first), _ends(second)
    if a[0] == a[2] and b[0] == b[2]:
        return "exact"
    if a[0] <= b[1] <= a[2] and b[0] <= a[1] <= b[2]:
        return "within"
    return "overlap" if a[0] <= b[2] and b[0] <= a[2] else "apart"


def _ends(value: Any) -> tuple[float, float, float]:
    """Low end, value and high end."""
    if isinstance(value, Mapping):
        return value["low"], value["value"], value["high"]
    return value, value, value


def diff_markdown(found: Mapping[str, Any], names: tuple[str, str], language: str = ENGLISH) -> str:
    """The differences as a report."""
    with speaking(language):
        return markdown(_blocks(found, names), {})


def diff_text(
    found: Mapping[str, Any], names: tuple[str, str], columns: int | None = None, language: str = ENGLISH
) -> str:
    """The same for a terminal of so many columns."""
    with speaking(language):
        return plain_text(_blocks(found, names), columns)


def diff_html(found: Mapping[str, Any], names: tuple[str, str], language: str = ENGLISH) -> str:
    """The same as one HTML file."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(_blocks(found, names), {}, language)


def _blocks(found: Mapping[str, Any], names: tuple[str, str]) -> list[Block]:
    title = Heading(say("{value} beside {other}", value=names[0], other=names[1]), 1)
    if not any(found.values()):
        return [title, Text(say("Nothing differs."))]
    rows = [_cells(row) for row in found["answer"]]
    header = [say("quantity"), *names]
    blocks: list[Block] = [
        title, Text(_counted(found["answer"])),
        Heading(say("Asked otherwise")), Table(header, _named(found["question"])),
        Heading(say("Read or assumed otherwise")), Table(header, _named(found["resolved"])),
        Heading(say("What changed")), Table([*header, say("change"), say("beside the intervals")], rows),
    ]  # fmt: skip
    if not rows:
        blocks.append(Text(say("No figure of the answer changed.")))
    return blocks


def _counted(rows: list[dict[str, Any]]) -> str:
    """How many figures changed, and how many of them beyond their doubt."""
    if not rows:
        return ""
    counts = {name: sum(row["verdict"] == name for row in rows) for name in VERDICTS}
    parts = [say(COUNTED[name], count=count) for name, count in counts.items() if count]
    return say("Figures that changed: {parts}.", parts=say(", ").join(parts)) if parts else ""


def _named(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Options stay as they are typed; what names were read as has words."""
    return [[_name(row["name"]), *(_word(row[side]) for side in ("first", "second"))] for row in rows]


def _name(name: str) -> str:
    return name if name.startswith("-") else field_words(name)


def _word(value: Any) -> str:
    return DASH if value is None else str(value)


def _cells(row: Mapping[str, Any]) -> list[str]:
    show = SHOWN[row["name"]]
    values = [_plain(row[side]) for side in ("first", "second")]
    change = DASH if row["change"] is None else f"{100 * row['change']:+.3g} %"
    verdict = say(VERDICTS[row["verdict"]]) if row["verdict"] else DASH
    return [say(NAMES[row["name"]]), *(DASH if v is None else show(v) for v in values), change, verdict]
