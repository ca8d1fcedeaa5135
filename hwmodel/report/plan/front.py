"""Page one of a budget: the answer, both objectives, the dearest risks of this plan, and what is to decide."""

from __future__ import annotations

from hwmodel.report import words
from hwmodel.report.blocks import Block, Bullets, Heading, PageBreak, Picture, Table, Text
from hwmodel.report.chances import share
from hwmodel.report.likeness import like_block
from hwmodel.report.phrases import ENGLISH, say, spoken
from hwmodel.report.plan.decisions import decisions, limit_words
from hwmodel.report.plan.sampled import samples_sentence
from hwmodel.report.prices import dollars
from hwmodel.report.words import DASH
from hwmodel.solve.budget.risk import Driver
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import RunAnswer, value_of
from hwmodel.units import SECONDS_PER_DAY

RISKS_SHOWN = 3
CHEAPER = 0.98  # of the dollars of the best training run, from which another size is said to train cheaper
SAME_FIGURE = 5e-3  # of a limit, up to which it is the figure that a plan prints
USUAL_DEMAND = 1e13  # tokens served that stand for a public service where no demand is given


def front_page(plan: Plan) -> list[Block]:
    """At most 350 words that a lead signs."""
    a = plan.answer
    title = say(
        "Training budget: {size} parameters on {tokens} tokens",
        size=words.count(a.params),
        tokens=words.count(a.tokens),
    )
    blocks: list[Block] = [Heading(title, 1), Text(" ".join(answer_sentences(plan))), like_block(plan.like)]
    blocks += [Text(objective_sentence(plan)), objective_table(plan)]
    if risk_lines(plan):
        blocks += [Text(say("**What could go wrong, dearest first** (each alone, one time in ten):"))]
        blocks.append(Bullets(risk_lines(plan)))
    if decisions(plan):
        blocks += [Text(say("**What to decide:**")), Bullets(decisions(plan))]
    return [*blocks, picture(plan), PageBreak()]


def answer_sentences(plan: Plan) -> list[str]:
    """What, how long and how much, how sure."""
    said = [_what(plan)]
    if plan.answer.quantiles is None:
        return [*said, say("No accelerators were named, so there is no layout, time or cost: add `--gpus 1024xA100`.")]
    return [*said, _how_much(plan), *long_run_sentence(plan), _how_sure(plan)]


def long_run_sentence(plan: Plan) -> list[str]:
    """The years of a run that no time ends, and what two years would give."""
    long = plan.long_run
    if long is None:
        return []
    years, limit = f"{long.elapsed_years:.1f}", f"{long.limit_s / SECONDS_PER_DAY:.0f}d"
    if long.within is None:
        why = say(
            "**That is {years} years**: no time was given, and `--time {limit}` has no answer.",
            years=years,
            limit=limit,
        )
        return [why]
    one = long.within
    run = say(
        "{count} x {part} train {size} parameters on {tokens} tokens", count=f"{one.accelerators:,}",
        part=plan.resolved.accelerator, size=words.count(one.params), tokens=words.count(one.tokens),
    )  # fmt: skip
    if one.loss_nats is not None:
        run += say(", to {loss} nats", loss=f"{one.loss_nats:.3f}")
    if one.cost_usd is not None:
        run += say(", for {usd}", usd=words.usd(one.cost_usd))
    told = {"years": years, "limit": limit, "run": run}
    if one.frees is not None:
        return [say("**That is {years} years**, for no time was given; within `--time {limit}`, with as many "
                    "accelerators as that takes, {run}.", **told)]  # fmt: skip
    return [say("**That is {years} years**, for no time was given; within `--time {limit}` {run}.", **told)]


def _what(plan: Plan) -> str:
    a, r = plan.answer, plan.resolved
    loss = ""
    if a.loss_nats is not None:
        loss = say(", to a loss of about {loss} nats a token", loss=f"{words.number(a.loss_nats):.3f}")
    size, tokens = words.count(a.params), words.count(a.tokens)
    model = f"{r.model} ({size})" if r.model else say("a model of {size} parameters", size=size)
    if a.accelerators is None:
        return say(
            "**Train {model} on {tokens} tokens**: {flop} FLOP{loss}.",
            model=model,
            tokens=tokens,
            flop=words.count(a.train_flop),
            loss=loss,
        )
    return say(
        "**Train {model} on {tokens} tokens with {count} x {part} in {precision}**{loss}, at {mfu} MFU.",
        model=model,
        tokens=tokens,
        count=f"{a.accelerators:,}",
        part=r.accelerator,
        precision=r.precision,
        loss=loss,
        mfu=words.percent(a.mfu),
    )


