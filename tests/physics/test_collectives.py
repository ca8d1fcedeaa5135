"""Collectives: limits, order, scalars and columns, and what the fits were asked to reproduce."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.physics import collectives
from hwmodel.physics.machine import box, machine, network
from hwmodel.specs.kernels import Network

PARTS = ("a100", "h100", "b200-sxm", "gb200", "mi300x", "tpu-v5p", "tpu-v5e", "trainium2", "gaudi2")


def net_of(name: str, system: str = "") -> Network:
    catalog = load_catalog()
    part = catalog.part(name)
    place = catalog.system(system) if system else catalog.default_system(part.id) if part.default_system else box(part)
    return network(part, place, kernel_calibration())


@pytest.mark.parametrize("name", PARTS)
def test_no_collective_beats_its_links(name: str) -> None:
    """In a ring each rank moves (n-1)/n of the buffer over its links; only in-switch reduction does better."""
    net = net_of(name)
    for ranks in (2.0, 4.0, 8.0):
        size = 1e9
        share = (ranks - 1.0) / ranks * size / net.link_bytes_per_s
        assert collectives.all_gather_s(size, ranks, ranks, net) > share
        assert collectives.reduce_scatter_s(size, ranks, ranks, net) > share
        assert collectives.all_to_all_s(size, ranks, ranks, net) > share
        assert collectives.all_reduce_s(size, ranks, ranks, net) > share
    spread = collectives.all_reduce_s(1e9, 64.0, 8.0, net)
    assert spread > 2.0 * (1e9 / 8.0) * (7.0 / 8.0) / net.nic_bytes_per_s


@settings(deadline=None, max_examples=60)
@given(st.floats(1e2, 1e10), st.sampled_from([1.0, 2.0, 8.0, 64.0, 1024.0]), st.sampled_from([1.0, 8.0, 72.0]))
def test_order_and_columns(size: float, ranks: float, inside: float) -> None:
    net = net_of("h100")
    for f in (
        collectives.all_reduce_s,
        collectives.all_gather_s,
        collectives.reduce_scatter_s,
        collectives.all_to_all_s,
    ):
        t = f(size, ranks, inside, net)
        assert t >= 0.0
        assert f(2.0 * size, ranks, inside, net) >= t
        assert f(np.array([size]), np.array([ranks]), np.array([inside]), net)[0] == pytest.approx(t, rel=1e-12)
    assert (
        collectives.all_reduce_s(size, ranks, inside, net) >= collectives.all_gather_s(size, ranks, inside, net) * 0.999
    )
    near, far = collectives.point_to_point_s(size, 0.0, net), collectives.point_to_point_s(size, 1.0, net)
    assert 0.0 < near < far


def test_one_rank_costs_nothing() -> None:
    net = net_of("h100")
    for f in (
        collectives.all_reduce_s,
        collectives.all_gather_s,
        collectives.reduce_scatter_s,
        collectives.all_to_all_s,
    ):
        assert f(1e9, 1.0, 8.0, net) == 0.0
    assert collectives.all_reduce_fast_s(1e6, 1.0, net) == 0.0


def test_leaving_the_domain_costs() -> None:
    net = net_of("h100")
    assert collectives.all_gather_s(1e9, 8.0, 1.0, net) > 4.0 * collectives.all_gather_s(1e9, 8.0, 8.0, net)
    assert collectives.all_gather_s(1e9, 64.0, 8.0, net) > collectives.all_gather_s(1e9, 8.0, 8.0, net)
    wide = net_of("gb200")
    assert collectives.all_reduce_s(1e9, 64.0, 64.0, wide) < 0.6 * collectives.all_reduce_s(1e9, 64.0, 8.0, wide)


def test_in_switch_reduction_and_small_groups() -> None:
    """NVLS lifts all-reduce from six ranks on: 8 ranks are as fast as 4 (published: 8 GPUs 445 GB/s, 4 GPUs 350)."""
    net = net_of("h100")
    bus = {n: 2.0 * (n - 1.0) / n * 5.4e8 / collectives.all_reduce_s(5.4e8, n, n, net) / 1e9 for n in (2.0, 4.0, 8.0)}
    assert bus[2.0] < bus[4.0] < bus[8.0]
    assert bus[8.0] == pytest.approx(445.0, rel=0.06)


def test_nvl72_against_the_published_bus_bandwidth() -> None:
    """72 GPUs, large buffers: 850 GB/s with in-switch reduction (stas00/ml-engineering@744d01e, GTC25 slide)."""
    net = net_of("gb200")
    bus = 2.0 * 71.0 / 72.0 * 1.6e10 / collectives.all_reduce_s(1.6e10, 72.0, 72.0, net) / 1e9
    assert bus == pytest.approx(850.0, rel=0.12)


def test_efa_sweep_is_reproduced() -> None:
    """4 nodes of 8 B200 over EFA (stas00/ml-engineering@744d01e): 16 MiB, 256 MiB and 16 GiB."""
    net = net_of("b200-sxm", "aws-p6-b200")
    for size, micro in ((16777216.0, 504.51), (268435456.0, 2270.26), (17179869184.0, 87181.76)):
        assert collectives.all_reduce_s(size, 32.0, 8.0, net) * 1e6 == pytest.approx(micro, rel=0.2)


def test_fast_kernels_win_small_and_never_lose() -> None:
    net = net_of("h100")
    small = collectives.all_reduce_fast_s(16384.0, 8.0, net)
    assert small < 0.5 * collectives.all_reduce_s(16384.0, 8.0, 8.0, net)
    for size in (1e3, 1e6, 1e9):
        assert collectives.all_reduce_fast_s(size, 8.0, net) <= collectives.all_reduce_s(size, 8.0, 8.0, net)


def test_topologies() -> None:
    """A pair of a mesh has one link of seven; a torus grows slower than its ranks; a shared bus collapses."""
    mesh = net_of("mi300x")
    assert collectives.all_gather_s(1e9, 2.0, 2.0, mesh) > 3.0 * collectives.all_gather_s(1e9, 8.0, 8.0, mesh)
    torus = net_of("tpu-v5p")
    assert collectives.all_gather_s(1e9, 512.0, 512.0, torus) < 1.3 * collectives.all_gather_s(1e9, 64.0, 64.0, torus)
    assert collectives.all_to_all_s(1e9, 4096.0, 4096.0, torus) > 2.0 * collectives.all_to_all_s(
        1e9, 512.0, 512.0, torus
    )
    bus = net_of("l40s")
    assert collectives.all_reduce_s(1e9, 8.0, 8.0, bus) > 3.0 * collectives.all_reduce_s(1e9, 2.0, 2.0, bus)


def test_cards_without_links_share_a_bus_whatever_their_family() -> None:
    for name in ("l40s", "rtx-pro-6000-server"):
        net = net_of(name)
        assert (net.shared_bus, net.in_switch) == (1.0, 0.0)
        assert float(net.bus_sharing) > 0.0
    assert net_of("h100").bus_sharing == 0.0


def test_bridged_pairs_reach_each_other_over_the_host_bus_when_serving() -> None:
    catalog = load_catalog()
    part = catalog.part("h100-pcie-80gb")
    system = catalog.default_system(part.id)
    trained, served = (
        machine(part, system, recipe, kernel_calibration()).network
        for recipe in (catalog.precision("bf16"), catalog.serving_precision("bf16"))
    )
    assert served.domain == trained.domain == 2.0
    assert trained.nic_bytes_per_s < served.nic_bytes_per_s < part.host_link_uni_bytes_per_s
    pair, four = (collectives.all_reduce_s(1e8, n, 2.0, served) for n in (2.0, 4.0))
    assert four > 3.0 * pair


def test_oversubscription_divides_beyond_the_pod() -> None:
    import msgspec

    net = msgspec.structs.replace(net_of("h100"), pod=256.0, oversubscription=4.0)
    inside, beyond = collectives.all_gather_s(8e9, 256.0, 8.0, net), collectives.all_gather_s(8e9, 512.0, 8.0, net)
    assert beyond > 3.0 * inside


def test_links_of_gaudi_as_published() -> None:
    """docs.habana.ai, Collectives Performance: 256 MB all-reduced over eight Gaudi 3 in 0.916 ms (512.96 GB/s)."""
    assert collectives.all_reduce_s(2.0**28, 8.0, 8.0, net_of("gaudi3")) == pytest.approx(0.000915792, rel=0.15)
