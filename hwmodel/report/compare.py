"""A comparison of formats as Markdown, text and CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report import words
from hwmodel.report.blocks import Block, Bullets, Code, Heading, Picture, Text, markdown
from hwmodel.report.formats import (
    KIND_WORDS,
    evidence_table,
    machine_table,
    precision_table,
    share_words,
    speedup_words,
    verdict_words,
)
from hwmodel.report.likeness import like_block
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.report.plan.grounds import command
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
        part=plan.resolved["accelerator"],
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
                "not seen, and a single pair resolves about 0.1 %. *Pays up to* is the gap that the time saved regains "
                "at the same size, and with "
                "size and tokens free{life}. Downstream scores are equal within noise at gaps of a few tenths of a "
                "percent.",
                life=life,
            )
        ),
        like_block(plan.like),
        machine_table(plan.precisions),
        Heading(say("What it rests on")),
        evidence,
        Text(_scenarios_note() if evidence.rows else ""),
        Bullets([heard(line) for line in plan.warnings]),
        Code(command(plan, "compare", [row["precision"] for row in plan.precisions])),
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
    rows = [row for row in plan.precisions if row["status"] == "ok"]
    if not rows:
        return "No format fits."
    others = [row for row in rows if row["verdict"] != "reference"]
    if not others:
        return f"Only {rows[0]['precision']} can be run: nothing to compare it with."
    order = sorted(others, key=lambda row: -(row["probability_wins"] if row["probability_wins"] is not None else -1.0))
    return " ".join(sentence(row) for row in order)


def sentence(row: dict[str, Any]) -> str:
    """`fp8 is 1.27x faster ..., which pays for a gap of up to 0.13 %; published pairs ...: undecided (51 %).`"""
    name, faster = row["precision"], speedup_words(row["speedup"]) + " as fast"
    faster += _beyond_published(row)
    if row["pays_up_to_share"] is None:
        gap = share_words(row["loss_gap_share"])
        measured = f", its loss gap {gap} in published pairs" if row["loss_gap_share"] is not None else ""
        return f"{name} is {faster}{measured}; whether that pays is {verdict_words(row)}."
    found, chance = row["evidence"], 100 * row["probability_wins"]
    paid = f"which pays for a loss gap of up to {100 * row['pays_up_to_share'].value:.2f} %"
    pairs = f"{found['pairs']} published pairs of {KIND_WORDS[found['kind']]} in {found['sources']} sources"
    said = f"{pairs} say {share_words(row['loss_gap_share'])}"
    return f"{name} is {faster}, {paid}; {said}: {verdict_words(row)} (P of winning {chance:.0f} %)."


def _beyond_published(row: dict[str, Any]) -> str:
    """What to say of a predicted speed-up that no published pair of its recipe reaches."""
    found = row["speedup_published"]
    if found is None or found["low"] <= row["speedup"].value <= found["high"]:
        return ""
    side = "above" if row["speedup"].value > found["high"] else "below"
    own = "" if found["predicted"] is None else f"; in the settings of pairs the model says {found['predicted']:.2f}x"
    span = f"{found['low']:.2f} to {found['high']:.2f}x"
    return f" as predicted, {side} each of {found['pairs']} published pairs ({span}{own})"


def compare_csv(plan: Plan) -> str:
    """A row a format; bands as three columns."""
    ends = [f"{name}_{end}" for name in BANDS for end in ("value", "low", "high")]
    rows = []
    for row in plan.precisions:
        if row["status"] != "ok":
            blanks = [""] * (len(NUMBERS) + len(ends) + 3)
            rows.append([row["precision"], row["status"], *blanks, row["reason"]])
            continue
        cells = [words.number(row[name]) for name in NUMBERS]
        for name in BANDS:
            band: Band | None = row[name]
            cells += [None, None, None] if band is None else [band.value, band.low, band.high]
        cells.append(row["probability_wins"])
        shown = ["" if cell is None else repr(cell) for cell in cells]
        rows.append([row["precision"], "ok", *shown, row["verdict"], row["verdict_free"], row["verdict_reason"]])
    header = ["precision", "status", *NUMBERS, *ends, "probability_wins", "verdict", "verdict_free", "reason"]
    return csv_text(header, rows)
