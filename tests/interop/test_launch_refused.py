"""Launch files that cannot be read: one line says what, where and what is nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.cli.launch_files import with_launch_file
from hwmodel.errors import InputError
from hwmodel.interop.launch_in import read_launch
from tests.interop.public_configurations import (
    AXOLOTL_ZERO2,
    AXOLOTL_ZERO3,
    BRIDGE,
    MAXTEXT,
    TITAN_PYTHON,
    TITAN_QWEN,
    TRANSFORMERS_ZERO3,
    TRL_FSDP2,
)


def bare(*lines: str) -> str:
    return "torchrun pretrain_gpt.py --num-layers 4 --hidden-size 64 --num-attention-heads 4 " + " ".join(lines)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("run.sh", bare("--vocab-size 100 --mtp-num-layers 1"), "unknown setting '--mtp-num-layers'"),
        ("run.sh", bare("--tensor-model-paralel-size 8"), "nearest: --tensor-model-parallel-size"),
        ("run.sh", bare("--tensor-model-parallel-size $TP"), "which the file does not set; write the number"),
        ("run.sh", bare("--tensor-model-parallel-size 2\npython x.py --tensor-model-parallel-size 4"), "stands twice"),
        ("run.sh", bare("--tensor-model-parallel-size two"), "is no whole number"),
        ("run.sh", bare("--context-parallel-size 0"), "--context-parallel-size 0 counts nothing; write 1 or more"),
        ("run.sh", bare("--global-batch-size 0"), "--global-batch-size 0 counts nothing"),
        ("run.sh", "echo hello", "no launch file that hwmodel reads"),
        ("run.sh", bare("--num-experts 4 --moe-layer-freq [0]*3"), "no list of 4 zeros and ones"),
        ("x.toml", TITAN_QWEN.replace("context_parallel_degree", "contxt_parallel_degree"), "context_parallel_degree"),
        ("x.toml", TITAN_QWEN.replace("replicate_degree = 1", "replicate_degree = 2"), "HSDP"),
        ("x.toml", TITAN_QWEN.replace("replicate_degree = 1", "replicate_degree = 'one'"), "'one' is no number"),
        ("x.toml", TITAN_QWEN.replace("replicate_degree = 1", "replicate_degree = 1.5"), "1.5 is no whole number"),
        ("x.toml", TITAN_QWEN.replace("replicate_degree = 1", "replicate_degree = [1]"), "is no number"),
        ("x.toml", TITAN_QWEN + "\n[", "not TOML"),
        ("x.py", TITAN_PYTHON, "2 configurations"),
        ("x.py", "import torchtitan\ndef f(:", "not Python"),
        ("x.py", TITAN_PYTHON.replace("tensor_parallel_degree=8", "tensor_parallel_degree=N").replace("8b()", "8b(x)"),
         "no plain value; write the number|name one"),
        ("missing.sh", None, "cannot be read"),
        ("ds.json", AXOLOTL_ZERO2.replace("cpu", "nvme"), "offload_optimizer on nvme is not predicted"),
        ("ds.json", AXOLOTL_ZERO2.replace('"cpu"', '"cpu", "ratio": 0.4'), "offload_optimizer ratio 0.4"),
        ("ds.json", TRANSFORMERS_ZERO3, "offload_param on cpu is not predicted"),
        ("ds.json", AXOLOTL_ZERO3.replace('"bf16"', '"bfloat15"'), "unknown setting 'bfloat15.enabled'"),
        ("a.yaml", TRL_FSDP2.replace("FSDP\n", "XLA\n"), "distributed_type XLA is not read"),
        ("a.yaml", TRL_FSDP2.replace("offload_params: false", "offload_params: true"), "host memory"),
        ("a.yml", MAXTEXT.format(model="x", batch=1, tokens=1, policy="save_qkv_proj"), "remat_policy save_qkv_proj"),
        ("a.yml", MAXTEXT.format(model="x", batch=1, tokens=1, policy="full") + "num_expert: 8\n", "nearest: num_exp"),
        ("a.yml", MAXTEXT.format(model="x", batch=0.5, tokens=1, policy="full"), "0.5 sequences a micro-batch"),
        ("a.yml", MAXTEXT.format(model="x", batch=".nan", tokens=1, policy="full"), "batch_size .*no number"),
        ("ds.json", AXOLOTL_ZERO2.replace('"stage": 2', '"stage": "two"'), "stage 'two' is no number"),
        ("r.py", BRIDGE, "3 configurations"),
        ("x.toml", TITAN_QWEN.replace("replicate_degree = 1", "replicate_degree = 0"), "0 counts nothing; write 1"),
        ("a.yml", MAXTEXT.format(model="x", batch=0, tokens=1, policy="full"), "0"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(name: str, text: str | None, says: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_launch(tmp_path / name)
    assert "\n" not in str(error.value)


def test_options_beside_a_file_are_read_as_they_are_typed(tmp_path: Path) -> None:
    """Tokens of a file's steps at a length and a batch typed with suffixes."""
    path = tmp_path / "x.toml"
    path.write_text(TITAN_QWEN.replace("steps = 3000", "steps = 100"))
    given = {"gpus": "64xH100", "seq_len": "8k", "global_batch": "1k"}
    asked = with_launch_file(given, path, quiet=True, tokens=True)
    assert asked["tokens"] == str(100 * 8000 * 1000)
    with pytest.raises(InputError, match="--global-batch"):
        with_launch_file(given | {"global_batch": "many"}, path, quiet=True, tokens=True)


@pytest.mark.parametrize("word", ["false", "''", "none"])
def test_no_quantization_in_the_words_of_maxtext(word: str, tmp_path: Path) -> None:
    text = MAXTEXT.format(model="llama3.1-8b", batch=1, tokens=4096, policy="full")
    (tmp_path / "a.yml").write_text(text)
    (tmp_path / "b.yml").write_text(text + f"quantization: {word}\n")
    assert read_launch(tmp_path / "b.yml").options == read_launch(tmp_path / "a.yml").options
