"""One message over one link, on networks of round numbers: links at 1e11 bytes/s, the network at 1e10, no latencies."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import NETWORK

from hwmodel.physics.collectives import all_gather_s, point_to_point_s

BYTES = 1e9
MESH = msgspec.structs.replace(NETWORK, mesh=1.0)
TORUS = msgspec.structs.replace(NETWORK, torus=1.0, torus_axes=3.0)


def test_a_message_has_the_links_between_two() -> None:
    # All of a switch; one of the seven to the partners of a mesh of eight; one of six, two an axis, of a torus.
    assert point_to_point_s(BYTES, 0.0, NETWORK) == pytest.approx(0.01, rel=1e-9)
    assert point_to_point_s(BYTES, 0.0, MESH) == pytest.approx(0.07, rel=1e-9)
    assert point_to_point_s(BYTES, 0.0, TORUS) == pytest.approx(0.06, rel=1e-9)


def test_beyond_the_domain_it_is_the_network_s() -> None:
    for network in (NETWORK, MESH, TORUS):
        assert point_to_point_s(BYTES, 1.0, network) == pytest.approx(0.1, rel=1e-9)


def test_a_group_of_a_mesh_has_the_links_among_itself() -> None:
    # Each of four receives three quarters of the whole over three of its seven links.
    found = all_gather_s(BYTES, 4.0, 4.0, MESH)
    assert found == pytest.approx(0.75 * BYTES / (1e11 * 3 / 7), rel=1e-6)
    assert all_gather_s(BYTES, 8.0, 8.0, MESH) == pytest.approx(0.875 * BYTES / 1e11, rel=1e-6)
