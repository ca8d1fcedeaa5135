"""Two saved answers side by side: what was asked otherwise, what changed by how much, and whether it means anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import asdict

from hwmodel.catalog.safe_text import csv_text
from hwmodel.errors import InputError
from hwmodel.report import words
from hwmodel.report.blocks import Block, Heading, Table, Text, markdown, plain_text
from hwmodel.report.fields import field_words
from hwmodel.report.phrases import ENGLISH, say, speaking
from hwmodel.report.words import DASH
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.band import certain
from hwmodel.solve.run.result import Value, value_of
from hwmodel.solve.saved import SavedRun, SavedService

# quantity of an answer -> how it reads
SHOWN: dict[str, Callable[[float], str]] = {
    "params": words.count, "tokens": words.count, "train_flop": words.flop, "accelerators": words.plain,
    "train_days": words.days, "elapsed_days": words.days, "gpu_hours": words.plain, "mfu": words.percent,
    "tokens_per_s": words.count, "loss_nats": words.loss, "cost_usd": words.usd, "energy_mwh": words.energy,
    "co2e_t": words.carbon, "peak_memory_bytes": words.memory,
    "reserved_memory_bytes": words.memory, "goodput": words.percent,
    "lifetime_cost": words.plain,
}  # fmt: skip
NAMES = {
    "params": "parameters", "tokens": "tokens", "train_flop": "training compute", "accelerators": "accelerators",
    "train_days": "productive time", "elapsed_days": "elapsed time billed", "gpu_hours": "accelerator-hours billed",
    "mfu": "MFU", "tokens_per_s": "tokens a second", "loss_nats": "loss, nats a token", "cost_usd": "rent",
    "energy_mwh": "energy", "co2e_t": "carbon", "peak_memory_bytes": "fullest accelerator",
    "reserved_memory_bytes": "memory, reserved", "goodput": "goodput",
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


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """An option, or what a name was read as, that two answers have otherwise; None where one has none."""

    name: str
    first: str | float | None
    second: str | float | None


class ChangedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of the answer that changed, in its unit: by which share of the first, and a word of `VERDICTS`.

    None where one of the two is missing, or the first is zero.
    """

    name: str
    first: Value
    second: Value
    change: float | None
    verdict: str | None


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """What two plans differ in: as asked, as read or assumed, and in their figures."""

    question: list[Changed]
    resolved: list[Changed]
    answer: list[ChangedFigure]


def differences(first: Plan, second: Plan) -> Differences:
    """What differs between two plans: the question, what names were read as, and the figures."""
    before, after = first.answer, second.answer
    return Differences(
        question=_changed(_options(first), _options(second)),
        resolved=_changed(asdict(first.resolved), asdict(second.resolved)),
        answer=[row for name in SHOWN for row in _row(name, getattr(before, name), getattr(after, name))],
    )


def plan_of(answer: SavedRun | SavedService) -> Plan:
    """The plan that a saved answer is. Raises InputError for an answer of another verb."""
    if not isinstance(answer, Plan):
        raise InputError("diff compares two answers of `hwmodel plan ... --format json`")
    return answer


