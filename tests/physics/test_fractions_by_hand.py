"""Shares of a peak that are no round one, and stages and ranks that divide: the machine of round numbers hides them."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import ATTENTION, GEMM, MACHINE, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics import kernels
from hwmodel.physics.formulas import (
    accumulate_s,
    activations_bytes,
    activations_wait_s,
    host_optimizer_s,
    optimizer_s,
    reserve_bytes,
)
from hwmodel.physics.layer import head_s
from hwmodel.physics.schedule import bubble_s
from hwmodel.physics.serving import tokens_per_step
from hwmodel.physics.training import transfer_s
from hwmodel.specs import Layout, Workload
from hwmodel.specs.layout import DUALPIPE_V, ZB_H1, ZB_H2
from hwmodel.specs.serving import Speculation

change = msgspec.structs.replace
HALF = change(MACHINE.memory, hbm_fraction=0.5, launch_s=1e-6)


def test_bytes_at_half_of_the_bandwidth() -> None:
    # Read and written: 2 x 4 bytes of a thousand million gradients, twice, at 0.5e12; no launch of its own.
    assert accumulate_s(1e9, 4.0, 2.0, HALF) == pytest.approx(0.032)
    assert kernels.memory_bound_s(1e9, HALF) == pytest.approx(1e-6 + 0.002)
    # 34 bytes a parameter, for the quarter of it that is on the accelerator.
    assert optimizer_s(1e9, 34.0, 0.25, HALF) == pytest.approx(0.25 * (1e-6 + 0.068))
    casting = change(GEMM, cast_bytes=3.0, cast_launch_s=1e-6, hbm_fraction=0.5)
    assert kernels.cast_s(1e9, casting) == pytest.approx(1e-6 + 0.006)
    # Half of the optimizer on the host: 6 bytes over 1e10, and 1e9 parameters a second. Half of four micro-batches'
    # activations out and back, 0.2 s, of which 0.1 s are computed meanwhile.
    assert host_optimizer_s(0.5, 1e9, 6.0, 1e10, 1e9) == pytest.approx(0.5 * 1.6)
    assert activations_wait_s(0.5, 4.0, 1e9, 1e10, 0.1) == pytest.approx(0.2)


def test_products_below_their_peaks() -> None:
    # 100 x 200 x 50 at 0.8e14, or their bytes, (100 + 200) x 50 x 2 and 100 x 200 x 2, at 0.5e12; a launch of 1 us.
    slow = change(GEMM, efficiency=0.8, hbm_fraction=0.5, launch_s=1e-6, a_bytes=2.0, b_bytes=2.0, out_bytes=2.0,
                  store_cost=1.0)  # fmt: skip
    compute, memory = 2 * 1e6 / 0.8e14, 7e4 / 0.5e12
    assert kernels.gemm_s(100.0, 200.0, 50.0, slow) == pytest.approx(1e-6 + max(compute, memory), rel=1e-9)
    quick = change(slow, hbm_bytes_per_s=1e18)
    assert kernels.gemm_s(100.0, 200.0, 50.0, quick) == pytest.approx(1e-6 + compute, rel=1e-6)
    # A tenth of the shorter of the two beside the longer.
    loses = change(slow, overlap_loss=0.1)
    assert kernels.gemm_s(100.0, 200.0, 50.0, loses) == pytest.approx(1e-6 + memory + 0.1 * compute, rel=1e-9)
    assert kernels.scan_s(1e12, change(GEMM, scan_efficiency=0.4)) == pytest.approx(1e12 / 0.4e14)


def test_attention_below_its_peaks() -> None:
    # One sequence of 1,000: half of its square for each of 8 heads, two products of 128 at 0.8e14.
    slow = change(ATTENTION, efficiency=0.8, hbm_fraction=0.5, launch_s=1e-6, backward_efficiency=0.5)
    at = (1.0, 1000.0, 1000.0, 8.0, 8.0, 128.0, 128.0, float("inf"))
    forward = 1e-6 + 2 * 8 * 5e5 * 256 / 0.8e14
    assert kernels.attention_forward_s(*at, slow) == pytest.approx(forward, rel=1e-9)
    assert kernels.attention_backward_s(*at, slow) == pytest.approx(5 * forward, rel=1e-9)
    # Or its bytes, 2 x (8 + 8) x 1,000 x 256 at 0.5e12, where the rate is no limit.
    quick = change(slow, peak_flop_per_s=1e20)
    assert kernels.attention_forward_s(*at, quick) == pytest.approx(1e-6 + 2 * 16_000 * 256 / 0.5e12, rel=1e-6)
    # Decoding: two sequences' keys and values of 1,000 at 0.25e12, or their products at 0.1e14.
    decodes = change(ATTENTION, decode_hbm_fraction=0.25, decode_efficiency=0.1, decode_launch_s=1e-6)
    moved, flop = 2 * (1000 * 8 * 2 + 2 * 8) * 256, 2 * 2 * 1000 * 8 * 256
    one = kernels.attention_decode_s(2.0, 1000.0, 8.0, 8.0, 128.0, 128.0, 2.0, decodes)
    assert one == pytest.approx(1e-6 + moved / 0.25e12, rel=1e-9)
    wide = change(decodes, hbm_bytes_per_s=1e18)
    one = kernels.attention_decode_s(2.0, 1000.0, 8.0, 8.0, 128.0, 128.0, 2.0, wide)
    assert one == pytest.approx(1e-6 + flop / 0.1e14, rel=1e-6)


def test_a_head_that_two_ranks_share() -> None:
    # 4,000 of the words on each of two ranks, 1.5 times as long under a load; frozen weights: two products for three.
    stack = change(STACK, sustained_high=1.5)
    one = 2 * 1024 * 4000 * 1024 / 1e14
    for trainable, products in ((0.0, 2), (1.0, 3)):
        found = head_s(SHAPE, 1024.0, 2.0, MACHINE, stack, trainable)
        assert found == pytest.approx(1.5 * products * one, rel=1e-9)


def test_stages_pass_over_half_of_the_network() -> None:
    # 2 MiB of a micro-batch, split by two contexts and two tensor ranks; 16 ranks leave their domain: 0.5e10. Four
    # micro-batches out and back, and a stage to fill and drain.
    load = Workload(seq_len=1024.0, global_batch_seqs=8.0)
    bf16, stack = load_catalog().precision("bf16"), change(STACK, network_fraction=0.5)
    layout = Layout(tp=2.0, cp=2.0, dp=2.0, pp=2.0)
    found = transfer_s(SHAPE, MACHINE, bf16, layout, load, stack, 4.0)
    assert found == pytest.approx((2 * 4 + 2) * 2**21 / 4 / 0.5e10, rel=1e-9)
    inside = transfer_s(SHAPE, MACHINE, bf16, change(layout, dp=1.0), load, stack, 4.0)
    assert inside == pytest.approx((2 * 4 + 2) * 2**21 / 4 / 0.5e11, rel=1e-9)
    assert transfer_s(SHAPE, MACHINE, bf16, Layout(tp=2.0), load, stack, 4.0) == 0.0


def test_activations_and_what_is_wasted() -> None:
    # 1,000 tokens: 2 bytes of three layers alive and 4 to work in, a quarter more for what is spread; a twentieth of
    # 1e6 bytes held, beside 1e5.
    assert activations_bytes(1000.0, 2.0, 3.0, 4.0, 1.25) == 12_500.0
    assert reserve_bytes(1e5, 0.05, 1e6) == 150_000.0


def test_tokens_of_a_step_with_drafts() -> None:
    # Three drafts, each taken half of the time: 1 + 1/2 + 1/4 + 1/8; always: four.
    assert tokens_per_step(Speculation(draft_tokens=3.0, acceptance=0.5)) == pytest.approx(1.875)
    assert tokens_per_step(Speculation(draft_tokens=3.0, acceptance=1.0)) == pytest.approx(4.0, rel=1e-6)


def test_idle_seconds_of_schedules() -> None:
    # Four ranks; 10 s of a rank, 6 of them backward, 2 of weights. Interleaved by two: 3 / 2 x 10; with weights filling
    # in 3 / 2 x (10 - 4), and 3 x (10 - 6) in the form that holds more; folded 3 / 2 x (10 + 6 - 6).
    for schedule, vpp, idle in (
        (0.0, 1.0, 30), (0.0, 2.0, 15), (ZB_H1, 1.0, 18), (ZB_H1, 2.0, 9), (ZB_H2, 1.0, 12), (DUALPIPE_V, 1.0, 15),
    ):  # fmt: skip
        layout = Layout(pp=4.0, vpp=vpp, schedule=schedule)
        assert bubble_s(layout, 64.0, 10.0, 6.0, 2.0) == pytest.approx(idle)
    # Too few micro-batches to fill it: as 1F1B.
    for schedule, least in ((ZB_H1, 4.0), (ZB_H2, 7.0), (DUALPIPE_V, 8.0)):
        layout = Layout(pp=4.0, schedule=schedule)
        assert bubble_s(layout, least - 1.0, 10.0, 6.0, 2.0) == 30.0
        assert bubble_s(layout, least, 10.0, 6.0, 2.0) < 30.0
