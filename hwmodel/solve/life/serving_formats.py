"""The same life in each serving format: fewer bits serve cheaper and must train their loss away."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import HwModelError
from hwmodel.laws.lifetime import option_optimum
from hwmodel.solve.life.demand import Life, option
from hwmodel.solve.life.objective import Costs, costs
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import Band
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.solve.serve.quality import USUAL_RECIPES, quality


class FixedSize(msgspec.Struct, frozen=True, kw_only=True):
    """The model of the plan as it is, served in one recipe: what it loses and what serving it costs."""

    loss_nats: Band
    retained_score: Band
    measured: bool
    serve_cost: float
    saving_share: float | None  # of the cost of serving in 16 bits


def serving_rows(
    setting: Setting, model: LossModel, fleet: Fleet | None, life: Life, sized: Sized
) -> list[dict[str, Any]]:
    """A row for each usual serving recipe that the part computes in, the plan's own first; none for FLOPs, which do
    not tell formats apart. Each says what the life costs at the same loss, its size and tokens chosen anew, and under
    `fixed` what the plan's own model loses and saves."""
    if fleet is None or life.costs.objective == "flops" or setting.part is None:
        return []
    own = setting.serving_precision().id
    rows = [_row(own, life, life.costs.penalty, fixed_size(setting, own, life.costs, life.demand, sized))]
    for name in USUAL_RECIPES:
        recipe = setting.catalog.serving_precision(name)
        if name == own or not setting.part.peak_dense_flop_per_s.get(recipe.gemm_format):
            continue
        if name == "fp16" and setting.part.peak_dense_flop_per_s.get("bf16"):
            continue
        request = msgspec.structs.replace(setting.request, serving_precision=name)
        try:
            of = costs(msgspec.structs.replace(setting, request=request), fleet, float(life.found.params))
            found = option_optimum(option(model, of), life.loss, life.demand)
            fixed = fixed_size(setting, name, of, life.demand, sized)
        except HwModelError as error:
            rows.append({"serving_precision": name, "reason": str(error)})
            continue
        if np.isfinite(found.total_cost):
            rows.append(_row(name, msgspec.structs.replace(life, found=found), of.penalty, fixed))
    return _with_savings(rows)


def fixed_size(setting: Setting, name: str, of: Costs, demand: float, sized: Sized) -> FixedSize:
    """What the plan's own size and tokens lose and cost when served in a recipe."""
    one = quality(setting.catalog.serving_precision(name), sized.n, sized.d)
    cost = float(of.serve(sized.n)) * demand
    return FixedSize(
        loss_nats=one.loss_nats, retained_score=one.retained_score, measured=one.measured, serve_cost=cost,
        saving_share=None,
    )  # fmt: skip


def _with_savings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with what each saves over the one in 16 bits, where that is among them."""
    fixed = {row["serving_precision"]: row["fixed"] for row in rows if "fixed" in row}
    base = next((fixed[name] for name in ("bf16", "fp16") if name in fixed), None)
    for row in rows:
        if base is not None and "fixed" in row and np.isfinite(base.serve_cost):
            saved = 1.0 - row["fixed"].serve_cost / base.serve_cost
            row["fixed"] = msgspec.structs.replace(row["fixed"], saving_share=saved)
    return rows


def _row(name: str, life: Life, penalty: Any, fixed: FixedSize) -> dict[str, Any]:
    one = life.found
    paid = 0.0 if penalty is None else float(penalty(one.params, one.tokens))
    return {
        "serving_precision": name,
        "params": float(one.params),
        "tokens": float(one.tokens),
        "train_cost": float(one.train_cost),
        "serve_cost": float(one.serve_cost),
        "lifetime_cost": float(one.total_cost),
        "loss_paid_nats": paid,
        "fixed": fixed,
        "reason": "",
    }
