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
    unknown_lines,
)
from hwmodel.report.likeness import like_block
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.format_records import FormatRow, ObjectiveVerdict
from hwmodel.solve.run.result import Band

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
    objectives, evidence = objectives_table(plan.precisions), evidence_table(plan.precisions)
    return [
        Heading(title, 1),
        Text(f"**{winner(plan)}**"),
        precision_table(plan.precisions),
        *reasons(plan),
        Picture("speedup", say("Speed-up of each format against the one that its measured loss needs")),
        Text(_reading_note(bool(plan.saving))),
        like_block(plan.like),
        Heading(say("Under each objective")),
        objectives,
        Text(_objectives_note() if objectives.rows else ""),
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


def _reading_note(has_life: bool) -> str:
    """How the table of formats is read."""
    return say(
        "Same size, tokens and fleet in each row; the layout is chosen anew for each format. The loss gap "
        "is that of published "
        "recipes against 16 bits on the same model, data and tokens; the 80 % interval is that of a source "
        "not seen, and a single pair resolves about 0.1 %. **Pays up to** is the gap that the time saved "
        "regains by more training at the same size, and with "
        "size and tokens free{life}. **Chance that it pays** is the chance that the time saved is worth more than the "
        "loss. Downstream scores are equal within noise at gaps of a few tenths of a percent.",
        life=say(" over the life asked") if has_life else "",
    )


def _objectives_note() -> str:
    """How the table of objectives is read."""
    return say(
        "How many times as much the reference takes, and whether that pays for the loss gap at this size. A "
        "format changes no FLOPs: counted in them alone, no gap is paid for."
    )


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
    """What to do, in a sentence that a lead can repeat."""
    rows = [row for row in plan.precisions if row.status == "ok"]
    if not rows:
        return say("No format fits.")
    others = [row for row in rows if row.judged]
    if not others:
        return say("Only {format} can be run: nothing to compare it with.", format=rows[0].precision)
    best = _likeliest(others)[0]
    base = next((row for row in rows if row.verdict == "reference"), None)
    told = {"format": best.precision, "runs": _run_words(best), "base": base.precision if base else "",
            "instead": _run_words(base) if base else ""}  # fmt: skip
    if best.probability_wins is None:
        fastest = min(others, key=lambda row: words.number(row.train_days) or 0.0)
        told |= {"format": fastest.precision, "runs": _run_words(fastest)}
        if base is None:
            return say("{format} is fastest: {runs}. No recipe of 16 bits stands beside it to measure against.", **told)
        return say("{format} is fastest, {runs} instead of {instead} in {base}; what its loss gap costs is not known.",
                   **told)  # fmt: skip
    told["chance"] = f"{100 * best.probability_wins:.0f}"
    said = say(LEADS[best.verdict], **told)
    at = best.verdict_at_published
    if at is not None and at != best.verdict:
        said += say(" ") + say("At the speed-ups that others published: {verdict}.", verdict=say(VERDICTS[at]))
    return said


LEADS = {
    "pays": "Train in {format}: {runs} instead of {instead} in {base}; with {chance} % the time saved is worth more "
    "than the loss.",
    "pays_unless_at_the_top": "Train in {format}, unless its loss comes out at the top of what was published: {runs} "
    "instead of {instead} in {base}; with {chance} % the time saved is worth more than the loss.",
    "within_noise": "Undecided: {format} takes {runs} instead of {instead} in {base}, and whether that is worth its "
    "loss lies within the noise of published pairs ({chance} % that it is).",
    "does_not_pay": "Stay with {base}: {format} comes nearest, {runs} instead of {instead}, and only with {chance} % "
    "is the time saved worth more than the loss.",
}


def _run_words(row: FormatRow) -> str:
    """`3.83 days and $95.3k`."""
    if row.cost_usd is None:
        return words.days(row.train_days)
    return say("{days} and {usd}", days=words.days(row.train_days), usd=words.usd(row.cost_usd))


def _likeliest(rows: list[FormatRow]) -> list[FormatRow]:
    """The likeliest to win first."""
    return sorted(rows, key=lambda row: -(row.probability_wins if row.probability_wins is not None else -1.0))


def reasons(plan: Plan) -> list[Block]:
    """Why, a line a format, and once why a verdict is unknown."""
    rows = [row for row in plan.precisions if row.judged]
    return [Bullets([sentence(row) for row in _likeliest(rows)]), *unknown_lines(rows)]


def sentence(row: FormatRow) -> str:
    """`**fp8: undecided (51 %).** 1.27x (1.15 to 1.41) as fast is predicted, which pays for ...; pairs lost ...`"""
    judged, gap = say(VERDICTS[row.verdict]), share_words(row.loss_gap_share)
    if row.probability_wins is not None:
        judged += say(" ({chance} %)", chance=f"{100 * row.probability_wins:.0f}")
    said = [say("**{format}: {verdict}.**", format=row.precision, verdict=judged)]
    found, faster = row.evidence, speedup_words(row.speedup)
    if row.pays_up_to_share is not None:
        paid = f"{100 * row.pays_up_to_share.value:.2f}"
        said.append(say("{faster} as fast is predicted, which pays for a loss gap of up to {paid} %;", faster=faster,
                        paid=paid))  # fmt: skip
    else:
        said.append(say("{faster} as fast is predicted;", faster=faster))
    if found is not None:
        said.append(say("{pairs} published pairs of {kind} in {sources} sources lost {gap}{against}.", gap=gap,
                        pairs=found.pairs, kind=say(KIND_WORDS[found.kind]), sources=found.sources,
                        against=_against(row)))  # fmt: skip
    else:
        said.append(say("no published pair says what it loses."))
    if row.verdict_free not in (row.verdict, "unknown"):
        said.append(say("With size and tokens free it {verdict}.", verdict=say(FREE[row.verdict_free])))
    return say(" ").join([*said, *_beyond_published(row)])


FREE = {
    "pays": "pays",
    "pays_unless_at_the_top": "pays, unless its loss lies at the band's top",
    "within_noise": "is undecided",
    "does_not_pay": "does not pay",
}


def _beyond_published(row: FormatRow) -> list[str]:
    """What to say of a predicted speed-up that no published pair of its recipe reaches, and of a verdict that would be
    another at their median."""
    found, own_speed = row.speedup_published, row.speedup
    if found is None or own_speed is None or found.low <= own_speed.value <= found.high:
        return []
    span: dict[str, str | float] = {"pairs": found.pairs, "low": f"{found.low:.2f}", "high": f"{found.high:.2f}",
            "median": f"{found.median:.2f}"}  # fmt: skip
    if own_speed.value > found.high:
        said = [say("Faster than all {pairs} published runs of it ({low} to {high}x, median {median}x).", **span)]
    else:
        said = [say("Slower than all {pairs} published runs of it ({low} to {high}x, median {median}x).", **span)]
    if found.predicted is not None:
        said.append(say("In their settings the model says {own}x: this one differs.", own=f"{found.predicted:.2f}"))
    at = row.verdict_at_published
    if at is not None and at != row.verdict:
        said.append(say("At their median it {verdict}.", verdict=say(FREE[at])))
    return said


def _against(row: FormatRow) -> str:
    """Published pairs that say otherwise than the verdict."""
    found = row.against
    if found is None:
        return ""
    more = row.verdict == "pays"
    furthest = f"{100 * found.furthest_share:.2f}"
    told: dict[str, str | float] = {
        "pairs": found.pairs, "of": found.of, "share": furthest, "sources": ", ".join(found.sources[:3]),
    }  # fmt: skip
    if more:
        return say(" ({pairs} of {of} lost more than that, up to {share} %: {sources})", **told)
    return say(" ({pairs} of {of} lost less than that, down to {share} %: {sources})", **told)


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
