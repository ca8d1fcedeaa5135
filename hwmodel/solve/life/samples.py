"""Answers against size: several answers of a small model beside one answer of a larger one, over their lives.

The law of a task family says which size solves as many tasks with one answer as a smaller one with k: N k^e. It was
fitted on ladders of sizes trained on the same data, so the sizes that it equates stand on the tokens of the plan; from
there one loss means one share solved, and each number of answers gets the cheapest size and tokens of its own.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np

from hwmodel import laws
from hwmodel.economics import Z80
from hwmodel.errors import HwModelError, InfeasibleError
from hwmodel.laws.lifetime import Lifetime, Option, option_optimum, reached_loss
from hwmodel.numerics import falls_at_log
from hwmodel.solve.life.demand import Life, option
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.question.task_families import TASK_FAMILIES, TaskFamily
from hwmodel.solve.run.result import Band
from hwmodel.solve.run.sizing import LossModel, Sized

TRIED = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)  # answers to a prompt
REACH = 32.0  # times the plan's size: as far as the ends of a law's interval are followed
ENDS = ("exponent", "exponent_low", "exponent_high")


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest life in which so many answers a prompt solve as many tasks as this plan; ends by the law's doubt."""

    samples: float
    params: Band
    tokens: float
    loss_nats: float  # as served
    train_cost: float
    serve_cost: float
    lifetime_cost: Band
    saving: Band  # against one answer a prompt
    beyond_law: bool  # more answers than its tables draw


class TaskAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """One task family: what this plan's answers are worth in size, against what their money buys in size."""

    task_family: str
    law: str
    worth_params: Band  # whose one answer solves as many tasks, on the same data
    probability_answers_win: float  # that this is more than the size that the same cost pays for
    verdict: str  # answers, undecided, size
    rows: list[SampleRow]
    cheapest_samples: float


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The choice between answers and size for the plan's demand, by task family (the one asked for, or all)."""

    samples: float
    chosen: bool  # the number of answers was left to the plan
    task_family: str | None  # the one asked for
    same_cost_params: float | None  # the one-answer model, on the same data, whose loss this life's cost pays for
    families: list[TaskAnswers]
    refused: dict[str, str]  # families of which no row can be served
    unit: str


class _Lives(msgspec.Struct, frozen=True, kw_only=True):
    """Cheapest lives that reach the loss of a size on the plan's tokens, by the number of answers a prompt."""

    life: Life
    way: Option
    params: float
    tokens: float
    demand: float  # tokens served if each prompt had one answer

    def found(self, samples: float, ratio: Any) -> Lifetime:
        """For sizes of so many times the plan's (an array); costs are infinite where none can be served."""
        way = msgspec.structs.replace(self.way, serve_cost=self.life.costs.answers(samples))
        losses = reached_loss(way, self.params * ratio, self.tokens)
        if way.unique_tokens is None:
            return option_optimum(way, losses, self.demand)
        each = [option_optimum(way, float(loss), self.demand) for loss in losses]  # repeats: one loss at a time
        return msgspec.structs.replace(
            each[0], loss=losses,
            **{name: np.array([float(getattr(one, name)) for one in each])
               for name in ("params", "tokens", "train_cost", "serve_cost")},
        )  # fmt: skip

    def one_answer_cost(self, ratio: float) -> float:
        """Least lifetime cost of one answer a prompt from a model as good as one of so many times the plan's size."""
        try:
            return float(np.asarray(self.found(1.0, np.array([ratio])).total_cost)[0])
        except InfeasibleError:
            return math.inf


def answers(setting: Setting, model: LossModel, life: Life, sized: Sized) -> Answers:
    """The tables of the family asked for, or of every family that has a law."""
    r = setting.request
    lives = _Lives(
        life=life, way=option(model, life.costs), params=sized.n, tokens=sized.d, demand=r.one_answer_tokens or 0.0
    )
    names = [r.task_family] if r.task_family is not None else list(TASK_FAMILIES)
    same = _same_cost(lives, float(life.cost(sized.n, sized.d)))
    families, refused = [], {}
    for name in names:
        try:
            families.append(_family(setting, lives, r.samples, same, TASK_FAMILIES[name]))
        except HwModelError as error:
            refused[name] = str(error)
    return Answers(
        samples=r.samples, chosen=r.samples_open, task_family=r.task_family, same_cost_params=same, families=families,
        refused=refused, unit=life.costs.unit,
    )  # fmt: skip


