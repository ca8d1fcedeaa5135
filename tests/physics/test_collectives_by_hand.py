"""Seconds of each collective on links of 1e11 and a network of 1e10 bytes/s, worked out in the comments."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import NETWORK

from hwmodel.physics.collectives import (
    all_gather_s,
    all_reduce_s,
    all_to_all_s,
    exchange,
    exchange_s,
    gather_s,
    group,
    point_to_point_s,
    reduce_scatter_s,
)

# 1 us a message, 0.1 us for each further rank of a gather, 0.2 of a sum, 0.3 of an exchange; 5 us over the network.
SLOW = msgspec.structs.replace(
    NETWORK, link_latency_s=1e-6, link_rank_latency_s=1e-7, reduce_rank_latency_s=2e-7, alltoall_rank_latency_s=3e-7,
    nic_latency_s=5e-6,
)  # fmt: skip


def test_inside_a_domain() -> None:
    # Four ranks, 8 MB: each sends three quarters (a sum does so twice).
    moved = 8e6 * 3 / 4 / 1e11
    assert all_gather_s(8e6, 4.0, 8.0, SLOW) == pytest.approx(1.3e-6 + moved, rel=1e-9)
    assert reduce_scatter_s(8e6, 4.0, 8.0, SLOW) == pytest.approx(1.3e-6 + moved, rel=1e-9)
    assert gather_s(8e6, group(4.0, 8.0, SLOW), SLOW) == pytest.approx(1.3e-6 + moved, rel=1e-9)
    assert all_reduce_s(8e6, 4.0, 8.0, SLOW) == pytest.approx(1.6e-6 + 2 * moved, rel=1e-9)
    assert all_to_all_s(8e6, 4.0, 8.0, SLOW) == pytest.approx(1.9e-6 + moved, rel=1e-9)
    assert exchange_s(8e6, exchange(4.0, 8.0, SLOW), SLOW) == pytest.approx(1.9e-6 + moved, rel=1e-9)
    assert point_to_point_s(8e6, 0.0, SLOW) == pytest.approx(1e-6 + 8e6 / 1e11, rel=1e-9)


def test_between_domains() -> None:
    # 32 ranks in four domains of 8, 8 MB: three quarters of an eighth over the network, 7/8 over links meanwhile.
    far, near = 1e6 * 3 / 4 / 1e10, 8e6 * 7 / 8 / 1e11
    assert all_gather_s(8e6, 32.0, 8.0, SLOW) == pytest.approx(1.7e-6 + 5e-6 + max(far, near), rel=1e-9)
    assert all_reduce_s(8e6, 32.0, 8.0, SLOW) == pytest.approx(2.4e-6 + 10e-6 + 2 * max(far, near), rel=1e-9)
    # An exchange sends three quarters of everything over the network.
    assert all_to_all_s(8e6, 32.0, 8.0, SLOW) == pytest.approx(3.1e-6 + 5e-6 + 6e6 / 1e10, rel=1e-9)
    assert point_to_point_s(8e6, 1.0, SLOW) == pytest.approx(5e-6 + 8e6 / 1e10, rel=1e-9)


def test_sums_in_a_switch() -> None:
    # From four ranks on a switch sums at half of 1e11; fewer, or without one, go round a ring at 0.8 of it.
    net = msgspec.structs.replace(NETWORK, link_reduce_efficiency=0.5, link_ring_efficiency=0.8, in_switch_ranks=4.0)
    switched = msgspec.structs.replace(net, in_switch=1.0)
    assert all_reduce_s(8e6, 4.0, 8.0, switched) == pytest.approx(2 * 6e6 / 0.5e11, rel=1e-9)
    assert all_reduce_s(8e6, 2.0, 8.0, switched) == pytest.approx(2 * 4e6 / 0.8e11, rel=1e-9)
    assert all_reduce_s(8e6, 4.0, 8.0, net) == pytest.approx(2 * 6e6 / 0.8e11, rel=1e-9)


def test_oversubscription_and_ramps() -> None:
    # Beyond a pod of 16 the network is half as fast; a ramp of as long as the transfer lasts adds half of it.
    thin = msgspec.structs.replace(NETWORK, pod=16.0, oversubscription=2.0, link_bytes_per_s=1e18)
    assert all_gather_s(8e6, 32.0, 8.0, thin) == pytest.approx(1e6 * 3 / 4 / 0.5e10, rel=1e-6)
    ramped = msgspec.structs.replace(NETWORK, link_ramp_s=6e-5)
    assert all_gather_s(8e6, 4.0, 8.0, ramped) == pytest.approx(1.5 * 6e-5, rel=1e-9)
