"""What a token costs to serve, for one model or a ladder of sizes, and why none of them can be served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.serving import kv_pool_bytes
from hwmodel.predict.columns import stack
from hwmodel.predict.formats import formats_of
from hwmodel.predict.service.cost import DEFAULT_TPOT_S, cost_per_token
from hwmodel.predict.service.layouts import SMOOTH
from hwmodel.specs.kernels import Machine
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import Engine, ServingCost, ServingLayout
from hwmodel.specs.shape import Shape

DEFAULT_PROMPT_TOKENS = 1536.0  # prompt : output = 3 : 1, printed wherever it is used
DEFAULT_OUTPUT_TOKENS = 512.0


def serving_accelerator_seconds_per_token(
    shape: Shape | Sequence[Shape],
    machine: Machine,
    recipe: ServingPrecision,
    prompt_tokens: float = DEFAULT_PROMPT_TOKENS,
    output_tokens: float = DEFAULT_OUTPUT_TOKENS,
    engine: Engine | None = None,
    tpot_limit_s: float = DEFAULT_TPOT_S,
    strict: bool = False,
    most: float = SMOOTH.most,
) -> ServingCost:
    """`cost_per_token` for one shape, a column-valued shape or a sequence of shapes (a ladder of sizes).

    Raises InputError for lengths that are not positive, InfeasibleError where no size fits any layout.
    """
    if prompt_tokens <= 0 or output_tokens <= 0:
        raise InputError(f"prompt and output tokens must be positive, not {prompt_tokens:g} and {output_tokens:g}")
    columns = shape if isinstance(shape, Shape) else stack(shape)
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
        most=most,
    )
    if not _any(cost.feasible):
        raise _no_size(columns, machine, recipe, engine, tpot_limit_s)
    return cost


def _no_size(
    shape: Shape, machine: Machine, recipe: ServingPrecision, engine: Engine, tpot_limit_s: float
) -> InfeasibleError:
    """Memory, or else the limit on latency, that no size of the ladder keeps."""
    import numpy as np

    tp = min(SMOOTH.most, float(machine.network.domain))
    layout = ServingLayout(tp=tp, pp=SMOOTH.most // tp)
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
