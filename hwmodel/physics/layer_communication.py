"""Seconds of one layer's communication, one micro-batch: tensor, context and expert parallelism."""

from __future__ import annotations

from hwmodel.ops import Num, log, maximum, minimum, where
from hwmodel.physics import shape as shapes
from hwmodel.physics.collectives import all_gather_s, all_reduce_s, exchange, exchange_s, point_to_point_s
from hwmodel.physics.columns import anywhere
from hwmodel.physics.formulas import ring_exposed_s, tensor_exposed_s
from hwmodel.specs import Block, Layout, Precision, Shape, Stack
from hwmodel.specs.kernels import Machine

_LN2 = 0.6931471805599453  # the natural logarithm of 2


def slower_network(domains: Num, stack: Stack) -> Num:
    """Time of transfers between `domains` scale-up domains over that of the collective law."""
    crowd = 1.0 + stack.contention * log(maximum(domains, 1.0)) / _LN2
    return crowd / stack.network_fraction


def tensor_parallel(
    shape: Shape, block: Block, tokens: Num, layout: Layout, precision: Precision, machine: Machine, stack: Stack
) -> Num:
    """Exposed seconds of one pass of tensor-parallel communication (the backward pass has the same)."""
    if not anywhere(layout.tp > 1.0):
        return 0.0
    net = machine.network
    near = minimum(layout.tp, net.domain)
    pass_s = _pass_s(tokens * shape.d_model * precision.residual_bytes, layout, machine)
    slower = where(layout.tp > near, slower_network(layout.tp / near, stack), 1.0)
    # Ranks that share an expert gather its tokens after they were dispatched: once for each expert that a token takes.
    copies = where(layout.ep > 1.0, block.top_k, 1.0)
    experts = where(layout.etp < 1.5, 0.0, copies)
    attended, network = where(block.n_heads > 0, 1.0, 0.0), where(block.n_experts > 0, experts, 1.0)
    if not anywhere(block.expert_latent_dim > 0):
        return where(layout.tp > 1.0, tensor_exposed_s(pass_s, slower, attended + network, stack.tp_overlap), 0.0)
    narrow_s = _pass_s(tokens * block.expert_latent_dim * precision.residual_bytes, layout, machine)
    second_s = where(block.expert_latent_dim > 0, narrow_s, pass_s)
    exchanged = tensor_exposed_s(pass_s, slower, attended, stack.tp_overlap)
    return where(layout.tp > 1.0, exchanged + tensor_exposed_s(second_s, slower, network, stack.tp_overlap), 0.0)


def _pass_s(size: Num, layout: Layout, machine: Machine) -> Num:
    """Seconds in which tensor-parallel ranks gather `size` bytes and scatter as many sums, or sum them all."""
    net, near = machine.network, minimum(layout.tp, machine.network.domain)
    pass_s: Num = 0.0
    if anywhere(layout.sequence_parallel > 0):
        pass_s = 2.0 * all_gather_s(size, layout.tp, near, net)  # the sums are scattered in the same time
    if anywhere((layout.tp > 1.0) & (layout.sequence_parallel <= 0)):
        pass_s = where(layout.sequence_parallel > 0, pass_s, all_reduce_s(size, layout.tp, near, net))
    return pass_s


def context_parallel(
    block: Block, tokens: Num, layout: Layout, precision: Precision, machine: Machine, stack: Stack, attention: Num
) -> Num:
    """Exposed seconds of passing keys and values round the context-parallel ring under `attention` seconds."""
    if not anywhere(layout.cp > 1.0):
        return 0.0
    net = machine.network
    width = block.n_kv_heads * shapes.cached_width(block) / block.kv_compression
    latent = block.kv_lora_rank + block.rope_dim
    size = tokens * where(block.kv_lora_rank > 0, latent, width / layout.tp) * precision.residual_bytes
    crosses = where(layout.tp * layout.cp > net.domain, 1.0, 0.0)
    ring = (layout.cp - 1.0) * point_to_point_s(size, crosses, net)
    return where(layout.cp > 1.0, ring_exposed_s(ring, attention, stack.cp_overlap), 0.0)


def _distinct(picks: Num, places: Num) -> Num:
    """Mean number of different places that `picks` random choices among `places` fall on."""
    return places * (1.0 - (1.0 - 1.0 / maximum(places, 1.0)) ** picks)


def expert_parallel(
    shape: Shape, block: Block, tokens: Num, layout: Layout, precision: Precision, machine: Machine, stack: Stack
) -> Num:
    """Seconds of one pass's dispatch and combine (two all-to-alls)."""
    if not anywhere((layout.ep > 1.0) & (block.n_experts > 0)):
        return 0.0
    net = machine.network
    inside = maximum(net.domain / where(layout.etp > 1.0, layout.tp, 1.0), 1.0)
    near = minimum(layout.ep, inside)
    domains = layout.ep / near
    # A token goes once to each rank that holds one of its experts, and once over the network to each such domain.
    sent = tokens / layout.tp * shapes.expert_width(shape, block) * precision.residual_bytes
    among = exchange(layout.ep, near, net)
    one = exchange_s(sent * _distinct(block.top_k, layout.ep), among, net)
    if anywhere(domains > 1.0):
        reached = minimum(domains, block.top_groups)
        across = exchange_s(sent * _distinct(block.top_k, reached), among, net)
        one = where(domains > 1.0, across, one)
    return where((layout.ep > 1.0) & (block.n_experts > 0), 2.0 * one * stack.imbalance, 0.0)
