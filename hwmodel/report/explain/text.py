"""An explanation as a page: each quantity with its formula and the values that enter it."""

from __future__ import annotations

from hwmodel.report.blocks import Block, Code, Heading, Table, Text, markdown, plain_text
from hwmodel.report.explain.walk import Explanation, Term
from hwmodel.report.phrases import ENGLISH, heard, say, speaking, spoken, titled


def explained_markdown(found: Explanation, language: str = ENGLISH) -> str:
    """The explanation as Markdown."""
    with speaking(language):
        return markdown(_blocks(found), {})


def explained_html(found: Explanation, language: str = ENGLISH) -> str:
    """The explanation as one HTML file."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(_blocks(found), {}, language)


def explained_text(found: Explanation, columns: int | None = 80, language: str = ENGLISH) -> str:
    """The explanation for a terminal: formulas indented, values in columns."""
    with speaking(language):
        return plain_text(_blocks(found), columns)


def explained_csv(found: Explanation) -> str:
    """A row a term."""
    from hwmodel.catalog.safe_text import csv_text

    header = ["name", "value", "low", "high", "unit", "formula", "how", "code"]
    return csv_text(header, [[_bare(getattr(term, name)) for name in header] for term in found.terms])


def explained_line(found: Explanation) -> str:
    """The number in one line."""
    return f"{found.name} = {_value(found.terms[0])}"


def _bare(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value)


def _blocks(found: Explanation) -> list[Block]:
    by_name = {term.name: term for term in found.terms}
    blocks: list[Block] = []
    for place, term in enumerate(found.terms):
        if place and not term.formula:
            continue  # it stands in the table of what it enters
        blocks += [
            Heading(say("{name} = {value}", name=term.name, value=_value(term)), 1 if not place else 2),
            Text(_said(term)),
        ]
        if term.formula:
            blocks.append(Code(term.formula))
            rows = [_row(symbol, by_name[name]) for symbol, name in term.inputs.items()]
            blocks.append(Table([say("symbol"), say("value"), say("unit"), say("from")], rows))
    return blocks


def _said(term: Term) -> str:
    """What it is, how it was found, where the code and the sources stand."""
    label = _label(term)
    said = [say("{label}: {how}", label=label, how=heard(term.how)) if term.how else label]
    if term.code:
        said.append(say("Code: `{code}`", code=term.code))
    if term.sources:
        said.append(say("Sources: {titles}", titles=say("; ").join(map(_title, term.sources))))
    return say("; ").join(said) + say(".")


def _label(term: Term) -> str:
    """What a number is called; in another language one without words by its own name."""
    label = heard(term.label)
    if spoken() != ENGLISH and label == term.label:
        return f"`{term.name.rsplit('.', 1)[-1]}`"
    return f"{label[0].upper()}{label[1:]}"


def _title(title: str) -> str:
    """A title as it is; how many more there are in words."""
    return heard(title) if title.startswith("and ") else titled(title)


def _row(symbol: str, term: Term) -> list[str]:
    whence = say("{name}, below", name=term.name) if term.formula else heard(term.how) or _label(term)
    return [symbol, f"{term.value:g}" if symbol.endswith("year") else _figure(term.value), term.unit, whence]


def _value(term: Term) -> str:
    unit = f" {term.unit}" if term.unit else ""
    value = f"{_figure(term.value)}{unit}"
    if term.low is None or term.high is None:
        return value
    return say("{value} ({low} to {high} with 80 %)", value=value, low=_figure(term.low), high=_figure(term.high))


def _figure(value: float) -> str:
    """Six digits, with thousands separators where it is neither tiny nor huge."""
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.6g}"
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"
