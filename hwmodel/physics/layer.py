"""Seconds of one layer, one micro-batch, on one accelerator: its products, attention, memory traffic, communication.

Forward and backward passes stand apart, because recomputation repeats the forward one. Nothing here knows pipelines.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.ops import Num, ceil, maximum, where
from hwmodel.physics import shape as shapes
from hwmodel.physics.columns import anywhere
from hwmodel.physics.formulas import kept_in_16_bits, logits_bytes
from hwmodel.physics.kernels import (
    attention_backward_s,
    attention_forward_s,
    cast_s,
    gemm_s,
    grouped_gemm_s,
    memory_bound_s,
    scan_s,
    unfused_attention_s,
)
from hwmodel.physics.layer_communication import context_parallel, expert_parallel, tensor_parallel
from hwmodel.physics.machine import sustained
from hwmodel.physics.matrix import HeldPart, Matrix
from hwmodel.physics.schedule import micro_batches
from hwmodel.specs import Block, Layout, Precision, Shape, Stack, Workload
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, Machine

# fp32 logits are written, read twice, and their gradient is written and read in 16 bits.
_LOSS_BYTES = 4.0 + 2.0 * 4.0 + 2.0 * 2.0
# A layer's width is read and written by two norms, and read twice and written by two residual sums.
_NORM_PASSES = 2.0 * 2.0
_RESIDUAL_PASSES = _NORM_PASSES + 2.0 * 3.0
# Bytes that the backward pass of unfused attention moves of a score where the forward one moves two (unconfirmed).
# Counted by passes of 16 bits: the forward one writes scores, reads and writes their softmax and reads it for the
# product, four; the backward one writes its gradient, reads it and the softmax, writes the scores' gradient and reads
# that twice and the softmax once for three products, seven. That is 3.5; `score_passes` was fitted beside 3.6.
_SCORE_BYTES_BACK = 3.6
# Kernels of the element-wise operations of `traffic_s`, counted one each: two norms, two sums, rotary embedding of
# queries and of keys, activation, permutation to the experts' order.
_TRAFFIC_KERNELS = 8.0

MODULES = ("up_projections", "mlp", "shared_experts", "experts")  # of `shapes.matrices`, whose products are told apart


class LayerTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of one (mean) layer a micro-batch, exposed; `_f` forward, `_b` backward."""

    gemm_f: Num
    gemm_b: Num
    attention_f: Num
    attention_b: Num
    memory_f: Num
    memory_b: Num
    cast_f: Num
    cast_b: Num
    cast_weights: Num  # to cast all weights once; `cast_f` holds them as often as a micro-batch casts them
    tp_f: Num
    tp_b: Num
    cp_f: Num
    cp_b: Num
    ep_f: Num
    ep_b: Num
    launches_f: Num  # kernels launched (a count)
    norms_f: Num  # of `memory_f`, what norms move
    activation_f: Num  # of `memory_f`, what the activations of the feed-forward network move
    up_projections_f: Num  # of `gemm_f`, by module, as the next three
    mlp_f: Num
    shared_experts_f: Num
    experts_f: Num
    head_s: Num  # products of the logits of a micro-batch
    loss_s: Num  # bytes of the loss


def _product(m: Num, n: Num, k: Num, c: GemmConstants, trainable: Any) -> tuple[Num, Num]:
    """Forward and backward seconds of one linear layer; frozen weights need no weight gradient."""
    forward = gemm_s(m, n, k, c)
    return forward, gemm_s(m, k, n, c) + trainable * gemm_s(k, n, m, c)


def _grouped(rows: Num, n: Num, k: Num, experts: Num, c: GemmConstants, trainable: Any) -> tuple[Num, Num]:
    forward = grouped_gemm_s(rows, n, k, experts, c)
    backward = grouped_gemm_s(rows, k, n, experts, c) + trainable * grouped_gemm_s(k, n, rows, experts, c)
    return forward, backward


