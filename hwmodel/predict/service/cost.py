"""What a token costs to serve: accelerator-seconds of prompt and output tokens, for one model or a ladder of sizes."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.ops import Num, maximum, minimum, where
from hwmodel.physics.serving import decode_step_s, memory, prefill_s, sequences_that_fit, step_budget
from hwmodel.predict.service.layouts import SMOOTH, layouts
from hwmodel.specs.kernels import Machine
from hwmodel.specs.serving import Engine, ServingCost, ServingFormats, ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape

DEFAULT_TPOT_S = 0.05
NEARLY_FASTEST = 1.25
BATCH_SHARES = tuple(0.74**i for i in range(15))


def cost_table(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    engine: Engine,
    load: ServingLoad,
    layout: ServingLayout,
    batch_share: Num,
) -> tuple[Num, Num, Num, Num, Num]:
    """Of each configuration: accelerator-seconds a prompt token and an output token, batch, step seconds, fit (0/1).

    The batch is `batch_share` of what the cache holds, at most the engine's ceiling on each attention rank.
    """
    held = memory(shape, formats, layout, load, engine, machine.hbm_bytes)
    room = sequences_that_fit(held, load, layout, engine)
    batch = maximum(minimum(room, engine.max_running * layout.dp) * batch_share, 1.0)
    step = decode_step_s(shape, machine, formats, layout, engine, batch, load.mean_context)
    prompts = maximum(step_budget(engine, load.new_tokens) / load.new_tokens, 1.0)
    prefill = prefill_s(shape, machine, formats, layout, engine, load.new_tokens, load.prompt_tokens, prompts)
    n = layout.accelerators
    prompt_s = n * prefill / (load.prompt_tokens * prompts * layout.dp * layout.pp)
    return prompt_s, n * step / batch, batch, step, where(room >= 1.0, 1.0, 0.0)


def cost_per_token(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    engine: Engine,
    prompt_tokens: Num,
    output_tokens: Num,
    tpot_limit_s: float = DEFAULT_TPOT_S,
    strict: bool = False,
    most: float = SMOOTH.most,
) -> ServingCost:
    """The cheapest layout and batch for each size of `shape` (numbers, or columns of one dimension).

    Tries every layout of a ladder (`layouts.SMOOTH`), and batches from one to what the cache holds; keeps those whose
    decode step stays within `tpot_limit_s` or, unless `strict`, within a quarter of the fastest. `feasible` is 0 where
    none is left.
    `most`: accelerators that one engine instance may take.
    Accelerator-seconds; multiply with a price or a power for money or energy.
    """
    space = msgspec.structs.replace(SMOOTH, most=min(most, SMOOTH.most))
    tried = layouts(shape, float(np.max(machine.network.domain)), space=space)
    sizes = np.stack([tried.tp, tried.pp, tried.dp, tried.ep])
    tp, pp, dp, ep = np.repeat(sizes, len(BATCH_SHARES), axis=1)[:, :, None]
    share = np.tile(BATCH_SHARES, sizes.shape[1])[:, None]
    load = ServingLoad(prompt_tokens=prompt_tokens, output_tokens=output_tokens)
    layout = ServingLayout(tp=tp, pp=pp, dp=dp, ep=ep)
    table = cost_table(shape, machine, formats, engine, load, layout, share)
    prompt_s, output_s, batch, step, fit = (np.broadcast_to(t, np.broadcast(tp, *table).shape) for t in table)
    cost = prompt_s * prompt_tokens + output_s * output_tokens
    fastest = np.min(np.where(fit > 0, step, np.inf), axis=0)
    allowed = tpot_limit_s if strict else np.maximum(tpot_limit_s, NEARLY_FASTEST * fastest)
    fit = np.where(step <= allowed, fit, 0.0)
    rank = np.where(fit > 0, cost, np.inf)
    best = np.argmin(rank, axis=0)
    columns = np.arange(rank.shape[1])

    def pick(a: Any) -> Any:
        chosen = np.broadcast_to(a, rank.shape)[best, columns]
        return chosen if isinstance(shape.d_model, np.ndarray) else float(chosen[0])

    return ServingCost(
        prompt_accelerator_s=pick(prompt_s),
        output_accelerator_s=pick(output_s),
        batch=pick(batch),
        tp=pick(tp),
        tpot_s=pick(step),
        feasible=pick(fit),
    )
