"""Tables of number formats: in training, in service at the same loss, and in service at the same size."""

from __future__ import annotations

from hwmodel.report import words
from hwmodel.report.blocks import Table, Text
from hwmodel.report.losses import loss_words, score_words
from hwmodel.report.phrases import heard, say
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.format_records import FormatRow, Scenario
from hwmodel.solve.run.result import Band

VERDICTS = {
    "reference": "reference",
    "pays": "pays",
    "pays_unless_at_the_top": "pays, unless at the band's top",
    "within_noise": "undecided",
    "does_not_pay": "does not pay",
    "unknown": "unknown",
}
STATUS_WORDS = {"lacking": "lacking", "unfit": "unfit"}
KIND_WORDS = {
    "fp8": "FP8 and MXFP8",
    "nvfp4-part": "NVFP4 with some layers in 16 bits",
    "nvfp4-full": "NVFP4 in every linear",
    "mxfp4": "MXFP4",
}
DEAREST = 1.5  # times the whole life in the first format, beyond which a serving format is no choice
LAW_WORDS = {"kumar_2024": "Kumar et al. 2024", "sun_2025": "Sun et al. 2025"}


def precision_table(rows: list[FormatRow]) -> Table:
    """Formats side by side: speed, loss, what pays."""
    header = [
        say("precision"),
        say("time"),
        say("speed-up"),
        say("rent"),
        say("measured loss gap"),
        say("pays up to"),
        say("chance that it pays"),
        say("verdict"),
    ]
    return without_empty(Table(header, [_precision_cells(row) for row in rows]))


def without_empty(found: Table) -> Table:
    """The table without columns that say nothing in any row; the first names its rows."""
    told = [i for i in range(len(found.header)) if not i or any(row[i] not in ("", words.DASH) for row in found.rows)]
    return Table([found.header[i] for i in told], [[row[i] for i in told] for row in found.rows])


def unknown_lines(rows: list[FormatRow]) -> list[Text]:
    """Why a verdict is unknown, each reason once."""
    found = dict.fromkeys(row.verdict_reason for row in rows if row.judged and row.verdict == "unknown")
    return [Text(say("Unknown, for {reason}.", reason=heard(one))) for one in found if one]


def free_line(rows: list[FormatRow]) -> str:
    """What the second figure of a cell means, where one stands there."""
    if not any(say("free") in paid_words(row) for row in rows):
        return ""
    return say("Free: size and tokens chosen anew.")


def _precision_cells(row: FormatRow) -> list[str]:
    if row.status != "ok":
        return [row.precision, say(STATUS_WORDS[row.status]), "", "", "", "", "", heard(row.reason)]
    chance = row.probability_wins
    return [
        row.precision,
        words.days(row.train_days),
        speedup_words(row.speedup),
        words.usd(row.cost_usd),
        share_words(row.loss_gap_share),
        paid_words(row),
        words.DASH if chance is None else f"{100 * chance:.0f} %",
        verdict_words(row),
    ]


def machine_table(rows: list[FormatRow]) -> Table:
    """What each format does to the machine: rate, utilisation, memory, layout, energy."""
    header = [
        say("precision"),
        say("tokens/s"),
        say("MFU (16-bit peak)"),
        say("MFU (own peak)"),
        say("memory"),
        say("energy"),
        say("layout"),
    ]
    cells = [
        [
            row.precision,
            words.count(row.tokens_per_s),
            words.percent(row.mfu_of_16_bit_peak),
            words.percent(row.mfu),
            words.memory(row.peak_memory_bytes),
            f"{words.plain(row.energy_mwh)} MWh",
            words.layout_words(row.layout),
        ]
        for row in rows
        if row.status == "ok"
    ]
    return Table(header, cells)


def evidence_table(rows: list[FormatRow]) -> Table:
    """What the loss gap of each format rests on, with the laws beside it."""
    cells = []
    for row in rows:
        if row.status != "ok" or row.verdict == "reference":
            continue
        found, speed = row.evidence, row.speedup_published
        pairs = words.DASH
        if found is not None:
            beyond = say("; this run lies beyond") if found.beyond else ""
            pairs = say(
                "{kind}: {pairs} pairs, {sources} sources, up to {size} and {tokens} tokens{beyond}",
                kind=say(KIND_WORDS[found.kind]),
                pairs=found.pairs,
                sources=found.sources,
                size=words.count(found.largest_params),
                tokens=words.count(found.largest_tokens),
                beyond=beyond,
            )
        timed = words.DASH
        if speed is not None:
            timed = say(
                "{median}x ({low} to {high}, {pairs} pairs)",
                median=f"{speed.median:.2f}",
                pairs=speed.pairs,
                low=f"{speed.low:.2f}",
                high=f"{speed.high:.2f}",
            )
        cells.append([row.precision, pairs, timed, scenario_words(row.scenarios), served_words(row)])
    header = [
        say("precision"),
        say("published pairs of loss"),
        say("published speed-ups"),
        say("laws, as scenarios"),
        say("served afterwards"),
    ]
    return Table(header, cells)


