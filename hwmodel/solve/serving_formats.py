"""The same life in each serving format: fewer bits serve cheaper and must train their loss away."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import HwModelError
from hwmodel.solve.demand import Life, option
from hwmodel.solve.fleet import Fleet
from hwmodel.solve.lifetime import option_optimum
from hwmodel.solve.objective import costs
from hwmodel.solve.setting import Setting
from hwmodel.solve.sizing import LossModel

RECIPES = ("bf16", "fp16", "fp8", "int8", "w8a16", "w4a16", "nvfp4")


def serving_rows(setting: Setting, model: LossModel, fleet: Fleet | None, life: Life) -> list[dict[str, Any]]:
    """A row for each usual serving recipe that the part computes in, the plan's own first; none for FLOPs, which do
    not tell formats apart."""
    if fleet is None or life.costs.objective == "flops" or setting.part is None:
        return []
    own = setting.serving_precision().id
    rows = [_row(own, life, life.costs.penalty)]
    for name in RECIPES:
        recipe = setting.catalog.serving_precision(name)
        if name == own or not setting.part.peak_dense_flop_per_s.get(recipe.gemm_format):
            continue
        if name == "fp16" and setting.part.peak_dense_flop_per_s.get("bf16"):
            continue
        request = msgspec.structs.replace(setting.request, serving_precision=name)
        try:
            of = costs(msgspec.structs.replace(setting, request=request), fleet, float(life.found.params))
            found = option_optimum(option(model, of), life.loss, life.demand)
        except HwModelError as error:
            rows.append({"serving_precision": name, "reason": str(error)})
            continue
        if np.isfinite(found.total_cost):
            rows.append(_row(name, msgspec.structs.replace(life, found=found), of.penalty))
    return rows


def _row(name: str, life: Life, penalty: Any) -> dict[str, Any]:
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
        "reason": "",
    }
