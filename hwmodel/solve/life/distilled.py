"""A student of a larger teacher beside a model trained outright: at the compute of the plan, and at its loss.

The gain comes from the law of distillation as supervised tokens: a student has the loss that its size would have after
so many more tokens on its own, and the plan's law gives the loss of those. Levels of the two laws are never mixed.
Costs are those of the plan, in proportion to the FLOPs: the teacher runs at the utilisation of the student.
"""

from __future__ import annotations

import msgspec
import numpy as np

from hwmodel import laws
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws import additive, non_embedding_from_total, total_from_non_embedding
from hwmodel.laws.combine import require_sound
from hwmodel.laws.distill import Student, given_teacher, supervised_tokens, trained_teacher, usual_teacher
from hwmodel.solve.life.objective import Costs, own_costs
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import value_of
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.specs import LawSpec

DISTILLATION_LAW = "busbridge_distill_2025"
SIZES = np.geomspace(0.1, 2.0, 27)  # students tried over the plan's size, where it was not given
REASONS = {
    "flop": "the teacher's logits leave a student fewer tokens than were ever distilled on",
    "loss": "no student of this size reaches the plan's loss",
}
NO_LIMIT = 1e3  # supervised tokens over those of the student, beyond which the gain is only called larger than this


class DistilledRun(msgspec.Struct, frozen=True, kw_only=True):
    """One way to train: outright | given (a teacher that is there) | trained (a teacher trained for this student)."""

    way: str
    params: float
    tokens: float
    teacher_params: float | None
    teacher_tokens: float | None
    train_flop: float  # of everything
    teacher_share: float  # of them, of the teacher's training and its logits
    supervised_tokens: float  # tokens of the same size and loss without a teacher
    loss_nats: float
    train_cost: float
    lifetime_cost: float | None  # with the demand of the plan
    decades_outside: float  # of the law of distillation


class Distilled(msgspec.Struct, frozen=True, kw_only=True):
    """The ways side by side; in `at_loss` all reach the plan's loss, and `refused` says why a way does not."""

    law: str
    at_compute: list[DistilledRun]
    at_loss: list[DistilledRun]
    refused: dict[str, str]  # `given at flop` -> reason
    winner: str  # the way of the least cost at the plan's loss
    saving: float  # of the winner against outright
    unit: str


def check_distillation(setting: Setting) -> LawSpec:
    """The law of distillation, where it may act on the plan. Raises InputError with the reason where not."""
    r, shape = setting.request, setting.shape()
    if r.unique_tokens is not None:
        raise InputError(
            "--distill with --unique-tokens: no law of repeated data was fitted on students; drop one of them"
        )
    if shape is not None and any(float(block.n_experts) > 0 for block in shape.blocks):
        raise InputError("--distill: the law of distillation was fitted on dense students; take a dense --model")
    if r.experts:
        raise InputError("--distill and --moe are asked one at a time: no law has students with experts")
    law: LawSpec = setting.catalog.law(DISTILLATION_LAW)
    require_sound(setting.law, [law])
    return law


def distilled(setting: Setting, model: LossModel, fleet: Fleet | None, sized: Sized) -> Distilled:
    """The ways at the plan's compute and at its loss. Raises InfeasibleError where the plan has no loss."""
    law = check_distillation(setting)
    if sized.loss is None:
        raise InfeasibleError(
            "--distill weighs losses and this plan has none", binding="law", remedy="a law with a loss, a dense model"
        )
    study = _Study(setting, model.law, law, own_costs(setting, fleet, model, sized), sized)
    rows: dict[str, list[DistilledRun]] = {"flop": [], "loss": []}
    refused: dict[str, str] = {}
    for by in rows:
        for way in ("outright", "given", "trained"):
            found = study.best(way, by)
            if found is None:
                refused[f"{way} at {by}"] = REASONS[by]
            else:
                rows[by].append(found)
    best = min(rows["loss"], key=study.cost_of)
    outright = rows["loss"][0]
    return Distilled(
        law=law.id, at_compute=rows["flop"], at_loss=rows["loss"], refused=refused, winner=best.way,
        saving=1.0 - study.cost_of(best) / study.cost_of(outright), unit=study.costs.unit,
    )  # fmt: skip


