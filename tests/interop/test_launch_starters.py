"""What launchers and trainers' own arguments say over the files that they name, and what tools derive by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwmodel.errors import InputError
from hwmodel.interop.launch_in import read_launch
from hwmodel.interop.launch_in.question import question
from hwmodel.solve.question.options import TrainOptions

ACCELERATE = """compute_environment: LOCAL_MACHINE
distributed_type: FSDP
fsdp_config: {fsdp_sharding_strategy: FULL_SHARD, fsdp_offload_params: false}
mixed_precision: bf16
num_processes: 8
"""
DEEPSPEED = {"zero_optimization": {"stage": 2}, "bf16": {"enabled": "auto"}, "fp16": {"enabled": "auto"}}
TRAINER = "train.py --per_device_train_batch_size 4 --gradient_accumulation_steps 2 --block_size 1024"
MEGATRON = (
    "torchrun --nproc-per-node 8 --nnodes 4 pretrain_gpt.py --num-layers 32 --hidden-size 4096 --seq-length 4096 "
    "--max-position-embeddings 4096 --num-attention-heads 32 --vocab-size 32000 --micro-batch-size 2 --bf16 "
)
MAXTEXT = """base_config: base.yml
model_name: llama3-70b
per_device_batch_size: 4
max_target_length: 8192
ici_fsdp_parallelism: 16
ici_pipeline_parallelism: 4
"""


def _read(folder: Path, script: str, name: str = "run.sh") -> dict[str, object]:
    (folder / "acc.yaml").write_text(ACCELERATE)
    (folder / "ds.json").write_text(json.dumps(DEEPSPEED))
    (folder / name).write_text(script)
    return dict(read_launch(folder / name).options)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (f"accelerate launch --config_file acc.yaml {TRAINER}", {"accelerators": 8}),
        (
            f"accelerate launch --config_file acc.yaml --num_processes 32 --num_machines 4 {TRAINER}",
            {"accelerators": 32},
        ),
        (f"N=4\naccelerate launch --config_file acc.yaml --num_processes $((N*8)) {TRAINER}", {"accelerators": 32}),
        (f"accelerate launch --config_file acc.yaml {TRAINER} --fp16 true", {"precision": "fp16"}),
        (f"deepspeed --num_gpus 8 --num_nodes 2 {TRAINER} --deepspeed ds.json", {"accelerators": 16}),
        (f"deepspeed --num_gpus 4 {TRAINER} --deepspeed ds.json", {"accelerators": 4}),
        (f"deepspeed --hostfile h --num_gpus 4 {TRAINER} --deepspeed ds.json", {"accelerators": None}),
        (f"torchrun --nproc_per_node 8 --nnodes 2 {TRAINER} --deepspeed ds.json --fp16", {"precision": "fp16"}),
        (f"torchrun --nproc_per_node 8 --nnodes 2 {TRAINER} --deepspeed ds.json --bf16", {"precision": "bf16"}),
        (f"torchrun {TRAINER} --deepspeed ds.json", {"precision": "fp32"}),
        (f"torchrun {TRAINER} --deepspeed ds.json --bf16 false", {"precision": "fp32"}),
        (f"torchrun {TRAINER} --deepspeed ds.json --tf32 true", {"precision": "tf32"}),
        (f"torchrun {TRAINER} --deepspeed ds.json --tf32 false", {"precision": "fp32"}),
        (MEGATRON.replace("--bf16", ""), {"precision": "fp32"}),
        ("export NVIDIA_TF32_OVERRIDE=1\n" + MEGATRON.replace("--bf16", ""), {"precision": "tf32"}),
        (f"torchrun {TRAINER} --deepspeed ds.json --model_name_or_path gpt2", {"model": "openai-community/gpt2"}),
        (f"torchrun {TRAINER} --deepspeed ds.json --model_name_or_path ./gpt2", {"model": None}),
        (MEGATRON + "--tensor-model-parallel-size 2", {"batch_per_replica": 2, "global_batch": None}),
        (MEGATRON + "--global-batch-size 64", {"batch_per_replica": None, "global_batch": 64}),
    ],
)
def test_the_command_line_stands_before_the_file(tmp_path: Path, script: str, says: dict[str, object]) -> None:
    found = _read(tmp_path, script)
    assert {name: found.get(name) for name in says} == says


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (f"accelerate launch --config_file acc.yaml --num_processes 0 {TRAINER}", "--num_processes 0 counts nothing"),
        (f"torchrun {TRAINER} --deepspeed ds.json --bf16 --fp16", "one or the other"),
        (f"accelerate launch --config_file acc.yaml --use_deepspeed {TRAINER}", "unknown setting '--use_deepspeed'"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(tmp_path: Path, script: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        _read(tmp_path, script)


@pytest.mark.parametrize(("delay", "micro"), [("", 4), ("false", 4), ("true", 2)])
def test_delayed_forwarding_takes_twice_as_many_micro_batches(tmp_path: Path, delay: str, micro: int) -> None:
    """64 devices of 4 sequences are 16 replicas of 16; in 4 micro-batches for 4 stages, or in 8."""
    line = f"pipeline_delay_activation_forwarding: {delay}\n" if delay else ""
    assert _read(tmp_path, MAXTEXT + line, "run.yml")["micro_batch"] == micro
    noted = " ".join(read_launch(tmp_path / "run.yml").notes)
    assert ("twice as long" in noted) == (delay == "true")


def test_delayed_forwarding_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes true or false, not 2"):
        _read(tmp_path, MAXTEXT + "pipeline_delay_activation_forwarding: 2\n", "run.yml")


@pytest.mark.parametrize(
    ("switches", "says"),
    [
        ({}, "switches neither BF16 nor FP16 on"),
        ({"bf16": {"enabled": False}}, "switches neither BF16 nor FP16 on"),
        ({"bf16": {"enabled": "auto"}}, "leaves the format to the trainer's arguments"),
        ({"bf16": {"enabled": False}, "fp16": {"enabled": "auto"}}, "leaves the format to the trainer's arguments"),
    ],
)
def test_a_format_that_a_file_does_not_say_is_asked_for(
    tmp_path: Path, switches: dict[str, dict[str, object]], says: str
) -> None:
    """DeepSpeed switches neither format on by itself, and `auto` is what the trainer's arguments say."""
    path = tmp_path / "ds.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": 2}, **switches}))
    read, given = read_launch(path), TrainOptions(gpus="8xH100", model="llama-3.1-8b")
    with pytest.raises(InputError, match=says):
        question(read, given, [])
    assert question(read, TrainOptions(**given, precision="bf16"), [])["precision"] == "bf16"


@pytest.mark.parametrize(
    ("line", "says"), [("dp = 8", "follows from the accelerators"), ("tpp = 8", "unknown fact 'tpp'.*nearest: .*tp")]
)
def test_a_comment_that_holds_no_option_is_refused_at_once(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "run.sh"
    path.write_text(f"# hwmodel: {line}\n{MEGATRON}")
    with pytest.raises(InputError, match=says):
        read_launch(path)