def expert_constants(c: GemmConstants, stack: Stack) -> GemmConstants:
    """Constants of the experts' products: training loops over large ones, unlike the fused kernels of serving."""
    if not anywhere(stack.grouped > 0):
        return c
    efficiency = where(stack.grouped > 0, stack.grouped, c.group_efficiency)
    return msgspec.structs.replace(c, group_efficiency=efficiency)


def expert_rows(block: Block, tokens: Num, layout: Layout) -> tuple[Num, Num]:
    """Tokens that one local expert receives in a micro-batch, and the number of local experts."""
    local = maximum(block.n_experts, 1.0) / layout.ep
    rows = tokens / layout.tp * layout.etp * layout.ep * block.top_k / maximum(block.n_experts, 1.0)
    return rows, local


def held_part(block: Block, layout: Layout) -> HeldPart:
    """What one rank holds of a layer; heads and the width of a dense network are cut into whole ones."""
    tp = layout.tp
    dense = ceil(block.d_ff / tp) if anywhere(block.n_experts <= 0) else 0.0
    routed = block.d_ff / layout.etp if anywhere(block.n_experts > 0) else 0.0
    width = where(block.n_experts > 0, routed, dense)
    return HeldPart(ceil(block.n_heads / tp), ceil(block.n_kv_heads / tp), width, block.d_ff_shared / tp, tp)


def matrix_times(
    matrix: Matrix, block: Block, tokens: Num, layout: Layout, machine: Machine, stack: Stack, trainable: Any
) -> tuple[Num, Num]:
    """Forward and backward seconds of one kind of product on one rank."""
    n, k, c = matrix.n, matrix.k, machine.gemm
    if matrix.kind == "experts":
        rows, local = expert_rows(block, tokens, layout)
        forward, backward = _grouped(rows, n, k, local, expert_constants(c, stack), trainable)
        # The level that a step multiplies products with is that of a stack's dense ones: it is undone here.
        slower = stack.imbalance / stack.level
        forward, backward = forward * slower, backward * slower
    elif matrix.kind == "groups":
        forward, backward = _grouped(tokens, n, k, matrix.copies, c, trainable)
    elif matrix.kind in ("router", "latent"):
        # Each tensor-parallel rank routes its share of the tokens, and narrows and widens it.
        own = machine.gemm_high if matrix.kind == "router" else c
        forward, backward = _product(tokens / layout.tp, n, k, own, trainable)
    else:
        forward, backward = _product(tokens, n, k, c, trainable)
    return matrix.only(forward), matrix.only(backward)


def _products(
    shape: Shape, block: Block, tokens: Num, layout: Layout, machine: Machine, stack: Stack, trainable: Any
) -> tuple[Num, Num, dict[str, Num]]:
    """Forward and backward seconds of a layer's matrix products, and the forward ones by module."""
    forward: Num = 0.0
    backward: Num = 0.0
    modules: dict[str, Num] = {}
    for matrix in shapes.matrices(shape, block, held_part(block, layout)):
        there, back = matrix_times(matrix, block, tokens, layout, machine, stack, trainable)
        forward, backward = forward + there, backward + back
        modules[matrix.module] = modules.get(matrix.module, 0.0) + there
    return forward, backward, modules


def kept_products(
    shape: Shape,
    block: Block,
    tokens: Num,
    layout: Layout,
    machine: Machine,
    precision: Precision,
    stack: Stack,
    trainable: Any,
) -> tuple[Num, Num, dict[str, Num]]:
    """`_products` of a mean layer under the stack's factors: a share of the layers stays in 16 bits."""
    low = _products(shape, block, tokens, layout, machine, stack, trainable)
    narrow = where(precision.activation_bytes > 0.75, stack.sustained, stack.sustained_four)
    factor = where(precision.activation_bytes > 1.5, stack.sustained_high, narrow)
    kept = precision.bf16_layers
    if not anywhere(kept > 0):
        return factor * low[0], factor * low[1], {name: factor * value for name, value in low[2].items()}
    sixteen = msgspec.structs.replace(machine, gemm=machine.gemm_high)
    high = _products(shape, block, tokens, layout, sixteen, stack, trainable)

    def mean(one: Num, other: Num) -> Num:
        """Over the layers in the format and those in 16 bits."""
        return kept_in_16_bits(one, other, kept, factor, stack.sustained_high)

    modules = {name: mean(value, high[2][name]) for name, value in low[2].items()}
    return mean(low[0], high[0]), mean(low[1], high[1]), modules