class _Study:
    """The students of one plan."""

    def __init__(self, setting: Setting, base: LawSpec, law: LawSpec, life_costs: Costs, sized: Sized) -> None:
        r = setting.request
        self.base, self.law, self.costs, self.sized = base, law, life_costs, sized
        self.demand, self.teacher = r.inference_tokens, r.teacher
        fixed = r.params is not None or r.model is not None or r.shape is not None
        self.sizes = [sized.n] if fixed else [sized.n * float(factor) for factor in SIZES]
        self.flop, self.loss = 6.0 * sized.n * sized.d, value_of(sized.loss)

    def cost_of(self, run: DistilledRun) -> float:
        """What a way is judged by: its life where a demand is given, else its training."""
        return run.train_cost if run.lifetime_cost is None else run.lifetime_cost

    def best(self, way: str, by: str) -> DistilledRun | None:
        """The best size of a way: of the least loss at the plan's compute, or of the least cost at its loss."""
        if way == "outright":
            return self._outright(by)
        runs = [self._run(way, size, by) for size in self.sizes]
        able = [run for run in runs if run is not None]
        return min(able, key=lambda run: run.loss_nats if by == "flop" else self.cost_of(run)) if able else None

    def _outright(self, by: str) -> DistilledRun | None:
        """The same without a teacher; the plan itself where nothing else is better."""
        runs = []
        for size in {self.sized.n, *self.sizes}:
            tokens = (
                self.flop / (6.0 * size) if by == "flop" else float(laws.tokens_reaching(self.base, size, self.loss))
            )
            if np.isfinite(tokens):
                runs.append(self._row("outright", size, tokens, None, tokens))
        return min(runs, key=lambda run: run.loss_nats if by == "flop" else self.cost_of(run))

    def _run(self, way: str, size: float, by: str) -> DistilledRun | None:
        """One student of one size; None where it cannot reach the loss."""
        c, n = self.law.constants, self._counted(size)
        target = {"flop": self.flop * n / size} if by == "flop" else {"loss": self._target(size, n)}
        if target.get("loss") is not None and not np.isfinite(target["loss"]):
            return None
        if way == "trained":
            student = trained_teacher(c, n, **target)
        elif self.teacher is None:
            student = usual_teacher(c, n, **target)
        else:
            taught = self._counted(self.teacher[0])
            student = given_teacher(c, n, taught, self.teacher[1], **target)
        if not np.isfinite(float(student.flop)):
            return None
        alone = float(supervised_tokens(c, n, student.loss))
        return self._row(way, size, float(student.tokens), student, min(alone, NO_LIMIT * float(student.tokens)))

    def _target(self, size: float, counted: float) -> float:
        """The loss that the law of distillation gives this size where the plan's law gives it the plan's loss."""
        tokens = float(laws.tokens_reaching(self.base, size, self.loss))
        return float(additive.loss(self.law.constants, counted, tokens)) if np.isfinite(tokens) else float("inf")

    def _counted(self, size: float) -> float:
        """A size of the plan's law in the count of the law of distillation."""
        return size if self.base.params_convention == "non_embedding" else float(non_embedding_from_total(size))

    def _named(self, counted: float) -> float:
        """A size of the law of distillation in the count of the plan's law."""
        return counted if self.base.params_convention == "non_embedding" else float(total_from_non_embedding(counted))

    def _row(self, way: str, size: float, tokens: float, student: Student | None, alone: float) -> DistilledRun:
        """A way with its costs."""
        teacher = size_of = None
        extra = 0.0
        if student is not None:
            size_of, teacher = self._named(float(student.teacher_params)), float(student.teacher_tokens)
            if way == "given" and self.teacher is not None:
                size_of, teacher = self.teacher
            extra = (float(student.logits_flop) + float(student.teacher_flop)) / float(student.flop)
        flop = 6.0 * size * tokens / (1.0 - extra)
        train = float(self.costs.train(size, flop / (6.0 * size)))
        life = None if self.demand is None else train + self.demand * float(self.costs.serve(size))
        return DistilledRun(
            way=way, params=size, tokens=tokens, teacher_params=size_of, teacher_tokens=teacher, train_flop=flop,
            teacher_share=extra, supervised_tokens=alone, loss_nats=float(laws.loss(self.base, size, alone)),
            train_cost=train, lifetime_cost=life,
            decades_outside=laws.signed_decades_outside(self.law, params=self._counted(size), tokens=tokens),
        )  # fmt: skip
