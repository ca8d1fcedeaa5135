"""Seconds of collectives over two tiers: a scale-up domain (links) and the network between domains (NICs).

Sizes: `size_bytes` is the full buffer (all-reduce: what each rank holds; all-gather: the result; reduce-scatter: the
input), for all-to-all what one rank sends in all. `ranks_per_domain` ranks of the group share a scale-up domain.
Each pass costs a latency that grows with the ranks, its traffic over a share of the bandwidth, and a ramp: buffers
far larger than `ramp * rate` lose that time once, small ones in proportion. Fits: docs/kernels.md.
"""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, exp, log, maximum, minimum, where
from hwmodel.physics.columns import anywhere
from hwmodel.specs.kernels import Network

_LN2 = 0.6931471805599453  # the natural logarithm of 2


def _log2(x: Num) -> Num:
    return log(maximum(x, 1.0)) * (1.0 / _LN2)


def _share(ranks: Num, net: Network) -> Num:
    """Share of its links that an accelerator can use: a link per partner of a mesh, two per axis of a torus."""
    share: Num = 1.0
    if anywhere(net.torus > 0):
        spanned = minimum(maximum(_log2(ranks), 1.0) / (2.0 * net.torus_axes), 1.0)
        share = where(net.torus > 0, spanned, share)
    if anywhere(net.mesh > 0):
        partners = minimum(maximum(ranks - 1.0, 1.0) / maximum(net.domain - 1.0, 1.0), 1.0)
        share = where(net.mesh > 0, partners, share)
    return share


def _link_rate(ranks: Num, net: Network) -> Num:
    """Bytes per second in one direction that a group inside a domain can use."""
    small = 1.0 - net.pair_loss / maximum(ranks * ranks, 4.0)
    rate = net.link_bytes_per_s * _share(ranks, net) * small
    return rate / (1.0 + net.bus_sharing * maximum(ranks - 2.0, 0.0))


def _axis_length(ranks: Num, net: Network) -> Num:
    """Accelerators along one axis of the slice of a torus that `ranks` of them fill."""
    return exp(log(maximum(ranks, 1.0)) / net.torus_axes)


def _link_latency_s(ranks: Num, per_rank: Num, net: Network) -> Num:
    latency = net.link_latency_s + per_rank * (ranks - 1.0)
    if anywhere(net.torus > 0):
        hops = net.torus_axes * (_axis_length(ranks, net) - 1.0)
        latency = where(net.torus > 0, net.link_latency_s + net.torus_hop_s * hops, latency)
    return where(ranks > 1.0, latency, 0.0)


def _pass_s(traffic: Num, rate: Num, ramp_s: Num) -> Num:
    """Seconds of `traffic` bytes at a rate that large transfers reach only after a ramp."""
    plain = traffic / rate
    return plain + plain * ramp_s / (plain + ramp_s)


def _domains(ranks: Num, ranks_per_domain: Num) -> tuple[Num, Num]:
    inside = minimum(ranks, ranks_per_domain)
    return inside, ranks / inside


