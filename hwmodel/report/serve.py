"""An answer of `hwmodel serve` as a report: the fleet or the prediction, then why, what else, what it rests on."""

from __future__ import annotations

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report.blocks import Block, Bullets, Heading, Table, Text, markdown
from hwmodel.report.likeness import like_line
from hwmodel.report.phrases import ENGLISH, heard, say, speaking, titled
from hwmodel.report.serve_tables import figure_rows, fixed_table, fleets_table, plain_rows, step_table
from hwmodel.report.serve_words import (
    Found,
    dollars,
    front_words,
    limits,
    load,
    quality_words,
    title,
)
from hwmodel.report.tables import record_cells
from hwmodel.solve.serve.ask import Served
from hwmodel.solve.serve.records import ApiOffer, FleetFound
from hwmodel.specs.provenance import Cited


def serve_blocks(found: Served) -> list[Block]:
    """The whole report."""
    of, question, row = found.found, found.question, found.answer
    chosen = isinstance(of, FleetFound)
    fixed = fixed_table(of)
    return [
        Heading(title(question, row), 1),
        *(Text(line) for line in front_words(of)),
        Table(["", say("value"), say("80 % interval")], figure_rows(question, row)),
        Text(" ".join(limits(question, row))),
        Bullets(why(of)),
        _like(of),
        Heading(say("Other fleets")) if chosen else Text(""),
        Text(_kinds(of) if isinstance(of, FleetFound) else ""),
        fleets_table(of),
        Heading(say("The same model in other formats, not trained further")),
        Text(_fixed_words(of) if fixed.rows else ""),
        fixed,
        Heading(say("Where a decode step goes")),
        step_table(of),
        Heading(say("What to know before trusting it")),
        Bullets([heard(line) for line in of.notes]),
        Heading(say("What the figures rest on")),
        Bullets(source_lines(of.sources)),
    ]


def why(found: Found) -> list[str]:
    """Why this fleet, at what quality, what an offer by the token would cost, and what was left out."""
    if not isinstance(found, FleetFound):
        return []
    recipe, left = found.answer.precision, ", ".join(found.left_out)
    said = [
        *(heard(line) for line in found.why),
        quality_words(recipe, found.quality.get(recipe)),
        _offer(found.api),
        say("Left out, for no price of them is known (--usd-per-hour gives one): {parts}.", parts=left) if left else "",
    ]
    return [line for line in said if line]


def _like(found: Found) -> Text:
    sure = like_line(found.like)
    return Text(say("How sure: {line} (each predicted without its model on this engine).", line=sure) if sure else "")


def _kinds(found: FleetFound) -> str:
    """What the first column means, where there is more than the answer."""
    if not found.alternatives and len(found.pareto) < 2:
        return ""
    return say(
        "Alternatives are the cheapest of each other part, format or way to serve; the front holds those that no other "
        "beats in both money and time a token."
    )


def _fixed_words(found: Found) -> str:
    if isinstance(found, FleetFound):
        return say("The cheapest fleet for the demand in each format; loss with its 80 % interval.")
    return say("This configuration in each format; loss with its 80 % interval.")


def _offer(api: ApiOffer | None) -> str:
    """Against an offer by the token: what it costs, and the demand from which a fleet of one's own costs less."""
    if api is None:
        return ""
    offer = say(
        "The offer asks ${usd} an hour ({each} a million tokens, in and out)",
        usd=f"{api.api_usd_per_hour:,.2f}", each=dollars(api.api_usd_per_million_tokens),
    )  # fmt: skip
    if api.requests_per_s is None:
        return say("{offer}, less than a full fleet of this kind at any demand.", offer=offer)
    rate = load(api.requests_per_s.value)
    return say("{offer}; a fleet of this kind costs less from {rate} on.", offer=offer, rate=rate)


def source_lines(sources: list[Cited]) -> list[str]:
    """A line for each thing that sources feed, with all of them."""
    fed: dict[str, list[str]] = {}
    for one in sources:
        place = f", {one.locator}" if one.locator else ""
        fed.setdefault(one.uses, []).append(f"{titled(one.title)}{place}")
    return [
        say("{what}: {titles}", what=_uses(what), titles=say("; ").join(_together(titles)))
        for what, titles in fed.items()
    ]


def _uses(fed: str) -> str:
    """What a source feeds, each thing in the reader's language."""
    return say(", ").join(map(heard, fed.split(", ")))


def _together(titles: list[str]) -> list[str]:
    """Titles that begin and end alike as one: `Dated prices of A, B, C, catalogs/prices/quotes.csv ...`."""
    head, tail = "Dated prices of ", ", catalogs/prices/quotes.csv"
    dated = [title for title in titles if title.startswith(head) and tail in title]
    if len(dated) < 2:
        return titles
    names = [title.removeprefix(head).partition(tail)[0] for title in dated]
    whole = f"{head}{', '.join(names)}{tail}{dated[0].partition(tail)[2]}"
    return [whole, *(title for title in titles if title not in dated)]


def served_text(found: Served, form: str, language: str = ENGLISH) -> str:
    """An answer of `serve` as Markdown, HTML, CSV or JSON."""
    if form == "json":
        return found.to_json()
    if form == "csv":
        return csv_text(*record_cells(plain_rows(found.found)))
    with speaking(language):
        if form == "html":
            from hwmodel.report.html import page

            return page(serve_blocks(found), {}, language)
        return markdown(serve_blocks(found), {})
