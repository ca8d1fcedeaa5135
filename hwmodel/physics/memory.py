"""Bytes at the peak of a training step on one accelerator, by pipeline stage.

Weights, gradients and optimizer states follow the ZeRO stage; activations follow what the backward pass needs (arXiv
2205.05198), with the micro-batches in flight under the schedule; logits, gathered weights and waste come on top.
"""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.physics import shape as shapes
from hwmodel.physics.columns import absent, anywhere
from hwmodel.physics.formulas import activations_bytes, logits_bytes, reserve_bytes, shared_params
from hwmodel.physics.schedule import copies, ends_meet, holds_head, in_flight, micro_batches
from hwmodel.physics.stages import LayerShard, data_ranks, layer_shard, layers_per_stage, vocabulary_matrices
from hwmodel.specs import Block, Layout, MemoryTerms, Precision, Shape, Stack, Workload

STAGES = ("first", "middle", "last")
# Bytes that unfused attention keeps of a score: softmax and what dropout leaves in 16 bits each, its mask in 8 (arXiv
# 2205.05198 equation 1).
SCORE_BYTES = 5.0
OFFLOAD_LAYERS = 2.0  # layers whose activations are on the accelerator on their way to the host and back


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that one layer saves for one token, all of them and by the module whose repetition does without them.

    `norms`: their outputs, which products read; `activation`: what enters the second product of the feed-forward
    network; `products`: outputs of products that attention and activations read; `network`: all that this network
    saves; `entry`: the layer's input alone.
    """

    whole: Num
    entry: Num
    norms: Num
    activation: Num
    attention: Num
    up_projections: Num
    products: Num
    network: Num
    shared_experts: Num


def _layer_bytes_per_token(
    shape: Shape, block: Block, layout: Layout, precision: Precision, stack: Stack, seq_len: Num
) -> _Saved:
    d, r, a = shape.d_model, precision.residual_bytes, precision.mean_activation_bytes
    v_dim = shapes.value_head_dim(block)
    split = where(layout.sequence_parallel > 0, layout.tp, 1.0)
    heads = ceil(block.n_heads / layout.tp)
    kv = ceil(block.n_kv_heads / layout.tp)
    # What attention returns enters the output product as it is, or cast where products read a narrower format.
    returned = v_dim * (r + where(a < r, a, 0.0))
    expanded = heads * block.head_dim * r + kv * shapes.cached_width(block) * r
    latents = (block.q_lora_rank + block.kv_lora_rank + block.rope_dim) * 2.0 * r
    unfused = stack.attention_generation < 0.5
    scores = where(unfused, heads * seq_len * SCORE_BYTES, 0.0) if anywhere(unfused) else 0.0
    moe = block.n_experts > 0
    routed = where(moe, block.top_k * block.d_ff * stack.imbalance, block.d_ff) / layout.tp
    read = shapes.expert_width(shape, block)
    permuted = where(moe, block.top_k * read * a * layout.etp / layout.tp, 0.0)  # each token at each of its experts
    if anywhere(block.expert_latent_dim > 0):  # what they return enters the product that widens it again
        permuted = permuted + block.expert_latent_dim * a / layout.tp
    entered = where(stack.narrow_saved > 0, minimum(a, r), r)
    wide, shared = (1.0 + block.gated) * entered + a, block.d_ff_shared / layout.tp
    network = routed * wide + permuted
    outputs = 2.0 * a * d / split
    whole = 2.0 * r * d / split + outputs + expanded + heads * returned + latents + network + shared * wide + scores
    return _Saved(
        whole=whole,
        entry=r * d / split,
        norms=outputs,
        activation=(routed + shared) * a,
        attention=scores,
        up_projections=where(block.kv_lora_rank > 0, expanded, 0.0),
        products=expanded + (routed + shared) * (wide - a),
        network=network,
        shared_experts=shared * wide,
    )


def _dropped(saved: _Saved, block: Block, layout: Layout) -> Num:
    """Bytes a token of what a layer computes again by modules instead of keeping it."""
    network = where(block.n_experts > 0, layout.recompute_experts, layout.recompute_mlp)
    dropped: Num = 0.0
    for share, size in (
        (layout.recompute_norms, saved.norms),
        (layout.recompute_activation * (1.0 - network), saved.activation),
        (layout.recompute_attention, saved.attention),
        (layout.recompute_up_projections, saved.up_projections),
        (layout.recompute_shared_experts, saved.shared_experts),
        (layout.recompute_products, saved.products),
        (network, saved.network),
    ):
        if anywhere(share > 0):
            dropped = dropped + share * size
    return dropped


def layer_activations(
    shape: Shape, layout: Layout, precision: Precision, stack: Stack, seq_len: Num
) -> tuple[Num, Num]:
    """Bytes a token that the mean layer keeps under the layout's recomputation, and that it needs while it computes."""
    count = shapes.layers(shape)
    kept: Num = 0.0
    work: Num = 0.0
    layers = layout.recompute_layers
    for block in shape.blocks:
        saved = _layer_bytes_per_token(shape, block, layout, precision, stack, seq_len)
        dropped = _dropped(saved, block, layout)
        lean = saved.whole - dropped
        share = block.count / count
        kept = kept + share * ((1.0 - layers) * lean + layers * saved.entry)
        again = where(layers > 0, saved.whole, dropped)
        work = work + share * (again + stack.workspace_layers * lean)
    return kept, work