def _nic_rate(ranks: Num, net: Network) -> Num:
    return net.nic_bytes_per_s * net.nic_efficiency / where(ranks > net.pod, net.oversubscription, 1.0)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Ranks that gather and scatter among each other, with what that costs whatever is sent."""

    inside: Num  # ranks of the group in one domain
    domains: Num
    latency_s: Num
    link_bytes_per_s: Num
    nic_bytes_per_s: Num


def group(ranks: Num, ranks_per_domain: Num, net: Network) -> Group:
    """A group of ranks of which `ranks_per_domain` share a scale-up domain."""
    inside, domains = _domains(ranks, ranks_per_domain)
    return Group(
        inside=inside,
        domains=domains,
        latency_s=_link_latency_s(inside, net.link_rank_latency_s, net) + _far_latency_s(domains, 1.0, net),
        link_bytes_per_s=_link_rate(inside, net) * net.link_efficiency,
        nic_bytes_per_s=_nic_rate(ranks, net),
    )


def _far_latency_s(domains: Num, passes: float, net: Network) -> Num:
    """Latency of `passes` passes between the domains."""
    latency = passes * (net.nic_latency_s + net.nic_rank_latency_s * _log2(domains))
    return where(domains > 1.0, latency, 0.0)


def _far_s(size_bytes: Num, domains: Num, passes: float, rate: Num, net: Network) -> Num:
    """Transfer of `passes` passes of the share of a buffer that one NIC carries between the domains."""
    return _pass_s(passes * size_bytes * (domains - 1.0) / domains, rate, net.nic_ramp_s)


def gather_s(size_bytes: Num, among: Group, net: Network) -> Num:
    """Seconds to give every rank of a group the whole buffer of `size_bytes`.

    Across domains the passes over links and NICs are pipelined: latencies add, the slower tier sets the rate.
    """
    inside = among.inside
    near = _pass_s(size_bytes * (inside - 1.0) / inside, among.link_bytes_per_s, net.link_ramp_s)
    far = _far_s(size_bytes / inside, among.domains, 1.0, among.nic_bytes_per_s, net)
    return among.latency_s + maximum(near, far)


def all_gather_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """`gather_s` of a group that gathers once."""
    return gather_s(size_bytes, group(ranks, ranks_per_domain, net), net)


def reduce_scatter_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """Seconds to sum a buffer of `size_bytes` over the ranks, each keeping its share."""
    return all_gather_s(size_bytes, ranks, ranks_per_domain, net)


def all_reduce_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """Seconds to sum a buffer of `size_bytes` over the ranks, all keeping the sum.

    Across domains it is a reduce-scatter inside, an all-reduce of the shares over the NICs, an all-gather inside.
    """
    inside, domains = _domains(ranks, ranks_per_domain)
    switched = where(inside >= net.in_switch_ranks, net.in_switch, 0.0)
    efficiency = where(switched > 0, net.link_reduce_efficiency, net.link_ring_efficiency)
    rate = _link_rate(inside, net) * efficiency
    near = _pass_s(2.0 * size_bytes * (inside - 1.0) / inside, rate, net.reduce_ramp_s)
    far = _far_s(size_bytes / inside, domains, 2.0, _nic_rate(ranks, net), net)
    latency = _link_latency_s(inside, net.reduce_rank_latency_s, net) + _far_latency_s(domains, 2.0, net)
    return latency + maximum(near, far)


def all_reduce_fast_s(size_bytes: Num, ranks: Num, net: Network) -> Num:
    """Seconds of an all-reduce inside one domain by the one- and two-shot kernels of serving engines."""
    rate = _link_rate(ranks, net) * net.fast_efficiency
    latency = net.fast_latency_s + net.fast_rank_latency_s * (ranks - 1.0)
    moved = _pass_s(2.0 * size_bytes * (ranks - 1.0) / ranks, rate, net.fast_ramp_s)
    library = all_reduce_s(size_bytes, ranks, ranks, net)
    own = where((ranks > 4.0) & (size_bytes > net.fast_most_bytes), library, minimum(latency + moved, library))
    return where(ranks > 1.0, own, 0.0)


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """Ranks that send each other parts of their own, with what that costs whatever is sent."""

    ranks: Num
    inside: Num  # of them in one domain
    domains: Num
    hops: Num  # links that a byte crosses
    latency_s: Num
    link_bytes_per_s: Num
    nic_bytes_per_s: Num


def exchange(ranks: Num, ranks_per_domain: Num, net: Network) -> Exchange:
    """An exchange among ranks of which `ranks_per_domain` share a scale-up domain.

    On a torus a byte crosses a quarter of each axis on average, and each crossing takes a link.
    """
    inside, domains = _domains(ranks, ranks_per_domain)
    hops: Num = 1.0
    if anywhere(net.torus > 0):
        hops = where(net.torus > 0, maximum(net.torus_axes * _axis_length(inside, net) * 0.25, 1.0), 1.0)
    near_s = _link_latency_s(inside, net.alltoall_rank_latency_s, net)
    return Exchange(
        ranks=ranks,
        inside=inside,
        domains=domains,
        hops=hops,
        latency_s=near_s + _far_latency_s(domains, 1.0, net),
        link_bytes_per_s=_link_rate(inside, net) * net.link_alltoall_efficiency,
        nic_bytes_per_s=_nic_rate(ranks, net),
    )


def exchange_s(size_bytes: Num, among: Exchange, net: Network) -> Num:
    """Seconds for every rank to send `size_bytes`, an equal part to each rank of the exchange."""
    traffic = size_bytes * (among.inside - 1.0) / among.ranks
    near = _pass_s(traffic * among.hops, among.link_bytes_per_s, net.link_ramp_s)
    far = _far_s(size_bytes, among.domains, 1.0, among.nic_bytes_per_s, net)
    return among.latency_s + maximum(near, far)


def all_to_all_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """`exchange_s` of ranks that exchange once."""
    return exchange_s(size_bytes, exchange(ranks, ranks_per_domain, net), net)


def point_to_point_s(size_bytes: Num, crosses: Num, net: Network) -> Num:
    """Seconds to send `size_bytes` to one other rank; `crosses` 1 when it sits in another domain."""
    share = where(net.mesh > 0, maximum(net.domain - 1.0, 1.0), where(net.torus > 0, 2.0 * net.torus_axes, 1.0))
    near = net.link_latency_s + size_bytes * share / (net.link_bytes_per_s * net.link_efficiency)
    far = net.nic_latency_s + size_bytes / (net.nic_bytes_per_s * net.nic_efficiency)
    return where(crosses > 0, far, near)
