"""Names match exactly, folded, or are refused with members or the nearest; clouds' names are counted."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.catalog.names import fold
from hwmodel.catalog.stacks import stack_id, stack_named, training_calibration
from hwmodel.errors import InputError
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import resolve
from hwmodel.solve.serve.predict import predict
from hwmodel.solve.serve.question import ServingQuestion

CATALOG = load_catalog()
FIND: dict[str, Callable[[str], Any]] = {
    "accelerator": CATALOG.part, "system": CATALOG.system, "model": CATALOG.model_entry,
    "precision": CATALOG.precision, "serving precision": CATALOG.serving_precision, "region": CATALOG.region,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("precision", "fp3", "nearest"),
        ("precision", "fp32", "tf32"),
        ("serving precision", "gpt", "nearest"),
        ("model", "llama2-7", "could be llama-2-70b, llama-2-7b"),
        ("model", "gpt-5", "nearest"),
        ("model", "deepseek-v4", "deepseek-v4-flash"),
        ("model", "llama3", "could be"),
        ("model", "qwen3", "could be"),
        ("accelerator", "L40", "l40s"),
        ("accelerator", "amd h100", "unknown"),
        ("accelerator", "mi300", "mi300x-192gb"),
        ("system", "hgx-h20", "hgx-h200"),
        ("system", "superpod", "superpod-a100"),
        ("system", "dgx", "could be"),
        ("region", "america", "USA"),
        ("region", "west", "could be"),
        ("region", "east", "could be"),
        ("region", "europe", "could be"),
        ("region", "Georgia", r"Georgia \(GEO\), Georgia \(us-ga\)"),
        ("region", "Narnia", "unknown"),
    ],
)
def test_what_is_no_name_is_refused_with_what_it_may_mean(kind: str, name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        FIND[kind](name)


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [
        ("model", "llama3-405b", "llama-3.1-405b"),
        ("model", "meta-llama/Llama-3.1-8B", "llama-3.1-8b"),
        ("model", "Llama 3.1 8B Instruct", "llama-3.1-8b"),
        ("accelerator", "H100", "h100-sxm5-80gb"),
        ("accelerator", "NVIDIA A100 80GB", "a100-sxm4-80gb"),
        ("accelerator", "a100_80gb", "a100-sxm4-80gb"),
        ("system", "HGX_H100", "dgx-h100"),
        ("region", "us-east-1", "us-east-1"),
        ("region", "us-east1", "us-east1"),
        ("region", "eastus", "eastus"),
        ("region", "East US", "eastus"),
        ("region", "Texas", "us-tx"),
        ("region", "quebec", "ca-qc"),
        ("region", "Guangdong", "cn-gd"),
        ("region", "UK", "GBR"),
    ],
)
def test_exact_names(kind: str, name: str, meant: str) -> None:
    assert FIND[kind](name).id == meant


def test_digits_do_not_run_together() -> None:
    assert fold("llama-2-7b") != fold("llama-27b")
    assert fold("Llama_2 7B") == fold("llama2-7b")


@pytest.mark.parametrize("kind", sorted(FIND))
def test_no_cut_or_changed_name_resolves_elsewhere(kind: str) -> None:
    """Beginnings, endings and one changed letter of every name: the same record by its own alias, or a refusal."""
    names = CATALOG.data.names[kind]
    draw = random.Random(20261126)
    for name in sorted(names):
        cut = draw.randrange(1, len(name)) if len(name) > 1 else 1
        at = draw.randrange(len(name))
        for changed in (name[:cut], name[cut:], name[:at] + draw.choice("abxz059") + name[at + 1 :], name + "0"):
            if not changed.strip("- "):
                continue
            form = changed if kind == "region" else fold(changed)
            try:
                found = FIND[kind](changed)
            except InputError:
                continue
            assert names.get(form) == found.id or found.id == form, (kind, changed, found.id)


@pytest.mark.parametrize(
    ("gpus", "count", "part", "system"),
    [
        ("v4-8", 4, "tpu-v4", "tpu-v4-pod"),
        ("v5p-128", 64, "tpu-v5p", "tpu-v5p-pod"),
        ("v6e-256", 256, "tpu-v6e", "tpu-v6e-pod"),
        ("v5litepod-16", 16, "tpu-v5e", "tpu-v5e-pod"),
        ("tpu-v5e-64", 64, "tpu-v5e", "tpu-v5e-pod"),
        ("4xp4d.24xlarge", 32, "a100-sxm4-40gb", "aws-p4d"),
        ("2xa3-highgpu-8g", 16, "h100-sxm5-80gb", "gcp-a3-high"),
        ("Standard_ND96isr_H100_v5:4", 32, "h100-sxm5-80gb", "azure-nd-h100-v5"),
        ("8xdgx-h100", 64, "h100-sxm5-80gb", "dgx-h100"),
        ("8xHGX_H100", 64, "h100-sxm5-80gb", "dgx-h100"),
        ("64xGB200-NVL72", 4608, "gb200", "gb200-nvl72"),
        ("3xtrn1.32xlarge", 48, "trainium1", "aws-trn1-32xlarge"),
        ("2xp6e-gb200.36xlarge", 8, "gb200", "gb200-nvl72"),
        ("2xa4x-maxgpu-4g-metal", 8, "gb300", "gb300-nvl72"),
        ("3xct6e-standard-8t", 24, "tpu-v6e", "tpu-v6e-pod"),
        ("2xa2-megagpu-16g", 32, "a100-sxm4-40gb", "dgx-a100-40gb"),
        ("2xBM.GPU.MI300X.8", 16, "mi300x-192gb", "mi300x-platform"),
        ("4xStandard_NC80adis_H100_v5", 8, "h100-nvl-94gb", "h100-nvl-94gb-node"),
    ],
)
def test_clouds_names_are_counted_and_said(gpus: str, count: int, part: str, system: str) -> None:
    setting = resolve(parse_request(gpus=gpus, params="1B"))
    assert setting.part is not None
    assert setting.system is not None
    assert (setting.request.gpus, setting.part.id, setting.system.id) == (count, part, system)
    assert f"{count:,} accelerators" in setting.notes[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"gpus": "64xL40"}, "l40s"),
        ({"gpus": "2xsummit"}, "count its accelerators"),
        ({"gpus": "2xv4-8"}, "several slices"),
        ({"gpus": "v4-7"}, "3.5 accelerators"),
        ({"gpus": "8xdgx-h100", "system": "gcp-a3-high"}, "give one of them"),
        ({"gpus": "8xhgx-h20"}, "h20-96gb"),
        ({"gpus": "4xg7e.48xlarge"}, "nearest: g6e.48xlarge"),
        ({"gpus": "4xdgx"}, "could be dgx-1-v100"),
        ({"gpus": "4xZZZ"}, "name the accelerator itself"),
    ],
)
def test_what_counts_no_accelerators_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        hm.plan(params="1B", **given)


def test_every_name_that_is_no_id_is_said() -> None:
    answer = hm.plan(
        gpus="64xH100", model="Llama 3.1 8B", precision="bfloat16", region="virginia", law="besiroglu-2024/exact",
        stack="Megatron Core",
    ).to_dict()  # fmt: skip
    said = "\n".join(answer["warnings"])
    for line in ("Llama 3.1 8B read as", "bfloat16 read as", "virginia read as Virginia (us-va)", "H100 read as",
                 "Megatron Core read as megatron-core"):  # fmt: skip
        assert line in said
    assert answer["resolved"]["model"] == "llama-3.1-8b"
    assert answer["resolved"]["stack"] == "megatron-core"


def test_serve_says_it_too() -> None:
    question = ServingQuestion(
        model="Llama 3.1 8B", prompt_tokens=1000, output_tokens=300, rate=1.0, parts=("H200",), precisions=("float16",),
        engine="TensorRT-LLM", tp=1.0,
    )  # fmt: skip
    answer = predict(question, CATALOG, 8.0)
    for line in ("Llama 3.1 8B read as", "H200 read as", "float16 read as", "TensorRT-LLM read as trtllm"):
        assert line in "\n".join(answer.notes)
    assert msgspec.to_builtins(answer.resolved) == {
        "accelerator": "h200-sxm-141gb", "system": "hgx-h200", "model": "llama-3.1-8b", "engine": "trtllm",
    }  # fmt: skip


def test_a_name_may_mean_two_places_only_by_their_longer_names() -> None:
    assert CATALOG.region("us-ga").name == CATALOG.region("GEO").name == "Georgia"


def test_a_box_where_a_part_is_named_says_which_part() -> None:
    with pytest.raises(InputError, match=r"whole instance \(12 x inferentia2\); here the part alone is named"):
        CATALOG.part("inf2.48xlarge")


@pytest.mark.parametrize(
    ("framework", "stack"),
    [
        ("maxtext", "jax"),
        ("olmo-core", "fsdp"),
        ("SimuMax", "megatron-core-plain"),
        ("megatron explained", "megatron-core"),
    ],
)
def test_a_framework_that_is_no_stack_is_told_the_one_of_its_runs(framework: str, stack: str) -> None:
    assert stack_id(framework, None, training_calibration()) == stack
    with pytest.raises(InputError, match=stack):
        stack_named(framework)


def test_a_name_that_goes_on_from_one_of_ours_is_told_that_one_first() -> None:
    for given, first in (("kimi-k2-instruct", "kimi-k2"), ("mistral-7b-instruct", "mistral-7b")):
        with pytest.raises(InputError, match=f"nearest: {first}, "):
            load_catalog().model(given)
    with pytest.raises(InputError, match="nearest: rtx-4090, "):
        load_catalog().part("GeForce RTX 4090")


def test_a_framework_says_as_which_stack_its_runs_are_predicted() -> None:
    for given, stack in (("maxtext", "jax"), ("levanter", "jax"), ("simumax", "megatron-core-plain")):
        with pytest.raises(InputError, match=f"its runs are predicted as {stack}: name that"):
            stack_named(given)
    with pytest.raises(InputError, match="could be megatron-bridge"):
        stack_named("megatron")
