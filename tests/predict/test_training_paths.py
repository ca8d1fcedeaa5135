"""One path: what `train` and `plan` print for a setting, `validate` prints for the row that describes it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import training_calibration
from hwmodel.errors import HwModelError
from hwmodel.physics.shape import parameters
from hwmodel.predict.training import run_space
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.run.records import BuiltShape
from hwmodel.solve.train import train
from hwmodel.specs import Block, Shape
from hwmodel.validation.board.board import training_board
from hwmodel.validation.board.whole_runs import predict_rows
from hwmodel.validation.predicted.training import prepare
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.tables import Row

COLUMNS = (
    "id", "source", "model", "n_layers", "d_model", "n_heads", "n_kv_heads", "d_ff", "ffn_kind", "vocab", "seq_len",
    "n_experts", "top_k", "params_total", "params_active", "n_accel", "accelerator", "accel_per_node", "interconnect",
    "precision", "global_batch_seqs", "micro_batch", "tp", "cp", "pp", "vpp", "ep", "dp", "zero_stage_or_fsdp", "year",
    "sequence_parallel", "recompute", "framework", "task", "flops_convention", "score", "tokens_per_s_per_accel",
    "step_time_s", "peak_mem_gb", "head_dim", "window", "n_dense_layers", "d_ff_dense", "n_shared_experts",
    "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "peak_mem_unit",
    "time_to_train_min", "reported_tflops_per_accel", "etp", "offload",
)  # fmt: skip
PARTS = ("h100", "a100", "b200", "h200", "mi300x")
MEASURED = {"tokens_per_s_per_accel": "1", "step_time_s": "1", "peak_mem_gb": "1"}
RECOMPUTE = ("none", "selective", "full", "25%", "layernorm", "mlp,moe", "core_attn,moe_act")


class Asked(msgspec.Struct, frozen=True):
    """A run on a fleet; None: blank."""

    part: str
    fleet: int
    precision: str
    layers: int
    heads: int
    experts: int
    seq_len: int
    batch: int | None
    stack: str
    layout: dict[str, int | str]


@st.composite
def runs(draw: st.DrawFn) -> Asked:
    """Any part of the layout may be blank."""
    part = draw(st.sampled_from(PARTS))
    layout = {
        "tp": draw(st.sampled_from([None, 1, 2, 4])),
        "cp": draw(st.sampled_from([None, 1])),
        "pp": draw(st.sampled_from([None, 1, 2, 4])),
        "micro_batch": draw(st.sampled_from([None, 1, 2])),
        "zero": draw(st.sampled_from([None, 1, 3])),
        "recompute": draw(st.sampled_from([None, *RECOMPUTE])),
        "etp": draw(st.sampled_from([None, 1, 2])),
        "offload": draw(st.sampled_from([None, None, "activations", "optimizer", "activations,optimizer"])),
    }
    return Asked(
        part=part,
        fleet=draw(st.sampled_from([8, 16, 48, 64, 256, 1024])),
        precision=draw(st.sampled_from(["bf16", "bf16", "fp8"])) if part != "a100" else "bf16",
        layers=draw(st.integers(4, 60)),
        heads=draw(st.integers(8, 64)),
        experts=draw(st.sampled_from([0, 0, 8, 64])),
        seq_len=draw(st.sampled_from([2048, 4096, 8192, 32768])),
        batch=draw(st.sampled_from([None, 64, 256, 1024])),
        stack=draw(st.sampled_from(["", "Megatron-Core", "torchtitan", "MaxText"])),
        layout={name: value for name, value in layout.items() if value is not None},
    )


def shape_of(s: Asked) -> Shape:
    """The shape that the row below states."""
    kind = {"n_experts": float(s.experts), "top_k": 2.0} if s.experts else {}
    block = Block(
        count=float(s.layers), n_heads=float(s.heads), n_kv_heads=float(s.heads), head_dim=128.0, v_head_dim=128.0,
        d_ff=1024.0 if s.experts else 384.0 * s.heads, gated=1.0, **kind,
    )  # fmt: skip
    return Shape(name="", d_model=128.0 * s.heads, vocab=51200.0, blocks=(block,), tied=0.0, bias=0.0, norm_bias=0.0)


def row_of(s: Asked) -> Row:
    """The run as a row of measured training runs."""
    shape = shape_of(s)
    names = {"zero": "zero_stage_or_fsdp"}
    layout = {names.get(name, name): str(value) for name, value in s.layout.items()}
    stated = {
        "id": "one", "source": "a user", "n_layers": str(s.layers), "d_model": f"{shape.d_model:g}",
        "n_heads": str(s.heads), "d_ff": f"{shape.blocks[0].d_ff:g}", "ffn_kind": "swiglu", "vocab": "51200",
        "seq_len": str(s.seq_len), "n_accel": str(s.fleet), "n_experts": str(s.experts or ""),
        "top_k": "2" if s.experts else "", "accelerator": s.part, "precision": s.precision, "framework": s.stack,
        "global_batch_seqs": str(s.batch or ""),
    }  # fmt: skip
    return dict.fromkeys(COLUMNS, "") | stated | layout | MEASURED


STACKS = {"": "generic", "Megatron-Core": "megatron-core", "torchtitan": "torchtitan", "MaxText": "jax"}


def options_of(s: Asked) -> dict[str, Any]:
    """The run as options of `train`."""
    return {
        "shape": shape_of(s), "gpus": f"{s.fleet}x{s.part}", "precision": s.precision, "seq_len": s.seq_len,
        "global_batch": s.batch, "stack": STACKS[s.stack], **s.layout,
    }  # fmt: skip


@given(runs())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_validate_prints_what_train_prints(s: Asked) -> None:
    rows = {row.metric: row for row in training_board([row_of(s)]).rows}
    try:
        said = train(**options_of(s)).to_dict()
    except HwModelError:
        # What `train` refuses to lay out (sizes that do not divide) a row may still have run; never the other way.
        event("refused")
        return
    event("predicted")
    for metric, key, unit in (
        ("tokens_per_s_per_accel", "tokens_per_s_per_accelerator", 1.0),
        ("step_time_s", "step_s", 1.0),
        # torchtitan logs what its allocator has reserved.
        ("peak_mem_gb", f"{'reserved' if s.stack == 'torchtitan' else 'allocated'}_memory_bytes", 2.0**30),
    ):
        band = said[key]
        got = (rows[metric].predicted, rows[metric].low, rows[metric].high)
        assert got == tuple(pytest.approx(band[end] / unit, rel=1e-15) for end in ("value", "low", "high")), metric


@pytest.mark.parametrize(
    "question",
    [
        {"gpus": "1024xA100", "tokens": "1.4T"},
        {"gpus": "256xB200", "params": "8B", "tokens": "15T", "precision": "fp8"},
        {"gpus": "512xH100", "model": "mixtral-8x7b", "tokens": "1T"},
        {"gpus": "96xH200", "params": "13B", "tokens": "300B", "seq_len": 16384},
    ],
)
def test_the_pick_of_plan_is_in_the_set_that_validate_searches(question: dict[str, Any]) -> None:
    found = plan(**question)
    layout, answer = found.layout, found.answer
    assert layout is not None
    assert answer.accelerators is not None
    used = answer.accelerators - (answer.idle_accelerators or 0)
    catalog = load_catalog()
    shape = catalog.model(str(question["model"])) if "model" in question else None
    row = dict.fromkeys(COLUMNS, "") | {
        "id": "one", "accelerator": str(question["gpus"]).split("x", 1)[1], "n_accel": str(used),
        "precision": str(question.get("precision", "bf16")), "seq_len": str(question.get("seq_len", 4096)),
        "global_batch_seqs": str(layout.global_batch_seqs), "tokens_per_s_per_accel": "1", "ffn_kind": "swiglu",
        "params_total": str(parameters(shape).total if shape else found.answer.train_flop / 6 / 1.0),
    } | _columns(found.shape, shape)  # fmt: skip
    ready = prepare([row], Resolver(catalog, kernel_calibration()), training_calibration())
    run = ready.runs[0]
    assert run is not None, ready.reasons
    space = run_space(run)
    names = ("tp", "cp", "pp", "vpp", "ep", "dp", "zero", "micro_batch")
    here = np.ones(space.count, dtype=bool)
    for name in names:
        here &= np.asarray(getattr(space.layout, name)) == getattr(layout, name)
    assert here.any()


def _columns(table: BuiltShape | None, shape: Shape | None) -> Row:
    """Shape columns of a row from the plan's own table."""
    assert table is not None
    if shape is not None:
        block = shape.blocks[0]
        return {
            "n_layers": f"{block.count:g}", "d_model": f"{shape.d_model:g}", "n_heads": f"{block.n_heads:g}",
            "n_kv_heads": f"{block.n_kv_heads:g}", "d_ff": f"{block.d_ff:g}", "vocab": f"{shape.vocab:g}",
            "n_experts": f"{block.n_experts:g}", "top_k": f"{block.top_k:g}",
        }  # fmt: skip
    return {
        "n_layers": str(table.layers), "d_model": str(table.d_model), "n_heads": str(table.n_heads),
        "n_kv_heads": str(table.n_kv_heads), "d_ff": str(table.d_ff), "vocab": str(table.vocab),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gpu", "fleet", "params", "tokens"),
    [("A100-80GB", 1024, 65e9, 1.4e12), ("H100", 2048, 405e9, 2e12), ("TPU v4", 512, 8e9, 1e12)],
)
def test_a_whole_run_is_what_plan_answers(gpu: str, fleet: int, params: float, tokens: float) -> None:
    row = {
        "id": "one", "source": "a user", "model": "", "gpu": gpu, "n_gpus": str(fleet), "params_total": repr(params),
        "params_active": "", "tokens": repr(tokens), "gpu_hours": "1", "days": "1", "kind": "pretrain", "precision": "",
    }  # fmt: skip
    resolver = Resolver(load_catalog(), kernel_calibration())
    rows = {one.metric: one for one in predict_rows([row], resolver)}
    answer = plan(gpus=f"{fleet}x{resolver.part(gpu).id}", params=params, tokens=tokens).answer
    for metric, band in (("gpu_hours", answer.gpu_hours), ("days", answer.elapsed_days)):
        one = rows[metric]
        assert (one.predicted, one.low, one.high) == (band.value, band.low, band.high)
