"""Seconds of one pass of a serving engine: a decode step, or the prefill of new prompt tokens.

Both are the same layers over different numbers of tokens, from the kernels and collectives of training. Inputs are
numbers or columns; a part of a layer that is absent as a plain zero is skipped, in a column it is masked.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import msgspec

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.physics import alike, collectives
from hwmodel.physics.alike import Once
from hwmodel.physics.collectives import all_reduce_fast_s, all_reduce_s, point_to_point_s
from hwmodel.physics.columns import absent, anywhere, everywhere, only
from hwmodel.physics.kernels import (
    attention_decode_s,
    attention_forward_s,
    gemm_s,
    memory_bound_s,
    mla_decode_s,
    scan_s,
)
from hwmodel.physics.serving_formulas import gaps_s, handed_s, host_s, kernel_level, last_rank_s, paced_s
from hwmodel.physics.serving_launches import kernels
from hwmodel.physics.serving_products import choose_gemm, kv_heads_per_rank, products_s, which_gemm
from hwmodel.physics.shape import expert_width, layers, reach_tokens, value_head_dim
from hwmodel.specs.kernels import GemmConstants, Machine
from hwmodel.specs.serving import DecodeTerms, Engine, ServingFormats, ServingLayout
from hwmodel.specs.shape import Block, Shape


class Pass(NamedTuple):
    """What one pass over the model carries, on each attention rank: `sequences` that decode, each `verified` tokens
    over a cache of `context`; and `prompts` being prefilled, each with `new_tokens` computed and `seen` tokens seen
    (more than the new ones where a prefix was cached). A plain zero leaves a part out."""

    sequences: Num = 0.0
    context: Num = 0.0
    prompts: Num = 0.0
    new_tokens: Num = 0.0
    seen: Num = 0.0
    verified: Num = 1.0

    @property
    def tokens(self) -> Num:
        return self.sequences * self.verified + self.prompts * self.new_tokens

    @property
    def logit_rows(self) -> Num:
        return self.sequences * self.verified + self.prompts


def stage_unevenness(shape: Shape, stages: Num) -> Num:
    """Layers of the fullest pipeline stage over the mean: it sets the memory and, in a full pipeline, the pace."""
    if isinstance(stages, (int, float)) and stages == 1:
        return 1.0
    count = layers(shape)
    return ceil(count / stages) * stages / count


def captured(machine: Machine) -> Machine:
    """The machine whose kernels pay no stand-alone launch: captured graphs pay the engine's `kernel_s` instead."""
    change = msgspec.structs.replace
    return change(
        machine,
        gemm=change(machine.gemm, launch_s=0.0, group_launch_s=0.0, cast_launch_s=0.0),
        gemm_high=change(machine.gemm_high, launch_s=0.0, group_launch_s=0.0, cast_launch_s=0.0),
        attention=change(machine.attention, launch_s=0.0, decode_launch_s=0.0, mla_decode_launch_s=0.0),
        memory=change(machine.memory, launch_s=0.0),
    )


def attention_core_s(
    block: Block, p: Pass, layout: ServingLayout, kv_bytes: Num, machine: Machine, reread: Num = 0.0
) -> Num:
    """Seconds of one layer's attention cores on one rank; `reread` is the engine's `kv_reread`."""
    tp, split = layout.tp, layout.kv_split
    heads, kv_heads, v_dim = block.n_heads / tp, kv_heads_per_rank(block, tp), value_head_dim(block)
    c = machine.attention
    total: Num = 0.0
    reach, packed = reach_tokens(block), (block.kv_compression, block.shared_kv)
    if not absent(p.prompts):
        at = (p.prompts, p.new_tokens, p.seen, heads, kv_heads, block.head_dim, v_dim)
        total = attention_forward_s(*at, reach, c, *packed)
    if not absent(p.sequences):
        rows, context = p.sequences / split, minimum(p.context, reach) / block.kv_compression
        # Kernels that take one query head at a time read the cache of a group again for each, partly from near caches.
        read = kv_heads if absent(reread) else kv_heads * maximum(heads / maximum(kv_heads, 1e-9), 1.0) ** reread
        # The tokens of one sequence that are verified together read its cache once, like so many more heads.
        queries = heads * split * p.verified
        core: Num = 0.0
        latent = block.kv_lora_rank > 0
        if not everywhere(latent):
            widths = (queries, read, block.head_dim, v_dim)
            core = attention_decode_s(rows, context, *widths, kv_bytes, c, block.shared_kv)
        if anywhere(latent):
            ranks = (block.kv_lora_rank, block.rope_dim)
            core = where(latent, mla_decode_s(rows, context, queries, *ranks, kv_bytes, c), core)
        total = total + core
    return only(block.n_heads > 0, total)


