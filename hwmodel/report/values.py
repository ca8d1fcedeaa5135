"""Several values of one option side by side, and the price of the difference."""

from __future__ import annotations

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report import words
from hwmodel.report.blocks import Block, Bullets, Heading, Table, Text, markdown
from hwmodel.report.chances import chances_table
from hwmodel.report.likeness import like_line
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.compare_values import Beside, Comparison
from hwmodel.solve.plan.gain import Gain
from hwmodel.solve.run.result import Band, RunAnswer

CSV_ANSWER = ("params", "tokens", "train_flop", "accelerators", "train_days", "mfu", "cost_usd", "loss_nats",
              "energy_mwh", "co2e_t")  # fmt: skip
PLACED = "region"  # an option whose values differ in what they emit


def values_blocks(found: Comparison) -> list[Block]:
    """Values side by side, the price of the differences, and the chance that one beats another."""
    title = f"{', '.join(map(_flag, found.options))}: {say(' beside ').join(found.values)}"
    notes = dict.fromkeys(line for one in found.plans for line in one.warnings)
    sure = dict.fromkeys(like_line(one.like) for one in found.plans)
    measured = [say("Measured: {line}, each predicted without its source.", line=line) for line in sure if line]
    return [
        Heading(title, 1),
        Text(_best(found)),
        values_table(found),
        chances_table(found.chances),
        *(Text(line) for line in measured),
        Bullets([heard(line) for line in notes]),
    ]


def _best(found: Comparison) -> str:
    """Which value costs least, which ends soonest and which reaches the lowest loss, in a sentence to repeat."""
    cases = list(zip(found.values, (plan.answer for plan in found.plans), strict=True))
    said: dict[str, list[str]] = {}
    for name, words_of in (("cost_usd", _least_cost), ("elapsed_days", _least_days), ("loss_nats", _least_loss)):
        known = [(value, number) for value, a in cases if (number := words.number(getattr(a, name))) is not None]
        if len(known) == len(cases) and len({f"{number:.3g}" for _, number in known}) > 1:
            value, number = min(known, key=lambda pair: pair[1])
            said.setdefault(value, []).append(words_of(number))
    if not said:
        return ""
    each = [say("{value} {does}", value=value, does=say(" and ").join(does)) for value, does in said.items()]
    return f"**{say('; ').join(each)}{say('.')}**"


def _least_cost(number: float) -> str:
    return say("costs least ({usd})", usd=words.usd(number))


def _least_days(number: float) -> str:
    return say("ends soonest ({days} billed)", days=words.days(number))


def _least_loss(number: float) -> str:
    return say("reaches the lowest loss ({loss})", loss=words.loss(number))


def values_table(found: Comparison) -> Table:
    """A row a value."""
    # `--time 10d,30d` beside the time that comes out, `--tokens` beside tokens: the option is what was given.
    header = [
        *map(_flag, found.options), say("parameters"), say("tokens"), say("training FLOP"), say("productive time"),
        say("elapsed time billed"), say("an accelerator-hour"), say("rent"), say("loss (nats/token)"), say("gain"),
        say("price of the gain"), say("whole life"), say("worth one answer of"), say("energy"), say("carbon"),
    ]  # fmt: skip
    placed = PLACED in found.options
    rows = []
    for row, case, plan in zip(found.rows, found.cases, found.plans, strict=True):
        a = row.answer
        size = [*case, words.count(a.params), words.count(a.tokens), f"{a.train_flop:.3g}",
                words.days(a.train_days), words.days(a.elapsed_days)]  # fmt: skip
        hourly = _hourly(plan)
        money = [words.DASH if hourly is None else f"${hourly:.2f}", words.usd(a.cost_usd)]
        drawn = _drawn(a) if placed else [words.DASH, words.DASH]
        told = [words.loss(a.loss_nats), gain_words(row.gain), _price_words(row.beside), *_served(plan)]
        rows.append([*size, *money, *told, *drawn])
    return _without_empty(header, rows, len(found.options))


def _served(plan: Plan) -> list[str]:
    """The cost of the whole life where a demand was given, and what the answers of the family asked for are worth."""
    whole = words.cost(plan.answer.lifetime_cost, plan.saving.unit if plan.saving else None)
    asked = plan.samples.families if plan.samples is not None and plan.samples.task_family is not None else []
    worth = [f"{words.count(one.worth_params)} ({words.interval(one.worth_params, words.count)})" for one in asked]
    return [whole, worth[0] if worth else words.DASH]


def _drawn(answer: RunAnswer) -> list[str]:
    """Energy and carbon of a run, for places differ in these."""
    if answer.energy_mwh is None or answer.co2e_t is None:
        return [words.DASH, words.DASH]
    return [f"{words.plain(answer.energy_mwh)} MWh", f"{words.plain(answer.co2e_t)} t"]


def _hourly(plan: Plan) -> float | None:
    """What an accelerator-hour costs."""
    price = plan.money.price if plan.money is not None else None
    return None if price is None else price.median_usd_per_accelerator_hour


def _price_words(row: Beside) -> str:
    """Compute and money for a nat less."""
    if not row.flop_per_nat:
        return words.DASH
    price = say("{flop} FLOP a nat", flop=f"{row.flop_per_nat:.3g}")
    return price + (say(", {usd} a nat", usd=words.usd(row.usd_per_nat)) if row.usd_per_nat else "")


def _without_empty(header: list[str], rows: list[list[str]], kept: int) -> Table:
    """The table without columns, but for the first ones, that say nothing in any row."""
    told = [i for i in range(len(header)) if i < kept or any(row[i] != words.DASH for row in rows)]
    return Table([header[i] for i in told], [[row[i] for i in told] for row in rows])


def gain_words(found: Gain | None) -> str:
    """`0.043 nats (0.040 to 0.047), 2.1 %, as 1.8x the compute (1.7 to 2.0)`."""
    if found is None or found.nats.value == 0.0:
        return words.DASH
    nats = say("{value} nats ({low} to {high})", **_ends(found.nats, "{:.3f}"))
    share = f"{100 * found.share.value:.2g} %"
    if found.compute_equivalent is None:
        return f"{nats}, {share}"
    worth = say("as {value}x the compute ({low} to {high})", **_ends(found.compute_equivalent, "{:.3g}"))
    return say(", ").join((nats, share, worth))


def _ends(band: Band, form: str) -> dict[str, str]:
    """The three numbers of a band in a form."""
    return {name: form.format(getattr(band, name)) for name in ("value", "low", "high")}


def _flag(option: str) -> str:
    """An option as it is typed."""
    return f"--{option.replace('_', '-')}"


def values_markdown(found: Comparison, language: str = ENGLISH) -> str:
    """The comparison as Markdown."""
    with speaking(language):
        return markdown(values_blocks(found), {})


def values_html(found: Comparison, language: str = ENGLISH) -> str:
    """The comparison as one HTML file."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(values_blocks(found), {}, language)


def values_csv(found: Comparison) -> str:
    """A row a value, plain numbers in base units; an empty cell where there is none."""
    rows = []
    for row, value in zip(found.rows, found.values, strict=True):
        answers = [words.number(getattr(row.answer, name)) for name in CSV_ANSWER]
        cells = answers + [getattr(row.beside, name) for name in Beside.__struct_fields__]
        rows.append([found.option, value, *("" if cell is None else repr(cell) for cell in cells)])
    return csv_text(["option", "value", *CSV_ANSWER, *Beside.__struct_fields__], rows)
