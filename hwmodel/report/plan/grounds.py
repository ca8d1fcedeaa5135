"""What an answer stands on: warnings, what was given and assumed, sources, and the command that reproduces it."""

from __future__ import annotations

import re
from typing import Any

from hwmodel.report import words
from hwmodel.report.blocks import Block, Bullets, Code, Heading, Table, Text
from hwmodel.report.commands import command, layout_command
from hwmodel.report.fields import field_words
from hwmodel.report.phrases import heard, say, titled
from hwmodel.report.plan.front import dearest
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import value_of
from hwmodel.units import format_power

# What a warning can cost: the doubt behind its words, or a share of the rent that is lost.
COSTS = (
    ("accelerators stay idle", "idle"),
    ("exceeds the critical batch", "batch"),
    ("failures come faster", "failures"),
    ("no price of", "price"),
    ("price of", "price"),
    ("were not measured", "step"),
    ("unconfirmed in the catalog", "step"),
    ("was fitted on", "law"),
)
REGRET = 0.05  # of the rent: what a size at the edge of the band wastes


def grounds(plan: Plan) -> list[Block]:
    """Everything that the numbers rest on."""
    return [
        Heading(say("What to know before trusting it")),
        Bullets([heard(line) for line in ranked_warnings(plan)]),
        Heading(say("What was given, solved and assumed")),
        given_table(plan),
        Text(assumed_line(plan)),
        Heading(say("Assumptions and sources")),
        Text(_intervals(plan)),
        Bullets(source_lines(plan)),
        Code("\n".join(filter(None, (command(plan), layout_command(plan))))),
        Text(f"hwmodel {plan.resolved.hwmodel_version}, catalog {plan.resolved.catalog_version}"),
    ]


def ranked_warnings(plan: Plan) -> list[str]:
    """The warnings by what they can cost, the dearest first."""
    return sorted(plan.warnings, key=lambda line: -warning_usd(plan, line))


def warning_usd(plan: Plan, line: str) -> float:
    """Dollars that a warning can stand for: a share of the rent, or the bad end of the doubt that it widens."""
    cause = next((cause for words_of, cause in COSTS if words_of in line), None)
    q = plan.answer.quantiles
    if cause is None or q is None or plan.risk is None:
        return 0.0
    cost = q["p50"]["cost_usd"]
    rent = 0.0 if cost is None else value_of(cost)
    if cause == "idle":
        return float(rent * (plan.answer.idle_accelerators or 0) / (plan.answer.accelerators or 1))
    if cause in ("batch", "law"):
        return float(rent * REGRET)
    over = {one.driver: (one.usd_high or 0.0) - rent for one in dearest(plan)}
    return float(over.get(cause, 0.0))


def given_table(plan: Plan) -> Table:
    """What was given, what was solved and how."""
    rows = [[field_words(k), _value(k, v), say("given")] for k, v in plan.request.given.items()]
    rows += [[field_words(k), heard(how), say("solved")] for k, how in plan.solved.items()]
    return Table([say("quantity"), say("value"), ""], rows)


def assumed_line(plan: Plan) -> str:
    """The defaults that filled in."""
    said = [
        f"{field_words(k)} {_value(k, v)}"
        for k, v in plan.request.defaults.items()
        if v is not None and k != "flop_convention"  # said with the intervals
    ]
    return say("Assumed: {defaults}.", defaults=say("; ").join(said)) if said else ""


def _value(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if field == "power_w":
        return format_power(value)
    if field in ("loss_like", "teacher"):
        return say("{size} at {tokens}", size=words.count(value[0]), tokens=words.count(value[1]))
    if field == "service":
        limit = f", TPOT {words.duration(value.tpot_limit_s)}" if value.tpot_limit_s else ""
        return say(
            "{rate} requests/s of {prompt} tokens in and {output} out for {time}{limit}",
            rate=f"{value.requests_per_s:g}",
            prompt=f"{value.prompt_tokens:,.0f}",
            output=f"{value.output_tokens:,.0f}",
            time=words.duration(value.seconds),
            limit=limit,
        )
    if field == "samples":
        return f"{value:g}"
    if field == "time_s":
        return words.duration(value)
    if field.endswith("_usd"):
        return words.usd(value)
    if field == "usd_per_hour":
        return ", ".join(f"{part} {words.usd(rate)}".strip() for part, rate in value)
    if field == "nic_uni_bytes_per_s":
        return f"{value * 8 / 1e9:g} Gbit/s"
    if field in ("mfu", "prompt_share", "confidence", "sparsity"):
        return words.percent(value)
    if field == "layout":
        return ", ".join(f"{k.replace('_', '-')} {v:g}" for k, v in value.items())
    if field in ("params", "tokens", "inference_tokens", "unique_tokens", "flop"):
        return words.count(value)
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _intervals(plan: Plan) -> str:
    name = str(plan.request.given.get("flop_convention") or plan.request.defaults.get("flop_convention"))
    convention = "6 N D" if name == "6nd" else name
    said = say(
        "Intervals hold 80 %: of time by errors on measured runs left out of the fit, of size and loss by the doubt of "
        "the law's constants, of rent by spread and drift of prices. MFU counts {convention} FLOPs.",
        convention=convention,
    )
    if plan.risk is not None:
        said += say(" Chances are shares of {count} joint draws.", count=f"{plan.risk.draws:,}")
    return said


_PRICES = re.compile(r"Dated prices of (.+)")
_ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})")
TITLE_WORDS = 2  # of a title that has a locator to find it by


def source_lines(plan: Plan) -> list[str]:
    """A line a source; papers of arXiv by their numbers, sellers of hours together, and laws that are shown for
    comparison by where they stand.

    Titles, and what each source gave, stand in `sources` of the JSON.
    """
    papers, sellers, compared, rest = [], [], [], []
    for source in plan.sources:
        title, place, used = source.title or source.id, source.locator, source.uses
        seller = _PRICES.fullmatch(title)
        if seller is not None:
            sellers.append(seller.group(1))
        elif title.startswith("Derived from"):
            continue  # figures whose own notes say how
        elif all("for comparison" in use for use in used.split(", ")):
            compared.append(place or title)
        elif (paper := _ARXIV.match(place)) is not None:
            papers.append(paper.group(1))
        else:
            rest.append(_cited(title, place))
    papers = list(dict.fromkeys(papers))
    lines = [say("Papers on arXiv: {numbers}", numbers=", ".join(papers))] if papers else []
    lines += [say("Laws for comparison: {places}", places="; ".join(compared))] if compared else []
    if sellers:
        lines.append(say("Dated prices of {sellers} (catalogs/prices/quotes.csv)", sellers=", ".join(sellers)))
    return [*rest, *lines]


def _cited(title: str, place: str) -> str:
    """A title, shortened where a locator tells it, and the first place that the locator names."""
    if not place:
        return titled(title)
    short = title.split(": ")[0].split()
    name = " ".join(short[:TITLE_WORDS]) + ("..." if len(short) > TITLE_WORDS else "")
    return f"{name}, {re.split(r'; | as | Table', place)[0].rstrip(',')}"