def _options(plan: Plan) -> dict[str, str]:
    """Option -> value as asked; a repeated option's values together."""
    found: dict[str, str] = {}
    for name, value in plan.request.options:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _changed(
    first: Mapping[str, str | float | None], second: Mapping[str, str | float | None]
) -> list[Changed]:  # fmt: skip
    names = dict.fromkeys((*first, *second))
    return [
        Changed(name=name, first=first.get(name), second=second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    ]


def _row(name: str, first: Value, second: Value) -> list[ChangedFigure]:
    """The row of a quantity that changed; none where both are the same."""
    a, b = _plain(first), _plain(second)
    if a is None and b is None:
        return []
    if a is not None and b is not None and math.isclose(a, b, rel_tol=SAME):
        return []
    share = None if a is None or b is None or a == 0 else b / a - 1.0
    return [ChangedFigure(name=name, first=first, second=second, change=share, verdict=_verdict(first, second))]


def _plain(value: Value) -> float | None:
    return None if value is None else value_of(value)


def _verdict(first: Value, second: Value) -> str | None:
    """Whether a change exceeds the doubt of the two figures; None where one of them is missing."""
    if first is None or second is None:
        return None
    a, b = certain(first), certain(second)
    if a.low == a.high and b.low == b.high:
        return "exact"
    if a.low <= b.value <= a.high and b.low <= a.value <= b.high:
        return "within"
    return "overlap" if a.low <= b.high and b.low <= a.high else "apart"


def diff_markdown(found: Differences, names: tuple[str, str], language: str = ENGLISH) -> str:
    """The differences as a report."""
    with speaking(language):
        return markdown(_blocks(found, names), {})


def diff_text(found: Differences, names: tuple[str, str], columns: int | None = None, language: str = ENGLISH) -> str:
    """The same for a terminal of so many columns."""
    with speaking(language):
        return plain_text(_blocks(found, names), columns)


def diff_csv(found: Differences) -> str:
    """A row for each thing that differs: what was asked, what names were read as, and the figures with their ends."""
    header = [
        "part",
        "name",
        *(f"{one}{end}" for one in ("first", "second") for end in ("", "_low", "_high")),
        "change",
        "verdict",
    ]
    rows: list[list[str]] = []
    for part, changed in (("question", found.question), ("resolved", found.resolved)):
        rows += [[part, one.name, _bare(one.first), "", "", _bare(one.second), "", "", "", ""] for one in changed]
    for row in found.answer:
        figures = [*_ends(row.first), *_ends(row.second), row.change]
        rows.append(["answer", row.name, *map(_bare, figures), row.verdict or ""])
    return csv_text(header, rows)


def _ends(value: Value) -> list[float | None]:
    """A figure and the ends of its interval."""
    if value is None:
        return [None, None, None]
    band = certain(value)
    return [band.value, band.low, band.high]


def _bare(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)


def diff_html(found: Differences, names: tuple[str, str], language: str = ENGLISH) -> str:
    """The same as one HTML file."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(_blocks(found, names), {}, language)


def _blocks(found: Differences, names: tuple[str, str]) -> list[Block]:
    title = Heading(say("{value} beside {other}", value=names[0], other=names[1]), 1)
    if not (found.question or found.resolved or found.answer):
        return [title, Text(say("Nothing differs."))]
    rows = [_cells(row) for row in found.answer]
    header = [say("quantity"), *names]
    blocks: list[Block] = [
        title, Text(_counted(found.answer)),
        Heading(say("Asked otherwise")), Table(header, _named(found.question)),
        Heading(say("Read or assumed otherwise")), Table(header, _named(found.resolved)),
        Heading(say("What changed")), Table([*header, say("change"), say("beside the intervals")], rows),
    ]  # fmt: skip
    if not rows:
        blocks.append(Text(say("No figure of the answer changed.")))
    return blocks


def _counted(rows: Sequence[ChangedFigure]) -> str:
    """How many figures changed, and how many of them beyond their doubt."""
    if not rows:
        return ""
    counts = {name: sum(row.verdict == name for row in rows) for name in VERDICTS}
    parts = [say(COUNTED[name], count=count) for name, count in counts.items() if count]
    return say("Figures that changed: {parts}.", parts=say(", ").join(parts)) if parts else ""


def _named(rows: Sequence[Changed]) -> list[list[str]]:
    """Options stay as they are typed; what names were read as has words."""
    return [[_name(row.name), _word(row.first), _word(row.second)] for row in rows]


def _name(name: str) -> str:
    return name if name.startswith("-") else field_words(name)


def _word(value: str | float | None) -> str:
    return DASH if value is None else str(value)


def _cells(row: ChangedFigure) -> list[str]:
    show = SHOWN[row.name]
    values = [_plain(row.first), _plain(row.second)]
    change = DASH if row.change is None else f"{100 * row.change:+.3g} %"
    verdict = say(VERDICTS[row.verdict]) if row.verdict else DASH
    return [say(NAMES[row.name]), *(DASH if v is None else show(v) for v in values), change, verdict]
