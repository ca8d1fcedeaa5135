"""Configurations that others published: each is read as the question that it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwmodel.errors import InputError
from hwmodel.interop.launch_in import read_launch
from hwmodel.interop.launch_in.question import question
from hwmodel.interop.launch_in.shell import read_script
from hwmodel.specs import Shape
from tests.interop.public_configurations import (
    AXOLOTL_ZERO2,
    AXOLOTL_ZERO3,
    BRIDGE,
    MAXTEXT,
    TITAN_405B,
    TITAN_671B,
    TITAN_PYTHON,
    TITAN_QWEN,
    TRL_FSDP2,
    TRL_MULTI,
)
from tests.interop.public_megatron import GPT3_175B, LLAMA3_8B_FP8, MIXTRAL

CASES: dict[str, tuple[str, str, dict[str, str], dict[str, Any]]] = {
    "gpt3": ("run.sh", GPT3_175B, {"gpus": "128xA100"}, {
        "model": "gpt-3-175b", "tp": "8", "pp": "16", "zero": "0", "precision": "fp16", "global_batch": "1536",
        "micro_batch": "1", "seq_len": "2048", "recompute": "none"}),
    "llama3": ("run.sh", LLAMA3_8B_FP8, {"gpus": "H100"}, {
        "gpus": "8xH100", "tp": "1", "pp": "1", "zero": "1", "precision": "fp8", "global_batch": "128",
        "seq_len": "8192"}),
    "mixtral": ("run.sh", MIXTRAL, {"gpus": "H100", "model": "mixtral-8x7b", "precision": "tf32"}, {
        "gpus": "2xH100", "model": "mixtral-8x7b", "ep": "2", "zero": "1", "precision": "tf32", "global_batch": "4"}),
    "titan-405b": ("llama3_405b.toml", TITAN_405B, {"gpus": "128xH100"}, {
        "model": "llama-3.1-405b", "tp": "8", "zero": "3", "precision": "fp8", "recompute": "full", "micro_batch": "2",
        "global_batch": "32", "seq_len": "8192"}),
    "titan-671b": ("deepseek.toml", TITAN_671B, {"gpus": "1024xH100"}, {
        "model": "deepseek-v3", "tp": "1", "pp": "1", "vpp": "1", "zero": "3", "recompute": "selective",
        "global_batch": "4096", "precision": "bf16"}),
    "titan-qwen": ("qwen.toml", TITAN_QWEN, {"gpus": "8xH100"}, {
        "model": "qwen3-32b", "zero": "3", "recompute": "full", "micro_batch": "2", "global_batch": "16"}),
    "maxtext-70b": ("a.yml", MAXTEXT.format(model="llama3-70b", batch=4, tokens=8192, policy="full"),
                    {"gpus": "8xH200"}, {"model": "llama-3-70b", "zero": "3", "recompute": "full", "micro_batch": "4",
                                         "global_batch": "32", "seq_len": "8192", "precision": "bf16"}),
    "maxtext-405b": ("a.yml", MAXTEXT.format(model="llama3.1-405b", batch=1.0, tokens=4096, policy="full"),
                     {"gpus": "128xH100"}, {"model": "llama-3.1-405b", "global_batch": "128", "micro_batch": "1"}),
    "maxtext-mixtral": ("a.yml", MAXTEXT.format(
                            model="mixtral-8x7b", batch=12, tokens=4096, policy="minimal_with_context"
                        ) + "capacity_factor: 1.0\nmegablox: false\n",
                        {"gpus": "16xH100"}, {"model": "mixtral-8x7b", "recompute": "none", "global_batch": "192"}),
    "bridge-70b": ("r.py:llama3_70b_pretrain_32gpu_h100_bf16_config", BRIDGE, {"gpus": "32xH100"}, {
        "model": "meta-llama/Meta-Llama-3-70B", "tp": "4", "pp": "4", "vpp": "5", "cp": "2", "zero": "1",
        "recompute": "none", "global_batch": "512", "precision": "bf16", "seq_len": "8192"}),
    "bridge-8b": ("r.py:llama3_8b_pretrain_64gpu_h100_bf16_128k_config", BRIDGE, {"gpus": "64xH100"}, {
        "tp": "4", "cp": "8", "seq_len": "131072", "precision": "fp8", "zero": "1"}),
    "bridge-235b": ("r.py:qwen3_235b_a22b_pretrain_256gpu_h100_bf16_config", BRIDGE, {"gpus": "256xH100"}, {
        "model": "Qwen/Qwen3-235B-A22B", "pp": "16", "vpp": "1", "ep": "8", "cp": "2", "tp": "4"}),
    "accelerate-fsdp2": ("a.yaml", TRL_FSDP2, {"gpus": "H100", "model": "llama-3.1-8b", "global_batch": "64"}, {
        "gpus": "8xH100", "zero": "3", "recompute": "none", "precision": "bf16"}),
    "accelerate-multi": ("a.yaml", TRL_MULTI, {"gpus": "H100", "model": "llama-3.2-1b", "global_batch": "64",
                                                "precision": "tf32"}, {
        "gpus": "8xH100", "zero": "0", "precision": "tf32"}),
    "deepspeed-zero3": ("ds.json", AXOLOTL_ZERO3, {"gpus": "8xH100", "model": "llama-3.1-8b", "global_batch": "64"}, {
        "zero": "3", "precision": "bf16", "tp": "1", "pp": "1"}),
    "deepspeed-zero2": ("ds.json", AXOLOTL_ZERO2, {"gpus": "8xH100", "model": "llama-3.1-8b", "global_batch": "64",
                                                  "precision": "bf16"}, {
        "zero": "2", "precision": "bf16", "offload": "optimizer"}),
    "titan-python": ("config_registry.py:llama3_70b", TITAN_PYTHON, {"gpus": "256xH100"}, {
        "model": "llama-3.1-70b", "tp": "8", "recompute": "full", "zero": "3", "global_batch": "256"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_public_configuration_is_the_question_that_it_is(case: str, tmp_path: Path, models: list[Shape]) -> None:
    name, text, given, expected = CASES[case]
    (tmp_path / name.partition(":")[0]).write_text(text)
    options = question(read_launch(tmp_path / name), given, models)
    assert {key: options[key] for key in expected} == expected


def test_what_bears_a_little_is_said(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(LLAMA3_8B_FP8)
    read = read_launch(tmp_path / "run.sh")
    assert any("--grad-reduce-in-bf16" in line and "not predicted" in line for line in read.notes)
    assert "--tokenizer-type" in read.passed_over
    assert read.steps == 1953125000 // 128
    assert read.shape is not None
    assert read.shape.norm_bias == 1.0  # the script sets no RMSNorm


# pytorch/torchtitan (torchtitan==0.3.0), models/llama3/config_registry.py, re-typed: functions that change another's.
TITAN_DERIVED = """
from torchtitan.models.llama3 import model_registry
def llama3_8b():
    return Trainer.Config(
        model_spec=model_registry("8B"),
        training=TrainingConfig(local_batch_size=1, seq_len=8192, steps=1000),
        parallelism=ParallelismConfig(tensor_parallel_degree=2),
        activation_checkpoint=SelectiveAC.Config(),
    )
