"""What ranks exchange, on the machine of round numbers: experts beside dense weights, groups wider than a domain."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from round_machine import BLOCK, HELD, MACHINE, SHAPE

from hwmodel.catalog import load_catalog
from hwmodel.physics.layer_communication import expert_parallel
from hwmodel.physics.micro_batch import host_adds_s
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


def test_tokens_go_once_to_each_rank_and_once_to_each_domain() -> None:
    # 2 MiB of tokens, four choices each, out and back, 1.5 times on the busiest rank: 3 times. On eight ranks of one
    # domain they fall on 8 (1 - (7/8)^4) = 3.31 of them, 7/8 of it over links.
    block = msgspec.structs.replace(BLOCK, n_experts=16.0, top_k=4.0)
    stack = msgspec.structs.replace(STACK, imbalance=1.5)

    def dispatched(ranks: float, **fields: float) -> float:
        one = msgspec.structs.replace(block, **fields)
        return float(expert_parallel(SHAPE, one, 1024.0, Layout(ep=ranks), BF16, MACHINE, stack))

    assert dispatched(8.0) == pytest.approx(3 * 2**21 * 8 * (1 - (7 / 8) ** 4) * 7 / 8 / 1e11, rel=1e-9)
    # On sixteen, in two domains: on 2 (1 - 1/2^4) = 1.875 of these, or one where groups of experts say so; half of it
    # over the network.
    assert dispatched(16.0) == pytest.approx(3 * 2**21 * 1.875 / 2 / 1e10, rel=1e-9)
    assert dispatched(16.0, top_groups=1.0) == pytest.approx(3 * 2**21 / 2 / 1e10, rel=1e-9)
    assert dispatched(8.0, n_experts=0.0) == dispatched(1.0) == 0.0


def test_tensor_ranks_of_pipelines_launch_more_slowly() -> None:
    # Ten launches of 1 ms, a fifth more for a second tensor rank, 1.5 times as long where there are stages too; half of
    # the square over the device's 30 ms is waited for.
    stack = msgspec.structs.replace(STACK, host_op_s=1e-3, host_tensor=0.2, host_pipeline=1.5, host_mixed=0.5)
    for tp, pp, host in ((1.0, 1.0, 0.01), (1.0, 2.0, 0.01), (2.0, 1.0, 0.012), (2.0, 2.0, 0.018)):
        waits = host_adds_s(0.03, 10.0, Layout(tp=tp, pp=pp), stack)
        assert waits == pytest.approx(0.5 * host**2 / 0.03, rel=1e-9)
        blocked = host_adds_s(0.03, 10.0, Layout(tp=tp, pp=pp), msgspec.structs.replace(stack, launch_blocking=1.0))
        assert blocked == pytest.approx(host, rel=1e-9)
