"""One hand-worked case for each term of a training step, on the machine of round numbers with a stack that hides
nothing. One micro-batch is one sequence of 1,024 tokens. Figures are worked out in the comments, not by calling the
code.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from round_machine import BLOCK, GEMM, HELD, LAYER, MACHINE, NORMS, SHAPE, STACK, VOCABULARY

from hwmodel.catalog import load_catalog
from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Shape, StepTerms, Workload

# Weights 2, gradients 4, master 4, moments 8; gradients travel in 4, weights in 2.
BF16 = load_catalog().precision("bf16")

GEMM_F = 2 * 1024 * LAYER / 1e14  # 2 FLOPs a weight and token: 0.2577 ms; backward twice that
# Causal: half of 1,024^2 pairs, for 8 heads, 2 products of 128: 2 FLOPs each. Backward 2.5 times.
ATTENTION_F = 2 * 8 * (1024**2 / 2) * 256 / 1e14
# Elements a token: 10 d of norms and residuals, 2 x 4,096 of the activation, rotary 2 (8 + 8) 128; 2 bytes each.
MEMORY_F = (10 * 1024 + 2 * 4096 + 2 * 16 * 128) * 1024 * 2 / 1e12
ACCUMULATED = 2 * 4 * (LAYER + NORMS) / 1e12  # fp32 gradients read and written
# Logits: 3 products of 2 x 1,024 x 8,000 x 1,024 FLOPs; 16 bytes a logit moved for the loss.
HEAD = 3 * 2 * 1024 * 8000 * 1024 / 1e14 + 1024 * 8000 * 16 / 1e12
LAYER_S = 3 * GEMM_F + 3.5 * ATTENTION_F + 3 * MEMORY_F + ACCUMULATED


def terms(layout: Layout | None = None, batch: float = 4.0, shape: Shape = SHAPE, **other: Any) -> StepTerms:
    """The step of `batch` sequences; `stack`, `machine` and `load` replace fields of the round ones."""
    stack = msgspec.structs.replace(STACK, **other.get("stack", {}))
    machine = msgspec.structs.replace(MACHINE, **other.get("machine", {}))
    load = Workload(seq_len=1024.0, global_batch_seqs=batch, **other.get("load", {}))
    return step(shape, machine, other.get("precision", BF16), layout or Layout(zero=0.0), load, stack)


def test_products() -> None:
    # 4 micro-batches x 4 layers x (forward + twice that backward)
    assert terms().gemm_s == pytest.approx(4 * 4 * 3 * GEMM_F, rel=1e-12)
    assert terms().gemm_s == pytest.approx(0.012369505812, rel=1e-9)


def test_attention() -> None:
    assert terms().attention_s == pytest.approx(4 * 4 * 3.5 * ATTENTION_F, rel=1e-12)
    assert pytest.approx(2.147483648e-05) == ATTENTION_F


def test_memory_traffic() -> None:
    assert terms().memory_bound_s == pytest.approx(4 * 4 * (3 * MEMORY_F + ACCUMULATED), rel=1e-12)


def test_logits() -> None:
    assert terms().logits_s == pytest.approx(4 * HEAD, rel=1e-12)
    assert pytest.approx(5.0331648e-4 + 1.31072e-4) == HEAD


def test_casts() -> None:
    casting = msgspec.structs.replace(GEMM, cast_bytes=3.0)
    found = terms(machine={"gemm": casting})
    # Forward, 1,024 tokens of d + d + 1,024 + 4,096 inputs, and a quarter of the weights (once in 4 micro-batches);
    # backward the outputs' gradients: d + d + 3 x 1,024 of queries, keys and values + 4,096.
    forward = (1024 * (3 * 1024 + 4096) + LAYER / 4) * 3 / 1e12
    backward = 1024 * (2 * 1024 + 3 * 1024 + 4096) * 3 / 1e12
    assert found.cast_s == pytest.approx(4 * 4 * (forward + backward), rel=1e-12)
    assert terms().cast_s == 0.0


def test_recomputation() -> None:
    full = terms(Layout(zero=0.0, recompute_layers=1.0))
    assert full.recompute_s == pytest.approx(4 * 4 * (GEMM_F + ATTENTION_F + MEMORY_F), rel=1e-12)
    core = terms(Layout(zero=0.0, recompute_attention=1.0))
    assert core.recompute_s == pytest.approx(4 * 4 * ATTENTION_F, rel=1e-12)


def test_tensor_parallel() -> None:
    # 2 MiB of activations, half of it over the link for each gather and each scatter; two pairs a pass, two passes.
    found = terms(Layout(tp=2.0, zero=0.0))
    assert found.tp_s == pytest.approx(4 * 4 * 2 * 2 * 2 * (2 * 1024 * 1024 / 2) / 1e11, rel=1e-12)
    assert found.gemm_s == pytest.approx(4 * 4 * 3 * GEMM_F / 2, rel=1e-12)
    # Without sequence parallelism an all-reduce in the place of each pair: twice half of the 2 MiB.
    plain = terms(Layout(tp=2.0, zero=0.0, sequence_parallel=0.0))
    assert plain.tp_s == pytest.approx(4 * 4 * 2 * 2 * (2 * 1024 * 1024) / 1e11, rel=1e-12)


def test_context_parallel() -> None:
    # 512 tokens a rank; keys and values of 2 x 1,024 x 2 bytes pass once round a ring of two, twice as much backward.
    found = terms(Layout(cp=2.0, zero=0.0))
    forward = 512 * 2 * 1024 * 2 / 1e11
    assert found.cp_s == pytest.approx(4 * 4 * 3 * forward, rel=1e-12)


def test_expert_parallel() -> None:
    block = msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=1.0)
    shape = msgspec.structs.replace(SHAPE, blocks=(block,))
    # Each token's 2 KiB goes to one of two ranks, half stays; dispatch and combine, forward and backward.
    found = terms(Layout(dp=2.0, ep=2.0, zero=0.0), batch=8.0, shape=shape)
    one = 1024 * 1024 * 2 / 2 / 1e11
    assert found.ep_s == pytest.approx(4 * 4 * 2 * 2 * one, rel=1e-12)


def test_pipeline_bubble_and_transfers() -> None:
    # One stage waits for the other once: half of (4 layers + head).
    found = terms(Layout(pp=2.0, zero=0.0))
    assert found.pp_bubble_s == pytest.approx((4 * LAYER_S + HEAD) / 2, rel=1e-12)
    # Two virtual stages a rank halve it.
    halved = terms(Layout(pp=2.0, vpp=2.0, zero=0.0))
    assert halved.pp_bubble_s == pytest.approx((4 * LAYER_S + HEAD) / 4, rel=1e-12)
    # Activations of 2 MiB and gradients of 4 micro-batches, and one more of each to fill and drain.
    assert found.pp_transfer_s == pytest.approx((2 * 4 + 2) * 2 * 1024 * 1024 / 1e11, rel=1e-12)


SOFT = 0.5 * (1.0 + 1.01**0.5)  # the soft maximum of what could not be hidden: edge a tenth of the volume
# 16 ranks in two domains of 8: inside, 7/8 of 4 bytes a gradient over links, which takes longer than half of an eighth
# over the network; reduced and gathered.
TWO_DOMAINS = SOFT * 2 * HELD * 4 * 7 / 8 / 1e11


def test_data_parallel() -> None:
    # Gradients of 4 bytes cross once to be reduced and once to be gathered: half of them each with two ranks.
    half = HELD / 2 / 1e11
    found = terms(Layout(dp=2.0, zero=0.0), batch=8.0)
    assert found.dp_exposed_s == pytest.approx(SOFT * (4 + 4) * half, rel=1e-12)
    # With sharded states the weights of 2 bytes are gathered instead.
    assert terms(Layout(dp=2.0, zero=1.0), batch=8.0).dp_exposed_s == pytest.approx(SOFT * (4 + 2) * half, rel=1e-12)
    # Sharded weights are gathered for both passes of each of 4 micro-batches, and gradients scattered.
    sharded = terms(Layout(dp=2.0, zero=3.0), batch=8.0)
    assert sharded.dp_exposed_s == pytest.approx(SOFT * 4 * (2 + 2 + 4) * half, rel=1e-12)


def test_data_parallel_across_domains() -> None:
    assert terms(Layout(dp=16.0, zero=0.0), batch=64.0).dp_exposed_s == pytest.approx(TWO_DOMAINS, rel=1e-12)


def test_optimizer() -> None:
    # 2 (4 + 8) bytes of master weights and moments, 2 x 4 of gradients, 2 of the weight written.
    assert terms().optimizer_s == pytest.approx(HELD * (24 + 8 + 2) / 1e12, rel=1e-12)
    # Sharded over two ranks: half.
    assert terms(Layout(dp=2.0, zero=1.0), batch=8.0).optimizer_s == pytest.approx(HELD / 2 * 34 / 1e12, rel=1e-12)


def test_offloaded_optimizer() -> None:
    found = terms(Layout(zero=0.0, offload_optimizer=1.0))
    # 4 bytes of gradient out, 2 of weight back over 1e10 bytes/s; 1e9 parameters a second on the host.
    assert found.offload_s == pytest.approx(HELD * (6 / 1e10 + 1e-9), rel=1e-12)
    assert found.optimizer_s == 0.0


def test_host() -> None:
    # 16 launches forward, 1.5 times as many backward, a millisecond each: slower than the device by the difference.
    found = terms(stack={"host_op_s": 1e-3, "launches_layer": 16.0, "host_backward": 1.5, "step_s": 5e-3})
    assert found.host_s == pytest.approx(4 * 4 * (16 * 2.5 * 1e-3 - LAYER_S) + 5e-3, rel=1e-12)


def test_gradients_hide_behind_a_backward_pass_and_its_share_of_the_host() -> None:
    # 2 of 3 launches are the backward pass's: so much of what the host adds to a layer, beside products twice forward,
    # attention 2.5 times and memory twice. Four layers are the window; the edge as above.
    stack = {"host_op_s": 4e-5, "launches_layer": 16.0, "host_backward": 2.0, "dp_overlap": 1.0}
    host = 16 * 3 * 4e-5 - LAYER_S
    window = 4 * (2 * GEMM_F + 2.5 * ATTENTION_F + 2 * MEMORY_F + host * 2 / 3)
    volume = 2 * HELD * 4 * 7 / 8 / 1e11  # within domains of 8, slower here than the network between them
    left = 0.5 * (volume - window + math.hypot(volume - window, 0.1 * volume))
    assert volume > 0.3 * window > 0.05 * volume
    found = terms(Layout(dp=16.0, zero=0.0), batch=64.0, stack=stack)
    assert found.dp_exposed_s == pytest.approx(left, rel=1e-9)


def test_jitter() -> None:
    # Two domains: one doubling of 1 % of all else: 4 micro-batches of 4 layers and the head, the exchange above, and
    # the optimizer's 34 bytes a parameter.
    rest = 16 * LAYER_S + 4 * HEAD + TWO_DOMAINS + HELD * 34 / 1e12
    found = terms(Layout(dp=16.0, zero=0.0), batch=64.0, stack={"jitter": 0.01})
    assert found.jitter_s == pytest.approx(0.01 * rest, rel=1e-12)


def test_frozen_weights_have_no_weight_gradient() -> None:
    found = terms(load={"trainable_fraction": 0.01})
    assert found.gemm_s == pytest.approx(4 * 4 * 2 * GEMM_F, rel=1e-12)
    assert found.optimizer_s == pytest.approx(0.01 * HELD * 34 / 1e12, rel=1e-12)


# Memory: the same model; ZeRO 0 on one accelerator unless said.

MEMORY = {
    "gradient_bytes": 0.0, "in_flight": 1.0, "activation_overhead": 1.0, "workspace_layers": 0.25, "logits_bytes": 6.0,
    "parameter_buffer_bytes": 0.5, "context_bytes": 1e9, "fragmentation": 0.05, "gathered_bytes": 4.0,
}  # fmt: skip
# A layer keeps a token: input and residual 2 x 2 d, both norms' outputs 2 x 2 d, queries, keys and values 2 x 3 d,
# what attention returns 2 d, and the network's 4,096 before and after its activation, 2 bytes each.
SAVED = (2 * 2 + 2 * 2 + 2 * 3 + 2) * 1024 + (2 + 2) * 4096


def memory(layout: Layout, **stack: float) -> Any:
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    return peak_memory(SHAPE, BF16, layout, load, msgspec.structs.replace(STACK, **{**MEMORY, **stack}))


def test_memory_of_states() -> None:
    found = memory(Layout(zero=0.0))
    assert found.weights_bytes == pytest.approx(2 * HELD, rel=1e-12)
    assert found.gradients_bytes == pytest.approx(4 * HELD, rel=1e-12)
    assert found.optimizer_bytes == pytest.approx(12 * HELD, rel=1e-12)
    assert found.buffers_bytes == pytest.approx(0.5 * HELD, rel=1e-12)


def test_memory_of_gathered_weights() -> None:
    # Fully sharded over two ranks: half of each state, and two layers whole in 2 bytes.
    found = memory(Layout(dp=2.0, zero=3.0))
    assert found.weights_bytes == pytest.approx(HELD, rel=1e-12)
    assert found.buffers_bytes == pytest.approx(2 * 2 * (LAYER + NORMS) + 0.5 * HELD / 2, rel=1e-12)


def test_memory_of_activations() -> None:
    # Four layers of 1,024 tokens, and a quarter of a layer's worth at work.
    found = memory(Layout(zero=0.0))
    assert found.activations_bytes == pytest.approx(1024 * SAVED * (4 + 0.25), rel=1e-12)
    # Recomputed whole: the input of 2 d alone, and one layer whole beside the quarter.
    again = memory(Layout(zero=0.0, recompute_layers=1.0))
    assert again.activations_bytes == pytest.approx(1024 * (4 * 2 * 1024 + 1.25 * SAVED), rel=1e-12)
    # The first of two stages holds two micro-batches of its two layers.
    staged = memory(Layout(pp=2.0, zero=0.0))
    assert staged.activations_bytes == pytest.approx(1024 * SAVED * (2 * 2 + 0.25), rel=1e-12)


def test_memory_of_logits_and_waste() -> None:
    found = memory(Layout(zero=0.0))
    assert found.logits_bytes == pytest.approx(1024 * 8000 * 6, rel=1e-12)
    # A twentieth of all the above is wasted: 2 + 4 + 12 + 0.5 bytes a parameter, four layers and a quarter, the logits.
    held = 18.5 * HELD + 1024 * SAVED * 4.25 + 1024 * 8000 * 6
    assert found.reserve_bytes == pytest.approx(1e9 + 0.05 * held, rel=1e-12)
    assert found.total_bytes == pytest.approx(1e9 + 1.05 * held, rel=1e-12)


def test_memory_of_sequence_parallel_gathers() -> None:
    found = memory(Layout(tp=2.0, zero=0.0))
    half = (4 * LAYER + 2 * VOCABULARY) / 2 + 4 * NORMS  # norms stay whole
    assert found.weights_bytes == pytest.approx(2 * half, rel=1e-12)
    assert found.buffers_bytes == pytest.approx(0.5 * half + 1024 * 1024 * 4, rel=1e-12)