def _same_cost(lives: _Lives, cost: float) -> float | None:
    """The size on the plan's tokens whose loss one answer a prompt reaches at the cost of the plan's life, at most
    REACH times the plan's; None where that life cannot be served."""
    if not math.isfinite(cost):
        return None
    if lives.one_answer_cost(REACH) <= cost:
        return lives.params * REACH
    return lives.params * falls_at_log(lambda ratio: lives.one_answer_cost(ratio) <= cost, 1.0 / REACH, REACH, 24)


def _family(setting: Setting, lives: _Lives, asked: float, same: float | None, family: TaskFamily) -> TaskAnswers:
    """Rows at equal coverage, the cheapest of them, and whether the asked answers are worth their money."""
    law = setting.catalog.law(family.law)
    worth = laws.evaluate(law, params=lives.params, samples=asked)
    exponents = np.array([law.constants[name] for name in ENDS])
    found = {k: lives.found(k, _ratios(asked / k, exponents)) for k in sorted({*TRIED, asked})}
    rows = [_row(k, one, found[1.0], k > family.most_samples) for k, one in found.items() if _servable(one)]
    if not _servable(found[1.0]):
        raise InfeasibleError("no model as good with one answer can be served within the limits on this part")
    band = Band(*(float(worth[f"{end}_params"]) for end in ("equivalent", "low", "high")))
    within = [row for row in rows if not row.beyond_law]
    chance = _chance(law.constants, lives.params, asked, same)
    return TaskAnswers(
        task_family=family.name, law=law.id, worth_params=band, probability_answers_win=chance,
        verdict="answers" if chance > 0.9 else "size" if chance < 0.1 else "undecided",
        rows=rows, cheapest_samples=min(within, key=lambda row: row.lifetime_cost.value).samples,
    )  # fmt: skip


def _ratios(times: float, exponents: Any) -> Any:
    """Sizes over the plan's that so many times its answers are worth, the ends of the interval followed to REACH."""
    ratio = times**exponents
    return np.clip(ratio, min(ratio[0], 1.0 / REACH), max(ratio[0], REACH))


def _servable(found: Lifetime) -> bool:
    return bool(np.all(np.isfinite(np.asarray(found.total_cost))))


def _row(samples: float, found: Lifetime, one: Lifetime, beyond: bool) -> SampleRow:
    """The row of a number of answers beside that of one answer, end by end of the law's interval."""
    cost, params = np.asarray(found.total_cost), np.asarray(found.params)
    saved = 1.0 - cost / np.asarray(one.total_cost)
    return SampleRow(
        samples=samples, params=_band(params), tokens=float(np.asarray(found.tokens)[0]),
        loss_nats=float(np.asarray(found.loss)[0]), train_cost=float(np.asarray(found.train_cost)[0]),
        serve_cost=float(np.asarray(found.serve_cost)[0]), lifetime_cost=_band(cost), saving=_band(saved),
        beyond_law=beyond,
    )  # fmt: skip


def _band(values: Any) -> Band:
    """The middle and the ends of three values in the order of ENDS."""
    return Band(float(values[0]), float(np.min(values)), float(np.max(values)))


def _chance(constants: Any, params: float, samples: float, same: float | None) -> float:
    """Probability that the answers are worth more than the size of the same cost; the logarithm of the exponent has
    the width of the law's interval. One answer wins nothing against itself."""
    if samples <= 1.0 or same is None:
        return 0.0
    if same <= params:
        return 1.0
    needed = math.log(math.log(same / params) / math.log(samples))
    middle, low, high = (math.log(constants[name]) for name in ENDS)
    width = (middle - low) if needed < middle else (high - middle)
    return NormalDist().cdf((middle - needed) * Z80 / width)