def _how_much(plan: Plan) -> str:
    """Days, hours and dollars with each doubt at its median, and those that are enough with 80 %, with their dates."""
    q = plan.answer.quantiles
    assert q is not None
    return say(
        "It takes {middle} with doubts at their medians (P50), {sure} with 80 % certainty (P80).",
        middle=_bill(plan, "p50", hours=True),
        sure=_bill(plan, "p80", hours=False),
    )


def _bill(plan: Plan, name: str, *, hours: bool) -> str:
    assert plan.answer.quantiles is not None
    one = plan.answer.quantiles[name]
    parts = [words.days(one["elapsed_days"])]
    if hours:
        parts.append(say("{hours} accelerator-hours", hours=words.count(one["gpu_hours"])))
    if one["cost_usd"] is not None:
        parts.append(words.usd(one["cost_usd"]))
    ends = plan.risk.finish.get(name) if plan.risk is not None else None
    listed = (
        parts[0] if len(parts) == 1 else say("{first} and {last}", first=say(", ").join(parts[:-1]), last=parts[-1])
    )
    return listed + (say(" (done on {date})", date=ends) if ends else "")


def _how_sure(plan: Plan) -> str:
    """The chances of the limits, or the span of four in five such runs."""
    if plan.risk is not None and plan.risk.limits:
        chances = [
            say("{limit} is kept with {chance}", limit=limit_words(plan, one), chance=share(one.chance))
            for one in plan.risk.limits
        ]
        said = say("How sure: {chances}", chances=say("; ").join(chances))
        both = plan.risk.all_met
        said += (say("; both with {chance}", chance=share(both)) if both is not None else "") + say(".")
        return said + _uneven(plan)
    a = plan.answer
    days, money = words.interval(a.elapsed_days, words.days), words.interval(a.cost_usd, words.usd)
    if money == DASH:
        return say("How sure: four in five runs like it take {days}.", days=days)
    return say("How sure: four in five runs like it take {days} and {money}.", days=days, money=money)


def _uneven(plan: Plan) -> str:
    """Why a limit that is one of the figures above is kept with another chance than theirs; empty where none is."""
    for one in plan.risk.limits if plan.risk is not None else []:
        name = "cost_usd" if one.name == "budget" else "elapsed_days"
        for key, found in (plan.answer.quantiles or {}).items():
            wanted = share(float(key.removeprefix("p")) / 100.0)
            same = found[name] is not None and abs(one.limit / value_of(found[name]) - 1.0) < SAME_FIGURE
            if same and share(one.chance) != wanted:
                return say(
                    " Not {share}: it draws all doubts together.",
                    share=wanted,
                )
    return ""


def objective_sentence(plan: Plan) -> str:
    """Which objective the answer serves, and where a demand would change it."""
    o = plan.objectives
    if o.answered == "deployment_optimal":
        said = say("This is the cheapest model for its whole life, training and serving together.")
        return f"{said} {samples_sentence(plan)}".rstrip()
    flip = o.flip_inference_tokens
    if o.answered == "given":
        if not objective_table(plan).rows:
            return say("The size is yours.")
        return say("The size is yours; beside it stand sizes of the same loss that suit another use.")
    if o.deployment_optimal is not None:
        said = say("This is the size of the best training run; the table below counts what is served too.")
    else:
        said = say("This is the size of the best training run; nothing served is counted.")
    if flip is not None:
        said += say(
            " From about {tokens} served tokens on, a smaller one saves 5 % or more over its life.",
            tokens=words.count(flip),
        )
    return f"{said} {_cheaper_to_train(plan)}".rstrip()


def _cheaper_to_train(plan: Plan) -> str:
    """Where the best training run, which spends the fewest FLOPs for its loss, is not the cheapest in dollars, for a
    smaller model runs faster on this fleet: a size of this page that is."""
    o = plan.objectives
    if not o.same_loss or o.training_optimal.cost_usd is None:
        return ""
    best = value_of(o.training_optimal.cost_usd)
    sizes = [(value_of(one.cost_usd), value_of(one.params)) for one in [o.deployment_optimal] if one and one.cost_usd]
    if o.deployment_optimal is None and o.demand_unit == "USD":
        sizes = [(one.train_cost, one.params) for one in o.demand_curve if one.inference_tokens == USUAL_DEMAND]
    cheaper = min(sizes, default=(best, 0.0))
    if cheaper[0] >= CHEAPER * best:
        return ""
    return say(
        "Best by FLOPs: in dollars {size}, which runs faster here, trains to the same loss for {usd}.",
        size=words.count(cheaper[1]),
        usd=words.usd(cheaper[0]),
    )