def attention_constants(machine: Machine, stack: Stack) -> AttentionConstants:
    """Constants of the kernel generation that the stack runs."""
    if not anywhere(stack.attention_generation < 2.5):
        return machine.attention
    new, old = machine.attention, machine.attention_flash2
    return AttentionConstants(
        **{
            name: where(stack.attention_generation < 2.5, getattr(old, name), getattr(new, name))
            for name in AttentionConstants.__struct_fields__
        }
    )


def attention_s(block: Block, layout: Layout, workload: Workload, machine: Machine, stack: Stack) -> tuple[Num, Num]:
    """Forward and backward seconds of the attention core."""
    b, s = layout.micro_batch, workload.seq_len
    heads = ceil(block.n_heads / layout.tp)
    kv_heads = ceil(maximum(block.n_kv_heads, 1.0) / layout.tp)
    v_dim = shapes.value_head_dim(block)
    c = attention_constants(machine, stack)
    reach, packed = shapes.reach_tokens(block), (block.kv_compression, block.shared_kv)
    fused_f = attention_forward_s(b, s, s, heads, kv_heads, block.head_dim, v_dim, reach, c, *packed)
    fused_b = attention_backward_s(b, s, s, heads, kv_heads, block.head_dim, v_dim, reach, c, *packed)
    old = where((stack.attention_generation > 0.5) & (stack.attention_generation < 2.5), stack.attention_old, 1.0)
    fused_f, fused_b = fused_f * old, fused_b * old * stack.attention_backward
    if anywhere(block.index_heads > 0):  # the selection of sparse attention scores every entry, on every rank
        scores = (b, s, s, block.index_heads, 1.0, block.index_dim, 0.0, block.window_tokens, c, block.kv_compression)
        fused_f = fused_f + attention_forward_s(*scores) * (block.index_heads > 0)
        fused_b = fused_b + attention_backward_s(*scores) * (block.index_heads > 0)
    present = where(block.n_heads > 0, 1.0, 0.0) / layout.cp
    if not anywhere(stack.attention_generation < 0.5):
        return fused_f * present, fused_b * present
    high, memory = machine.gemm_high, machine.memory
    plain_f = unfused_attention_s(b, s, s, heads, block.head_dim, v_dim, stack.score_passes, high, memory)
    products = 2.0 * (plain_f - memory_bound_s(b * heads * s * s * stack.score_passes * 2.0, memory))
    plain_b = products + memory_bound_s(b * heads * s * s * stack.score_passes * _SCORE_BYTES_BACK, memory)
    unfused = stack.attention_generation < 0.5
    return where(unfused, plain_f, fused_f) * present, where(unfused, plain_b, fused_b) * present


def _scan(block: Block, tokens: Num, layout: Layout, machine: Machine) -> tuple[Num, Num]:
    """Forward and backward seconds of a linear mixer's scan; the backward pass takes twice the FLOPs."""
    if not anywhere(block.mixer_flop_per_token > 0):
        return 0.0, 0.0
    forward = scan_s(tokens * block.mixer_flop_per_token / layout.tp, machine.gemm_high)
    return forward, 2.0 * forward


