"""`hwmodel serve`: answers, refusals, exit codes; the cost callable of plans."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.cli.serve import command
from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.physics.machine import machine
from hwmodel.physics.shape import smooth_shapes
from hwmodel.solve.serve.face import serving_accelerator_seconds_per_token
from hwmodel.solve.serve.quality import measured_quality

ASK = ["--model", "llama-3.1-70b", "--input", "1k", "--output", "300"]


def _run(*args: str) -> dict:
    result = CliRunner().invoke(command, [*ASK, *args, "--format", "json"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.output)


def test_a_fleet_meets_the_limits_and_carries_the_demand() -> None:
    args = ("--demand", "200 req/s", "--ttft", "1s", "--tpot", "50ms", "--parts", "h100,h200", "--spares", "2")
    found = _run(*args, "--aggregated")
    a = found["answer"]
    assert a["prefill"] is None
    assert a["tpot_tail_s"]["value"] <= 0.05
    assert a["ttft_tail_s"]["value"] <= 1.0
    assert (a["replicas"] - 2) * a["requests_per_s_per_replica"]["value"] >= 200.0
    assert a["accelerators"] == a["replicas"] * a["accelerators_per_replica"]
    # Dollars in and out add up to the hour.
    hour = 3600 * 200 * (1000 * a["usd_per_million_input"]["value"] + 300 * a["usd_per_million_output"]["value"]) / 1e6
    assert hour == pytest.approx(a["usd_per_hour"]["value"], rel=1e-6)
    assert a["tpot_s"]["low"] < a["tpot_s"]["value"] < a["tpot_s"]["high"]
    costs = [r["usd_per_hour"]["value"] for r in found["pareto"]]
    times = [r["tpot_tail_s"]["value"] for r in found["pareto"]]
    assert costs == sorted(costs)
    assert times == sorted(times, reverse=True)


def test_tighter_limits_cost_more() -> None:
    price = [
        _run("--demand", "50 req/s", "--tpot", tpot, "--parts", "h200")["answer"]["usd_per_hour"]["value"]
        for tpot in ("60ms", "30ms", "15ms")
    ]
    assert price[0] <= price[1] < price[2]


def test_cached_prefix_and_peaks() -> None:
    plain = _run("--demand", "200 req/s", "--tpot", "50ms", "--parts", "h100")["answer"]
    cached = _run("--demand", "200 req/s", "--tpot", "50ms", "--parts", "h100", "--prefix-hit", "60%")["answer"]
    peak = _run("--demand", "200 req/s", "--tpot", "50ms", "--parts", "h100", "--peak-to-mean", "3")["answer"]
    assert cached["usd_per_hour"]["value"] < plain["usd_per_hour"]["value"] < peak["usd_per_hour"]["value"]


def test_tokens_in_and_out_convert_exactly() -> None:
    a = _run("--part", "h200", "--precision", "fp8", "--tp", "8", "--concurrency", "64")["answer"]
    assert a["total_tokens_per_s"]["value"] / a["output_tokens_per_s"]["value"] == pytest.approx(1300 / 300)
    assert a["requests_per_s"]["value"] * a["request_s"]["value"] == pytest.approx(64.0)


@pytest.mark.parametrize(
    ("args", "kind", "words"),
    [
        (["--demand", "0"], InputError, "above zero"),
        (["--demand", "-3 req/s"], InputError, "above zero"),
        (["--demand", "many"], InputError, "200 req/s"),
        (["--demand", "10", "--engine", "foo"], InputError, "unknown engine"),
        (["--demand", "10", "--input", "200k"], InputError, "131,072"),
        (["--demand", "10", "--concurrency", "3"], InputError, "either"),
        (["--demand", "10", "--rounds", "2"], InputError, "--rounds belongs to --concurrency"),
        (["--demand", "10", "--gpus", "H200"], InputError, "name the part alone, like --part H200"),
        (["--concurrency", "4", "--gpus", "H200"], InputError, "has no count: a prediction is of so many"),
        (["--concurrency", "4", "--part", "h100", "--rounds", "0.5"], InputError, "--rounds"),
        (["--demand", "10", "--tpot", "0.1ms"], InfeasibleError, "--tpot"),
        (["--demand", "10", "--ttft", "1us"], InfeasibleError, "--ttft"),
        (["--concurrency", "4", "--part", "h100", "--tp", "1"], InfeasibleError, "--tp 2"),
        (
            ["--demand", "10", "--parts", "rtx-4090", "--precision", "bf16", "--pp", "1", "--tp", "4"],
            InfeasibleError,
            "fit",
        ),
    ],
)
def test_bad_questions_are_refused_in_one_line(args: list[str], kind: type[HwModelError], words: str) -> None:
    with pytest.raises(kind) as caught:
        CliRunner().invoke(command, [*ASK, *args], catch_exceptions=False)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_histogram(tmp_path) -> None:
    good = tmp_path / "lengths.csv"
    good.write_text("prompt_tokens,output_tokens,count\n500,100,3\n2500,900,1\n")
    found = _run("--demand", "10", "--histogram", str(good), "--parts", "h200")
    assert found["request"]["prompt_tokens"] == 1000.0
    assert found["request"]["output_tokens"] == 300.0
    bad = tmp_path / "bad.csv"
    bad.write_text("prompt_tokens,output_tokens,count\n500,100,-3\n")
    with pytest.raises(InputError, match="line 2"):
        CliRunner().invoke(command, [*ASK, "--demand", "10", "--histogram", str(bad)], catch_exceptions=False)


def test_cost_ladder() -> None:
    catalog = load_catalog()
    part = catalog.part("h100")
    recipe = catalog.serving_precision("fp8")
    m = machine(part, catalog.default_system(part.id), recipe, kernel_calibration())
    cost = serving_accelerator_seconds_per_token(smooth_shapes(np.logspace(9, 11.7, 40)), m, recipe)
    assert cost.output_accelerator_s.shape == (40,)
    # It grows with size, but where a wider layout begins: there prompts pay for what outputs save.
    mean = 0.75 * cost.prompt_accelerator_s + 0.25 * cost.output_accelerator_s
    assert (np.diff(mean) > 0).mean() > 0.9
    assert (np.diff(np.log(mean)) < 0.5).all()
    assert cost.output_accelerator_s[-1] > 30 * cost.output_accelerator_s[0]
    assert (cost.prompt_accelerator_s < cost.output_accelerator_s).all()
    # A prompt token costs at least its FLOPs at peak.
    assert (cost.prompt_accelerator_s > 2 * np.logspace(9, 11.7, 40) * 0.8 / m.gemm.peak_flop_per_s).all()
    with pytest.raises(InfeasibleError, match="do not fit"):
        serving_accelerator_seconds_per_token(smooth_shapes(1e13), m, catalog.serving_precision("bf16"))


def test_measured_quality_beside_the_format() -> None:
    assert measured_quality("bf16") is None
    four, eight = measured_quality("w4a16"), measured_quality("fp8")
    assert four.loss_increase_nats.value > eight.loss_increase_nats.value > 0.0
    assert four.perplexity_increase.n >= 20
    assert abs(measured_quality("w4a8").accuracy_drop.value) < 0.1


def test_accepted_drafts_speed_decoding_up() -> None:
    args = ("--part", "h200", "--precision", "fp8", "--tp", "8", "--concurrency", "4")
    plain = _run(*args)["answer"]["tpot_s"]["value"]
    drafted = _run(*args, "--draft-tokens", "2", "--acceptance", "0.8")["answer"]["tpot_s"]["value"]
    refused = _run(*args, "--draft-tokens", "2", "--acceptance", "0")["answer"]["tpot_s"]["value"]
    assert drafted < 0.6 * plain < plain < refused


def test_spread_lengths_lengthen_waits_and_tails(tmp_path) -> None:
    """The same means: a few long prompts make others wait, and the slowest requests are the long ones."""
    spread = tmp_path / "spread.csv"
    spread.write_text("prompt_tokens,output_tokens,count\n200,300,80\n2000,300,15\n30000,300,5\n")
    args = ("--demand", "20", "--parts", "h200", "--precision", "fp8", "--tpot", "50ms", "--aggregated")
    mixed = _run(*args, "--histogram", str(spread))
    equal = _run(*args, "--input", "1960")
    assert mixed["request"]["prompt_tokens"] == 1960.0
    assert mixed["request"]["prompt_tail_tokens"] == 2000.0
    assert mixed["answer"]["ttft_s"]["value"] > 1.5 * equal["answer"]["ttft_s"]["value"]
    assert mixed["answer"]["ttft_tail_s"]["value"] > 3.0 * equal["answer"]["ttft_tail_s"]["value"]
    long = tmp_path / "long.csv"
    long.write_text("prompt_tokens,output_tokens,count\n1000,300,5\n200000,300,1\n")
    with pytest.raises(InputError, match="200,300"):
        CliRunner().invoke(command, [*ASK, "--demand", "10", "--histogram", str(long)], catch_exceptions=False)


def test_given_prices_and_commas() -> None:
    args = ("--demand", "1,000 req/s", "--parts", "h100,gaudi3")
    free = _run(*args)
    assert free["left_out"] == ["gaudi3"]
    priced = _run(*args, "--usd-per-hour", "gaudi3=0.01")
    assert priced["answer"]["part"] == "gaudi3"
    assert priced["answer"]["usd_per_hour"]["value"] == pytest.approx(0.01 * priced["answer"]["accelerators"])
    assert priced["left_out"] == []


def test_a_choice_on_thin_ground_says_so_first() -> None:
    """A part with few quotes and kernels of its kin against one that many quote and that was measured."""
    args = ("--demand", "10 req/s", "--tpot", "50ms")
    thin, sound = _run(*args, "--parts", "rtx-5090"), _run(*args, "--parts", "h100")
    assert sound["rests_on"] == {}
    (reasons,) = thin["rests_on"].values()
    assert "quotes" in reasons[0]
    assert "never measured" in reasons[1]
    said = CliRunner().invoke(command, [*ASK, *args, "--parts", "rtx-5090", "--format", "md"], catch_exceptions=False)
    heading, first, *_ = said.stdout.split("\n\n")
    assert heading.startswith("# ")
    assert first.startswith("The choice of rtx-5090 rests on")
    own = _run(*args, "--parts", "rtx-5090", "--usd-per-hour", "rtx-5090=0.5")["rests_on"]["rtx-5090"]
    assert own == ["kernels that were never measured on it"]


def test_a_start_all_at_once_waits_longer() -> None:
    args = ("--concurrency", "64", "--part", "h200", "--precision", "fp8", "--tp", "8")
    first = [
        _run(*args, *rounds)["answer"]["ttft_s"]["value"] for rounds in (("--rounds", "1"), (), ("--rounds", "100"))
    ]
    assert first[0] > first[1] > first[2]
    assert _run(*args, "--rounds", "10")["answer"]["ttft_s"]["value"] == first[1]


def test_a_model_file_serves_as_its_name_does() -> None:
    config = Path(__file__).parents[1] / "golden" / "hf_configs" / "Qwen--Qwen3-32B.json"
    args = ["--demand", "10", "--parts", "h200", "--format", "json"]
    found = [
        json.loads(CliRunner().invoke(command, ["--model", name, *args], catch_exceptions=False).stdout)["answer"]
        for name in (str(config), "qwen3-32b")
    ]
    assert found[0]["usd_per_hour"]["value"] == pytest.approx(found[1]["usd_per_hour"]["value"])


def test_a_part_without_bf16_serves_in_fp16() -> None:
    assert _run("--demand", "1", "--parts", "v100")["answer"]["precision"] == "fp16"


def test_a_prediction_says_where_its_step_goes() -> None:
    args = [*ASK, "--part", "h200", "--precision", "fp8", "--tp", "8", "--concurrency", "64", "--tpot", "5ms"]
    text = CliRunner().invoke(command, args, catch_exceptions=False).output
    assert "misses the TPOT limit of 5ms" in text
    assert "## Where a decode step goes" in text
    assert "tensor-parallel communication" in text


@pytest.mark.parametrize("mode", ["--aggregated", "--disaggregated"])
def test_cached_input_is_cheaper_than_new_and_not_free(mode: str) -> None:
    args = ("--demand", "200", "--parts", "h200", "--precision", "fp8", "--input", "4k", "--prefix-hit", "60%", mode)
    a = _run(*args, "--tpot", "50ms")["answer"]
    new, cached = a["usd_per_million_input"]["value"], a["usd_per_million_cached_input"]["value"]
    assert 0.0 < cached < 0.5 * new
    tokens = 3600 * 200 / 1e6
    paid = tokens * (1600 * new + 2400 * cached + 300 * a["usd_per_million_output"]["value"])
    assert paid == pytest.approx(a["usd_per_hour"]["value"], rel=1e-6)


def test_csv_holds_plain_numbers() -> None:
    args = [*ASK, "--demand", "50", "--parts", "h200", "--tpot", "20ms", "--format", "csv"]
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(command, args, catch_exceptions=False).output)))
    assert rows[0]["kind"] == "answer"
    assert 0.0 < float(rows[0]["tpot_tail_s"]) <= 0.02
    assert all(float(row["accelerators"]) >= 1 for row in rows)
    assert {row["mode"] for row in rows} == {"aggregated", "disaggregated"}
    pool = next(row for row in rows if row["mode"] == "disaggregated")
    assert int(pool["prefill_workers"]) >= 1


@pytest.mark.parametrize("ask", [("--demand", "20 req/s"), ("--concurrency", "32", "--precision", "fp8", "--tp", "2")])
def test_every_answer_names_its_sources(ask: tuple[str, ...]) -> None:
    found = _run(*ask, "--parts", "h200")["sources"]
    uses = " ".join(source["for"] for source in found)
    for what in ("architecture of llama-3.1-70b", "h200-sxm-141gb memory", "constants of engines", "measured loss"):
        assert what in uses
    assert ("rent of h200" in uses) == ("--demand" in ask)
    page = CliRunner().invoke(command, [*ASK, *ask, "--parts", "h200"]).output
    # Sellers of an hour stand in one line.
    assert all(source["title"].removeprefix("Dated prices of ") in page for source in found)


def test_a_price_of_ones_own_cites_no_quotes() -> None:
    found = _run("--demand", "20 req/s", "--parts", "h200", "--usd-per-hour", "2.5")["sources"]
    assert not any("rent" in source["for"] for source in found)
