"""Other ways to the same loss that were asked for: a student of a teacher, zeros among the weights."""

from __future__ import annotations

from hwmodel.report import words
from hwmodel.report.blocks import Block, Heading, Table, Text
from hwmodel.report.phrases import heard, say
from hwmodel.report.words import DASH
from hwmodel.solve.life.distilled import Distilled, DistilledRun
from hwmodel.solve.plan.answer import Plan

FAR = 0.05  # decades beyond the runs of a law, from which on the report says so
_WAYS = {
    "outright": "on data alone",
    "given": "with a teacher that is there",
    "trained": "with a teacher trained for it",
}
_WINS = {
    "outright": "**Train it on data alone.** No student of a teacher reaches this loss for less.",
    "given": "**Distil, if the teacher is there**: the same loss for {saved} less.",
    "trained": "**Distil, and train the teacher for it**: the same loss for {saved} less.",
}


def distillation_section(plan: Plan) -> list[Block]:
    """Training outright beside a student, where it was asked."""
    d: Distilled | None = plan.distillation
    if d is None:
        return []
    return [
        Heading(say("Train it outright, or distil it?")),
        Text(distillation_sentence(d)),
        Text(say("At the compute of this plan, the least loss:")),
        _ways_table(d, d.at_compute),
        Text(say("At the loss of this plan, the least cost:")),
        _ways_table(d, d.at_loss),
        Text(_note(d)),
    ]


def distillation_sentence(d: Distilled) -> str:
    """Which way reaches the plan's loss for the least."""
    return say(_WINS[d.winner], saved=words.percent(d.saving))


def _ways_table(d: Distilled, runs: list[DistilledRun]) -> Table:
    """The ways side by side."""
    rows = []
    for run in runs:
        teacher = DASH if run.teacher_params is None else _at(run.teacher_params, run.teacher_tokens)
        cost = run.train_cost if run.lifetime_cost is None else run.lifetime_cost
        rows.append([
            say(_WAYS[run.way]), _at(run.params, run.tokens), teacher, words.percent(run.teacher_share),
            f"{run.loss_nats:.4f}", words.cost(cost, d.unit),
        ])  # fmt: skip
    header = [say("way"), say("student"), say("teacher"), say("of it the teacher's"), say("loss"), say("cost")]
    return Table(header, rows)


def _at(params: float, tokens: float | None) -> str:
    return f"{words.count(params)} @ {words.count(tokens)}"


def _note(d: Distilled) -> str:
    """What the figures rest on, and how far beyond its runs the law is taken."""
    text = say(
        "{law} gives a student the loss that its size would have after more tokens on data alone; the plan's law gives "
        "the loss of those. A teacher's logits cost 2 N a token, at the student's utilisation.",
        law=d.law,
    )
    for asked, reason in d.refused.items():
        text += say(" Not {way}: {reason}.", way=say(_WAYS[asked.split()[0]]), reason=heard(reason))
    far = max(abs(run.decades_outside) for run in (*d.at_compute, *d.at_loss))
    if far > FAR:
        text += say(
            " {law} is taken up to {far} decades beyond its runs: read this as a direction, not a figure.",
            law=d.law,
            far=f"{far:.1f}",
        )
    return text


def sparsity_section(plan: Plan) -> list[Block]:
    """What zeros among the weights are worth, where it was asked."""
    s = plan.sparsity
    if s is None:
        return []
    text = say(
        "With {share} zeros the {kept} parameters that are left count as {worth} dense ones: a loss of {loss} against "
        "{dense}. The dense loss takes {same} non-zero parameters of {whole}, trained with {flop} FLOP: without sparse "
        "kernels zeros save memory, not time.",
        share=words.percent(s.sparsity),
        kept=words.count(s.params_non_zero),
        worth=words.count(s.dense_equivalent_params),
        loss=f"{s.loss_nats:.4f}",
        dense=f"{s.dense_loss_nats:.4f}",
        same=words.count(s.same_loss_params_non_zero),
        whole=words.count(s.same_loss_params),
        flop=f"{s.same_loss_train_flop:.3g}",
    )
    return [Heading(say("What are zeros among the weights worth?")), Text(text)]
