"""Seconds of collectives over two tiers: a scale-up domain (links) and the network between domains (NICs).

Sizes: `size_bytes` is the full buffer (all-reduce: what each rank holds; all-gather: the result; reduce-scatter: the
input), for all-to-all what one rank sends in all. `ranks_per_domain` ranks of the group share a scale-up domain.
"""

from __future__ import annotations

from hwmodel.ops import Num, log, maximum, minimum, where
from hwmodel.specs.kernels import Network

_LN2 = 0.6931471805599453


def _link_rate(ranks: Num, net: Network) -> Num:
    """Bytes per second and direction that a group inside a domain can use (a mesh offers one link a partner)."""
    others = maximum(net.domain - 1.0, 1.0)
    share = where(net.mesh > 0, minimum(maximum(ranks - 1.0, 1.0) / others, 1.0), 1.0)
    return net.link_bytes_per_s * share / where(net.shared_bus > 0, maximum(ranks / 2.0, 1.0), 1.0)


def _link_latency_s(ranks: Num, net: Network) -> Num:
    return where(ranks > 1.0, net.link_latency_s + net.link_rank_latency_s * (ranks - 1.0), 0.0)


def _ring_s(size_bytes: Num, ranks: Num, efficiency: Num, net: Network) -> Num:
    """One pass of (n-1)/n of the buffer over the links, with a bandwidth that saturates."""
    traffic = size_bytes * (ranks - 1.0) / ranks
    rate = _link_rate(ranks, net) * efficiency
    ramp = traffic * net.link_half_bytes / (traffic + net.link_half_bytes)
    return (traffic + ramp) / rate


def _domains(ranks: Num, ranks_per_domain: Num) -> tuple[Num, Num]:
    inside = minimum(ranks, ranks_per_domain)
    return inside, ranks / inside


def _nic_rate(ranks: Num, net: Network) -> Num:
    return net.nic_bytes_per_s * net.nic_efficiency / where(ranks > net.pod, net.oversubscription, 1.0)


def _across_s(size_bytes: Num, domains: Num, ranks: Num, net: Network) -> Num:
    """One pass of the share of a buffer that one NIC carries between `domains` domains."""
    traffic = size_bytes * (domains - 1.0) / domains
    ramp = traffic * net.nic_half_bytes / (traffic + net.nic_half_bytes)
    latency = net.nic_latency_s + net.nic_rank_latency_s * log(maximum(domains, 1.0)) / _LN2
    return where(domains > 1.0, latency + (traffic + ramp) / _nic_rate(ranks, net), 0.0)


def all_gather_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """Seconds to give every rank the whole buffer of `size_bytes`."""
    inside, domains = _domains(ranks, ranks_per_domain)
    links = _link_latency_s(inside, net) + _ring_s(size_bytes, inside, net.link_efficiency, net)
    return links + _across_s(size_bytes / inside, domains, ranks, net)


def reduce_scatter_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """Seconds to sum a buffer of `size_bytes` over the ranks, each keeping its share."""
    return all_gather_s(size_bytes, ranks, ranks_per_domain, net)


def all_reduce_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """Seconds to sum a buffer of `size_bytes` over the ranks, all keeping the sum."""
    inside, domains = _domains(ranks, ranks_per_domain)
    switched = (net.in_switch > 0) & (inside >= net.in_switch_ranks)
    efficiency = where(switched, net.link_reduce_efficiency, net.link_efficiency)
    links = _link_latency_s(inside, net) * 1.5 + 2.0 * _ring_s(size_bytes, inside, efficiency, net)
    return links + 2.0 * _across_s(size_bytes / inside, domains, ranks, net)


def all_to_all_s(size_bytes: Num, ranks: Num, ranks_per_domain: Num, net: Network) -> Num:
    """Seconds for every rank to send `size_bytes`, an equal part to each rank of the group."""
    inside, domains = _domains(ranks, ranks_per_domain)
    within = size_bytes * inside / ranks
    links = _link_latency_s(inside, net) + _ring_s(within, inside, net.link_alltoall_efficiency, net)
    return maximum(links, _across_s(size_bytes, domains, ranks, net))


def point_to_point_s(size_bytes: Num, crosses: Num, net: Network) -> Num:
    """Seconds to send `size_bytes` to one other rank; `crosses` 1 when it sits in another domain."""
    mesh = where(net.mesh > 0, maximum(net.domain - 1.0, 1.0), 1.0)
    near = net.link_latency_s + size_bytes * mesh / (net.link_bytes_per_s * net.link_efficiency)
    far = net.nic_latency_s + size_bytes / (net.nic_bytes_per_s * net.nic_efficiency)
    return where(crosses > 0, far, near)
