"""Formulas of the terms of a step, each from its own few numbers.

The step evaluates them on numbers and columns; `explain` on the numbers of an answer, and on symbols.
"""

from __future__ import annotations

from hwmodel.ops import Num, ceil, log, maximum, minimum, sqrt
from hwmodel.physics.kernels import memory_bound_s
from hwmodel.specs.kernels import MemoryConstants

_LN2 = 0.6931471805599453  # the natural logarithm of 2
_TINY = 1e-30  # keeps a division from zero
# Of the ring of contexts, what stays exposed however long attention takes: its first exchange, before any attention
# has begun (unconfirmed).
_RING_EXPOSED = 0.05
# Over how much of an exchange's own length the corner is rounded between hidden and exposed: messages and kernels of
# single layers do not line up (unconfirmed).
_CORNER = 0.1


def levelled(forward_s: Num, backward_s: Num, level: Num) -> Num:
    """Both passes at the level of a stack: that of its products and attention; bytes and transfers have their own."""
    return (forward_s + backward_s) * level


def at_level(products_s: Num, level: Num, bytes_s: Num) -> Num:
    """Products and attention at the level of a stack, and what only moves bytes."""
    return products_s * level + bytes_s


def passes_s(forward_s: Num, backward_s: Num, beside_s: Num) -> Num:
    """Both passes, and what a layer does beside them."""
    return forward_s + backward_s + beside_s


def with_again(forward_s: Num, backward_s: Num, again: Num) -> Num:
    """Both passes, and the share `again` of the forward one that recomputation repeats."""
    return forward_s + backward_s + again * forward_s


def kept_in_16_bits(low_s: Num, high_s: Num, share: Num, low_factor: Num, high_factor: Num) -> Num:
    """Seconds of a mean layer of which a share stays in 16 bits, each at its factor under a long load."""
    return (1.0 - share) * low_factor * low_s + share * high_factor * high_s


def accumulate_s(params: Num, gradient_bytes: Num, passes: Num, c: MemoryConstants) -> Num:
    """Seconds to read gradients of `params` and add them to their accumulator, `passes` times over."""
    return 2.0 * gradient_bytes * params * passes / (c.hbm_bytes_per_s * c.hbm_fraction)


def host_s(launches: Num, host_op_s: Num, host_tensor: Num, tp: Num, pipeline: Num) -> Num:
    """Seconds in which the host launches the kernels of a layer; tensor ranks and pipelines make a launch slower."""
    return launches * host_op_s * ((1.0 + host_tensor * (tp - 1.0)) * pipeline)


def launch_wait_s(device_s: Num, host: Num, host_mixed: Num) -> Num:
    """Seconds that the host adds where it launches kernels more slowly than the device runs them.

    The longer of the two, and a part of the shorter that grows as they near each other: some kernels of a layer are
    shorter than their launch although the layer is not.
    """
    longer, shorter = maximum(device_s, host), minimum(device_s, host)
    return longer - device_s + host_mixed * shorter * shorter / maximum(longer, _TINY)


def optimizer_s(owned_params: Num, bytes_per_param: Num, on_device: Num, c: MemoryConstants) -> Num:
    """Seconds of the optimizer on the accelerator, for the share of it that is not on the host."""
    return memory_bound_s(owned_params * bytes_per_param, c) * on_device


def activations_wait_s(share: Num, micro_batches: Num, saved_bytes: Num, link_bytes_per_s: Num, compute_s: Num) -> Num:
    """Exposed seconds of activations that go to the host and come back under each micro-batch."""
    return share * micro_batches * maximum(2.0 * saved_bytes / link_bytes_per_s - compute_s, 0.0)


def host_optimizer_s(
    share: Num, owned_params: Num, bytes_per_param: Num, link_bytes_per_s: Num, params_per_s: Num
) -> Num:
    """Seconds of an optimizer on the host's cores: gradients over, weights back (arXiv 2101.06840)."""
    return share * owned_params * (bytes_per_param / link_bytes_per_s + 1.0 / params_per_s)


def transfers(micro_batches: Num, vpp: Num, pp: Num, overlap: Num) -> Num:
    """Transfers between pipeline stages that a step waits for: those that nothing hides, and fill and drain."""
    return 2.0 * micro_batches * vpp * (1.0 - overlap) + 2.0 * (pp - 1.0)


def tensor_exposed_s(exchange_s: Num, slower: Num, pairs: Num, overlap: Num) -> Num:
    """What a layer waits for of `pairs` tensor-parallel exchanges that products hide in part."""
    return exchange_s * slower * pairs * (1.0 - overlap)


def ring_exposed_s(ring_s: Num, attention_s: Num, overlap: Num) -> Num:
    """What a layer waits for of keys and values that go round a ring under its attention."""
    return maximum(ring_s - overlap * attention_s, _RING_EXPOSED * ring_s)


def traffic_exposed_s(whole_s: Num, compute_s: Num, overlap: Num, floor: Num) -> Num:
    """What a layer waits for of dispatch and combine that another micro-batch's compute hides, never below the
    floor."""
    return maximum(whole_s - overlap * compute_s, floor * whole_s)


def logits_bytes(tokens: Num, vocab: Num, tp: Num, each: Num) -> Num:
    """Bytes of logits of which one rank holds its part of the vocabulary, `each` bytes an element."""
    return tokens * ceil(vocab / tp) * each


def shared_params(dense: Num, dense_ranks: Num, experts: Num, expert_ranks: Num) -> Num:
    """Parameters of one rank whose state the ranks of ZeRO divide between them."""
    return dense / dense_ranks + experts / expert_ranks


def activations_bytes(tokens: Num, saved: Num, alive: Num, work: Num, overhead: Num) -> Num:
    """Bytes of activations: what each layer saves a token, of all layers and micro-batches alive, and what one layer
    needs while it computes."""
    return tokens * (saved * alive + work) * overhead


def reserve_bytes(context_bytes: Num, fragmentation: Num, held_bytes: Num) -> Num:
    """Bytes of the context and the communicators, and of what fragmentation wastes of all that is held."""
    return context_bytes + fragmentation * held_bytes


def exposed_s(volume_s: Num, window_s: Num, floor: Num, times: Num) -> Num:
    """What a step waits for of an exchange: the volume less the window, with a soft corner, never below the floor."""
    hidden = volume_s - window_s
    edge = _CORNER * volume_s
    soft = 0.5 * (hidden + sqrt(hidden * hidden + edge * edge)) * (1.0 - floor)
    return (floor * volume_s + soft) * times


def slowest(jitter: Num, domains: Num) -> Num:
    """Share of a step that the slowest of so many scale-up domains adds: `jitter` each doubling."""
    return jitter * log(domains) / _LN2
