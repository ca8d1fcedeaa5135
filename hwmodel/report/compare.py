"""A comparison of formats as Markdown, text and CSV."""

from __future__ import annotations

from collections.abc import Mapping

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report import words
from hwmodel.report.blocks import Block, Bullets, Code, Heading, Picture, Table, Text, markdown
from hwmodel.report.chances import chances_table
from hwmodel.report.commands import command
from hwmodel.report.formats import (
    KIND_WORDS,
    VERDICTS,
    evidence_table,
    machine_table,
    precision_table,
    share_words,
    speedup_words,
    verdict_words,
)
from hwmodel.report.likeness import like_block
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.solve.run.format_records import FormatRow, ObjectiveVerdict
from hwmodel.solve.run.result import Band, Plan

RESOLUTION_WORDS = "a single pair resolves about 0.1 %"
BANDS = ("speedup", "loss_gap_share", "pays_up_to_share", "pays_up_to_share_free")
NUMBERS = ("train_days", "tokens_per_s", "mfu", "mfu_of_16_bit_peak", "peak_memory_bytes", "cost_usd", "energy_mwh")


def compare_blocks(plan: Plan) -> list[Block]:
    """Formats side by side, each with its own best layout, and which wins."""
    title = say(
        "Formats for {size} parameters on {tokens} tokens, {count} x {part}",
        size=words.count(plan.answer.params),
        tokens=words.count(plan.answer.tokens),
        count=words.plain(plan.answer.accelerators),
        part=plan.resolved.accelerator,
    )
    life = say(" over the life asked") if plan.saving else ""
    evidence = evidence_table(plan.precisions)
    return [
        Heading(title, 1),
        Text(winner(plan)),
        precision_table(plan.precisions),
        Picture("speedup", say("Speed-up of each format against the one that its measured loss needs")),
        Text(
            say(
                "Same size, tokens and fleet in each row; the layout is chosen anew for each format. The loss gap "
                "is that of published "
                "recipes against 16 bits on the same model, data and tokens; the 80 % interval is that of a source "
                "not seen, and a single pair resolves about 0.1 %. **Pays up to** is the gap that the time saved "
                "regains at the same size, and with "
                "size and tokens free{life}. Downstream scores are equal within noise at gaps of a few tenths of a "
                "percent.",
                life=life,
            )
        ),
        like_block(plan.like),
        Heading(say("Under each objective")),
        objectives_table(plan.precisions),
        Text(
            say(
                "How many times as much the reference takes, and whether that pays for the loss gap at this size. A "
                "format changes no FLOPs: counted in them alone, no gap is paid for."
            )
            if objectives_table(plan.precisions).rows
            else ""
        ),
        Heading(say("Which beats which, drawn together")),
        chances_table(getattr(plan, "chances", ())),
        Heading(say("On the machine")),
        machine_table(plan.precisions),
        Heading(say("What it rests on")),
        evidence,
        Text(_scenarios_note() if evidence.rows else ""),
        Bullets([heard(line) for line in plan.warnings]),
        Code(command(plan, "compare", [row.precision for row in plan.precisions])),
    ]


def _scenarios_note() -> str:
    return say(
        "The laws stand beside as scenarios and enter no verdict. Kumar et al. fitted integers simulated in the "
        "forward pass of "
        "models of 30M to 220M parameters, Sun et al. simulated floats at 41M to 679M on 10B to 100B tokens; "
        "neither saw the "
        "methods of today's recipes."
    )


def compare_markdown(plan: Plan, figure: str = "", language: str = ENGLISH) -> str:
    """The comparison as Markdown; `figure` is the file of its picture."""
    with speaking(language):
        return markdown(compare_blocks(plan), {"speedup": figure} if figure else {})