def traffic_s(
    shape: Shape, block: Block, tokens: Num, layout: Layout, precision: Precision, machine: Machine, stack: Stack
) -> tuple[Num, Num, Num]:
    """Seconds of a forward pass's element-wise operations (norms, residuals, rotary embedding, activation, expert
    permutation), and of them the norms' and the activation's."""
    d = shape.d_model
    split = where(layout.sequence_parallel > 0, layout.tp, 1.0)
    width = shapes.ffn_active(block) * block.d_ff + block.d_ff_shared
    rotary = 2.0 * (block.n_heads + block.n_kv_heads) * block.head_dim
    # Ranks that share an expert receive each other's tokens.
    moved = 2.0 * (block.top_k + 1.0) * shapes.expert_width(shape, block)
    permuted = where(block.n_experts > 0, moved * layout.etp, 0.0)
    activation = (2.0 + block.gated) * width / layout.tp
    elements = _RESIDUAL_PASSES * d / split + activation + (rotary + permuted) / layout.tp
    size = tokens * precision.residual_bytes * stack.memory_passes
    launch = machine.memory.launch_s
    forward = memory_bound_s(size * elements, machine.memory) + (_TRAFFIC_KERNELS - 1.0) * launch
    # A norm reads and writes once; two a layer.
    norms = memory_bound_s(size * _NORM_PASSES * d / split, machine.memory) + launch
    return forward, norms, memory_bound_s(size * activation, machine.memory)


def casts_s(
    shape: Shape, block: Block, tokens: Num, layout: Layout, precision: Precision, machine: Machine, stack: Stack
) -> tuple[Num, Num, Num]:
    """Seconds to cast and scale the operands of the products: inputs forward, gradients backward, each once for all the
    products that read it; and those of one cast of the weights.
    """
    c = machine.gemm
    if not anywhere(c.cast_bytes > 0):
        return 0.0, 0.0, 0.0
    d, expert = shape.d_model, where(block.n_experts > 0, stack.expert_casts, 1.0)
    width = expert * shapes.ffn_active(block) * block.d_ff / layout.tp + block.d_ff_shared / layout.tp
    routed = where(block.n_experts > 0, expert * block.top_k, 1.0) * shapes.expert_width(shape, block)
    if anywhere(block.expert_latent_dim > 0):  # and what enters and leaves the products around the experts
        narrow = block.expert_latent_dim > 0
        routed = routed + where(narrow, d + block.expert_latent_dim, 0.0) / layout.tp
    inputs = d + routed + block.n_heads * shapes.value_head_dim(block) / layout.tp + width
    heads = (block.n_heads * block.head_dim + block.n_kv_heads * shapes.cached_width(block)) / layout.tp
    outputs = d + routed + heads + (1.0 + block.gated) * width
    low = 1.0 - precision.bf16_layers
    forward, backward = cast_s(tokens * inputs, c), cast_s(tokens * outputs, c)
    weights = cast_s(_weights(shape, block, layout, expert), c) - c.cast_launch_s  # with the inputs, in one launch
    return low * (forward + 3.0 * c.cast_launch_s), low * (backward + 3.0 * c.cast_launch_s), low * weights


def _weights(shape: Shape, block: Block, layout: Layout, expert: Num) -> Num:
    """Elements of the weights of a layer's quantised products on one rank, those of experts by their share `expert`."""
    total: Num = 0.0
    for matrix in shapes.matrices(shape, block, held_part(block, layout)):
        if matrix.kind == "router":
            continue
        routed = expert * maximum(block.n_experts, 1.0) / layout.ep
        held = routed if matrix.kind == "experts" else matrix.copies
        total = total + matrix.only(held * matrix.n * matrix.k)
    return total


def head_s(shape: Shape, tokens: Num, tp: Num, machine: Machine, stack: Stack, trainable: Any) -> Num:
    """Seconds of the products of one micro-batch's logits, forward and backward, on the stage that holds them."""
    forward, backward = _product(tokens, ceil(shape.vocab / tp), shape.d_model, machine.gemm_high, trainable)
    return (forward + backward) * stack.sustained_high


def loss_s(shape: Shape, tokens: Num, tp: Num, machine: Machine) -> Num:
    """Seconds of the loss of one micro-batch, forward and backward."""
    return memory_bound_s(loss_bytes(shape, tokens, tp), machine.memory)


def loss_bytes(shape: Shape, tokens: Num, tp: Num) -> Num:
    """Bytes of the loss of one micro-batch: its fp32 logits are written, read twice, and their gradient is written and
    read in 16 bits."""
    return logits_bytes(tokens, shape.vocab, tp, _LOSS_BYTES)


