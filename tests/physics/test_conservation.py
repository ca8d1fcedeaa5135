"""What a layer holds is what its seconds compute and read: parameters, products, attention and cache agree.

Seconds are turned back into FLOPs and bytes on a machine without overheads: one FLOP a second and endless bandwidth,
or one byte a second and an endless rate. Nothing here knows how the seconds are computed.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.interop.huggingface import from_dict, read_config
from hwmodel.interop.huggingface.others import NOT_DECODERS
from hwmodel.physics.layer import layer_times
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import decode_terms, kv_bytes_per_token, prefill_terms
from hwmodel.physics.shape import attention_flop_per_token, layers, parameters
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Shape, Stack, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CATALOG = load_catalog()
FILES = {path.stem: path for folder in ("hf_configs", "hf_public") for path in (GOLDEN / folder).glob("*.json")}
FAMILIES = {
    f"family {row['config']['model_type']}": row["config"]
    for row in map(json.loads, (GOLDEN / "hf_defaults.jsonl").read_text().splitlines())
    if row["config"]["model_type"] not in {*NOT_DECODERS, "blt", "glm4_moe"}
}
NAMES = [*sorted(e.id for e in CATALOG.models() if e.shape is not None), *sorted(FILES), *sorted(FAMILIES)]
CONTEXTS = (8192.0, 131072.0, 1048576.0)
ENDLESS = float("inf")
GEMM = {
    "efficiency": 1.0, "hbm_fraction": 1.0, "launch_s": 0.0, "throttle": 0.0, "sustained": 1.0, "overlap_loss": 0.0,
    "latency_s_per_k": 0.0, "depth": 0.0, "fill": 0.0, "edge_m": 0.0, "edge_n": 0.0, "wave": 0.0, "group_edge": 0.0,
    "group_efficiency": 1.0, "scan_efficiency": 1.0, "group_launch_s": 0.0, "cast_bytes": 0.0, "cast_launch_s": 0.0,
}  # fmt: skip
ATTENTION = {
    "efficiency": 1.0, "hbm_fraction": 1.0, "launch_s": 0.0, "head_dim_half": 0.0, "latency_s_per_token": 0.0,
    "overlap_loss": 0.0, "fill": 0.0, "diagonal_tokens": 0.0, "window_pad_tokens": 0.0, "block_pairs": 0.0,
    "throttle": 0.0, "decode_launch_s": 0.0, "decode_hbm_fraction": 1.0,
    "decode_efficiency": 1.0, "decode_min_tokens": 0.0, "decode_latency_s_per_token": 0.0, "mla_decode_launch_s": 0.0,
    "mla_decode_efficiency": 1.0, "mla_decode_hbm_fraction": 1.0, "mla_decode_min_tokens": 0.0,
    "mla_decode_latency_s_per_token": 0.0,
}  # fmt: skip
STACK = Stack(imbalance=1.0, step_s=0.0, host_op_s=0.0, jitter=0.0)
ENGINE = Engine(step_s=0.0, sequence_s=0.0, kernel_s=0.0)
BF16 = CATALOG.precision("bf16")


def ideal(flop_per_s: float, bytes_per_s: float) -> Machine:
    """An H100 whose kernels cost their FLOPs and bytes and nothing else."""
    part = CATALOG.part("h100")
    m = machine(part, CATALOG.default_system(part.id), BF16, kernel_calibration())
    rates = {"peak_flop_per_s": flop_per_s, "hbm_bytes_per_s": bytes_per_s}
    change = msgspec.structs.replace
    gemm, attention = change(m.gemm, **GEMM, **rates), change(m.attention, **ATTENTION, **rates)
    memory = change(m.memory, hbm_bytes_per_s=bytes_per_s, hbm_fraction=1.0, launch_s=0.0)
    return change(m, gemm=gemm, gemm_high=gemm, attention=attention, attention_flash2=attention, memory=memory)


COMPUTES = ideal(1.0, ENDLESS)
MOVES = ideal(ENDLESS, 1.0)


@cache
def shape_of(name: str) -> Shape:
    if name in FAMILIES:
        return from_dict(dict(FAMILIES[name]), Path("config.json")).shape
    return read_config(FILES[name]).shape if name in FILES else CATALOG.model(name)


def head(shape: Shape) -> float:
    return shape.vocab * shape.d_model


@pytest.mark.parametrize("name", NAMES)
def test_products_of_training_cost_two_flop_a_parameter(name: str) -> None:
    shape, seq_len = shape_of(name), 8192.0
    load = Workload(seq_len=seq_len, global_batch_seqs=1.0)
    times = layer_times(shape, COMPUTES, BF16, Layout(), load, STACK)
    inside = 2.0 * (parameters(shape).matmul_active - head(shape))
    assert layers(shape) * times.gemm_f / seq_len == pytest.approx(inside, rel=1e-3)
    assert layers(shape) * times.gemm_b / seq_len == pytest.approx(2.0 * inside, rel=1e-3)
    assert times.head_s / seq_len == pytest.approx(6.0 * head(shape), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_products_of_serving_cost_two_flop_a_parameter(name: str) -> None:
    shape, formats, layout = shape_of(name), ServingFormats(), ServingLayout()
    inside = 2.0 * (parameters(shape).matmul_active - head(shape))
    prefill = prefill_terms(shape, COMPUTES, formats, layout, ENGINE, 8192.0, 8192.0)
    assert prefill.gemm_s + prefill.experts_s == pytest.approx(8192.0 * inside, rel=1e-3)
    assert prefill.logits_s == pytest.approx(2.0 * head(shape), rel=1e-3)
    decode = decode_terms(shape, COMPUTES, formats, layout, ENGINE, 64.0, 8192.0)
    assert decode.gemm_s + decode.experts_s == pytest.approx(64.0 * inside, rel=1e-3)
    assert decode.logits_s == pytest.approx(128.0 * head(shape), rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_attention_costs_the_flop_that_are_counted(name: str) -> None:
    shape = shape_of(name)
    for seq_len in CONTEXTS:
        counted = seq_len * attention_flop_per_token(shape, seq_len)
        load = Workload(seq_len=seq_len, global_batch_seqs=1.0)
        trained = layer_times(shape, COMPUTES, BF16, Layout(), load, STACK)
        assert layers(shape) * trained.attention_f == pytest.approx(counted, rel=1e-3)
        served = prefill_terms(shape, COMPUTES, ServingFormats(), ServingLayout(), ENGINE, seq_len, seq_len)
        assert served.attention_s == pytest.approx(counted, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_decode_step_reads_what_it_attends_to_of_what_is_held(name: str) -> None:
    shape, formats, layout = shape_of(name), ServingFormats(kv_bytes=1.0), ServingLayout()

    def moved(at: float) -> float:
        return float(decode_terms(shape, MOVES, formats, layout, ENGINE, 1.0, at).attention_s)

    for context in CONTEXTS:
        attended = 0.0
        for block in shape.blocks:
            # A borrowed cache is read as if it were its own; the keys of an indexer are all read.
            lender = msgspec.structs.replace(block, borrows_kv=0.0, index_heads=0.0)
            index = block.index_dim / block.kv_compression if block.index_heads else 0.0
            one = msgspec.structs.replace(shape, blocks=(lender,))
            held = context * kv_bytes_per_token(one, 1.0, 1.0, context)
            kept = min(context, block.window_tokens)
            attended += held * min(1.0, block.select_tokens * block.kv_compression / kept)
            attended += block.count * context * index
        assert moved(context) - moved(0.0) == pytest.approx(attended, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_optimizer_moves_every_parameter_once(name: str) -> None:
    shape = shape_of(name)
    load = Workload(seq_len=1024.0, global_batch_seqs=1.0)
    seconds = step(shape, MOVES, BF16, Layout(), load, STACK).optimizer_s
    one = 2.0 * (BF16.master_bytes + BF16.moment_bytes) + BF16.weight_bytes + 2.0 * BF16.gradient_bytes
    outside = shape.d_model * (1.0 + shape.norm_bias) + shape.extra_params
    assert seconds / one == pytest.approx(parameters(shape).total - outside, rel=1e-3)
