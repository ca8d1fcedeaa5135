"""Which number of experts won, in a sentence."""

from __future__ import annotations

from hwmodel.report import words
from hwmodel.report.phrases import say
from hwmodel.report.words import DASH, interval
from hwmodel.solve.plan.answer import Plan

EXPERT_DECADES = 0.05  # beyond the runs of the law of experts, from which on the report says so


def life_words(plan: Plan, cost: float | None) -> str:
    """A lifetime cost in the unit of the objective."""
    return words.cost(cost, plan.saving.unit if plan.saving else "")


def mixture_sentence(plan: Plan) -> str:
    """Which number of experts won, by how much, and how far beyond its runs the law of experts is taken."""
    m = plan.mixtures
    if m is None:
        return ""
    dense, others = m.rows[0], m.rows[1:]
    if not others:
        return say("No mixture of experts is possible here; the dense model stands.")
    best = min(others, key=lambda row: row.lifetime_cost)
    costs = {"cost": life_words(plan, best.lifetime_cost), "dense": life_words(plan, dense.lifetime_cost)}
    if m.winner_experts <= 1:
        text = say(
            "**The dense model wins.** The cheapest mixture ({experts} experts) costs {cost} over its life against "
            "{dense}: "
            "{more} more.",
            experts=f"{best.experts:g}",
            more=words.percent(-best.saving),
            **costs,
        )
    else:
        spread = interval(m.saving, words.percent)
        text = say(
            "**{experts} experts win.** A mixture of {size} parameters, {active} active, costs {cost} over its "
            "life against "
            "{dense} for the best dense model of the same loss: {less} less{spread}.",
            experts=f"{best.experts:g}",
            size=words.count(best.params),
            active=words.count(best.params_active),
            less=words.percent(best.saving),
            spread="" if spread == DASH else f" ({spread})",
            **costs,
        )
        if m.answer is not None:
            a, layout = m.answer, words.layout_words(m.layout)
            text += say(
                " It trains in {days} for {usd} ({layout}).",
                days=words.days(a.train_days),
                usd=words.usd(a.cost_usd),
                layout=layout,
            )
    far = max(row.decades_outside for row in others)
    if far > EXPERT_DECADES:
        text += say(
            " {law} is taken up to {far} decades beyond its runs: read this as a direction, not a figure.",
            law=m.law,
            far=f"{far:.1f}",
        )
    return text
