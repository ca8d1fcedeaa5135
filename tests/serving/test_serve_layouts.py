"""Pipeline stages and disaggregated pools in `hwmodel serve`: sizes, conservation, reasons, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from hwmodel.catalog import load_catalog
from hwmodel.cli.serve import command
from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.physics.serving_queue import queue_wait_s, queue_wait_tail_s, waiting_share
from hwmodel.physics.serving_step import stage_unevenness

LARGE = ["--model", "llama-3.1-405b", "--input", "4k", "--output", "1k", "--parts", "h100", "--precision", "bf16"]
SMALL = ["--model", "llama-3.1-70b", "--input", "2k", "--output", "300", "--parts", "h100", "--precision", "fp8"]


def _run(*args: str) -> dict:
    result = CliRunner().invoke(command, [*args, "--format", "json"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.output)


def _text(*args: str) -> str:
    result = CliRunner().invoke(command, list(args), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_model_beyond_the_domain_is_served_in_stages() -> None:
    """405B in bf16 is 810 GB: eight H100 of 80 GB cannot hold it, two stages of eight can."""
    found = _run(*LARGE, "--demand", "5", "--aggregated")["answer"]
    assert found["pp"] >= 2
    assert found["accelerators_per_replica"] == found["tp"] * found["pp"] * found["dp"]
    assert "scale-up domain of 8" in _text(*LARGE, "--demand", "5", "--aggregated")
    with pytest.raises(InfeasibleError, match="does not fit"):
        CliRunner().invoke(command, [*LARGE, "--demand", "5", "--pp", "1"], catch_exceptions=False)


def test_given_sizes_bind() -> None:
    found = _run(*SMALL, "--demand", "20", "--tp", "4", "--pp", "2")
    every = [found["answer"], *found["alternatives"], *found["pareto"]]
    assert {(r["tp"], r["pp"]) for r in every} == {(4.0, 2.0)}
    assert {r["mode"] for r in _run(*SMALL, "--demand", "20", "--aggregated")["pareto"]} == {"aggregated"}


def test_pools_carry_the_same_requests() -> None:
    args = (*SMALL, "--demand", "50", "--tpot", "25ms", "--ttft", "2s", "--disaggregated", "--spares", "2")
    a = _run(*args)["answer"]
    p = a["prefill"]
    assert a["mode"] == "disaggregated"
    assert a["accelerators"] == a["replicas"] * a["accelerators_per_replica"] + p["accelerators"]
    assert p["accelerators"] == p["workers"] * p["accelerators_per_worker"]
    assert (a["replicas"] - 2) * a["requests_per_s_per_replica"]["value"] >= 50.0
    assert 0.0 < p["busy"]["value"] <= 0.9
    assert a["ttft_tail_s"]["value"] <= 2.0
    assert a["tpot_tail_s"]["value"] <= 0.025
    hour = 3600 * 50 * (2000 * a["usd_per_million_input"]["value"] + 300 * a["usd_per_million_output"]["value"]) / 1e6
    assert hour == pytest.approx(a["usd_per_hour"]["value"], rel=1e-6)
    assert p["cache_transfer_s"] > 2000 * 80 * 2 * 8 * 128 / p["tp"] / 50e9  # bytes of fp8 cache over the NIC


def test_the_cheaper_of_both_modes_wins_and_says_why() -> None:
    args = (*SMALL, "--demand", "100", "--tpot", "20ms")
    both = _run(*args)
    one, split = (_run(*args, mode)["answer"]["usd_per_hour"]["value"] for mode in ("--aggregated", "--disaggregated"))
    assert both["answer"]["usd_per_hour"]["value"] == pytest.approx(min(one, split))
    assert both["answer"]["mode"] == "disaggregated"
    assert "prefills between its tokens would raise p95 TPOT" in both["why"][0]
    loose = _run(*SMALL, "--demand", "100")
    assert loose["answer"]["mode"] == "aggregated"
    assert "would cost" in loose["why"][0]


def test_tighter_first_token_takes_a_larger_prefill_pool() -> None:
    args = (*SMALL, "--demand", "200", "--tpot", "25ms", "--disaggregated")
    fast = _run(*args, "--ttft", "0.5s")["answer"]
    slow = _run(*args, "--ttft", "3s")["answer"]
    assert fast["prefill"]["accelerators"] >= slow["prefill"]["accelerators"]
    assert fast["ttft_tail_s"]["value"] <= 0.5


def test_predicted_pools() -> None:
    args = ("--model", "llama-3.1-70b", "--part", "h200", "--precision", "fp8", "--tp", "4", "--concurrency", "64")
    found = _run(*args, "--pools", "2:1", "--prefill-tp", "2")["answer"]
    assert found["accelerators"] == 2 * 2 + 4
    assert found["requests_per_s"]["value"] * found["request_s"]["value"] == pytest.approx(64.0, rel=0.02)
    more = _run(*args, "--pools", "4:2", "--prefill-tp", "2")["answer"]
    assert more["output_tokens_per_s"]["value"] > found["output_tokens_per_s"]["value"]
    assert "2 prefill workers of 2" in _text(*args, "--pools", "2:1", "--prefill-tp", "2")


@pytest.mark.parametrize(
    ("args", "kind", "words"),
    [
        (["--demand", "5", "--tp", "3"], InputError, "64 attention heads"),
        (["--demand", "5", "--pp", "100"], InputError, "80"),
        (["--demand", "5", "--dp", "2"], InputError, "none"),
        (["--demand", "5", "--pools", "2:1"], InputError, "--concurrency"),
        (["--concurrency", "5", "--tp", "8", "--pools", "2"], InputError, "2:3"),
        (["--concurrency", "5", "--tp", "8", "--pools", "1:1", "--aggregated"], InputError, "drop one"),
        (["--concurrency", "5", "--tp", "8", "--prefill-tp", "2"], InputError, "--pools"),
        (["--concurrency", "5", "--tp", "0"], InputError, "at least 1"),
    ],
)
def test_impossible_layouts_are_refused(args: list[str], kind: type[HwModelError], words: str) -> None:
    with pytest.raises(kind) as caught:
        CliRunner().invoke(command, [*SMALL, *args], catch_exceptions=False)
    assert words in str(caught.value)


def test_waits_of_several_servers() -> None:
    assert waiting_share(0.5) == pytest.approx(0.5)
    assert queue_wait_s(2.0, 0.5) == pytest.approx(1.0)  # M/D/1: s rho / (2 (1 - rho))
    waits = queue_wait_s(1.0, 0.8, np.array([1.0, 2.0, 8.0, 64.0]))
    assert (np.diff(waits) < 0).all()
    # Erlang C of two servers at 0.8 is 0.711; the approximation lies within a few percent.
    assert waiting_share(0.8, 2.0) == pytest.approx(0.711, rel=0.05)
    assert queue_wait_tail_s(1.0, 0.01, 0.95) == 0.0
    assert queue_wait_tail_s(1.0, 0.8, 0.99) > queue_wait_tail_s(1.0, 0.8, 0.95) > 0.0


def test_uneven_stages_cost_what_the_fullest_holds() -> None:
    shape = load_catalog().model("llama-3.1-405b")  # 126 layers
    assert stage_unevenness(shape, 1.0) == 1.0
    assert stage_unevenness(shape, 2.0) == pytest.approx(1.0)
    assert stage_unevenness(shape, 4.0) == pytest.approx(32 * 4 / 126)


def test_all_parts_are_one_question() -> None:
    """The answer over every priced part is at least as cheap as that over the usual ones, which it holds."""
    args = ("--model", "llama-3.1-70b", "--demand", "200 req/s", "--tpot", "50ms")
    few, every = (_run(*args, "--parts", names) for names in ("h100,h200,b200", "all"))
    assert every["answer"]["usd_per_hour"]["value"] <= few["answer"]["usd_per_hour"]["value"]
    assert "gaudi3" in every["left_out"]