def scenario_words(found: dict[str, Scenario]) -> str:
    """`Kumar et al. 2024: 0.24 to 0.55 % (7.0 times 16 measured pairs)`."""
    said = []
    for law, one in found.items():
        span = (
            f"{100 * one.low:.2f}"
            if one.low == one.high
            else say("{low} to {high}", low=f"{100 * one.low:.2f}", high=f"{100 * one.high:.2f}")
        )
        ratio, checked = one.ratio_to_pairs, ""
        if ratio is not None:
            where = say("in its range") if one.pairs_inside_fit else say("outside its range")
            checked = say(
                " ({ratio} times the median of {pairs} pairs {where})",
                ratio=f"{ratio:.2g}",
                pairs=one.pairs,
                where=where,
            )
        said.append(f"{LAW_WORDS[law]}: {span} %{checked}")
    return "; ".join(said) or words.DASH


def served_words(row: FormatRow) -> str:
    """What serving in the same format loses, against quantising a model trained in 16 bits."""
    found = row.served_in
    if found is None:
        return words.DASH
    after = loss_words(found.quantising_loss_nats)
    return say(
        "{format}: no further loss (quantised from 16 bits: {after})", format=found.serving_precision, after=after
    )


def verdict_words(row: FormatRow) -> str:
    """The verdict at the size asked, and with size and tokens free where that differs."""
    said = say(VERDICTS[row.verdict])
    if row.verdict_free not in (row.verdict, "unknown"):
        said += say("; with size and tokens free {verdict}", verdict=say(VERDICTS[row.verdict_free]))
    return said


def speedup_words(speedup: Band | None) -> str:
    """`1.27x (1.15 to 1.41)`."""
    if speedup is None:
        return words.DASH
    if speedup.low == speedup.high:
        return f"{speedup.value:.2f}x"
    return say(
        "{value}x ({low} to {high})", value=f"{speedup.value:.2f}", low=f"{speedup.low:.2f}", high=f"{speedup.high:.2f}"
    )


def share_words(share: Band | None) -> str:
    """`0.13 % (-0.07 to 0.49)`."""
    if share is None:
        return say("unknown")
    if share.low == share.high:
        return "0"
    ends = {"low": f"{100 * share.low:.2f}", "high": f"{100 * share.high:.2f}"}
    return say("{value} % ({low} to {high})", value=f"{100 * share.value:.2f}", **ends)


def paid_words(row: FormatRow) -> str:
    """`0.13 %; 0.43 % free`: with size and tokens free, where that is another figure."""
    paid, free = row.pays_up_to_share, row.pays_up_to_share_free
    if paid is None:
        return words.DASH
    fixed, other = f"{100 * paid.value:.2f}", None if free is None else f"{100 * free.value:.2f}"
    return f"{fixed} %" + ("" if other in (None, fixed) else say("; {share} % ", share=other) + say("free"))


def serving_table(plan: Plan) -> Table:
    """Serving formats side by side, each with the size and the tokens that suit it."""
    lives = [row for row in plan.serving_formats if row.lifetime_cost is not None]
    first = lives[0].lifetime_cost if lives else None
    rows = []
    for row in lives:
        more = (row.lifetime_cost or 0.0) / (first or 1.0) - 1.0
        if more > DEAREST - 1.0:
            continue
        costs = [_life(plan, cost) for cost in (row.train_cost, row.serve_cost, row.lifetime_cost)]
        sizes = [words.count(row.params), words.count(row.tokens)]
        change = words.DASH if row is lives[0] else f"{100 * more:+.1f}%"
        rows.append([row.serving_precision, *sizes, f"{row.loss_paid_nats:.4f}", *costs, change])
    header = [
        say("served in"),
        say("parameters"),
        say("tokens"),
        say("loss to train away (nats)"),
        say("training"),
        say("serving"),
        say("whole life"),
        "",
    ]
    return Table(header, rows if len(rows) > 1 else [])


def fixed_table(plan: Plan) -> Table:
    """The same model served in each format: what it loses, what that does to benchmarks, what it saves."""
    rows = []
    for row in plan.serving_formats:
        one = row.fixed
        if one is None:
            continue
        saved = words.DASH if one.saving_share is None else f"{100 * one.saving_share:+.0f}%"
        name = row.serving_precision + ("" if one.measured else say(" (unmeasured)"))
        rows.append(
            [name, loss_words(one.loss_nats), score_words(one.retained_score), _life(plan, one.serve_cost), saved]
        )
    header = [
        say("served in"),
        say("added loss (nats a token)"),
        say("benchmark average kept"),
        say("serving"),
        say("saved"),
    ]
    return Table(header, rows if len(rows) > 1 else [])


def _life(plan: Plan, cost: float | None) -> str:
    return words.cost(cost, plan.saving.unit if plan.saving else "")
