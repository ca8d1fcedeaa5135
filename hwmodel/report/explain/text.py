"""An explanation as a page: each quantity with its formula and the values that enter it."""

from __future__ import annotations

from hwmodel.report.blocks import Block, Code, Heading, Table, Text, markdown, plain_text
from hwmodel.report.explain.walk import Explanation, Term


def explained_markdown(found: Explanation) -> str:
    """The explanation as Markdown."""
    return markdown(_blocks(found), {})


def explained_html(found: Explanation) -> str:
    """The explanation as one HTML file."""
    from hwmodel.report.html import page

    return page(_blocks(found), {}, "en")


def explained_text(found: Explanation, columns: int | None = 80) -> str:
    """The explanation for a terminal: formulas indented, values in columns."""
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
        blocks += [Heading(f"{term.name} = {_value(term)}", 1 if not place else 2), Text(_said(term))]
        if term.formula:
            blocks.append(Code(term.formula))
            rows = [_row(symbol, by_name[name]) for symbol, name in term.inputs.items()]
            blocks.append(Table(["", "value", "unit", "from"], rows))
    return blocks


def _said(term: Term) -> str:
    """What it is, how it was found, where the code and the sources stand."""
    said = [f"{term.label[0].upper()}{term.label[1:]}" + (f": {term.how}" if term.how else "")]
    if term.code:
        said.append(f"Code: `{term.code}`")
    if term.sources:
        said.append(f"Sources: {'; '.join(term.sources)}")
    return ". ".join(said) + "."


def _row(symbol: str, term: Term) -> list[str]:
    whence = f"{term.name}, below" if term.formula else (term.how or term.label)
    return [symbol, f"{term.value:g}" if symbol.endswith("year") else _figure(term.value), term.unit, whence]


def _value(term: Term) -> str:
    unit = f" {term.unit}" if term.unit else ""
    if term.low is None or term.high is None:
        return f"{_figure(term.value)}{unit}"
    return f"{_figure(term.value)}{unit} ({_figure(term.low)} to {_figure(term.high)} with 80 %)"


def _figure(value: float) -> str:
    """Six digits, with thousands separators where it is neither tiny nor huge."""
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.6g}"
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"
