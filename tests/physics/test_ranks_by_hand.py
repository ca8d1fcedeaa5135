"""What ranks exchange, on the machine of round numbers: experts beside dense weights, groups wider than a domain."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from round_machine import BLOCK, HELD, MACHINE, SHAPE

from hwmodel.catalog import load_catalog
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Shape, Stack, Workload

BF16 = load_catalog().precision("bf16")
STACK = Stack(
    id="round", title="round", launches_layer=0.0, network_fraction=1.0, contention=0.0, tp_overlap=0.0, dp_overlap=0.0,
    unconfirmed=(),
)  # fmt: skip
NETWORK = 4 * 2 * 1024 * 4096  # of four layers, one expert each
EXPERTS = msgspec.structs.replace(SHAPE, blocks=(msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=1.0),))


def exchanged(layout: Layout, shape: Shape = SHAPE) -> Any:
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0 * float(layout.dp))
    return step(shape, MACHINE, BF16, layout, load, STACK)


def test_gradients_of_experts_are_exchanged_beside_the_dense_ones() -> None:
    # Three experts more and routers of 4 d a layer: all of it crosses as the dense weights do, two ranks each.
    dense = float(exchanged(Layout(dp=2.0, zero=0.0)).dp_exposed_s)
    mixed = float(exchanged(Layout(dp=2.0, zero=0.0), EXPERTS).dp_exposed_s)
    more = 3 * NETWORK + 4 * 4 * 1024
    assert mixed / dense == pytest.approx((HELD + more) / HELD, rel=1e-6)


def test_tensor_ranks_beyond_a_domain_use_its_links_and_the_network_at_once() -> None:
    # Seven eighths of 2 MiB over links at 1e11 inside each of two domains; half of an eighth over the network at 1e10
    # meanwhile. A gather and a scatter, twice a pass, two passes, 4 layers of 4 micro-batches.
    near, far = 2**21 * 7 / 8 / 1e11, 2**21 / 8 / 2 / 1e10
    found = float(exchanged(Layout(tp=16.0, zero=0.0)).tp_s)
    assert found == pytest.approx(4 * 4 * 2 * 2 * 2 * max(near, far), rel=1e-9)
