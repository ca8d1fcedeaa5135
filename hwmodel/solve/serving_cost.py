"""What a token costs to serve: accelerator-seconds of prompt and output tokens, for one model or a ladder of sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.ops import Num, maximum, minimum, where
from hwmodel.physics.engine import engine_of
from hwmodel.physics.serving import STEP_TOKENS, decode_step_s, kv_pool_bytes, memory, prefill_s, sequences_that_fit
from hwmodel.solve.serving_columns import stack_shapes
from hwmodel.specs.kernels import Machine
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import Engine, ServingCost, ServingFormats, ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape

DEFAULT_PROMPT_TOKENS = 1536.0  # prompt : output = 3 : 1, printed wherever it is used
DEFAULT_OUTPUT_TOKENS = 512.0
DEFAULT_TPOT_S = 0.05
TP_CHOICES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
PP_CHOICES = (1.0, 2.0, 4.0, 8.0)
MOST_ACCELERATORS = 64.0  # of one engine instance
NEARLY_FASTEST = 1.25
BATCH_SHARES = tuple(0.74**i for i in range(15))
MAX_BATCH = 1024.0  # sequences of one attention rank: engines' usual ceiling


def formats_of(shape: Shape, recipe: ServingPrecision) -> ServingFormats:
    """Bytes by tensor class; four-bit recipes of mixtures of experts keep attention and shared layers in 16 bits."""
    routed = any(b.n_experts for b in shape.blocks)
    return ServingFormats(
        weight_bytes=recipe.weight_bytes,
        activation_bytes=recipe.activation_bytes,
        kv_bytes=recipe.kv_bytes,
        experts_only=1.0 if routed and recipe.weight_bytes < 0.9 else 0.0,
    )


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

    The batch is `batch_share` of what the cache holds, at most MAX_BATCH an attention rank.
    """
    held = memory(shape, formats, layout, load, engine, machine.hbm_bytes)
    room = sequences_that_fit(held, load, layout, engine)
    batch = maximum(minimum(room, MAX_BATCH * layout.dp) * batch_share, 1.0)
    step = decode_step_s(shape, machine, formats, layout, engine, batch, load.mean_context)
    prompts = maximum(STEP_TOKENS / load.new_tokens, 1.0)
    prefill = prefill_s(shape, machine, formats, layout, engine, load.new_tokens, load.prompt_tokens, prompts)
    n = layout.accelerators
    prompt_s = n * prefill / (load.prompt_tokens * prompts * layout.dp * layout.pp)
    return prompt_s, n * step / batch, batch, step, where(room >= 1.0, 1.0, 0.0)


def cost_per_token(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    engine: Engine | None = None,
    prompt_tokens: Num = DEFAULT_PROMPT_TOKENS,
    output_tokens: Num = DEFAULT_OUTPUT_TOKENS,
    tpot_limit_s: float = DEFAULT_TPOT_S,
    max_tp: float = 0.0,
    strict: bool = False,
) -> ServingCost:
    """The cheapest layout and batch for each size of `shape` (numbers, or columns of one dimension).

    Tries tensor-parallel widths up to the scale-up domain (at most 64, or `max_tp`), pipeline stages, for experts also
    attention-data parallelism, and batches from one to what the cache holds; keeps those whose decode step stays within
    `tpot_limit_s` or, unless `strict`, within a quarter of the fastest. `feasible` is 0 where none is left.
    Accelerator-seconds; multiply with a price or a power for money or energy.
    """
    import numpy as np

    engine = engine or default_engine(machine)
    choices = _layouts(shape, min(max_tp or 64.0, float(np.max(machine.network.domain))))
    tp, pp, dp, ep = np.repeat(choices, len(BATCH_SHARES), axis=0).T[:, :, None]
    share = np.tile(BATCH_SHARES, len(choices))[:, None]
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


def _layouts(shape: Shape, widest: float) -> Any:
    """(tp, pp, dp, ep) to try, a row each."""
    import numpy as np

    wide = [t for t in TP_CHOICES if t <= widest] or [1.0]
    flat = [(t, 1.0, 1.0) for t in wide]
    experts = max(float(np.max(b.n_experts)) for b in shape.blocks)
    if experts:
        flat += [(t, 1.0, t) for t in wide if 1 < t <= experts]
        flat += [(1.0, t, t) for t in TP_CHOICES if 1 < t <= experts]
    rows = [(t, p, d, e) for t, d, e in flat for p in PP_CHOICES if t * p * d <= MOST_ACCELERATORS]
    return np.array(rows)


def serving_accelerator_seconds_per_token(
    shape: Shape | Sequence[Shape],
    machine: Machine,
    recipe: ServingPrecision,
    prompt_tokens: float = DEFAULT_PROMPT_TOKENS,
    output_tokens: float = DEFAULT_OUTPUT_TOKENS,
    engine: Engine | None = None,
    tpot_limit_s: float = DEFAULT_TPOT_S,
    strict: bool = False,
) -> ServingCost:
    """`cost_per_token` for one shape, a column-valued shape or a sequence of shapes (a ladder of sizes).

    Raises InputError for lengths that are not positive, InfeasibleError where no size fits any layout.
    """
    if prompt_tokens <= 0 or output_tokens <= 0:
        raise InputError(f"prompt and output tokens must be positive, not {prompt_tokens:g} and {output_tokens:g}")
    columns = shape if isinstance(shape, Shape) else stack_shapes(shape)
    engine = engine or default_engine(machine, recipe.id)
    cost = cost_per_token(
        columns,
        machine,
        formats_of(columns, recipe),
        engine,
        prompt_tokens,
        output_tokens,
        tpot_limit_s=tpot_limit_s,
        strict=strict,
    )
    if not _any(cost.feasible):
        raise _no_size(columns, machine, recipe, engine, tpot_limit_s)
    return cost


def _no_size(
    shape: Shape, machine: Machine, recipe: ServingPrecision, engine: Engine, tpot_limit_s: float
) -> InfeasibleError:
    """Memory, or else the limit on latency, that no size of the ladder keeps."""
    import numpy as np

    tp = min(MOST_ACCELERATORS, float(machine.network.domain))
    layout = ServingLayout(tp=tp, pp=MOST_ACCELERATORS // tp)
    pool = kv_pool_bytes(shape, formats_of(shape, recipe), layout, engine, machine.hbm_bytes)
    short = -float(np.max(pool))
    if short < 0.0:
        return InfeasibleError(
            f"no size of interest decodes within a TPOT of {1e3 * tpot_limit_s:g} ms on {machine.part} in {recipe.id}; "
            "allow a longer TPOT, a smaller serving format or a part with more bandwidth",
            binding="tpot",
            remedy="a longer TPOT",
        )
    return InfeasibleError(
        f"the weights do not fit {layout.accelerators:g} x {machine.part} in {recipe.id}: {short / 1e9:.0f} GB an "
        "accelerator are missing; serve in a smaller format or on a part with more memory",
        binding="memory",
        remedy="a smaller format, or a part with more memory",
    )


def default_engine(machine: Machine, recipe: str = "") -> Engine:
    """Fitted constants of a generic engine on the machine's family of parts."""
    return engine_of(serving_calibration(), family=machine.family, recipe=recipe)


def _any(flags: Any) -> bool:
    import numpy as np

    return bool(np.any(np.asarray(flags) > 0))
