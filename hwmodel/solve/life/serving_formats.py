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
from hwmodel.solve.run.format_records import FixedSize, ServingFormatRow
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.solve.serve.quality import USUAL_RECIPES, quality


def serving_rows(
    setting: Setting, model: LossModel, fleet: Fleet | None, life: Life, sized: Sized
) -> list[ServingFormatRow]:
    """A row for each usual serving recipe that the part computes in, the plan's own first; none for FLOPs, which do
    not tell formats apart. Each says what the life costs at the same loss, its size and tokens chosen anew, and under
    `fixed` what the plan's own model loses and saves."""
    if fleet is None or life.costs.objective == "flops" or setting.part is None:
        return []
    own = setting.serving_precision().id
    rows = [_row(own, life, life.costs.penalty, fixed_size(setting, own, life.costs, life.demand, sized))]
    for usual in USUAL_RECIPES:
        if usual == "fp16" and setting.part.peak_dense_flop_per_s.get("bf16"):
            continue
        request = msgspec.structs.replace(setting.request, serving_precision=usual)
        served = msgspec.structs.replace(setting, request=request)
        recipe = served.serving_precision()
        name = recipe.id
        if name == own or not setting.part.peak_dense_flop_per_s.get(recipe.gemm_format):
            continue
        try:
            life_costs = costs(served, fleet, float(life.found.params), pace=life.costs.pace)
            found = option_optimum(option(model, life_costs), life.loss, life.demand)
            fixed = fixed_size(setting, name, life_costs, life.demand, sized)
        except HwModelError as error:
            rows.append(ServingFormatRow(serving_precision=name, reason=str(error)))
            continue
        if np.isfinite(found.total_cost):
            rows.append(_row(name, msgspec.structs.replace(life, found=found), life_costs.penalty, fixed))
    return _with_savings(rows)


def fixed_size(setting: Setting, name: str, life_costs: Costs, demand: float, sized: Sized) -> FixedSize:
    """What the plan's own size and tokens lose and cost when served in a recipe."""
    one = quality(setting.catalog.serving_precision(name), sized.n, sized.d)
    cost = float(life_costs.serve(sized.n)) * demand
    return FixedSize(
        loss_nats=one.loss_nats, retained_score=one.retained_score, measured=one.measured, serve_cost=cost,
        saving_share=None,
    )  # fmt: skip


def _with_savings(rows: list[ServingFormatRow]) -> list[ServingFormatRow]:
    """The rows with what each saves over the one in 16 bits, where that is among them."""
    whole = {row.serving_precision: row.fixed.serve_cost for row in rows if row.fixed is not None}
    base = next((whole[name] for name in ("bf16", "fp16") if name in whole), np.nan)
    return [_with_saving(row, base) for row in rows] if np.isfinite(base) else rows


def _with_saving(row: ServingFormatRow, base: float) -> ServingFormatRow:
    if row.fixed is None:
        return row
    fixed = msgspec.structs.replace(row.fixed, saving_share=1.0 - row.fixed.serve_cost / base)
    return msgspec.structs.replace(row, fixed=fixed)


def _row(name: str, life: Life, penalty: Any, fixed: FixedSize) -> ServingFormatRow:
    one = life.found
    return ServingFormatRow(
        serving_precision=name, params=float(one.params), tokens=float(one.tokens), train_cost=float(one.train_cost),
        serve_cost=float(one.serve_cost), lifetime_cost=float(one.total_cost),
        loss_paid_nats=0.0 if penalty is None else float(penalty(one.params, one.tokens)), fixed=fixed,
    )  # fmt: skip
