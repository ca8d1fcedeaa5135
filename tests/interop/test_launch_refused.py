"""Launch files that cannot be read: one line says what, where and what is nearest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.cli.launch_files import plan_with_launch_file, with_launch_file
from hwmodel.errors import InputError
from hwmodel.interop.launch_in import read_launch
from hwmodel.interop.launch_in.record import NOTED, FileOptions
from hwmodel.interop.tools.settings import SETTINGS
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
        # What Megatron's own checks stop at.
        ("run.sh", bare("--bf16 --fp16"), "--bf16 and --fp16 are one or the other"),
        ("run.sh", bare("--train-iters 9 --train-samples 9"), "--train-iters and --train-samples are one or the other"),
        ("run.sh", bare("--pipeline-model-parallel-size 3"), "size 3 does not divide 4 layers"),
        ("run.sh", bare("--pipeline-model-parallel-size 2 --num-layers-per-virtual-pipeline-stage 3"),
         "stage 3 does not divide the 2 layers of a stage"),
        ("run.sh", bare("--num-layers-per-virtual-pipeline-stage 1 --num-virtual-stages-per-pipeline-rank 2"),
         "are one or the other"),
        ("run.sh", bare("--seq-length 8 --max-position-embeddings 4"), "--max-position-embeddings 4 is less than"),
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
        ("ds.json", AXOLOTL_ZERO2.replace('"auto"', "true"), "bf16.enabled and fp16.enabled are one or the other"),
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
        ("x.toml", TITAN_QWEN.replace("shard_degree = -1", "shard_degree = 0"), "shard_degree 0 counts nothing"),
        ("x.toml", TITAN_QWEN.replace("shard_degree = -1", "shard_degree = -2"), "shard_degree -2 counts nothing"),
        ("a.yml", MAXTEXT.format(model="x", batch=0, tokens=1, policy="full"), "0"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line(name: str, text: str | None, says: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_launch(tmp_path / name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("run.sh", bare("--vocab-size 99 --bf16 --group-query-attention --num-query-groups 3"),
         "3 key-value heads do not divide 4 heads"),
        ("run.sh", bare("--vocab-size 99 --bf16 --num-experts 2 --moe-router-topk 3"), "cannot choose 3 of 2 experts"),
        # Two sequences, four steps to a batch and sixteen accelerators make 128.
        ("ds.json", json.dumps({"train_batch_size": 512, "train_micro_batch_size_per_gpu": 2, "bf16": {"enabled": True},
                                "gradient_accumulation_steps": 4, "zero_optimization": {"stage": 3}}),
         "states a batch of 512 sequences, and .* on 16 replicas make 128"),
    ],
)  # fmt: skip
def test_what_no_trainer_starts_is_no_question(name: str, text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says):
        with_launch_file({"gpus": "16xH100", "seq_len": "4k"}, tmp_path / name, quiet=True)


def test_a_batch_of_its_replicas_or_one_that_is_given_is_taken(tmp_path: Path) -> None:
    steps = {"train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 4, "bf16": {"enabled": True}}
    (tmp_path / "ds.json").write_text(json.dumps(steps | {"train_batch_size": 128, "zero_optimization": {"stage": 3}}))
    asked = {"gpus": "16xH100", "model": "llama-3.1-8b"}
    assert with_launch_file(asked, tmp_path / "ds.json", quiet=True)["global_batch"] == "128"
    given = {"gpus": "32xH100", "model": "llama-3.1-8b", "global_batch": "512"}
    assert with_launch_file(given, tmp_path / "ds.json", quiet=True)["global_batch"] == "512"


def test_options_beside_a_file_are_read_as_they_are_typed(tmp_path: Path) -> None:
    """Tokens of a file's steps at a length and a batch typed with suffixes."""
    path = tmp_path / "x.toml"
    path.write_text(TITAN_QWEN.replace("steps = 3000", "steps = 100"))
    given = {"gpus": "64xH100", "seq_len": "8k", "global_batch": "1k"}
    asked = plan_with_launch_file(given, path, quiet=True)
    assert asked["tokens"] == str(100 * 8000 * 1000)
    with pytest.raises(InputError, match="--global-batch"):
        plan_with_launch_file(given | {"global_batch": "many"}, path, quiet=True)


@pytest.mark.parametrize("word", ["false", "''", "none"])
def test_no_quantization_in_the_words_of_maxtext(word: str, tmp_path: Path) -> None:
    text = MAXTEXT.format(model="llama3.1-8b", batch=1, tokens=4096, policy="full")
    (tmp_path / "a.yml").write_text(text)
    (tmp_path / "b.yml").write_text(text + f"quantization: {word}\n")
    assert read_launch(tmp_path / "b.yml").options == read_launch(tmp_path / "a.yml").options


def launched_by(launcher: str) -> str:
    """A script with these words of torchrun, or these directives of Slurm."""
    text = bare("--vocab-size 100")
    return (
        f"#!/bin/bash\n{launcher}{text}"
        if launcher.startswith("#")
        else text.replace("torchrun", f"torchrun {launcher}")
    )


