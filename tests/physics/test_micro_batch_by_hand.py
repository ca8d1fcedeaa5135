"""One micro-batch on its slowest stage from given times of a layer, worked out in the comments; and columns of layouts
that share these times.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import BLOCK, MACHINE, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics.layer import LayerTimes
from hwmodel.physics.micro_batch import micro_batch
from hwmodel.physics.recomputed import recomputed
from hwmodel.physics.stages import layer_shard
from hwmodel.physics.training import step
from hwmodel.specs import Layout, StepTerms, Workload
from hwmodel.specs.layout import ZB_H1

BF16 = load_catalog().precision("bf16")
TIMES = LayerTimes(
    gemm_f=1.0, gemm_b=2.2, attention_f=0.3, attention_b=0.7, memory_f=0.05, memory_b=0.06, cast_f=0.02, cast_b=0.03,
    cast_weights=0.0, tp_f=0.11, tp_b=0.13, cp_f=0.17, cp_b=0.19, ep_f=0.23, ep_b=0.29, launches_f=3.0, norms_f=0.01,
    activation_f=0.015, up_projections_f=0.07, mlp_f=0.6, shared_experts_f=0.09, experts_f=0.4, head_s=0.5, loss_s=0.1,
)  # fmt: skip
change = msgspec.structs.replace


def test_a_micro_batch_of_layers_computed_again() -> None:
    """Four layers on two stages, all computed again, half of the weights trained, products 1.5 times as long."""
    stack = change(STACK, level=1.5, accumulate_passes=0.0, host_op_s=0.1, host_backward=1.5, launch_blocking=1.0)
    layout = Layout(pp=2.0, schedule=ZB_H1, recompute_layers=1.0)
    found = micro_batch(SHAPE, MACHINE, BF16, layout, stack, TIMES, layer_shard(SHAPE, layout), 0.5)
    gemm, attention, memory, cast = 3.2 * 1.5, 1.0 * 1.5, 0.11, 0.05
    repeated = 1.3 * 1.5 + 0.07
    tp, cp, ep = 0.11 + 0.13 + 0.11, 0.17 + 0.19 + 0.17, 0.23 + 0.29 + 0.23
    device = gemm + attention + memory + cast + repeated + tp + cp + ep
    # Three launches forward, 4.5 backward and three again wait 0.1 s each; 0.6 of them are counted with the backward.
    host, head = 10.5 * 0.1, 0.5 * 1.5 + 0.1
    backward = 2.9 * 1.5 + 0.06 + 0.03 + 0.13 + 0.29
    of_two = {
        "gemm": gemm, "attention": attention, "memory": memory, "cast": cast, "recompute": repeated, "tp": tp, "cp": cp,
        "ep": ep, "host": host, "backward": backward + 0.6 * host, "layers": 1.0,
    }  # fmt: skip
    assert {name: getattr(found, name) for name in of_two} == pytest.approx({k: 2 * v for k, v in of_two.items()})
    assert (found.layer_device, found.launches, found.head) == pytest.approx((device, 10.5, head))
    assert found.total == pytest.approx(2 * (device + host) + head)
    assert found.mean_stage == pytest.approx((4 * (device + host) + head) / 2)
    # What is computed again comes before the backward pass, with its transfers; two thirds of the head are backward.
    again = repeated + 0.11 + 0.17
    assert found.mean_backward == pytest.approx((4 * (backward + again + 0.6 * host) + head * 2 / 3) / 2)
    # Half of the backward products and a third of the head make gradients of weights, of which half are trained.
    assert found.mean_weights == pytest.approx(0.5 * (0.5 * 4 * 2.2 * 1.5 + head / 3) / 2)


@pytest.mark.parametrize(
    ("module", "products", "moved", "core", "network", "experts"),
    [
        ("products", 1.0, 0.0, 0, 0.5, 0),  # half of the transfers: gathers
        ("attention", 0.3, 0.0, 1, 0, 0),
        ("up_projections", 0.07, 0.0, 0, 0, 0),
        ("shared_experts", 0.09, 0.0, 0, 0, 0),
        ("mlp", 0.6, 0.01 + 0.015, 0, 0.5, 0),  # half of the casts, and the activation
        ("experts", 0.4, 0.01 + 0.015, 0, 0.5, 1),
        ("norms", 0.0, 0.01, 0, 0, 0),
        ("activation", 0.0, 0.015, 0, 0, 0),
    ],
)
def test_a_module_computed_again(
    module: str, products: float, moved: float, core: int, network: float, experts: int
) -> None:
    """A quarter of the layers whole, and of the others one module."""
    found = recomputed(Layout(recompute_layers=0.25, **{f"recompute_{module}": 1.0}), TIMES)
    assert found.products_s == pytest.approx(0.25 * 1.3 + 0.75 * products)
    assert found.bytes_s == pytest.approx(0.25 * 0.07 + 0.75 * moved)
    assert (found.attention, found.experts) == (0.25 + 0.75 * core, 0.25 + 0.75 * experts)
    assert found.network == found.layers == 0.25 + 0.75 * network


def stepped(layout: Layout, seq_len: Any = 1024.0) -> StepTerms:
    load = Workload(seq_len=seq_len, global_batch_seqs=8.0)
    block = change(BLOCK, n_experts=4.0, top_k=1.0)
    return step(change(SHAPE, blocks=(block, BLOCK)), MACHINE, BF16, layout, load, STACK)


@pytest.mark.parametrize("module", ["activation", "mlp", "experts", "norms", "layers"])
def test_layouts_that_share_their_layer_s_times(module: str) -> None:
    """In a column of many, what no layout computes again is left out, and what one does is not: as each alone."""
    tensor, again = np.tile([1.0, 2.0, 1.0, 2.0], 128), np.tile([0.0, 0.0, 1.0, 1.0], 128)
    found = stepped(Layout(tp=tensor, **{f"recompute_{module}": again}))
    for row in range(4):
        one = stepped(Layout(tp=float(tensor[row]), **{f"recompute_{module}": float(again[row])}))
        for name in StepTerms.__struct_fields__:
            column = np.broadcast_to(getattr(found, name), 512)
            assert column[row] == column[508 + row] == pytest.approx(float(getattr(one, name)), rel=1e-12)
