"""How large: what the laws say, what demands make of it, other formats in service, and experts."""

from __future__ import annotations

from hwmodel.report import words
from hwmodel.report.blocks import Block, Heading, Table, Text
from hwmodel.report.data import data_line
from hwmodel.report.formats import fixed_table, serving_table
from hwmodel.report.mixtures import life_words, mixture_sentence
from hwmodel.report.phrases import heard, say
from hwmodel.report.plan.other_ways import distillation_section, sparsity_section
from hwmodel.report.plan.sampled import samples_section
from hwmodel.report.words import DASH
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.records import LawRow
from hwmodel.solve.run.result import Objectives

# Laws whose own answer lies so many powers of ten beyond their runs stand on their own page (`hwmodel law show`).
FAR_DECADES = 3.0
WAY_WORDS = {"params": "size alone", "tokens": "data alone", "both": "both, cheapest"}


def sizing(plan: Plan) -> list[Block]:
    """Everything about the size."""
    asked = [*experts_section(plan), *distillation_section(plan), *sparsity_section(plan)]
    return [*law_section(plan), *use_section(plan), *samples_section(plan), *asked]


def law_section(plan: Plan) -> list[Block]:
    """What each law calls best, how wide the choice is, what more compute or another time buys."""
    blocks: list[Block] = [Heading(say("What do the laws say of the size?")), Text(data_line(plan.data))]
    if plan.regret_band:
        blocks.append(Text(_regret_sentence(plan)))
    blocks += [Text(say("Best {question}:", question=law_question(plan))), law_table(plan), Text(_far_sentence(plan))]
    if plan.margin is not None:
        blocks.append(Text(margin_sentence(plan)))
    blocks += [Heading(say("A lower loss: by size, by data or by both"), 3), reduction_table(plan)]
    return [*blocks, Heading(say("The same fleet over other times"), 3), horizon_table(plan)]


def _regret_sentence(plan: Plan) -> str:
    band = plan.regret_band
    assert band is not None
    low, high = words.count(band.params_low), words.count(band.params_high)
    if band.flop is None:
        return say(
            "Sizes from {low} to {high} at this loss waste at most 5 % of the lifetime cost.", low=low, high=high
        )
    if band.on_fleet:
        return say(
            "Sizes from {low} to {high}, each on the tokens that this fleet sees with it in the time or money given, "
            "waste at most 5 %.",
            low=low,
            high=high,
        )
    return say(
        "Sizes from {low} to {high}, each on the tokens that {flop} FLOP give it, waste at most 5 %.",
        low=low,
        high=high,
        flop=words.count(band.flop),
    )


def law_question(plan: Plan) -> str:
    """What the rows of the law table answer: the same question with only one of tokens, size and compute fixed."""
    given = plan.request.given
    if "tokens" in given and "params" not in given and "flop" not in given:
        return say("for {tokens} tokens", tokens=words.count(given["tokens"]))
    if "params" in given and "tokens" not in given and "flop" not in given:
        return say("for {size} parameters", size=words.count(given["params"]))
    return say("to train with {flop} FLOP, serving aside", flop=words.count(plan.answer.train_flop))


def _near_and_far(plan: Plan) -> tuple[list[LawRow], list[str]]:
    """The laws that answer the same question near their runs, and the ids of the others.

    A variant of the plan's own law says what it says; one that counts other parameters or tokens is not beside it.
    """
    near, far = [], []
    own = plan.resolved.law
    for row in plan.laws:
        if row.law != own and row.law.split("/")[0] == own.split("/")[0]:
            continue
        beyond = row.decades_outside_fit if row.params_convention == "total" else None
        if row.law == own or (beyond is not None and beyond <= FAR_DECADES):
            near.append(row)
        else:
            far.append(row.law)
    return near, far


def law_table(plan: Plan) -> Table:
    """The laws side by side."""
    rows = []
    for row in _near_and_far(plan)[0]:
        if row.params is None:
            rows.append([row.law, DASH, DASH])
        else:
            rows.append([row.law, words.count(row.params), words.count(row.tokens)])
    return Table([say("law"), say("parameters"), say("tokens")], rows)


def _far_sentence(plan: Plan) -> str:
    far = _near_and_far(plan)[1]
    if not far:
        return ""
    return say("Counted otherwise or far beyond their runs: {laws} (`hwmodel law show`).", laws=say(", ").join(far))


def margin_sentence(plan: Plan) -> str:
    """What the loss stands for, and what a tenth more compute buys."""
    m = plan.margin
    assert m is not None
    said = say(
        "Trained compute-optimally, this loss takes {size} parameters on {tokens} tokens; a tenth more compute "
        "lowers it by {nats} nats",
        size=words.count(m.anchor_params),
        tokens=words.count(m.anchor_tokens),
        nats=f"{m.nats_gained:.4f}",
    )
    if not m.nats_per_usd:
        return said + say(".")
    return said + say(" for {usd}.", usd=words.usd(m.nats_gained / m.nats_per_usd))


