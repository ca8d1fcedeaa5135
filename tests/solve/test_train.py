"""`train`: one layout predicted, its blanks chosen, its faults named."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hwmodel.cli.train import command
from hwmodel.errors import InputError
from hwmodel.report.train_report import train_csv, train_markdown
from hwmodel.solve.train import TrainResult, train
from hwmodel.specs import StepTerms

LLAMA = {"model": "llama-3.1-405b", "gpus": "16384xH100", "tp": "8", "pp": "16", "cp": "1", "global_batch": "2048",
         "seq_len": "8192"}  # fmt: skip


@pytest.fixture(scope="module")
def llama() -> TrainResult:
    return train(**LLAMA)


def test_the_terms_make_the_step(llama: TrainResult) -> None:
    d = llama.to_dict()
    assert set(d["step"]) == set(StepTerms.__struct_fields__)
    assert sum(d["step"].values()) == pytest.approx(d["step_s"]["value"])
    assert d["step_s"]["low"] < d["step_s"]["value"] < d["step_s"]["high"]
    tokens = 2048 * 8192
    assert d["tokens_per_s"]["value"] == pytest.approx(tokens / d["step_s"]["value"])
    assert 0.28 < d["mfu"]["value"] < 0.5
    assert d["layout"]["dp"] == 128
    assert any("uneven" in line for line in d["warnings"])


def test_memory_by_stage_and_what_binds(llama: TrainResult) -> None:
    d = llama.to_dict()
    assert set(d["memory"]) == {"first", "middle", "last"}
    assert d["peak_memory_bytes"]["value"] == max(m["total_bytes"] for m in d["memory"].values())
    assert d["binds"][0]["term"] == "gemm_s"
    assert d["near"]
    assert "What binds: matrix products" in train_markdown(llama)
    assert train_csv(llama).startswith("term,seconds,share\n")


@pytest.mark.parametrize(
    "given",
    [
        {
            "model": "deepseek-v3",
            "gpus": "2048xH800",
            "precision": "fp8",
            "pp": "16",
            "ep": "64",
            "global_batch": "15360",
        },
        {"model": "mixtral-8x7b", "gpus": "64xH100", "ep": "8", "global_batch": "512"},
        {"model": "gpt-3-175b", "gpus": "1024xA100", "tp": "8", "pp": "8", "global_batch": "1536", "seq_len": "2048"},
        {"model": "palm-540b", "gpus": "6144xTPUv4", "global_batch": "2048", "seq_len": "2048", "stack": "jax"},
        {"model": "qwen3-30b-a3b", "gpus": "64xGB200", "ep": "8", "precision": "mxfp8", "global_batch": "512"},
    ],
)
def test_models_are_expressible_without_proxies(given: dict[str, str]) -> None:
    result = train(**given)
    assert result.fits
    assert 0.02 < result.mfu < 0.7


def test_adapters_are_faster_and_leaner_than_full_tuning() -> None:
    run = {"model": "llama-2-70b", "gpus": "8xH100", "tp": "8", "global_batch": "8", "seq_len": "8192"}
    lora, full = train(task="lora", **run), train(task="sft", **run)
    assert lora.tokens_per_s > 1.2 * full.tokens_per_s
    assert lora.fits
    assert not full.fits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tp": "8", "pp": "3"}, "does not divide 16384"),
        ({"tp": "3"}, "does not divide the 128 heads"),
        ({"pp": "128", "tp": "1"}, "more than the 126 layers"),
        ({"micro_batch": "3"}, "no multiple of micro-batch"),
        ({"ep": "4"}, "experts"),
        ({"gpus": "16384"}, "--gpus"),
        ({"precision": "fp9"}, "precision"),
        ({"gpus": "64xH1OO"}, "nearest"),
    ],
)
def test_layouts_that_cannot_be_are_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(**(LLAMA | change))


def test_command_line() -> None:
    args = ["--model", "llama-3.1-8b", "--gpus", "64xH100", "--global-batch", "256", "--format", "json", "--quiet"]
    result = CliRunner().invoke(command, args)
    assert result.exit_code == 0
    assert json.loads(result.output)["fits"]


def test_a_part_whose_die_has_a_format_trains_in_it() -> None:
    run = {"model": "llama-3.1-8b", "gpus": "8xh100-sxm-96gb-hbm2e-500w", "global_batch": "64"}
    narrow, wide = (train(**run, precision=recipe).to_dict() for recipe in ("fp8", "bf16"))
    assert 1.1 < narrow["tokens_per_s"]["value"] / wide["tokens_per_s"]["value"] < 1.6


def test_adapters_name_the_flops_that_their_utilisation_counts() -> None:
    """Frozen weights have no gradient: 4 N FLOPs a token, and the convention says so."""
    asked = {"gpus": "8xH100", "params": "7B"}
    plain, adapters = train(**asked).to_dict(), train(**asked, task="lora").to_dict()
    assert (plain["mfu"]["convention"], adapters["mfu"]["convention"]) == ("6nd", "4nd")
    rate = adapters["tokens_per_s_per_accelerator"]["value"]
    assert adapters["mfu"]["value"] == pytest.approx(4 * adapters["resolved"]["params"] * rate / 989.4e12, rel=0.01)
