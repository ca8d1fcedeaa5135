"""Answers or size: what several answers a prompt are worth, family by family, against a larger model for the money."""

from __future__ import annotations

from hwmodel.report import words
from hwmodel.report.blocks import Block, Heading, Table, Text
from hwmodel.report.chances import share
from hwmodel.report.phrases import heard, say
from hwmodel.report.words import DASH
from hwmodel.solve.life.samples import Answers, SampleRow, TaskAnswers
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.objectives import DEPLOYMENT
from hwmodel.solve.question.task_families import WITHOUT_LAW

FAMILIES = {
    "code": "short programs that unit tests check",
    "maths": "mathematics by majority vote",
    "proofs": "formal proofs that a kernel checks",
}
VERDICTS = {
    "answers": "the answers win",
    "undecided": "undecided",
    "size": "one answer of a larger model wins",
}


def samples_section(plan: Plan) -> list[Block]:
    """The families side by side, then the lives of one of them by the number of answers, where samples were asked.

    What the answers are worth is said once: on page one where the plan is the cheapest life.
    """
    a: Answers | None = plan.samples
    if a is None:
        return []
    blocks: list[Block] = [Heading(say("Several answers, or a larger model?"))]
    if plan.objectives.answered != DEPLOYMENT:
        blocks.append(Text(samples_sentence(plan)))
    blocks += [Text(_same_cost(a)), families_table(a)]
    for one in a.families[:1]:
        blocks += [Text(_lives_words(one)), lives_table(a, one)]
    blocks.append(Text(_note(a)))
    return blocks


def samples_sentence(plan: Plan) -> str:
    """What the answers of this plan are worth in the family asked for, or in the first."""
    a: Answers | None = plan.samples
    if a is None or not a.families:
        return ""
    one = a.families[0]
    told = {"count": f"{a.samples:g}", "size": words.count(plan.answer.params), "tasks": say(FAMILIES[one.task_family]),
            "worth": words.count(one.worth_params), "span": words.interval(one.worth_params, words.count)}  # fmt: skip
    if a.samples <= 1.0:
        return say("One answer a prompt is cheapest for {tasks}: a smaller model with more of them costs more.", **told)
    said = say(
        "**{count} answers a prompt of {size} solve as many tasks as one of {worth} ({span}) on the same data**, for "
        "{tasks}",
        **told,
    )
    said += say(": the number that was cheapest. ") if a.chosen else say(". ")
    return said + _verdict(one)


def _verdict(one: TaskAnswers) -> str:
    """Whether the answers win for their money, and how likely."""
    return say(
        "For the same money: {verdict} (chance that the answers win: {chance}).",
        verdict=say(VERDICTS[one.verdict]),
        chance=share(one.probability_answers_win),
    )


def _same_cost(a: Answers) -> str:
    """The size that one answer a prompt gets for the money of this life."""
    if a.same_cost_params is None:
        return ""
    return say(
        "What this life costs pays, with one answer a prompt, for the loss of {size} on the same data.",
        size=words.count(a.same_cost_params),
    )


def families_table(a: Answers) -> Table:
    """What the answers asked are worth by family."""
    rows = [
        [
            say(FAMILIES[one.task_family]),
            words.count(one.worth_params),
            words.interval(one.worth_params, words.count),
            share(one.probability_answers_win),
            say(VERDICTS[one.verdict]),
            f"{one.cheapest_samples:g}",
        ]
        for one in a.families
    ]
    header = [
        say("tasks"),
        say("worth one answer of"),
        say("80 % interval"),
        say("answers win"),
        say("verdict"),
        say("cheapest number"),
    ]
    return Table(header, rows if a.samples > 1.0 else [])


def _lives_words(one: TaskAnswers) -> str:
    return say(
        "As many tasks solved as by this plan ({tasks}, {law}), the cheapest size for each number of answers:",
        tasks=say(FAMILIES[one.task_family]),
        law=one.law,
    )


def lives_table(a: Answers, one: TaskAnswers) -> Table:
    """The lives at equal coverage by the number of answers, with the doubt of the law."""
    header = [
        say("answers"),
        say("parameters"),
        say("tokens"),
        say("loss"),
        say("training"),
        say("serving"),
        say("whole life"),
        say("80 % interval"),
        say("saved against one"),
    ]
    return Table(header, [_life(a, row) for row in one.rows])


def _life(a: Answers, row: SampleRow) -> list[str]:
    def cost(value: float) -> str:
        return words.cost(value, a.unit)

    saved = DASH
    if row.samples > 1.0:
        ends = words.interval(row.saving, words.percent)
        saved = words.percent(row.saving) if ends == DASH else f"{words.percent(row.saving)} ({ends})"
    count = f"{row.samples:g}" + (" *" if row.beyond_law else "")
    spans = [words.interval(row.lifetime_cost, cost), saved]
    costs = [cost(row.train_cost), cost(row.serve_cost), cost(row.lifetime_cost.value)]
    return [count, words.count(row.params.value), words.count(row.tokens), words.loss(row.loss_nats), *costs, *spans]


def _note(a: Answers) -> str:
    """What the tables rest on, and which families have no law."""
    said = say(
        "A life with more answers reads each prompt once and writes every answer; equal losses are taken to solve "
        "equally much. Ends follow the law's interval to 32 times this size. *: more answers than the law's tables "
        "draw."
    )
    for name, reason in a.refused.items():
        said += say(" Not {tasks}: {reason}.", tasks=say(FAMILIES[name]), reason=heard(reason))
    return said + say(" No law by size: {names} (`--task-family NAME` says why).", names=", ".join(WITHOUT_LAW))
