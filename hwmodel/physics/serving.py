"""Serving: decode steps, prefill, cache, continuous batching. Docs: docs/serving.md.

The parts stand in `serving_step` (one pass), `serving_memory` (weights and cache) and `serving_queue` (many requests).
"""

from __future__ import annotations

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.physics.collectives import point_to_point_s
from hwmodel.physics.columns import anywhere
from hwmodel.physics.serving_launches import host_launches, kernels
from hwmodel.physics.serving_memory import (
    kv_bytes_per_token,
    kv_pool_bytes,
    memory,
    sequences_that_fit,
    state_bytes_per_sequence,
    weights_bytes,
)
from hwmodel.physics.serving_step import Pass, pass_terms
from hwmodel.specs.kernels import Machine
from hwmodel.specs.serving import DecodeTerms, Engine, ServingFormats, ServingLayout, ServingLoad, Speculation
from hwmodel.specs.shape import Shape

__all__ = [
    "bulk_prompt_s",
    "cache_transfer_s",
    "decode_step_s",
    "decode_terms",
    "first_pass_s",
    "first_token_host_s",
    "kernels",
    "kv_bytes_per_token",
    "kv_pool_bytes",
    "memory",
    "mixed_terms",
    "prefill_s",
    "prefill_terms",
    "sequences_that_fit",
    "state_bytes_per_sequence",
    "step_budget",
    "tokens_per_step",
    "weights_bytes",
]


def decode_terms(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    layout: ServingLayout,
    engine: Engine,
    batch: Num,
    context: Num,
    verified: Num = 1.0,
) -> DecodeTerms:
    """Terms of one decode step of one engine instance that runs `batch` sequences of `context` tokens.

    `verified` tokens of each sequence pass the model in a step (1 + draft tokens under speculation). Under pipeline
    parallelism the batch is cut into as many micro-batches as stages, and a step takes each through all of them.
    """
    sequences = maximum(batch / (layout.dp * layout.pp), 1.0)
    return pass_terms(shape, formats, Pass(sequences, context, verified=verified), layout, engine, machine)


def decode_step_s(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    layout: ServingLayout,
    engine: Engine,
    batch: Num,
    context: Num,
    verified: Num = 1.0,
) -> Num:
    """Seconds of one decode step (see `decode_terms`)."""
    return decode_terms(shape, machine, formats, layout, engine, batch, context, verified).total_s


def prefill_terms(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    layout: ServingLayout,
    engine: Engine,
    new_tokens: Num,
    context: Num,
    prompts: Num = 1.0,
) -> DecodeTerms:
    """Terms of prefilling `prompts` prompts together on each attention rank: `new_tokens` computed in each, `context`
    tokens seen in all (more than the new ones where a prefix was cached)."""
    p = Pass(prompts=prompts, new_tokens=new_tokens, seen=context)
    return pass_terms(shape, formats, p, layout, engine, machine)


def prefill_s(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    layout: ServingLayout,
    engine: Engine,
    new_tokens: Num,
    context: Num,
    prompts: Num = 1.0,
) -> Num:
    """Seconds of prefilling (see `prefill_terms`)."""
    return prefill_terms(shape, machine, formats, layout, engine, new_tokens, context, prompts).total_s


def mixed_terms(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    layout: ServingLayout,
    engine: Engine,
    batch: Num,
    load: ServingLoad,
    prompts: Num = 1.0,
    verified: Num = 1.0,
) -> DecodeTerms:
    """Terms of one step that decodes `batch` sequences and prefills `prompts` prompts on each attention rank."""
    sequences = maximum(batch / (layout.dp * layout.pp), 1.0)
    p = Pass(sequences, load.mean_context, prompts, load.new_tokens, load.prompt_tokens, verified)
    return pass_terms(shape, formats, p, layout, engine, machine)


# What launch recipes that take a whole prompt into a step add to its tokens: the largest batch that they capture and
# 1,500 (ai-dynamo/aiconfigurator, generator/rule_plugin/{vllm,trtllm}.rule: max_batch_size + isl + 1500 at a batch of
# 512; SemiAnalysisAI/InferenceX, benchmarks/dsr1_*_trt.sh: the greater of 8,192 and concurrency + isl + 64).
BESIDE_A_PROMPT = 2012.0


def step_budget(engine: Engine, new_tokens: Num) -> Num:
    """Prompt tokens that an attention rank takes into one step where prompts have `new_tokens`."""
    whole = minimum(new_tokens + BESIDE_A_PROMPT, engine.whole_prompt_tokens)
    return maximum(engine.step_tokens, whole)


def bulk_prompt_s(
    shape: Shape,
    machine: Machine,
    formats: ServingFormats,
    layout: ServingLayout,
    engine: Engine,
    batch: Num,
    load: ServingLoad,
    verified: Num = 1.0,
) -> Num:
    """Seconds that one prompt costs those behind it where many wait: they share steps of `step_budget` tokens.

    Ranks of attention-data parallelism step together: prompts that come apart find few of them free at once, but wait
    for one step, not for all those of a longer prompt.
    """
    share = step_budget(engine, load.new_tokens) / load.new_tokens
    together = maximum(share, 1.0)
    at = (shape, machine, formats, layout, engine)
    full = mixed_terms(*at, batch, load, together, verified).total_s
    if anywhere(engine.prefills_apart > 0):
        alone = prefill_s(*at, load.new_tokens, load.prompt_tokens, together)
        full = where(engine.prefills_apart > 0, alone, full)
    full = maximum(full, first_token_host_s(shape, formats, layout, engine))
    apart = 1.0 + (layout.dp**0.5 - 1.0) * minimum(share, 1.0)
    return full * apart / (together * layout.dp * layout.pp)


def first_token_host_s(
    shape: Shape, formats: ServingFormats, layout: ServingLayout, engine: Engine, new_tokens: Num = 1e9
) -> Num:
    """Host seconds before the first token: launching the kernels of a step with `new_tokens` prompt tokens."""
    return engine.prefill_kernel_s * host_launches(shape, formats, engine, layout.tp, new_tokens)


def first_pass_s(
    shape: Shape,
    formats: ServingFormats,
    layout: ServingLayout,
    engine: Engine,
    pass_s: Num,
    new_tokens: Num = 1.0,
) -> Num:
    """Seconds of passes of `pass_s` in all that compute a first token, their kernels launched one by one: one for each
    chunk of `step_budget` of the prompt's `new_tokens`.

    The host runs ahead of the accelerator: half of the shorter of the two hides behind the longer.
    """
    host = first_token_host_s(shape, formats, layout, engine, new_tokens) * ceil(
        new_tokens / step_budget(engine, new_tokens)
    )
    return maximum(pass_s, host) + 0.5 * minimum(pass_s, host)


def cache_transfer_s(shape: Shape, machine: Machine, kv_bytes: Num, prompt_tokens: Num, tp: Num) -> Num:
    """Seconds to move one prompt's cache from a prefill worker of `tp` ranks, each over its own NIC, to decoding."""
    moved = kv_bytes_per_token(shape, kv_bytes, 1.0, prompt_tokens) * prompt_tokens + state_bytes_per_sequence(shape)
    return point_to_point_s(moved / tp, 1.0, machine.network)


def tokens_per_step(speculation: Speculation) -> Num:
    """Expected tokens a sequence gains in one step: one, and the accepted run of drafts."""
    a = minimum(speculation.acceptance, 1.0 - 1e-9)
    return (1.0 - a ** (speculation.draft_tokens + 1.0)) / (1.0 - a)