def compare_html(plan: Plan, pictures: Mapping[str, bytes] | None = None, language: str = ENGLISH) -> str:
    """The comparison as one HTML file with its picture inside."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(compare_blocks(plan), pictures or {}, language)


def winner(plan: Plan) -> str:
    """One sentence for each format that a lead can repeat, the likeliest to win first."""
    rows = [row for row in plan.precisions if row.status == "ok"]
    if not rows:
        return say("No format fits.")
    others = [row for row in rows if row.judged]
    if not others:
        return say("Only {format} can be run: nothing to compare it with.", format=rows[0].precision)
    order = sorted(others, key=lambda row: -(row.probability_wins if row.probability_wins is not None else -1.0))
    return say(" ").join(sentence(row) for row in order)


def sentence(row: FormatRow) -> str:
    """`fp8 is 1.27x faster ..., which pays for a gap of up to 0.13 %; published pairs ...: undecided (51 %).`"""
    faster = say("{speed} as fast", speed=speedup_words(row.speedup)) + _beyond_published(row)
    gap = share_words(row.loss_gap_share)
    paid, found, chance = row.pays_up_to_share, row.evidence, row.probability_wins
    if paid is None or found is None or chance is None:
        measured = say(", its loss gap {gap} in published pairs", gap=gap) if row.loss_gap_share is not None else ""
        return say(
            "{format} is {faster}{measured}; whether that pays is {verdict}.",
            format=row.precision, faster=faster, measured=measured, verdict=verdict_words(row),
        )  # fmt: skip
    return say(
        "{format} is {faster}, which pays for a loss gap of up to {paid} %; {pairs} published pairs of {kind} in "
        "{sources} sources say {gap}: {verdict} (P of winning {chance} %){against}.",
        format=row.precision, faster=faster, paid=f"{100 * paid.value:.2f}",
        pairs=found.pairs, kind=say(KIND_WORDS[found.kind]), sources=found.sources, gap=gap,
        verdict=verdict_words(row), chance=f"{100 * chance:.0f}", against=_against(row),
    )  # fmt: skip


def _beyond_published(row: FormatRow) -> str:
    """What to say of a predicted speed-up that no published pair of its recipe reaches, and of a verdict that would be
    another at their median."""
    found, own_speed = row.speedup_published, row.speedup
    if found is None or own_speed is None or found.low <= own_speed.value <= found.high:
        return ""
    own = ""
    if found.predicted is not None:
        own = say("; in the settings of pairs the model says {own}x", own=f"{found.predicted:.2f}")
    span = {"pairs": found.pairs, "low": f"{found.low:.2f}", "high": f"{found.high:.2f}", "own": own}
    said = (
        say(" as predicted, above each of {pairs} published pairs ({low} to {high}x{own})", **span)
        if own_speed.value > found.high
        else say(" as predicted, below each of {pairs} published pairs ({low} to {high}x{own})", **span)
    )
    at = row.verdict_at_published
    if at is None or at == row.verdict:
        return said
    return said + say(" (at their median of {median}x: {verdict})", median=f"{found.median:.2f}",
                      verdict=say(VERDICTS[at]))  # fmt: skip


def _against(row: FormatRow) -> str:
    """Published pairs that say otherwise than the verdict."""
    found = row.against
    if found is None:
        return ""
    more = row.verdict == "pays"
    furthest = f"{100 * found.furthest_share:.2f}"
    told = {"pairs": found.pairs, "of": found.of, "share": furthest, "sources": ", ".join(found.sources[:3])}
    if more:
        return say("; {pairs} of {of} pairs lost more than that, up to {share} % ({sources})", **told)
    return say("; {pairs} of {of} pairs lost less than that, down to {share} % ({sources})", **told)


OBJECTIVE_WORDS = {"usd": "dollars", "kwh": "energy", "co2e": "carbon", "flops": "FLOPs"}


def objectives_table(rows: list[FormatRow]) -> Table:
    """The verdict under each objective: how many times cheaper a format is in it, and whether that pays for its gap."""
    judged = [row for row in rows if row.status == "ok" and row.verdicts]
    names = [name for name in OBJECTIVE_WORDS if any(name in row.verdicts for row in judged)]
    header = [say("precision"), *(say(OBJECTIVE_WORDS[name]) for name in names)]
    cells = [[row.precision, *(_judged(row.verdicts.get(name)) for name in names)] for row in judged]
    return Table(header, cells)


def _judged(found: ObjectiveVerdict | None) -> str:
    if found is None:
        return words.DASH
    return f"{say(VERDICTS[found.verdict])} ({found.times_cheaper.value:.2f}x)"


def compare_csv(plan: Plan) -> str:
    """A row a format; bands as three columns."""
    ends = [f"{name}_{end}" for name in BANDS for end in ("value", "low", "high")]
    rows = []
    for row in plan.precisions:
        if row.status != "ok":
            blanks = [""] * (len(NUMBERS) + len(ends) + 3)
            rows.append([row.precision, row.status, *blanks, row.reason])
            continue
        cells = [words.number(getattr(row, name)) for name in NUMBERS]
        for name in BANDS:
            band: Band | None = getattr(row, name)
            cells += [None, None, None] if band is None else [band.value, band.low, band.high]
        cells.append(row.probability_wins)
        shown = ["" if cell is None else repr(cell) for cell in cells]
        rows.append([row.precision, "ok", *shown, row.verdict, row.verdict_free, row.verdict_reason])
    header = ["precision", "status", *NUMBERS, *ends, "probability_wins", "verdict", "verdict_free", "reason"]
    return csv_text(header, rows)
