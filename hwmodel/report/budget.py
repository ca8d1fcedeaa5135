"""A budget of stages in words: its lines, what is not counted, the sum, when it is paid, and who outspends whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report import words
from hwmodel.report.blocks import Block, Bullets, Heading, Table, Text, markdown
from hwmodel.report.card import COLUMNS, card
from hwmodel.report.chances import share
from hwmodel.report.phrases import ENGLISH, heard, say, speaking
from hwmodel.report.words import DASH, interval
from hwmodel.solve.run.budget_records import Budget, CashMonth
from hwmodel.solve.run.details import CommitmentDetail, RlDetail
from hwmodel.solve.run.lines import COMPUTED, NOT_COUNTED, StageLine
from hwmodel.solve.run.result import Band
from hwmodel.solve.stages.keys import KINDS
from hwmodel.solve.stages.limits import KeptLimit
from hwmodel.solve.stages.own import Owned
from hwmodel.solve.stages.solver import BudgetPlan
from hwmodel.solve.stages.total import PostTraining
from hwmodel.units import format_count, format_duration, format_power, format_usd

UNSAID = 1e-3  # of a budget: so little is left over from closing on it
HOWS = {"computed": "computed", "entered": "entered", "not_counted": "not counted"}
PHASES = {
    "rollout_s": "rollouts", "verifier_s": "verifier", "logprob_s": "log probabilities", "update_s": "updates",
    "sync_s": "weights into the engine", "switch_s": "states out to the host and back",
    "other_s": "rewards, data, scheduling", "hidden_s": "less what runs beside the rest",
}  # fmt: skip
CAPEX = {"accelerators_usd": "accelerators", "servers_usd": "servers", "network_usd": "network",
         "storage_usd": "storage", "site_usd": "site"}  # fmt: skip


def budget_blocks(found: BudgetPlan) -> list[Block]:
    """The whole report."""
    versions = f"hwmodel {found.resolved.hwmodel_version}, catalog {found.resolved.catalog_version}"
    return [
        Heading(_title(found), 1), *(Text(said) for said in _answer(found)),
        Heading(say("Stages")), lines_table(found.stages), Bullets(_notes(found.stages)), Text(_not_counted(found)),
        Heading(say("Pools")), pools_table(found),
        Heading(say("Steps of reinforcement learning")), *_steps_of_rl(found.stages),
        Heading(say("Bought")), *(block for one in found.own for block in _owned(one)),
        Heading(say("Cash flow")), Text(_cash_words(found)), cash_table(found.budget.cash_flow), Text(versions),
    ]  # fmt: skip


def budget_markdown(found: BudgetPlan, language: str = ENGLISH) -> str:
    """The report as Markdown."""
    with speaking(language):
        return markdown(budget_blocks(found), {})


def budget_html(found: BudgetPlan, language: str = ENGLISH) -> str:
    """The report as one HTML file."""
    from hwmodel.report.html import page

    with speaking(language):
        return page(budget_blocks(found), {}, language)


def _title(found: BudgetPlan) -> str:
    count = sum(line.how != NOT_COUNTED and line.kind in KINDS for line in found.stages)
    return say("A budget of one stage") if count == 1 else say("A budget of {count} stages", count=count)


def _answer(found: BudgetPlan) -> list[str]:
    """Money and hours; what follows for post-training; what to know."""
    said = [
        _money(found.budget),
        _unused(found.stages),
        *map(_limit, found.limits),
        _drawn(found.budget),
        outspends(found.post_training),
    ]
    notes = [say("{note}.", note=heard(line)) for line in found.warnings]
    return [say(" ").join(filter(None, said)), " ".join(notes)]


def _money(b: Budget) -> str:
    """`**$1.27M** ($717k to $2.29M) for 322,398 accelerator-hours, and $577k contingency (why): $1.85M in all.`"""
    if b.cost_usd is None:
        hours = "" if b.gpu_hours is None else words.plain(b.gpu_hours)
        return say("**{hours} accelerator-hours**; no price is known.", hours=hours) if hours else ""
    values = {
        "usd": words.usd(b.cost_usd), "span": _between(b.cost_usd), "total": words.usd(b.total_usd),
        "contingency": format_usd(b.contingency_usd), "why": heard(b.contingency_why),
    }  # fmt: skip
    if b.gpu_hours is None:
        return say("**{usd}**{span}, and {contingency} contingency ({why}): {total} in all.", **values)
    return say(
        "**{usd}**{span} for {hours} accelerator-hours, and {contingency} contingency ({why}): {total} in all.",
        hours=words.plain(b.gpu_hours), **values,
    )  # fmt: skip


def _unused(stages: Sequence[StageLine]) -> str:
    """The money for committed hours that no stage uses, which the figure of accelerator-hours does not hold."""
    usd = sum(
        line.cost_usd.value
        for line in stages
        if isinstance(line.detail, CommitmentDetail) and line.cost_usd is not None
    )
    return say("Of it {usd} pays for committed hours that no stage uses.", usd=format_usd(usd)) if usd > 0.0 else ""


def _limit(kept: KeptLimit) -> str:
    """What of a limit is planned, and how sure it is."""
    if kept.name == "time":
        return say("All ends within {days} of the {limit} allowed.", days=words.days(kept.planned),
                   limit=words.days(kept.limit))  # fmt: skip
    left = kept.limit - kept.planned
    told = {"usd": format_usd(kept.limit), "left": format_usd(max(left, 0.0))}
    if kept.chance is None:
        return say("Of the budget of {usd} {left} are left.", **told)
    if left < UNSAID * kept.limit:
        return say("The stages keep the budget of {usd} with {chance}.", usd=told["usd"], chance=share(kept.chance))
    return say("The stages keep the budget of {usd} with {chance}; {left} of it are left.", **told,
               chance=share(kept.chance))  # fmt: skip


def _between(band: Band) -> str:
    """Its 80 % interval in brackets; nothing where its ends read the same."""
    if interval(band, words.usd) == DASH:
        return ""
    return say(" (80 % {low} to {high})", low=words.usd(band.low), high=words.usd(band.high))


def _drawn(b: Budget) -> str:
    """Energy and carbon."""
    if b.energy_mwh is None:
        return ""
    return say("{energy}, {carbon}.", energy=words.energy(b.energy_mwh), carbon=words.carbon(b.co2e_t))


def outspends(beside: PostTraining | None) -> str:
    """When post-training takes more than pre-training; empty where either is missing."""
    if beside is None:
        return ""
    said = say("Post-training takes {share} what pre-training does", share=_share_of(beside.over_pretraining))
    at = beside.rl_steps_at_parity
    if at is None:
        return said + say(".")
    if at == 0.0:
        return said + say(": it does so without a step of reinforcement learning.")
    more = {"steps": format_count(at), "planned": format_count(beside.rl_steps or 0.0)}
    if beside.over_pretraining <= 1.0:
        return said + say(
            "; it outspends it from {steps} steps of reinforcement learning on ({planned} planned).", **more
        )
    return said + say("; it has done so since {steps} steps of reinforcement learning ({planned} planned).", **more)


def _share_of(ratio: float) -> str:
    """A ratio as it is spoken: percent below one tenth, times above."""
    if ratio < 0.1:
        return say("{share} of", share=f"{100 * ratio:.2g} %")
    return say("{times} times", times=f"{ratio:.2g}")


def lines_table(lines: list[StageLine]) -> Table:
    """A row a stage that is counted; the others have their line under the table."""
    head = [say("stage"), say("on"), say("elapsed"), say("accelerator-hours"), say("money"), say("80 % interval"),
            say("how")]  # fmt: skip
    return Table(head, [_row(line) for line in lines if line.how != NOT_COUNTED])


def _row(line: StageLine) -> list[str]:
    on = f"{line.accelerators:,} x {line.part}" if line.part and line.accelerators else DASH
    return [
        heard(line.stage), on, words.days(line.elapsed_days) if line.elapsed_days else DASH,
        words.plain(line.gpu_hours) if line.gpu_hours else DASH, words.usd(line.cost_usd) if line.cost_usd else DASH,
        _spread(line.cost_usd or line.gpu_hours, line), say(HOWS[line.how]),
    ]  # fmt: skip


def _spread(band: Band | None, line: StageLine) -> str:
    if band is None or line.how != COMPUTED:
        return DASH
    return interval(band, words.usd if line.cost_usd else words.plain)


def _notes(lines: list[StageLine]) -> list[str]:
    return [say("{stage}: {note}", stage=heard(one.stage), note=heard(one.note)) for one in lines if one.note]


def _not_counted(found: BudgetPlan) -> str:
    left = found.budget.not_counted
    return say("Not counted: {what}.", what=say(", ").join(map(heard, left))) if left else ""


def pools_table(found: BudgetPlan) -> Table:
    """A row a pool with its power at the rating."""
    rows = [
        [f"{one.accelerators:,} x {one.part}", format_power(one.rated_site_w),
         words.plain(one.gpu_hours), say(", ").join(map(heard, one.stages))]
        for one in found.pools
    ]  # fmt: skip
    head = [say("pool"), say("power at its rating, with servers and PUE"), say("accelerator-hours"), say("stages")]
    return Table(head, rows)


def _steps_of_rl(lines: list[StageLine]) -> list[Block]:
    """Where the steps of each stage of reinforcement learning go."""
    found = [(line.stage, line.detail) for line in lines if isinstance(line.detail, RlDetail)]
    return [block for stage, d in found for block in (Text(_rl_words(stage, d)), _rl_table(d))]


def _rl_words(stage: str, d: RlDetail) -> str:
    pools = say("two pools") if d.pools == "two" else say("one pool")
    return say(
        "{stage}: {steps} steps of {time} on {pools}, {stale}; responses of {mean} tokens in the mean, the longest "
        "{longest}.",
        stage=heard(stage), steps=format_count(d.steps), time=words.duration(d.step_s), pools=pools,
        stale=_stale(d.lag), mean=f"{d.mean_response:,.0f}", longest=f"{d.longest_response:,.0f}",
    )  # fmt: skip


def _stale(lag: float) -> str:
    """How old the weights of rollouts may be."""
    if not lag:
        return say("on policy")
    return say("weights up to 1 step old") if lag == 1 else say("weights up to {lag} steps old", lag=f"{lag:g}")


def _rl_table(d: RlDetail) -> Table:
    spent = {name: float(getattr(d.terms_s, name)) for name in PHASES}
    rows = [[say(PHASES[name]), _signed(name, seconds)] for name, seconds in spent.items() if seconds]
    return Table([say("where a step's time goes"), say("time")], rows)


def _signed(name: str, seconds: float) -> str:
    return f"{'-' if name == 'hidden_s' else ''}{format_duration(abs(seconds))}"


def _owned(one: Owned) -> list[Block]:
    """What a pool costs to buy and to run, and when that beats renting it."""
    fleet = f"{one.accelerators:,} x {one.part}"
    said = [
        say(
            "{fleet} bought: ${usd} an accelerator-hour worked, {share} % of the hours of {months} months used.",
            fleet=fleet, usd=f"{one.usd_per_accelerator_hour:.2f}", months=one.life_months,
            share=_percent(sum(one.used) / len(one.used)),
        ),
        _beside_renting(one),
        say("Not counted: {what}.", what=say(", ").join(map(heard, one.not_counted))) if one.not_counted else "",
    ]  # fmt: skip
    rows = [[say(CAPEX[name]), format_usd(value)] for name, value in one.capex_usd.items() if value]
    rows += [[say("power and staff a month at full use"), format_usd(one.running_usd_per_month)],
             [say("sold after {months} months", months=one.life_months), format_usd(-one.residual_usd)]]  # fmt: skip
    return [Text(say(" ").join(filter(None, said))), Table([say("paid for"), say("money")], rows)]


def _percent(share: float) -> str:
    """Whole percent, two digits below one."""
    return f"{100 * share:.0f}" if share >= 0.01 else f"{100 * share:.2g}"


def _beside_renting(one: Owned) -> str:
    """When the purchase pays, against the rent of the same hours; empty where nobody quotes one."""
    if one.rent_usd_per_accelerator_hour is None:
        return ""
    pays = (
        say("in no month of its life is the purchase paid back")
        if one.break_even_months is None
        else say("at full use the purchase is paid back in {months} months", months=one.break_even_months)
    )
    least = (
        ""
        if one.break_even_utilisation is None
        else say(
            ", over its life and with what it is sold for from {share} % of its hours used on",
            share=f"{100 * one.break_even_utilisation:.0f}",
        )
    )
    return say(
        "Renting takes ${rent} an hour: {pays}{least}. Owning instead for these hours is worth {npv} today (net "
        "present value).",
        rent=f"{one.rent_usd_per_accelerator_hour:.2f}", pays=pays, least=least, npv=format_usd(one.npv_usd or 0.0),
    )  # fmt: skip


def _cash_words(found: BudgetPlan) -> str:
    """Why the months of a purchase add up to more than the stages."""
    if not found.own:
        return ""
    return say(
        "Whole accelerators are bought, run and sold here; the sum on top counts the hours that the stages work, at "
        "the owned hour's price."
    )


def cash_table(flow: list[CashMonth]) -> Table:
    """Money by month; runs of the same amount as one row."""
    rows: list[list[str]] = []
    for first, last, money in _runs(flow):
        months = f"{first}" if first == last else say("{low} to {high}", low=first, high=last)
        rows.append([months, format_usd(money)])
    return Table([say("month"), say("money")], rows)


def _runs(flow: list[CashMonth]) -> list[tuple[int, int, float]]:
    out: list[tuple[int, int, float]] = []
    for row in flow:
        month, money = row.month, row.usd
        if out and format_usd(out[-1][2]) == format_usd(money) and out[-1][1] == month - 1:
            out[-1] = (out[-1][0], month, out[-1][2])
        else:
            out.append((month, month, money))
    return out


def budget_csv(found: BudgetPlan) -> str:
    """A line a stage."""
    names = (
        "stage",
        "kind",
        "how",
        "part",
        "accelerators",
        "gpu_hours",
        "cost_usd",
        "elapsed_days",
        "energy_mwh",
        "co2e_t",
    )

    def cell(value: Any) -> Any:
        return value.value if isinstance(value, Band) else value

    return csv_text(names, ([cell(getattr(line, name)) for name in names] for line in found.stages))


def budget_card(found: BudgetPlan, columns: int = COLUMNS, language: str = ENGLISH) -> str:
    """The budget on one screen."""
    with speaking(language):
        return _card(found, columns)


def _card(found: BudgetPlan, columns: int) -> str:
    rows = [
        (heard(line.stage), words.usd(line.cost_usd) if line.cost_usd else words.plain(line.gpu_hours),
         _spread(line.cost_usd or line.gpu_hours, line))
        for line in found.stages
        if line.cost_usd or line.gpu_hours
    ]  # fmt: skip
    b = found.budget
    rows.append((say("contingency"), format_usd(b.contingency_usd), ""))
    said = [
        (say("after"), outspends(found.post_training)), (say("left out"), say(", ").join(map(heard, b.not_counted))),
        (say("notes"), say("; ").join(map(heard, found.warnings))),
    ]  # fmt: skip
    head = say("A budget in hours") if b.total_usd is None else say("A budget of {usd}", usd=words.usd(b.total_usd))
    return card(head, rows, said, columns, say("The whole answer: --format md, --out FILE.md or --format json"))
