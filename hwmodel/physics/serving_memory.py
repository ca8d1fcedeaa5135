"""Bytes of a served model: weights, cache, and how many sequences fit."""

from __future__ import annotations

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.physics.columns import absent, anywhere, everywhere, only
from hwmodel.physics.serving_formulas import cached_elements, kept_share, sequences_alive, usual_pool_bytes
from hwmodel.physics.serving_products import ATTENTION_MODULES, kv_heads_per_rank
from hwmodel.physics.serving_step import stage_unevenness
from hwmodel.physics.shape import (
    cached_width,
    expert_params,
    expert_width,
    held_count,
    latent_params,
    layer_matrix_params,
    matrices,
    parameters,
    vector_params,
)
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad, ServingMemory
from hwmodel.specs.shape import Block, Shape

# Share of the memory, reserve and share of the memory for the cache that users come down to where the usual settings
# leave next to nothing (unconfirmed).
TIGHT_FRACTION, TIGHT_RESERVE_BYTES, TIGHT_POOL = 0.97, 1.5e9, 0.05

# 80 % ends of what an engine leaves for the cache. Loaded weights: within 2 % of those counted
# (vllm-project/vllm#27508). The share of the memory that engines are started with: 0.82 to 0.95 in launch scripts of
# one benchmark (SemiAnalysisAI/InferenceX, benchmarks/dsr1_fp8_b200.sh).
WEIGHTS_DOUBT, FRACTION_DOUBT = 0.02, 0.065
# What engines reserve for activations, graphs and communicators goes by tokens a step and captured batches: from half
# of what their documents say to twice it (unconfirmed).
RESERVE_FACTOR = 2.0


def _layer_kv_elements(block: Block, tp: Num) -> Num:
    """Cache elements a token of one layer on one rank; the latent of MLA and index keys are held by every
    tensor-parallel rank."""
    plain = cached_elements(kv_heads_per_rank(block, tp), cached_width(block), block.kv_compression)
    cached = where(block.kv_lora_rank > 0, block.kv_lora_rank + block.rope_dim, plain)
    cached = cached + only(block.index_heads > 0, block.index_dim / block.kv_compression)
    return only(block.n_heads > 0, cached * (1.0 - block.borrows_kv))


def kv_bytes_per_token(shape: Shape, kv_bytes: Num = 2.0, tp: Num = 1.0, context: Num = 1.0) -> Num:
    """Cache bytes a token on one of `tp` ranks, averaged over a sequence of `context` tokens (windows cap it).

    The default context is shorter than any window: what one token adds while all layers keep it.
    """
    total: Num = 0.0
    for block in shape.blocks:
        kept = kept_share(block.window_tokens, context)
        total = total + block.count * _layer_kv_elements(block, tp) * kept
    return total * kv_bytes


def state_bytes_per_sequence(shape: Shape, tp: Num = 1.0) -> Num:
    """Bytes of constant state a sequence (linear attention, state-space layers; 4 bytes an element) on one rank."""
    total: Num = 0.0
    for block in shape.blocks:
        total = total + block.count * block.mixer_state_elements / tp
    return 4.0 * total


def weights_bytes(shape: Shape, formats: ServingFormats, layout: ServingLayout) -> Num:
    """Weight bytes on one accelerator of the fullest stage (embedding and head spread over the stages)."""
    dense: Num = 0.0
    copied: Num = 0.0
    routed: Num = 0.0
    for block in shape.blocks:
        high = only(block.n_experts > 0, formats.experts_only)
        element = where(high > 0, formats.high_bytes, formats.weight_bytes)
        copies = where(block.n_experts > 0, block.top_k, 0.0)
        products = layer_matrix_params(shape, block) - copies * expert_params(shape, block)
        count = held_count(block)
        if anywhere(formats.network_only > 0):
            kept = formats.network_only * _attention_params(shape, block)
            dense = dense + count * kept * (formats.high_bytes - element)
        dense = dense + count * (products * element + vector_params(shape, block) * formats.high_bytes)
        if anywhere(block.expert_latent_dim > 0):  # every rank holds them whole: above, a share of each was counted
            copied = copied + count * latent_params(shape, block) * element * (1.0 - 1.0 / layout.tp)
        padded = _padded(shape, block, formats, layout)
        # Experts that do not divide into ranks are copied until they do (SGLang: --ep-num-redundant-experts).
        slots = ceil(block.n_experts / layout.ep) * layout.ep
        routed = routed + count * slots * expert_params(shape, block) * (padded * formats.weight_bytes)
    outside = parameters(shape).embedding * formats.high_bytes
    share = (dense + outside) / layout.tp + routed / layout.stage_accelerators
    share = share if absent(copied) else share + copied
    return share * stage_unevenness(shape, layout.pp) / layout.pp