def index_scores_s(block: Block, p: Pass, kv_bytes: Num, machine: Machine) -> Num:
    """Seconds in which one layer's indexer scores every entry of the cache for what its attention then selects.

    Every tensor-parallel rank scores for all heads: index keys are one head, held whole by each.
    """
    if not anywhere(block.index_heads > 0):
        return 0.0
    total: Num = 0.0
    c, heads, dim = machine.attention, block.index_heads, maximum(block.index_dim, 1.0)
    if not absent(p.prompts):
        at = (p.prompts, p.new_tokens, p.seen, heads, 1.0, dim, 0.0, block.window_tokens, c, block.kv_compression)
        total = attention_forward_s(*at)
    if not absent(p.sequences):
        entries = minimum(p.context, block.window_tokens) / block.kv_compression
        total = total + attention_decode_s(p.sequences, entries, heads * p.verified, 1.0, dim, 0.0, kv_bytes, c)
    return only(block.index_heads > 0, total)


def mixer_scan_s(block: Block, p: Pass, tp: Num, machine: Machine) -> Num:
    """Seconds of one layer's linear-attention or state-space mixer beside its products: its scan, or its state."""
    if absent(block.mixer_flop_per_token) and absent(block.mixer_state_elements):
        return 0.0
    scan = scan_s(p.tokens * block.mixer_flop_per_token / tp, machine.gemm_high)
    state = memory_bound_s(8.0 * (p.sequences + p.prompts) * block.mixer_state_elements / tp, machine.memory)
    return only(block.mixer_flop_per_token > 0, maximum(scan, state))


def elementwise_bytes(shape: Shape, block: Block, m: Num, layout: ServingLayout) -> Num:
    """Bytes of one layer's norms, rotary embedding, cache writes, activation and expert shuffles on one rank."""
    d, tp = shape.d_model, layout.tp
    norms = 16.0 * m * d  # two fused residual-and-norm kernels: two reads and two writes each
    heads = (block.n_heads * 2.0 * block.head_dim + 2.0 * block.n_kv_heads * block.head_dim) / tp
    width = where(block.n_experts > 0, block.d_ff_shared, block.d_ff) / tp
    read = expert_width(shape, block)
    routed = block.top_k * (block.d_ff / layout.moe_tp * (1.0 + block.gated) + 3.0 * read) / layout.ep * layout.dp
    return norms + 2.0 * m * (heads + (2.0 + block.gated) * width + only(block.n_experts > 0, routed))


def sum_s(size_bytes: Num, ranks: Num, engine: Engine, machine: Machine) -> Num:
    """Seconds of one all-reduce: the engine's fused kernel inside a domain, else the library's; and the wait for the
    last rank."""
    net = machine.network
    inside = ranks <= net.domain
    one = all_reduce_fast_s(size_bytes, minimum(ranks, net.domain), net)
    if not everywhere(inside):
        one = where(inside, one, all_reduce_s(size_bytes, ranks, minimum(ranks, net.domain), net))
    return only(ranks > 1.0, one + last_rank_s(engine.collective_s, ranks))


def norm_sum_s(block: Block, m: Num, tp: Num, engine: Engine, machine: Machine) -> Num:
    """Seconds in which ranks sum the variances of queries and keys that are normed over all heads (4 bytes each:
    vLLM, `MiniMaxText01RMSNormTP.forward_qk`)."""
    if everywhere(block.whole_qk_norm <= 0):
        return 0.0
    return only(block.whole_qk_norm > 0, sum_s(8.0 * m, tp, engine, machine))


def sums_s(block: Block, m: Num, layout: ServingLayout, one: Num, engine: Engine, machine: Machine) -> Num:
    """Seconds of the sums of one layer's tensor-parallel ranks, `one` of a hidden state each. Under attention-data
    parallelism the exchange of experts takes the place of the second."""
    after = only((block.n_experts == 0) | (layout.dp == 1.0), one)
    return one + after + norm_sum_s(block, m, layout.tp, engine, machine)


def exchange_s(shape: Shape, block: Block, m: Num, layout: ServingLayout, act_bytes: Num, machine: Machine) -> Num:
    """Seconds to send tokens to their experts and back under attention-data parallelism: the cheaper of an exchange
    of routed copies and a gather of all tokens."""
    if absent(block.n_experts) or everywhere(layout.dp <= 1.0):
        return 0.0
    net, ranks, d = machine.network, layout.stage_accelerators, expert_width(shape, block)
    near = minimum(ranks, net.domain)
    copies = m * minimum(block.top_k, ranks) * d / layout.tp
    there, back = copies * act_bytes, copies * 2.0
    to_experts = collectives.exchange(ranks, near, net)
    sent = collectives.exchange_s(there, to_experts, net) + collectives.exchange_s(back, to_experts, net)
    full, among = m * layout.dp * d, collectives.group(ranks, near, net)
    # What the experts return is scattered as fast as it was gathered.
    gathered = collectives.gather_s(full * act_bytes, among, net) + collectives.gather_s(full * 2.0, among, net)
    return only((block.n_experts > 0) & (layout.dp > 1.0), minimum(sent, gathered))