def reduction_table(plan: Plan) -> Table:
    """The ways to the lower loss that was asked, by law."""
    rows = [
        [
            row.law,
            say(WAY_WORDS[row.way]),
            *(
                [words.count(row.params), words.count(row.tokens), words.count(row.flop)]
                if row.flop is not None
                else [say("out of reach"), DASH, DASH]
            ),
            words.percent(row.most_share),
        ]
        for row in plan.reductions
        if row.most_share is not None
    ]
    header = [
        say("law"),
        say("way"),
        say("parameters"),
        say("tokens"),
        say("training FLOP"),
        say("at most lower by"),
    ]
    return Table(header, rows)


def horizon_table(plan: Plan) -> Table:
    """The best runs of a fleet over several times."""
    rows = [
        [
            words.duration(row.time_s),
            words.count(row.params),
            words.count(row.tokens),
            words.loss(row.loss_nats) if row.loss_nats is not None else DASH,
            words.usd(row.cost_usd) if row.cost_usd is not None else DASH,
        ]
        for row in plan.horizons
    ]
    return Table([say("elapsed"), say("parameters"), say("tokens"), say("loss"), say("rent")], rows)


def use_section(plan: Plan) -> list[Block]:
    """The cheapest life for the demand given, or for usual ones; laws and serving formats beside it."""
    blocks: list[Block] = [Heading(say("How large, given its use?"))]
    if plan.saving is not None:
        blocks.append(Text(saving_sentence(plan)))
    blocks += [usual_table(plan), Text(_counted(plan.objectives))]
    blocks.append(Text(_by_law(plan)))
    fixed, served = fixed_table(plan), serving_table(plan)
    if fixed.rows and plan.objectives.given is not None:
        blocks += [Text(say("This very model, quantised after training:")), fixed]
    elif served.rows and plan.mixtures is None:
        said = say("The same loss and demand in each serving format, what its bits cost trained away:")
        blocks += [Text(said), served]
    return blocks


def _counted(found: Objectives) -> str:
    """What the costs of lives count, or why there are none."""
    if found.demand_curve:
        return say("Costs count {note}.", note=heard(found.demand_note))
    return say("No size is chosen for a life here: {reason}.", reason=heard(found.demand_note))


def usual_table(plan: Plan) -> Table:
    """The cheapest life for usual demands, at the loss of this plan."""
    o = plan.objectives
    rows = [
        [
            words.count(row.inference_tokens),
            words.count(row.params),
            words.count(row.tokens),
            words.cost(row.lifetime_cost, o.demand_unit),
            words.percent(row.saving) if row.saving is not None else DASH,
        ]
        for row in o.demand_curve
    ]
    header = [say("tokens served"), say("parameters"), say("tokens"), say("whole life"), say("saved by the size")]
    return Table(header, rows)


def saving_sentence(plan: Plan) -> str:
    """What the cheapest life saves against the training-optimal size."""
    s = plan.saving
    assert s is not None
    if s.value is None:
        return say("The training-optimal size of this loss cannot be served within the limits on this part at all.")
    spread = ""
    if s.low is not None:
        spread = say(" ({low} to {high})", low=words.percent(s.low), high=words.percent(s.high))
    said = say(
        "The cheapest life saves {saved}{spread} against the training-optimal size of the same loss.",
        saved=words.percent(s.value),
        spread=spread,
    )
    flip = plan.curves.flip_inference_tokens
    if flip is not None:
        said += say(" Beyond about {tokens} served tokens that size wastes 5 %.", tokens=words.count(flip))
    return said


def _by_law(plan: Plan) -> str:
    """The cheapest life by each other law, in a line; a variant of the plan's own law says what it says."""
    own = plan.resolved.law.split("/")[0]
    rows = [row for row in plan.objectives.by_law[1:] if not row.reason and row.law.split("/")[0] != own]
    if not rows:
        return ""
    listed = say(", ").join(
        say(
            "{law} {size} on {tokens}",
            law=row.law,
            size=words.count(row.params),
            tokens=words.count(row.tokens),
        )
        for row in rows
    )
    return say("Other laws for the same demand: {listed}.", listed=listed)


def experts_section(plan: Plan) -> list[Block]:
    """Dense or experts, where it was asked."""
    if plan.mixtures is None:
        return []
    note = heard(plan.mixtures.note)
    refused = [
        say("{experts} experts: {reason}.", experts=experts, reason=heard(reason))
        for experts, reason in plan.mixtures.refused.items()
    ]
    blocks: list[Block] = [
        Heading(say("Dense, or a mixture of experts?")),
        Text(mixture_sentence(plan)),
        mixture_table(plan),
    ]
    return [*blocks, Text(" ".join([note[:1].upper() + note[1:] + say("."), *refused]))]


def mixture_table(plan: Plan) -> Table:
    """Numbers of experts side by side."""
    rows = []
    for row in plan.mixtures.rows if plan.mixtures else []:
        name = say("dense") if row.experts <= 1 else f"{row.experts:g}"
        costs = [life_words(plan, cost) for cost in (row.train_cost, row.serve_cost, row.lifetime_cost)]
        sizes = [words.count(row.params), words.count(row.params_active), words.count(row.tokens)]
        rows.append([name, *sizes, *costs, f"{-100 * row.saving:+.1f}%" if row.experts > 1 else DASH])
    header = [
        say("experts"),
        say("parameters"),
        say("active"),
        say("tokens"),
        say("training"),
        say("serving"),
        say("whole life"),
        say("against dense"),
    ]
    return Table(header, rows)