def _attention_params(shape: Shape, block: Block) -> Num:
    """Parameters of one layer's attention products."""
    found: Num = 0.0
    for x in matrices(shape, block):
        if x.module in ATTENTION_MODULES:
            found = found + x.params
    return found


def _padded(shape: Shape, block: Block, formats: ServingFormats, layout: ServingLayout) -> Num:
    """Bytes of an expert as loaders pad its matrices, over those of its own widths."""
    if everywhere(formats.padded_hidden <= 1.0) or everywhere(block.n_experts <= 0):
        return 1.0
    inner = maximum(block.d_ff / layout.moe_tp, 1.0)
    read = expert_width(shape, block)
    wide = ceil(read / formats.padded_hidden) * formats.padded_hidden / read
    return wide * ceil(inner / formats.padded_inner) * formats.padded_inner / inner


def memory(
    shape: Shape,
    formats: ServingFormats,
    layout: ServingLayout,
    load: ServingLoad,
    engine: Engine,
    hbm_bytes: Num,
) -> ServingMemory:
    """Memory of one accelerator, and what is left for the cache."""
    weights = weights_bytes(shape, formats, layout)
    context = load.prompt_tokens + load.output_tokens
    stage = stage_unevenness(shape, layout.pp) / layout.pp
    per_token = kv_bytes_per_token(shape, formats.kv_bytes, layout.tp, context) * stage / layout.kv_split
    return ServingMemory(
        weights_bytes=weights,
        reserve_bytes=engine.reserve_bytes + 0.0 * weights,
        kv_pool_bytes=pool_bytes(weights, engine, hbm_bytes),
        kv_bytes_per_token=per_token,
        state_bytes_per_sequence=state_bytes_per_sequence(shape, layout.tp) * stage,
    )


def pool_bytes(weights: Num, engine: Engine, hbm_bytes: Num) -> Num:
    """Bytes left for the cache beside `weights` on one accelerator, negative where they do not fit.

    Where the usual settings leave next to nothing, users raise the memory fraction and trim the reserve: up to a
    twentieth of the memory comes from there.
    """
    usual = usual_pool_bytes(hbm_bytes, engine.memory_fraction, weights, engine.reserve_bytes, engine.free_fraction)
    trimmed = hbm_bytes * TIGHT_FRACTION - weights - TIGHT_RESERVE_BYTES
    return maximum(usual, minimum(trimmed, TIGHT_POOL * hbm_bytes))


def pool_ends(m: ServingMemory, hbm_bytes: Num) -> tuple[Num, Num]:
    """80 % interval of the bytes left for the cache on one accelerator: loaded weights, the share of the memory that is
    used and what is reserved of it are doubtful independently of each other."""
    shared = (WEIGHTS_DOUBT * m.weights_bytes) ** 2 + (FRACTION_DOUBT * hbm_bytes) ** 2
    more, less = (RESERVE_FACTOR - 1.0) * m.reserve_bytes, (1.0 - 1.0 / RESERVE_FACTOR) * m.reserve_bytes
    low = m.kv_pool_bytes - (shared + more**2) ** 0.5
    return low, minimum(m.kv_pool_bytes + (shared + less**2) ** 0.5, maximum(hbm_bytes - m.weights_bytes, 0.0))


def kv_pool_bytes(shape: Shape, formats: ServingFormats, layout: ServingLayout, engine: Engine, hbm_bytes: Num) -> Num:
    """Bytes left for the cache on one accelerator; negative where the weights do not fit."""
    return pool_bytes(weights_bytes(shape, formats, layout), engine, hbm_bytes)


def sequences_that_fit(m: ServingMemory, load: ServingLoad, layout: ServingLayout, engine: Engine) -> Num:
    """Requests that one engine instance can run at once (zero where not even one fits); not rounded."""
    held = load.prompt_tokens + engine.kv_output_share * load.output_tokens
    return sequences_alive(m.kv_pool_bytes, m.kv_bytes_per_token, held, m.state_bytes_per_sequence) * layout.dp
