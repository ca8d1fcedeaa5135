"""Formulas of the terms of a step, each from its own few numbers.

The step evaluates them on numbers and columns; `explain` on the numbers of an answer, and on symbols.
"""

from __future__ import annotations

from hwmodel.ops import Num, log, maximum, minimum, sqrt
from hwmodel.physics.kernels import memory_bound_s
from hwmodel.specs.kernels import MemoryConstants

_LN2 = 0.6931471805599453
_TINY = 1e-30


def levelled(forward_s: Num, backward_s: Num, level: Num) -> Num:
    """Both passes at the level of a stack: that of its products and attention; bytes and transfers have their own."""
    return (forward_s + backward_s) * level


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


def exposed_s(volume_s: Num, window_s: Num, floor: Num, times: Num) -> Num:
    """What a step waits for of an exchange: the volume less the window, with a soft corner, never below the floor."""
    hidden = volume_s - window_s
    edge = 0.1 * volume_s
    soft = 0.5 * (hidden + sqrt(hidden * hidden + edge * edge)) * (1.0 - floor)
    return (floor * volume_s + soft) * times


def slowest(jitter: Num, domains: Num) -> Num:
    """Share of a step that the slowest of so many scale-up domains adds: `jitter` each doubling."""
    return jitter * log(domains) / _LN2
