"""Mixtures of experts for the same loss and demand as a dense plan: what each number of experts costs over its life.

The loss of a mixture comes from a joint law of experts (Ludziejewski et al. 2025) as a dense equivalent: the active
parameters whose mixture reaches the loss of the dense size that the plan's own law asks for. Training and serving costs
are the engine's for that shape: all weights in memory, one expert a token in compute, the experts that a batch touches.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel import laws
from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.laws.combine import require_sound
from hwmodel.laws.experts import active_for_dense
from hwmodel.laws.lifetime import Lifetime, Option, option_optimum
from hwmodel.physics.shape import parameters, shape_for_params, smooth_shapes, with_experts
from hwmodel.solve.life.demand import Life
from hwmodel.solve.life.demand import option as dense_option
from hwmodel.solve.life.objective import Costs, costs
from hwmodel.solve.life.pace import Pace
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.records import Mixture
from hwmodel.solve.run.result import Band, Mixtures
from hwmodel.solve.run.sizing import LossModel
from hwmodel.specs import LawSpec, Shape

EXPERTS_LAW = "ludziejewski_2025"


def check_mixtures(setting: Setting) -> LawSpec:
    """The law of experts, where it may act on the plan's law. Raises InputError with the reason where not."""
    r = setting.request
    if r.unique_tokens is not None:
        raise InputError(
            "--moe with --unique-tokens: no law of repeated data was fitted on mixtures of experts; drop one of them"
        )
    law: LawSpec = setting.catalog.law(EXPERTS_LAW)
    require_sound(setting.law, [law])
    return law


def _option(model: LossModel, life_costs: Costs, law: LawSpec, experts: float, drawn: Any = None) -> Option:
    def build(params: Any, tokens: Any) -> Any:
        return active_for_dense(law.constants, params, tokens, experts)

    return msgspec.structs.replace(dense_option(model, life_costs, drawn), build=build, label=f"{experts:g} experts")


def mixtures(setting: Setting, model: LossModel, fleet: Fleet | None, dense: Life) -> Mixtures:
    """A row for each number of experts beside the dense one, the cheapest of all, and its saving with its band."""
    law = check_mixtures(setting)
    rows = [_dense_row(dense.found)]
    out: dict[str, str] = {}
    found: dict[float, tuple[Lifetime, Costs]] = {}
    for experts in setting.request.experts:
        try:
            life_costs = costs(setting, fleet, float(dense.found.params), experts, Pace(reach=dense.costs.pace.reach))
            life = option_optimum(_option(model, life_costs, law, experts), dense.loss, dense.demand)
            if not np.isfinite(life.total_cost):
                raise InfeasibleError("no size fits the fleet or the limits of serving")
        except HwModelError as error:
            out[f"{experts:g}"] = str(error)
            continue
        found[experts] = life, life_costs
        rows.append(_row(law, life, experts, float(dense.found.total_cost)))
    best = min(rows, key=lambda row: row.lifetime_cost)
    saving = None
    if best.experts > 1:
        saving = Band(best.saving, *_saving_band(model, law, dense, best, found[best.experts][1]))
    return Mixtures(
        law=law.id,
        rows=rows,
        refused=out,
        winner_experts=best.experts,
        saving=saving,
        unit=dense.costs.unit,
        note="one active expert a token in every layer, each as wide as the dense network; "
        f"the loss as a dense equivalent; {law.id} has no published covariance, so the interval is that of "
        f"{model.law.id}",
    )


def _dense_row(life: Lifetime) -> Mixture:
    n = float(life.params)
    return Mixture(
        experts=1.0, params=n, params_active=n, tokens=float(life.tokens), train_cost=float(life.train_cost),
        serve_cost=float(life.serve_cost), lifetime_cost=float(life.total_cost), saving=0.0, decades_outside=0.0,
    )  # fmt: skip


def _row(law: LawSpec, life: Lifetime, experts: float, dense_cost: float) -> Mixture:
    active, tokens = float(life.params), float(life.tokens)
    return Mixture(
        experts=experts, params=total_params(active, experts), params_active=active, tokens=tokens,
        train_cost=float(life.train_cost), serve_cost=float(life.serve_cost), lifetime_cost=float(life.total_cost),
        saving=1.0 - float(life.total_cost) / dense_cost,
        decades_outside=laws.signed_decades_outside(law, params=active, tokens=tokens),
    )  # fmt: skip


def total_params(active: float, experts: float) -> float:
    """All parameters of a mixture with these active ones."""
    shape = with_experts(smooth_shapes(active), experts)
    terms = parameters(shape)
    return active * float(terms.total) / float(terms.active)


def _saving_band(model: LossModel, law: LawSpec, dense: Life, best: Mixture, life_costs: Costs) -> tuple[float, float]:
    """The saving of the winner under the joint draws of the plan's law."""
    if model.drawn is None:
        return best.saving, best.saving
    target = laws.loss(model.drawn, dense.found.params, dense.found.tokens)
    try:
        mixture = option_optimum(_option(model, life_costs, law, best.experts, model.drawn), target, dense.demand)
        plain = option_optimum(dense_option(model, dense.costs, model.drawn), target, dense.demand)
    except InfeasibleError:
        return best.saving, best.saving
    a, b = np.asarray(mixture.total_cost), np.asarray(plain.total_cost)
    kept = np.isfinite(a) & np.isfinite(b)
    if not kept.any():
        return best.saving, best.saving
    low, high = laws.band(1.0 - a[kept] / b[kept])
    return min(low, best.saving), max(high, best.saving)


def mixture_shape(row: Mixture) -> Shape:
    """A buildable shape near the active size of a row."""
    return with_experts(shape_for_params(row.params_active), row.experts)