def _launches(block: Block, layout: Layout, stack: Stack) -> Num:
    """Kernels launched in one layer's forward pass; grouped products still loop over the experts of a rank."""
    local = block.n_experts / layout.ep
    plain = stack.launches_layer + where(layout.tp > 1.0, stack.launches_tensor, 0.0)
    return plain + where(block.n_experts > 0, stack.launches_moe + stack.launches_expert * local, 0.0)


def _one_kind(
    shape: Shape, block: Block, machine: Machine, precision: Precision, layout: Layout, workload: Workload, stack: Stack
) -> dict[str, Num]:
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    trainable = where(workload.trainable_fraction < 0.5, 0.0, 1.0)
    products_f, products_b, modules = kept_products(shape, block, tokens, layout, machine, precision, stack, trainable)
    attention_f, attention_b = attention_s(block, layout, workload, machine, stack)
    scan_f, scan_b = _scan(block, tokens, layout, machine)
    memory_f, norms_f, activation_f = traffic_s(shape, block, tokens, layout, precision, machine, stack)
    cast_f, cast_b, cast_weights = casts_s(shape, block, tokens, layout, precision, machine, stack)
    tp = tensor_parallel(shape, block, tokens, layout, precision, machine, stack)
    ep = expert_parallel(shape, block, tokens, layout, precision, machine, stack)
    return {
        "gemm_f": products_f,
        "gemm_b": products_b,
        "attention_f": attention_f + scan_f,
        "attention_b": attention_b + scan_b,
        "memory_f": memory_f,
        "memory_b": 2.0 * memory_f,
        "cast_f": cast_f,
        "cast_b": cast_b,
        "cast_weights": cast_weights,
        "tp_f": tp,
        "tp_b": tp,
        "cp_f": context_parallel(block, tokens, layout, precision, machine, stack, attention_f),
        "cp_b": context_parallel(block, 2.0 * tokens, layout, precision, machine, stack, attention_b),
        "ep_f": ep,
        "ep_b": ep,
        "launches_f": _launches(block, layout, stack),
        "norms_f": norms_f,
        "activation_f": activation_f,
        **{f"{name}_f": modules.get(name, 0.0) for name in MODULES},
    }


def layer_times(
    shape: Shape, machine: Machine, precision: Precision, layout: Layout, workload: Workload, stack: Stack
) -> LayerTimes:
    """Seconds of the mean layer of `shape` and of its head, a micro-batch (see LayerTimes).

    The machine's constants are taken under a long load: a training step heats the part like no benchmark burst does.
    """
    return with_weight_casts(shared_times(shape, machine, precision, layout, workload, stack), layout, workload)


def with_weight_casts(times: LayerTimes, layout: Layout, workload: Workload) -> LayerTimes:
    """The times with the casts of weights: once a step, or in each micro-batch where weights are gathered anew."""
    if not anywhere(times.cast_weights > 0):
        return times
    often = where(layout.zero > 2.5, 1.0, 1.0 / micro_batches(layout, workload))
    return msgspec.structs.replace(times, cast_f=times.cast_f + often * times.cast_weights)


def shared_times(
    shape: Shape, machine: Machine, precision: Precision, layout: Layout, workload: Workload, stack: Stack
) -> LayerTimes:
    """`layer_times` without the casts of weights: the part that layouts of one tp, cp, ep, etp and micro-batch share,
    whatever their replicas, batch and ZeRO stage."""
    machine = sustained(machine)
    count = shapes.layers(shape)
    total: dict[str, Num] = {}
    for block in shape.blocks:
        share = block.count / count
        one = _one_kind(shape, block, machine, precision, layout, workload, stack)
        total = {name: total.get(name, 0.0) + share * value for name, value in one.items()}
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    trainable = where(workload.trainable_fraction < 0.5, 0.0, 1.0)
    head = head_s(shape, tokens, layout.tp, machine, stack, trainable)
    return LayerTimes(head_s=head, loss_s=loss_s(shape, tokens, layout.tp, machine), **total)