class _Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """Between how many ranks the dense part and the experts of a state are divided."""

    dense: Num
    experts: Num


def _sharing(layout: Layout, shard: LayerShard) -> dict[str, _Ranks]:
    """The ranks that share each state: ZeRO shards one more from its first, second and third stage on."""
    dense, experts = data_ranks(layout)
    found = {}
    for stage, state in enumerate(("optimizer", "gradients", "weights"), start=1):
        cut = layout.zero > stage - 0.5
        of_experts = 1.0 if absent(shard.experts) else where(cut, experts, 1.0)
        found[state] = _Ranks(dense=where(cut, dense, 1.0), experts=of_experts)
    return found


class _OfAll(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every stage of a layout."""

    shard: LayerShard
    sharing: dict[str, _Ranks]
    ends: Num  # vocabulary matrices of an end stage
    trainable: Num
    micro_batches: Num
    tokens: Num  # of a micro-batch on a rank
    saved: Num  # bytes of them that a layer keeps, and what it needs while it computes
    work: Num
    logits: Num  # bytes where a stage computes them
    gathered: Num  # bytes of a sequence-parallel rank's whole input


def _of_all_stages(shape: Shape, precision: Precision, layout: Layout, workload: Workload, stack: Stack) -> _OfAll:
    shard = layer_shard(shape, layout)
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    saved, work = layer_activations(shape, layout, precision, stack, workload.seq_len)
    each = stack.logits_bytes
    if anywhere(stack.logits_sharded_bytes > 0):
        each = where((layout.zero > 2.5) & (stack.logits_sharded_bytes > 0), stack.logits_sharded_bytes, each)
    # A sequence-parallel rank gathers its whole input before each product.
    gathers = layout.sequence_parallel * (layout.tp - 1.0) > 0
    return _OfAll(
        shard=shard,
        sharing=_sharing(layout, shard),
        ends=vocabulary_matrices(shape, layout),
        trainable=workload.trainable_fraction,
        micro_batches=micro_batches(layout, workload),
        tokens=tokens,
        saved=saved,
        work=work,
        logits=logits_bytes(tokens, shape.vocab, layout.tp, each),
        gathered=where(gathers, tokens * shape.d_model * stack.gathered_bytes, 0.0),
    )


def _states(
    layers_here: Num, outside: Num, of_all: _OfAll, layout: Layout, precision: Precision, stack: Stack
) -> tuple[Num, Num, Num, Num]:
    """Bytes of weights, gradients, optimizer states and of gathered or spare copies on one rank."""
    shard, trainable = of_all.shard, of_all.trainable
    held_layers = layers_here * copies(layout)
    dense = held_layers * (shard.dense + shard.vectors) + outside
    experts = held_layers * shard.experts
    held = {
        state: shared_params(dense, ranks.dense, 0.0 if absent(shard.experts) else experts, ranks.experts)
        for state, ranks in of_all.sharing.items()
    }
    gradient = where(stack.gradient_bytes > 0, stack.gradient_bytes, precision.gradient_bytes)
    # Fully sharded: two layers are whole at a time; stages of a pipeline keep theirs whole, weights and gradients,
    # until the last micro-batch has passed (torchtitan, `reshard_after_forward = not pp_enabled`).
    whole = (dense + experts) * (precision.weight_comm_bytes + precision.gradient_comm_bytes * trainable)
    two = 2.0 * shard.layer * precision.weight_comm_bytes
    gathered = where(layout.zero > 2.5, where(layout.pp > 1.5, whole, two), 0.0)
    spare = stack.parameter_buffer_bytes * held["weights"] * trainable
    states = precision.master_bytes + precision.moment_bytes
    # Frozen weights keep neither gradients nor states.
    return (
        precision.mean_weight_bytes * held["weights"],
        gradient * held["gradients"] * trainable,
        states * held["optimizer"] * trainable * (1.0 - layout.offload_optimizer),
        gathered + spare,
    )


def _stage_memory(
    stage: str, layers_here: Num, of_all: _OfAll, precision: Precision, layout: Layout, stack: Stack
) -> MemoryTerms:
    shard, head = of_all.shard, holds_head(stage, layout)
    matrices = of_all.ends if stage == "first" else of_all.ends * head
    tables = shard.lookup
    if stage != "first" and not absent(shard.lookup):
        tables = where((layout.pp < 1.5) | (ends_meet(layout) & (head > 0)), shard.lookup, 0.0)
    outside = matrices * shard.vocabulary + tables
    weights, gradients, optimizer, buffers = _states(layers_here, outside, of_all, layout, precision, stack)
    here = layers_here * in_flight(stage, layout, of_all.micro_batches, stack)
    if anywhere(layout.offload_activations > 0):
        here = where(layout.offload_activations > 0, minimum(here, OFFLOAD_LAYERS), here)
    activations = activations_bytes(of_all.tokens, of_all.saved, here, of_all.work, stack.activation_overhead)
    logits = head * of_all.logits
    held = weights + gradients + optimizer + activations + logits + buffers + of_all.gathered
    return MemoryTerms(
        weights_bytes=weights,
        gradients_bytes=gradients,
        optimizer_bytes=optimizer,
        activations_bytes=activations,
        logits_bytes=logits,
        buffers_bytes=buffers + of_all.gathered,
        reserve_bytes=reserve_bytes(stack.context_bytes, stack.fragmentation, held),
    )


def late_bytes(shape: Shape, layout: Layout, workload: Workload, stack: Stack) -> Num:
    """Bytes of gathered inputs that are freed late, where nothing between the stages of a pipeline makes the host wait.

    An allocator that runs short takes them back, so that they are no part of what a layout needs.
    """
    tokens = layout.micro_batch * workload.seq_len / layout.cp
    alone = (layout.pp < 1.5) & (layout.tp > 1.5)
    return where(alone, tokens * shape.d_model * stack.late_bytes, 0.0)


def memory_by_stage(
    shape: Shape,
    precision: Precision,
    layout: Layout,
    workload: Workload,
    stack: Stack,
    names: tuple[str, ...] = STAGES,
) -> dict[str, MemoryTerms]:
    """Peak bytes on the first, a middle and the last pipeline stage (equal where there is one)."""
    of_all = _of_all_stages(shape, precision, layout, workload, stack)
    stages = layers_per_stage(shape, layout, stack)
    return {name: _stage_memory(name, getattr(stages, name), of_all, precision, layout, stack) for name in names}


def _that_differ(layout: Layout) -> tuple[str, ...]:
    """The stages to look at: the first stands for all where no layout has more than one."""
    return STAGES if anywhere(layout.pp > 1.5) else STAGES[:1]


def peak_memory(shape: Shape, precision: Precision, layout: Layout, workload: Workload, stack: Stack) -> MemoryTerms:
    """Peak bytes on the fullest stage, by term. A middle stage never exceeds the first unless it has more layers."""
    fullest, *others = memory_by_stage(shape, precision, layout, workload, stack, _that_differ(layout)).values()
    for terms in others:
        more = terms.total_bytes > fullest.total_bytes
        fullest = MemoryTerms(
            **{f: where(more, getattr(terms, f), getattr(fullest, f)) for f in MemoryTerms.__struct_fields__}
        )
    return fullest


def peak_bytes(shape: Shape, precision: Precision, layout: Layout, workload: Workload, stack: Stack) -> Num:
    """Peak bytes on the fullest stage, all terms together: a search looks at no more."""
    fullest, *others = memory_by_stage(shape, precision, layout, workload, stack, _that_differ(layout)).values()
    most = fullest.total_bytes
    for terms in others:
        most = maximum(most, terms.total_bytes)
    return most