def cores_s(block: Block, p: Pass, layout: ServingLayout, kv_bytes: Num, machine: Machine, reread: Num = 0.0) -> Num:
    """Seconds of one layer's attention cores, its indexer and its scan on one rank."""
    core, index = (
        attention_core_s(block, p, layout, kv_bytes, machine, reread),
        index_scores_s(block, p, kv_bytes, machine),
    )
    return core + index + mixer_scan_s(block, p, layout.tp, machine)


def layers_terms(
    shape: Shape,
    formats: ServingFormats,
    p: Pass,
    layout: ServingLayout,
    engine: Engine,
    machine: Machine,
) -> tuple[Num, Num, Num, Num, Num, Num]:
    """Seconds of all layers: (dense products, experts, attention, memory-bound, tensor-parallel, expert exchange)."""
    gemm: Num = 0.0
    experts: Num = 0.0
    attention: Num = 0.0
    moved: Num = 0.0
    tp_s: Num = 0.0
    ep_s: Num = 0.0
    m, once = p.tokens, Once()
    one = sum_s(2.0 * m * shape.d_model, layout.tp, engine, machine)
    for block in shape.blocks:
        high = only(block.n_experts > 0, formats.experts_only)
        c = choose_gemm(high, machine.gemm, machine.gemm_high)
        products = partial(products_s, shape, block, m, layout, engine, machine, c, formats, once)
        dense, routed_s = once.of(block, alike.PRODUCTS, products, which_gemm(c, machine))
        gemm, experts = gemm + block.count * dense, experts + block.count * routed_s
        cores = partial(cores_s, block, p, layout, formats.kv_bytes, machine, engine.kv_reread)
        attention = attention + block.count * once.of(block, alike.ATTENTION, cores)
        moved = moved + block.count * once.of(block, alike.SIZES, partial(elementwise_bytes, shape, block, m, layout))
        sums = partial(sums_s, block, m, layout, one, engine, machine)
        tp_s = tp_s + block.count * once.of(block, alike.SUMS, sums)
        exchange = partial(exchange_s, shape, block, m, layout, formats.activation_bytes, machine)
        ep_s = ep_s + block.count * once.of(block, alike.ROUTING, exchange)
    return gemm, experts, attention, memory_bound_s(moved, machine.memory), tp_s, ep_s


def peak_share(m: Num, c: GemmConstants) -> Num:
    """Share of a product's time that the peak bandwidth, or for more than a few rows the peak rate, would still take:
    an engine may beat the measured kernels, never the peaks behind them."""
    ridge = 0.5 * c.b_bytes * c.peak_flop_per_s / c.hbm_bytes_per_s
    return maximum(c.hbm_fraction, only(m > ridge, c.efficiency))


def hops_s(shape: Shape, p: Pass, layout: ServingLayout, machine: Machine) -> Num:
    """Seconds of handing one pass from pipeline stage to pipeline stage."""
    if everywhere(layout.pp <= 1.0):
        return 0.0
    crosses = where(layout.accelerators > machine.network.domain, 1.0, 0.0)
    hop = point_to_point_s(2.0 * p.tokens * shape.d_model / layout.tp, crosses, machine.network)
    return handed_s(layout.pp, hop)


def pass_terms(
    shape: Shape, formats: ServingFormats, p: Pass, layout: ServingLayout, engine: Engine, machine: Machine
) -> DecodeTerms:
    """Terms of one pass of all pipeline stages over one batch."""
    m = captured(machine)
    gemm, experts, attention, moved, tp_s, ep_s = layers_terms(shape, formats, p, layout, engine, m)
    level = kernel_level(engine.level, engine.gemm_level, peak_share(p.tokens, m.gemm))
    pace = stage_unevenness(shape, layout.pp)
    of_attention = kernel_level(engine.level, engine.attention_level, m.attention.decode_hbm_fraction)
    return DecodeTerms(
        gemm_s=paced_s(gemm, pace, level),
        experts_s=paced_s(experts, pace, level),
        attention_s=paced_s(attention, pace, of_attention),
        memory_bound_s=paced_s(moved, pace, engine.level),
        logits_s=engine.level * gemm_s(p.logit_rows, shape.vocab / layout.tp, shape.d_model, m.gemm_high),
        tp_s=pace * tp_s,
        ep_s=pace * ep_s,
        pp_s=hops_s(shape, p, layout, m),
        kernel_gap_s=gaps_s(engine.kernel_s, kernels(shape, formats, engine, layout.tp)),
        host_s=host_s(engine.step_s, engine.sequence_s, p.sequences),
    )