def objective_table(plan: Plan) -> Table:
    """The size for training alone, for a life, and the one given."""
    o = plan.objectives
    header = [say("best for"), say("parameters"), say("tokens"), say("training"), say("whole life")]
    rows = []
    train, deploy, given = o.training_optimal, o.deployment_optimal, o.given
    if given is not None:
        rows.append(_objective_row(plan, say("yours"), given))
    if train is not given and (given is None or deploy is not None):
        rows.append(_objective_row(plan, say("training alone"), train))
    if deploy is not None:
        served = words.count(plan.request.given["inference_tokens"])
        rows.append(_objective_row(plan, say("training and serving {tokens} tokens", tokens=served), deploy))
        return Table(header, rows)
    usual = [one for one in o.demand_curve if one.inference_tokens == USUAL_DEMAND]
    for one in usual:
        label = say("training and serving {tokens} tokens", tokens=words.count(one.inference_tokens))
        costs = [words.cost(one.train_cost, o.demand_unit), words.cost(one.lifetime_cost, o.demand_unit)]
        rows.append([label, words.count(one.params), words.count(one.tokens), *costs])
    return Table(header, rows if len(rows) > 1 else [])


def _objective_row(plan: Plan, label: str, one: RunAnswer) -> list[str]:
    spent = words.usd(one.cost_usd) if one.cost_usd is not None else f"{words.count(one.train_flop)} FLOP"
    cost = one.lifetime_cost
    if plan.saving and one is plan.objectives.given:
        cost = plan.saving.this_plan_lifetime_cost
    life = words.cost(cost, plan.saving.unit) if plan.saving else DASH
    return [label, words.count(one.params), words.count(one.tokens), spent, life]


def risk_lines(plan: Plan) -> list[str]:
    """The doubts that can cost this plan most, in order of money (of days without a price)."""
    if plan.risk is None:
        return []
    said = [
        say("{what}: {swing}", what=_driver_sentence(plan, one.driver), swing=swing(plan, one))
        for one in dearest(plan)[:RISKS_SHOWN]
    ]
    return said if spoken() != ENGLISH else [line[:1].upper() + line[1:] for line in said]


def dearest(plan: Plan) -> list[Driver]:
    """The drivers by what their bad end costs over the median; those that cost nothing are left out."""
    middle = _medians(plan)
    bad = [(_over(one, middle), one) for one in (plan.risk.drivers if plan.risk is not None else [])]
    return [one for over, one in sorted(bad, key=lambda pair: -pair[0]) if over > 0.0]


def _medians(plan: Plan) -> tuple[float, float | None]:
    assert plan.answer.quantiles is not None
    q = plan.answer.quantiles["p50"]
    return value_of(q["elapsed_days"]), None if q["cost_usd"] is None else value_of(q["cost_usd"])


def _over(one: Driver, middle: tuple[float, float | None]) -> float:
    """Dollars (without a price: days) of the bad end over the median."""
    days, usd = middle
    if usd is None or one.usd_high is None:
        return float(one.days_high - days)
    return float(one.usd_high - usd)


def swing(plan: Plan, one: Driver) -> str:
    """`+$1.9M, +26 days`: the bad end against the median."""
    days, usd = _medians(plan)
    said = []
    if usd is not None and one.usd_high is not None:
        said.append(f"+{words.usd(one.usd_high - usd)}")
    if one.days_high - days > 0.005 * days:
        said.append(f"+{words.days(one.days_high - days)}")
    return say(", ").join(said)


def _driver_sentence(plan: Plan, driver: str) -> str:
    """What goes wrong, in the words of this plan."""
    price = plan.money.price if plan.money is not None else None
    if driver == "step":
        return say(
            "steps on {part} in {precision} are slower than predicted",
            part=plan.resolved.accelerator,
            precision=plan.resolved.precision,
        )
    if driver == "price" and price is not None:
        return say(
            "an hour costs {high} instead of {middle}",
            high=dollars(price.high_usd_per_accelerator_hour),
            middle=dollars(price.median_usd_per_accelerator_hour),
        )
    return say(DRIVER_SENTENCES[driver])


DRIVER_SENTENCES = {
    "whole_run": "evaluations, reruns, slow stretches and waits take more hours than in the median run published",
    "failures": "hardware and software fail more often than in the fleets on record",
    "drift": "prices rise until the run ends",
    "law": "the law's constants are off, and this loss takes more tokens",
}


def picture(plan: Plan) -> Picture:
    """The one picture: lifetime cost against size; without demands the loss against size."""
    if plan.objectives.demand_sizes:
        return Picture("sizes", say("Lifetime cost against size at this loss: the optima (dots) and this plan (cross)"))
    return Picture("size", say("Loss against size at this compute, the sizes that waste at most 5 %, and this plan"))
