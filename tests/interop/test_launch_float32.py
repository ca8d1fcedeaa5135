"""FP32 in launch files: each trainer multiplies it as its library does by default, and TF32 where it is told to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.interop.export import launch_files
from hwmodel.interop.launch_in import read_launch
from hwmodel.interop.launch_in.question import question
from hwmodel.solve.train import train

TITAN = """
from torchtitan.trainer import Trainer
{told}
def launch() -> Trainer.Config:
    return Trainer.Config(
        model_spec=models.model_registry("8B"),
        training=TrainingConfig(local_batch_size=1, seq_len=4096, mixed_precision_param={param!r}),
        parallelism=ParallelismConfig(data_parallel_shard_degree=8),
        activation_checkpoint=None,
    )
"""
TOML = """
# torchtitan
[model]
name = "llama3"
flavor = "8B"
[training]
local_batch_size = 1
seq_len = 4096
mixed_precision_param = "{param}"
[parallelism]
data_parallel_shard_degree = 8
"""
MAXTEXT = "base_config: base.yml\nmodel_name: llama3.1-8b\nper_device_batch_size: 1\ndtype: {dtype}\n{more}"
# torch.set_float32_matmul_precision is "highest" (FP32) by default; JAX multiplies FP32 in TF32 on recent GPUs.
TOLD = 'import torch\ntorch.set_float32_matmul_precision("{how}")'
FILES = {
    "titan.py, bf16": ("a.py", TITAN.format(told="", param="bfloat16"), "bf16"),
    "titan.py": ("a.py", TITAN.format(told="", param="float32"), "fp32"),
    "titan.py, high": ("a.py", TITAN.format(told=TOLD.format(how="high"), param="float32"), "tf32"),
    "titan.py, highest": ("a.py", TITAN.format(told=TOLD.format(how="highest"), param="float32"), "fp32"),
    "titan.py, bf16 beside it": ("a.py", TITAN.format(told=TOLD.format(how="high"), param="bfloat16"), "bf16"),
    "titan.toml": ("a.toml", TOML.format(param="float32"), "fp32"),
    "titan.toml, bf16": ("a.toml", TOML.format(param="bfloat16"), "bf16"),
    "maxtext": ("a.yml", MAXTEXT.format(dtype="float32", more=""), "tf32"),
    "maxtext, high": ("a.yml", MAXTEXT.format(dtype="float32", more="matmul_precision: high\n"), "tf32"),
    "maxtext, highest": ("a.yml", MAXTEXT.format(dtype="float32", more="matmul_precision: highest\n"), "fp32"),
    "maxtext, bf16": ("a.yml", MAXTEXT.format(dtype="bfloat16", more="matmul_precision: highest\n"), "bf16"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_multiplied_in(name: str, tmp_path: Path) -> None:
    file, text, precision = FILES[name]
    (tmp_path / file).write_text(text)
    read = read_launch(tmp_path / file)
    assert read.options["precision"] == precision
    assert any("multiplied in TF32" in note for note in read.notes) == (name in ("maxtext", "maxtext, high"))


def test_fp32_is_refused_and_a_format_beside_it_taken(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(FILES["titan.toml"][1])
    read = read_launch(tmp_path / "a.toml")
    models = [entry.shape for entry in load_catalog().models() if entry.shape is not None]
    with pytest.raises(InputError, match="products are FP32, which is not predicted"):
        question(read, {"gpus": "8xH100"}, models)
    assert question(read, {"gpus": "8xH100", "precision": "bf16"}, models)["precision"] == "bf16"


def test_a_plan_in_tf32_is_launched_in_it(tmp_path: Path) -> None:
    answer = train(gpus="8xH100", model="llama-3.1-8b", precision="tf32").to_dict()
    for target, file in (("torchtitan", "torchtitan_config.py"), ("maxtext", "maxtext.yml")):
        written = launch_files(json.loads(json.dumps(answer)), (target,), "the answer")
        (tmp_path / file).write_text(written.files[file])
        assert read_launch(tmp_path / file).options["precision"] == "tf32"


def test_an_unknown_matmul_precision_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(MAXTEXT.format(dtype="float32", more="matmul_precision: low\n"))
    with pytest.raises(InputError, match="matmul_precision low is not predicted; default, high, highest are"):
        read_launch(tmp_path / "a.yml")
