"""How many kernels one pass of a serving engine launches, counted by what is in a layer."""

from __future__ import annotations

from hwmodel.ops import Num, minimum, where
from hwmodel.physics.columns import absent, only
from hwmodel.physics.shape import layers
from hwmodel.specs.serving import Engine, ServingFormats
from hwmodel.specs.shape import Block, Shape

# Kernels of one layer by what is in it, counted in the sources of vLLM, SGLang and TensorRT-LLM: projections, rotary
# embedding, cache write and core of attention; the further products and norms of a latent cache; projections, rotary
# embedding, quantisation, cache write, scores and top-k of an indexer (sgl-project/sglang#11989); convolution, gates,
# norms, recurrence and gated norm of a linear mixer; the products and activation of a network; routing, sorting,
# products and gathering of experts. Norms and residuals ride on the sum before them.
ATTENTION, LATENT, INDEXER, MIXER, NETWORK, EXPERTS = 4.0, 5.0, 15.0, 10.0, 3.0, 9.0
# The product into the narrower space of experts and the one out of it.
NARROWED = 2.0
# What is left to launch of a layer whose pieces were captured: the graph between two attentions, cache write and core
# (vLLM, CUDAGraphMode.PIECEWISE: attention is no part of a graph).
PIECES = 3.0


def kernels_per_layer(block: Block) -> Num:
    """Kernels launched for one layer."""
    mixes = block.mixer_flop_per_token + block.mixer_state_elements > 0
    attention = where((block.n_heads > 0) | (block.mixer_params > 0), ATTENTION, 0.0) + only(mixes, MIXER - ATTENTION)
    latent = only(block.kv_lora_rank > 0, LATENT) + only(block.index_heads > 0, INDEXER)
    shared = only(block.d_ff_shared > 0, NETWORK) + only(block.expert_latent_dim > 0, NARROWED)
    return attention + latent + where(block.n_experts > 0, EXPERTS + shared, only(block.d_ff > 0, NETWORK))


def scalings_per_layer(block: Block) -> Num:
    """Kernels that scale the inputs of one layer's products block by block (`per_token_group_quant_fp8` in vLLM and
    SGLang): what enters the first and the last product of attention and of each network, the second of a latent query,
    and the products around experts in a narrower space."""
    attention = only(block.n_heads > 0, 2.0) + only(block.kv_lora_rank > 0, 1.0)
    network = only(block.d_ff > 0, 2.0) + only((block.n_experts > 0) & (block.d_ff_shared > 0), 1.0)
    network = network + only(block.expert_latent_dim > 0, NARROWED)
    return attention + network


def unfused_per_layer(block: Block, engine: Engine, tp: Num) -> Num:
    """Kernels of one layer that an engine launches and one that fuses all it can does not: the two norms, which ride on
    the sums of tensor-parallel ranks where there are any, and parts of attention."""
    norms = where(tp > 1.0, engine.norms_apart, 1.0)
    mixers = only((block.n_heads > 0) | (block.mixer_params > 0), 1.0) + only(
        (block.d_ff > 0) | (block.n_experts > 0), 1.0
    )
    return norms * mixers + only(block.n_heads > 0, engine.attention_apart)


def kernels(shape: Shape, formats: ServingFormats | None = None, engine: Engine | None = None, tp: Num = 2.0) -> Num:
    """Kernels launched in one pass over the model; without an `engine` those of one that fuses all it can."""
    total: Num = 5.0
    scaled: Num = 0.0 if formats is None else formats.scaled_blocks
    for block in shape.blocks:
        layer_kernels = kernels_per_layer(block)
        if not absent(scaled):
            layer_kernels = layer_kernels + scaled * scalings_per_layer(block)
        if engine is not None:
            layer_kernels = layer_kernels + unfused_per_layer(block, engine, tp)
        total = total + block.count * layer_kernels
    return total


def host_launches(shape: Shape, formats: ServingFormats, engine: Engine, tp: Num, new_tokens: Num = 1e9) -> Num:
    """Kernels that the host launches one by one for a prompt of `new_tokens`; those of routed experts weighted by
    `expert_host`, which holds for eight copies of a token (sorting, gathering and scattering copies grows with their
    number). A prompt short enough for captured graphs takes a few launches a layer."""
    total: Num = kernels(shape, formats, engine, tp)
    for block in shape.blocks:
        weight = engine.expert_host * (block.top_k * 0.125) - 1.0
        total = total + only(block.n_experts > 0, EXPERTS * block.count * weight)
    return where(new_tokens <= engine.captured_tokens, minimum(PIECES * layers(shape), total), total)
