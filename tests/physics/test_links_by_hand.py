"""One message over one link, on networks of round numbers: links at 1e11 bytes/s, the network at 1e10, no latencies."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import NETWORK

from hwmodel.physics.collectives import all_gather_s, all_reduce_fast_s, exchange, group, point_to_point_s

BYTES = 1e9
MESH = msgspec.structs.replace(NETWORK, mesh=1.0)
TORUS = msgspec.structs.replace(NETWORK, torus=1.0, torus_axes=3.0)


def test_a_message_has_the_links_between_two() -> None:
    # All of a switch; one of the seven to the partners of a mesh of eight; one of six, two an axis, of a torus.
    assert point_to_point_s(BYTES, 0.0, NETWORK) == pytest.approx(0.01, rel=1e-9)
    assert point_to_point_s(BYTES, 0.0, MESH) == pytest.approx(0.07, rel=1e-9)
    assert point_to_point_s(BYTES, 0.0, TORUS) == pytest.approx(0.06, rel=1e-9)
    # Two have the one link between them, and all of it.
    pair = msgspec.structs.replace(MESH, domain=2.0)
    assert point_to_point_s(BYTES, 0.0, pair) == pytest.approx(0.01, rel=1e-9)


def test_beyond_the_domain_it_is_the_network_s() -> None:
    for network in (NETWORK, MESH, TORUS):
        assert point_to_point_s(BYTES, 1.0, network) == pytest.approx(0.1, rel=1e-9)


def test_a_group_of_a_mesh_has_the_links_among_itself() -> None:
    # Each of four receives three quarters of the whole over three of its seven links.
    found = all_gather_s(BYTES, 4.0, 4.0, MESH)
    assert found == pytest.approx(0.75 * BYTES / (1e11 * 3 / 7), rel=1e-6)
    assert all_gather_s(BYTES, 8.0, 8.0, MESH) == pytest.approx(0.875 * BYTES / 1e11, rel=1e-6)


def test_hops_on_a_torus() -> None:
    # 64 fill a cube of four an axis: three hops along each of three axes, a microsecond each beside five of the link.
    # Without the torus: each further rank.
    slow = {"link_latency_s": 5e-6, "torus_hop_s": 1e-6, "link_rank_latency_s": 2e-6}
    torus = msgspec.structs.replace(TORUS, **slow)
    assert group(64.0, 64.0, torus).latency_s == pytest.approx(14e-6, rel=1e-9)
    assert group(1.0, 64.0, torus).latency_s == 0.0
    assert group(4.0, 64.0, msgspec.structs.replace(NETWORK, **slow)).latency_s == pytest.approx(11e-6, rel=1e-9)
    # A byte of an exchange crosses a quarter of each axis, three links; never less than one.
    assert exchange(64.0, 64.0, torus).hops == pytest.approx(3.0, rel=1e-9)
    assert exchange(1.0, 64.0, torus).hops == 1.0
    # Eight ranks are three doublings, of the six that use both links of every axis; 64 and more have all.
    assert group(8.0, 64.0, TORUS).link_bytes_per_s == pytest.approx(5e10, rel=1e-9)
    assert group(512.0, 512.0, TORUS).link_bytes_per_s == pytest.approx(1e11, rel=1e-9)


def test_latency_between_domains() -> None:
    # 32 ranks, 8 a domain: four domains, 10 us and two doublings of 2 us.
    far = msgspec.structs.replace(NETWORK, nic_latency_s=1e-5, nic_rank_latency_s=2e-6)
    assert group(32.0, 8.0, far).latency_s == pytest.approx(14e-6, rel=1e-9)
    assert group(8.0, 8.0, far).latency_s == 0.0


def test_sums_of_engines_by_kernels_of_their_own() -> None:
    # 1e6 bytes on two ranks: one half twice, 10 us; 2 us and 1 us for the further rank beside it, where the library
    # takes 40 us more. Large ones of more than four ranks go to the library.
    quick = msgspec.structs.replace(
        NETWORK, fast_latency_s=2e-6, fast_rank_latency_s=1e-6, fast_most_bytes=5e5, link_latency_s=4e-5
    )
    assert all_reduce_fast_s(1e6, 2.0, quick) == pytest.approx(13e-6, rel=1e-9)
    assert all_reduce_fast_s(1e6, 8.0, quick) == pytest.approx(4e-5 + 2 * 1e6 * 7 / 8 / 1e11, rel=1e-9)
    assert all_reduce_fast_s(4e5, 8.0, quick) == pytest.approx(9e-6 + 2 * 4e5 * 7 / 8 / 1e11, rel=1e-9)
    assert all_reduce_fast_s(1e6, 1.0, quick) == 0.0