def llama3_8b_mxfp8():
    config = llama3_8b()
    config.compile = CompileConfig(enable=True, components=["model"])
    config.model_spec = model_registry("8B", converters=[MXFP8LinearConverter.Config(model_compile_enabled=True)])
    return config
def replaced():
    config = llama3_8b()
    config.parallelism = ParallelismConfig(pipeline_parallel_degree=2)
    config.training.local_batch_size = 4
    config.activation_checkpoint = None
    return config
def tail():
    config = llama3_8b()
    config.model_spec = model_registry("8B", converters=[NVFP4LinearConverter.Config(fqns=tail_fqns(32, 0.15))])
    return config
def passed_on():
    config = llama3_8b()
    enable_fused_swiglu(config)
    return config
def circle():
    config = circle()
    return config
"""


@pytest.mark.parametrize(
    ("function", "expected"),
    [("llama3_8b_mxfp8", {"precision": "mxfp8", "tp": 2, "recompute": "selective", "seq_len": 8192}),
     ("replaced", {"precision": "bf16", "tp": 1, "pp": 2, "recompute": "none", "seq_len": 8192})],
)  # fmt: skip
def test_a_function_that_builds_on_another(tmp_path: Path, function: str, expected: dict[str, Any]) -> None:
    path = tmp_path / "config_registry.py"
    path.write_text(TITAN_DERIVED, encoding="utf-8")
    read = read_launch(Path(f"{path}:{function}"))
    assert {name: read.options[name] for name in expected} == expected
    assert read.options["model"] == "llama-3.1-8b"


@pytest.mark.parametrize(
    ("function", "says"),
    [("tail", "layers that are computed"), ("passed_on", "enable_fused_swiglu.config. may change"),
     ("circle", "no Trainer.Config")],
)  # fmt: skip
def test_a_function_that_cannot_be_followed_is_refused(tmp_path: Path, function: str, says: str) -> None:
    path = tmp_path / "config_registry.py"
    path.write_text(TITAN_DERIVED, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_launch(Path(f"{path}:{function}"))


# msrasys/nnscaler, benchmark/megatron/benchmark_gpt.sh, re-typed in part: flags of older Megatron-LM releases.
OLD_MEGATRON = """
GPT_ARGS="--num-layers 24 --hidden-size 1024 --num-attention-heads 16 --seq-length 1024 \\
  --max-position-embeddings 1024 --micro-batch-size 8 --global-batch-size 8 --fp16 --fp16-lm-cross-entropy \\
  --no-masked-softmax-fusion --no-bias-gelu-fusion"