@pytest.mark.parametrize(
    ("launcher", "says"),
    [
        ("--nnodes 0 --nproc-per-node 8", "--nnodes 0 counts nothing"),
        ("--nnodes=-1 --nproc-per-node 8", "--nnodes -1 counts nothing"),
        ("--nnodes 2 --nproc_per_node 0", "--nproc_per_node 0 counts nothing"),
        ("#SBATCH --nodes=2\n#SBATCH --gres=gpu:h100:0\n", "--gres 0 counts nothing"),
    ],
)
def test_a_launcher_of_no_ranks(launcher: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(launched_by(launcher))
    with pytest.raises(InputError, match=says):
        read_launch(tmp_path / "run.sh")


@pytest.mark.parametrize(
    ("launcher", "ranks"),
    [
        ("--nnodes 2 --nproc-per-node 8", 16),
        ("#SBATCH --nodes=2\n#SBATCH --gres=gpu:h100:4\n", 8),
        ("--nnodes 1:4 --nproc-per-node 8", None),
        ("--nnodes $N --nproc-per-node 8", None),
    ],
)
def test_ranks_of_a_launcher(launcher: str, ranks: int | None, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(launched_by(launcher))
    assert read_launch(tmp_path / "run.sh").options.get("accelerators") == ranks


PIPELINED = MAXTEXT.format(model="llama3.1-8b", batch=4, tokens=4096, policy="full") + "dcn_pipeline_parallelism: 4\n"


@pytest.mark.parametrize("name", ["num_pipeline_microbatches", "num_pipeline_repeats"])
def test_what_maxtext_derives_is_what_is_left_out(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(PIPELINED)
    (tmp_path / "b.yml").write_text(PIPELINED + f"{name}: -1\n")
    options = read_launch(tmp_path / "b.yml").options
    assert options == read_launch(tmp_path / "a.yml").options
    assert options["micro_batch"] == 4  # of 4 sequences a device and 4 stages, in 4 micro-batches
    for wrong in (0, -2):
        (tmp_path / "b.yml").write_text(PIPELINED + f"{name}: {wrong}\n")
        with pytest.raises(InputError, match=f"{name} {wrong} counts nothing"):
            read_launch(tmp_path / "b.yml")


def trained(place: Path, *words: str) -> Path:
    """A script of transformers' trainer with these words, beside its DeepSpeed JSON."""
    (place / "ds.json").write_text('{"bf16": {"enabled": true}, "zero_optimization": {"stage": 3}}')
    text = "deepspeed run_clm.py --deepspeed ds.json --per_device_train_batch_size 2 --block_size 4096 "
    (place / "run.sh").write_text(text + " ".join(words))
    return place / "run.sh"


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ("--model_name_or_path meta-llama/Llama-3.1-8B", "llama-3.1-8b"),
        ("--model_name_or_path Qwen/Qwen3-32B", "qwen3-32b"),
        ("--config_name Qwen/Qwen3-8B --model_name_or_path Qwen/Qwen3-32B", "qwen3-8b"),
    ],
)
def test_models_by_their_name_on_the_hub(words: str, model: str, tmp_path: Path) -> None:
    asked = with_launch_file({"gpus": "16xH100"}, trained(tmp_path, words), quiet=True)
    assert load_catalog().model(str(asked["model"])).name == model
    assert (
        with_launch_file({"gpus": "16xH100", "model": "gpt-3-175b"}, trained(tmp_path, words), quiet=True)["model"]
        == "gpt-3-175b"
    )


@pytest.mark.parametrize(
    "name",
    ["RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", "Qwen/Qwen3-32B-AWQ", "x/Qwen3-14B-GPTQ", "out/llama-3.1-8b"],
)
def test_a_model_like_one_of_the_catalog_is_another(name: str, tmp_path: Path) -> None:
    asked = with_launch_file({"gpus": "16xH100"}, trained(tmp_path, f"--model_name_or_path {name}"), quiet=True)
    with pytest.raises(InputError, match=f"unknown model '{name}'"):
        load_catalog().model(str(asked["model"]))


@pytest.mark.parametrize("name", ["./llama-3.1-8b", "/data/llama-3.1-8b", "llama-3.1-8b", "$1", "~/llama", "a/b/c"])
def test_a_folder_that_is_not_there_is_no_model(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not describe its model; add --model"):
        with_launch_file({"gpus": "16xH100"}, trained(tmp_path, f"--model_name_or_path {name}"), quiet=True)


def test_a_folder_beside_the_script_comes_before_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "meta-llama" / "Llama-3.1-8B"
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 3,
        "num_attention_heads": 8, "num_key_value_heads": 8, "intermediate_size": 1024, "vocab_size": 1000,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    shape = read_launch(trained(tmp_path, "--model_name_or_path meta-llama/Llama-3.1-8B")).shape
    assert shape is not None
    assert (shape.d_model, shape.vocab) == (512, 1000)


def test_what_a_comment_may_say_are_options_of_a_file() -> None:
    derived = {name for name, setting in SETTINGS.items() if setting.derived}  # refused as an unknown option
    assert set(FileOptions.__annotations__) >= NOTED - derived
