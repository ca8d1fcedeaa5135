"""How right predictions are, as a table for people and a document."""

from __future__ import annotations

import msgspec

from hwmodel.plain import Row, Rows
from hwmodel.report import sheets
from hwmodel.report.likeness import QUANTITIES
from hwmodel.report.phrases import ENGLISH, say, speaking
from hwmodel.solve.accuracy import Accuracy, Measured
from hwmodel.units import format_percent

BELOW = (
    "Each run was predicted by constants fitted without its source (serving: without its model on that engine). "
    'Medians and shares weigh sources alike; "by rows" counts every run once. "Shipped" is the median error of the '
    'shipped constants, which were fitted on these runs too; "constant" that of one utilisation a part and format, '
    "fitted without the source. A refused run counts as 100 % off."
)


def accuracy_rows(found: Accuracy) -> Rows:
    """Rows for people: all sources of a kind first, then each."""
    return [_row(one) for one in (*found.kinds, *found.by_source)]


def _row(one: Measured) -> Row:
    kind = say(QUANTITIES[one.kind])
    return {
        say("quantity"): say("  {source}: {kind}", source=one.source, kind=kind) if one.source else kind,
        say("runs"): f"{one.n:,}",
        say("refused"): f"{one.refused}",
        say("sources"): "" if one.source else f"{one.sources}",
        say("median error"): format_percent(one.median_error),
        say("by rows"): format_percent(one.median_error_by_rows),
        say("80 % held"): format_percent(one.coverage),
        say("held by rows"): format_percent(one.coverage_by_rows),
        say("shipped"): "-" if one.shipped is None else format_percent(one.shipped),
        say("constant"): "-" if one.constant is None else format_percent(one.constant),
    }


def accuracy_text(found: Accuracy, form: str, columns: int | None = None, language: str = ENGLISH) -> str:
    """In a form (md, text, csv, json)."""
    every = [*found.kinds, *found.by_source]
    with speaking(language):
        rows = [msgspec.structs.asdict(one) for one in every] if form == "csv" else accuracy_rows(found)
        return sheets.render(rows, found.to_dict(), form, say(BELOW), _title(found), columns)


def _title(found: Accuracy) -> str:
    asked = say(", ").join(f"`--{name} {value}`" for name, value in found.asked.items())
    return say("Runs like yours: {asked}", asked=asked or say("every measured run"))