DISTRIBUTED_ARGS="--nproc_per_node 8 --nnodes 1 --node_rank 0 --master_addr localhost --master_port 6000"
python -m torch.distributed.launch $DISTRIBUTED_ARGS pretrain_gpt_synthetic.py $GPT_ARGS \\
  --tensor-model-parallel-size 8 --pipeline-model-parallel-size 1 --DDP-impl torch
"""


def test_flags_of_older_releases(tmp_path: Path) -> None:
    path = tmp_path / "benchmark_gpt.sh"
    path.write_text(OLD_MEGATRON, encoding="utf-8")
    read = read_launch(path)
    wanted = {"tp": 8, "pp": 1, "micro_batch": 8, "precision": "fp16", "seq_len": 1024, "zero": 0}
    assert {name: read.options[name] for name in wanted} == wanted
    assert any("--fp16-lm-cross-entropy" in note for note in read.notes)


@pytest.mark.parametrize(
    ("lines", "flags"),
    [
        ("TP=4; PP=2\ntorchrun x.py --tp $TP --pp $PP; echo done", {"--tp": ["4"], "--pp": ["2"]}),
        ("TP=4 PP=2 torchrun x.py --tp ${TP} --pp $((PP * 2))", {"--tp": ["4"], "--pp": ["4"]}),
        ("W=$((2 * 8))\ntorchrun x.py --dp $((W / 4)) --tp $W", {"--dp": ["4"], "--tp": ["16"]}),
        ("export TP=4 ARGS='--pp 2' OTHER=1\ntorchrun x.py --tp $TP $ARGS", {"--tp": ["4"], "--pp": ["2"]}),
        (
            'if [ -z "$1" ]; then TP=2; fi; TP=4;\ntorchrun x.py --path "a;b" --tp $TP',
            {"--tp": ["4"], "--path": ["a;b"]},
        ),
        ("ARGS=(--tp 4) ; PP=2\ntorchrun x.py ${ARGS[@]} --pp $PP", {"--tp": ["4"], "--pp": ["2"]}),
        ('TP=8; [ -z "$TP" ] && TP=4; PP=2\ntorchrun x.py --tp $TP --pp $PP', {"--tp": ["8"], "--pp": ["2"]}),
    ],
)
def test_commands_and_assignments_of_one_line(tmp_path: Path, lines: str, flags: dict[str, list[str]]) -> None:
    assert read_script(lines, tmp_path / "x.sh").flags == flags
