"""What the reader of a budget can still choose, with what it buys: limits, formats, commitments, certainty."""

from __future__ import annotations

import math

from hwmodel.report import words
from hwmodel.report.chances import share
from hwmodel.report.phrases import say
from hwmodel.report.prices import dollars
from hwmodel.solve.budget.risk import Limit
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.format_records import FormatRow
from hwmodel.solve.run.result import value_of
from hwmodel.units import HOURS_PER_YEAR

DECISIONS_SHOWN = 3
EVEN_ODDS = 0.5


def decisions(plan: Plan) -> list[str]:
    """What the reader can still choose, with what it buys."""
    said = [*_limit_decisions(plan), *_format_decision(plan), *_commitment(plan), *_certainty(plan)]
    return said[:DECISIONS_SHOWN]


def _limit_decisions(plan: Plan) -> list[str]:
    """What would keep each limit with enough certainty."""
    said = []
    for one in plan.risk.limits if plan.risk is not None else []:
        mend = one.mend
        if mend is None:
            continue
        ways = []
        if mend.accelerators is not None and mend.accelerators > (plan.answer.accelerators or 0):
            ways.append(say("{count} accelerators", count=f"{mend.accelerators:,}"))
        if mend.tokens is not None:
            ways.append(say("{tokens} tokens at this size", tokens=words.count(mend.tokens)))
        if mend.usd_per_accelerator_hour is not None:
            ways.append(say("hours at {usd}", usd=dollars(mend.usd_per_accelerator_hour)))
        if mend.limit is not None and one.name == "budget":
            ways.append(say("a budget of {usd}", usd=words.usd(mend.limit)))
        if mend.limit is not None and one.name == "time":
            ways.append(say("a limit of {days}", days=words.days(mend.limit)))
        said.append(
            say(
                "To be {share} sure of {limit}: {ways}.",
                limit=limit_words(plan, one),
                share=share(mend.share),
                ways=say(" or ").join(ways),
            )
        )
    return said


def _format_decision(plan: Plan) -> list[str]:
    """The format that pays for its loss with the best chance, if another than the plan's does: chances and speed-ups of
    the rows are against the reference, so that a plan in another format says both chances, or that its own pays less
    likely than not."""
    found = {row.precision: row for row in plan.precisions if row.status == "ok"}
    own = found.get(plan.resolved.precision)
    if own is None:
        return []
    paying = [row for row in found.values() if row is not own and row.verdict in ("pays", "pays_unless_at_the_top")]
    best = max(paying, key=lambda row: row.probability_wins or 0.0, default=None)
    if own.verdict == "reference":
        return [] if best is None else [_against_the_reference(own, best)]
    reference = next((row for row in found.values() if row.verdict == "reference"), None)
    if reference is None or own.probability_wins is None:
        return []
    if best is not None and (best.probability_wins or 0.0) > own.probability_wins:
        return [
            say(
                "{format} instead of {own}: {speed} as fast, and pays for its loss against {reference} with {chance} "
                "instead of {own_chance}.",
                format=best.precision,
                own=own.precision,
                speed=f"{value_of(best.speedup) / value_of(own.speedup):.2f}x",
                reference=reference.precision,
                chance=share(best.probability_wins or 0.0),
                own_chance=share(own.probability_wins),
            )
        ]
    if own.probability_wins < EVEN_ODDS:
        return [
            say(
                "{reference} instead of {own}, which pays for its loss with {chance} only.",
                reference=reference.precision,
                own=own.precision,
                chance=share(own.probability_wins),
            )
        ]
    return []


def _against_the_reference(own: FormatRow, best: FormatRow) -> str:
    """The decision of a plan in the format that all rows are compared with."""
    return say(
        "{format} instead of {own}: {speed} as fast, which pays for its loss (chance {chance}).",
        format=best.precision,
        own=own.precision,
        speed=f"{value_of(best.speedup):.2f}x",
        chance=share(best.probability_wins or 0.0),
    )


def _commitment(plan: Plan) -> list[str]:
    """A year's commitment against on demand."""
    ways = {row.way: row for row in plan.money.ways} if plan.money is not None else {}
    year, free = ways.get("reserved_1y"), ways.get("on_demand")
    if year is None or free is None or year.break_even is None or year.run_usd >= free.run_usd:
        return []
    said = {
        "whole": words.usd(year.committed_usd), "usd": words.usd(year.run_usd), "free": words.usd(free.run_usd),
        "share": f"{100 * year.break_even:.0f} %",
    }  # fmt: skip
    days = plan.answer.elapsed_days
    terms = 1 if days is None else max(1, math.ceil(24.0 * value_of(days) / HOURS_PER_YEAR))
    if terms > 1:  # a run longer than the term commits again
        return [
            say(
                "Committing for {terms} years, one by one ({whole} in all): this run bears {usd} instead of {free}, if "
                "{share} of their hours are used.",
                terms=f"{terms}",
                **said,
            )
        ]
    return [
        say(
            "Committing for a year ({whole} in all): this run bears {usd} instead of {free}, if {share} of the year's "
            "hours are used.",
            **said,
        )
    ]


def _certainty(plan: Plan) -> list[str]:
    """What the step from the medians to 80 % costs, where no limit asks for it."""
    q = plan.answer.quantiles
    if q is None or (plan.risk is not None and plan.risk.limits):
        return []
    if q["p50"]["cost_usd"] is None or q["p80"]["cost_usd"] is None:
        return []
    more = value_of(q["p80"]["cost_usd"]) - value_of(q["p50"]["cost_usd"])
    return [
        say(
            "Which certainty to sign: 80 % (P80) instead of doubts at their medians (P50) sets {usd} more aside.",
            usd=words.usd(more),
        )
    ]


def limit_words(plan: Plan, limit: Limit) -> str:
    """A limit by its name: `the deadline of 2027-03-01`, `30 days`, `the budget of $3M`."""
    if limit.name == "budget":
        return say("the budget of {usd}", usd=words.usd(limit.limit))
    ends = plan.resolved.deadline
    if ends is not None:
        return say(
            "the deadline {date} ({days} from {start})",
            date=ends,
            days=words.days(limit.limit),
            start=plan.resolved.start,
        )
    return say("the limit of {days}", days=words.days(limit.limit))
