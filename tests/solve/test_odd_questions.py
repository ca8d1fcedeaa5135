"""Odd combinations of options: refused in one clear line, or answered by what they say; never silently ignored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import hwmodel as hm
from hwmodel import laws, report
from hwmodel.cli.main import main
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.report.plan import plan_markdown
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.compare_values import compare_values, separated
from hwmodel.solve.run.format_records import FormatRow
from hwmodel.solve.run.result import value_of

MIXTURE = {"gpus": "64xH100", "model": "mixtral-8x7b"}


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"gpus": "H100", "time": "30d"}, "--time alone"),
        ({"gpus": "64xH100", "params": "7B", "tokens": "1T", "ep": "8"}, "--ep spreads experts"),
        ({**MIXTURE, "time": "30d", "loss": "1.9"}, "--loss needs the loss"),
        ({**MIXTURE, "tokens": "1T", "unique_tokens": "100B"}, "--unique-tokens needs the loss"),
        ({"gpus": "8xH100", "tokens": "1B", "price_kind": "bogus"}, "unknown kind of price"),
        ({"tokens": "1T", "seed": -1}, "--seed"),
        ({"tokens": "1T", "seed": 1.5}, "--seed"),
        ({"tokens": float("inf")}, "--tokens"),
        ({"tokens": True}, "--tokens"),
        ({"tokens": [1]}, "--tokens"),
        ({"gpus": "8xH100", "tokens": 1e9, "mfu": 45}, "--mfu"),
        ({"gpus": "8xH100", "tokens": 1e9, "mfu": 1e-308}, "--mfu"),
        ({"gpus": "8xH100", "tokens": 1e9, "nic_gbit_s": float("inf")}, "--nic-gbit-s"),
        ({"tokens": 1e9, "inference_tokens": 1e9, "prompt_output": 3}, "--prompt-output"),
        ({"loss_like": (1, 2, 3)}, "--loss-like"),
        ({"loss_like": ("a", "b")}, "--loss-like"),
        ({"loss_like": (-1, 1e9)}, "--loss-like"),
        ({"gpus": "64xH100,64xA100", "tokens": "1T"}, "hwmodel compare"),
        ({"gpus": "1,024xH100,8xA100", "tokens": "1T"}, "hwmodel compare"),
        ({"gpus": "H100,A100", "tokens": "1T"}, "hwmodel compare"),
        ({"tokens": "1T,2T"}, "hwmodel compare"),
        ({"params": "7B,70B", "tokens": "1T"}, "hwmodel compare"),
        ({"gpus": "8xH100", "tokens": "1T", "precision": "bf16,fp8"}, "hwmodel compare"),
        ({"gpus": "8xH100", "model": "llama-3.1-8b,llama-3.1-70b", "tokens": "1T"}, "hwmodel compare"),
        ({"tokens": "1,4T"}, "commas separate thousands"),
        ({"gpus": "1024 A100", "tokens": "1T"}, "write it like 1024xA100"),
    ],
)
def test_refused_in_one_line(question: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        hm.plan(**question)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_size_that_no_model_has_is_infeasible() -> None:
    with pytest.raises(InfeasibleError, match="too few for a language model"):
        hm.plan(gpus="8xH100", tokens="1")


def test_a_loss_beyond_an_untrained_model_is_said() -> None:
    """7e9 parameters on 100 tokens: the law gives hundreds of nats, ln of a vocabulary is 12."""
    beyond = hm.plan(params="7B", tokens=100)
    assert value_of(beyond.answer.loss_nats) > 100
    assert any("knows nothing" in line for line in beyond.warnings)
    assert not any("knows nothing" in line for line in hm.plan(params="7B", tokens="1T").warnings)


def test_no_layout_names_what_must_divide() -> None:
    with pytest.raises(InfeasibleError, match=r"64 heads, .* layers"):
        hm.plan(gpus="512xH100", params="70B", tokens="1T", tp="7")


def test_a_sequence_divides_over_context_ranks() -> None:
    with pytest.raises(InfeasibleError, match="divides"):
        hm.plan(gpus="64xH100", params="7B", tokens="1T", cp="3")


def test_context_ranks_do_not_drop_below_a_round_power() -> None:
    found = {}
    for seq_len in (128_000, 131_072):
        plan = hm.plan(gpus="64xH100", params="7B", tokens="1T", seq_len=seq_len, cp="32", tp="1")
        assert plan.layout is not None
        found[seq_len] = plan.layout.cp
    assert found == {128_000: 32, 131_072: 32}


def test_fit_range_says_on_which_side() -> None:
    law = hm.load_catalog().law("besiroglu_2024")
    assert laws.signed_decades_outside(law, params=1e12) > 0
    assert laws.signed_decades_outside(law, params=1e6) < 0
    assert laws.signed_decades_outside(law, params=1e9) == 0
    assert laws.decades_outside(law, params=1e6) == -laws.signed_decades_outside(law, params=1e6)
    assert any("fitted on larger runs" in line for line in hm.plan(params="1M").warnings)
    assert any("fitted on smaller runs" in line for line in hm.plan(params="1T").warnings)
    mixture = hm.plan(**MIXTURE, tokens="1T")
    assert not any("fitted on larger" in line or "fitted on smaller" in line for line in mixture.warnings)


def _rows(plan: Plan) -> dict[str, FormatRow]:
    return {row.precision: row for row in plan.precisions}


def test_a_given_mfu_sets_the_level_and_not_the_ratio_of_formats() -> None:
    question = {"gpus": "64xH100", "params": "13B", "tokens": "1T"}
    free, held = hm.plan(**question), hm.plan(**question, mfu="40%")
    assert _rows(held)["fp8"].speedup.value == pytest.approx(_rows(free)["fp8"].speedup.value, rel=1e-9)
    assert value_of(_rows(held)["bf16"].mfu) == pytest.approx(0.4)
    own = next(row for row in held.curves.accelerators if row.accelerators == 64)
    assert own.mfu is not None
    assert (own.mfu.value, own.mfu.low, own.mfu.high) == pytest.approx((0.4, 0.4, 0.4))
    assert value_of(own.train_days) == pytest.approx(value_of(held.answer.train_days))
    assert "follow the MFU that was given" in plan_markdown(held, {})
    assert "follow the MFU that was given" not in plan_markdown(free, {})


@pytest.mark.parametrize("convention", ["palm", "megatron"])
def test_a_given_mfu_is_read_in_the_convention_of_the_model_at_hand(convention: str) -> None:
    plan = hm.plan(**MIXTURE, tokens="1T", mfu="40%", flop_convention=convention)
    assert value_of(plan.answer.mfu) == pytest.approx(0.4)


def test_an_open_fleet_of_a_mixture_counts_active_parameters() -> None:
    plan = hm.plan(gpus="H100", model="mixtral-8x7b", tokens="1T", mfu="40%", time="20d")
    assert 15.0 < value_of(plan.answer.elapsed_days) <= 20.0


def test_the_reference_of_formats_is_the_one_without_a_penalty() -> None:
    question = {"gpus": "64xH100", "params": "13B", "tokens": "1T"}
    one, other = (hm.compare(**question, precision=names) for names in ("bf16,fp8", "fp8,bf16"))
    assert _rows(one)["fp8"].verdict == _rows(other)["fp8"].verdict
    assert _rows(other)["bf16"].verdict == "reference"
    assert _rows(other)["fp8"].speedup.value == pytest.approx(_rows(one)["fp8"].speedup.value)
    assert report.compare_card(one).splitlines()[0] == report.compare_card(other).splitlines()[0]
    with pytest.raises(InputError, match="names bf16 twice"):
        hm.compare(**question, precision="bf16,bf16")


def test_compare_reads_thousands_as_one_amount_and_several_lists_as_a_product() -> None:
    assert separated({"budget": "$1,000,000"}) == ({}, {"budget": "$1,000,000"})
    assert separated({"params": "10B,100B", "tokens": "1T"}) == ({"params": ["10B", "100B"]}, {"tokens": "1T"})
    lists = {"gpus": ["64xH100", "32xB200"], "precision": ["bf16", "fp8"]}
    found = compare_values(lists, params="8B", tokens="100B")
    assert found.cases == (("64xH100", "bf16"), ("64xH100", "fp8"), ("32xB200", "bf16"), ("32xB200", "fp8"))
    for (gpus, precision), one in zip(found.cases, found.plans, strict=True):
        alone = hm.plan(gpus=gpus, precision=precision, params="8B", tokens="100B")
        assert one.answer == alone.answer
    assert [row.values["gpus"] for row in found.rows] == ["64xH100", "64xH100", "32xB200", "32xB200"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: separated({"gpus": "8xH100,8xH100"}), "--gpus names 8xH100 twice"),
        (lambda: compare_values({"seed": ["1", "2"]}, tokens="1T"), "compare cannot vary seed"),
        (lambda: compare_values({"params": list(range(1, 300))}, tokens="1T"), "299 combinations; compare takes 256"),
    ],
)
def test_comparisons_that_cannot_be(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_values_csv_holds_plain_numbers() -> None:
    header, *rows = (line.split(",") for line in report.values_csv(compare_values({"params": ["10B", "100B"]})).split())
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    assert [float(row["params"]) for row in cells] == [1e10, 1e11]
    assert float(cells[1]["loss_gain_nats"]) > 0.1
    assert cells[0]["train_days"] == ""


@pytest.mark.parametrize("words", [["law"], []])
def test_a_bare_group_shows_its_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("Usage:")


def test_an_out_that_the_file_system_refuses_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["plan", "--tokens", "1T", "--out", "/proc/plan.md"])
    assert stop.value.code == 2
    assert "cannot write --out" in capsys.readouterr().err


def test_both_fit_ranges_agree(capsys: pytest.CaptureFixture[str]) -> None:
    plan = hm.plan(flops="5.76e23")
    main(["law", "optimum", "besiroglu_2024", "--flops", "5.76e23", "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert plan.laws[0].decades_outside_fit == pytest.approx(told["decades_outside_fit"])


@pytest.mark.parametrize("more", [{}, {"params": "70B"}, {"tokens": "2T"}, {"inference_tokens": "2T"}])
def test_a_loss_target_holds_on_few_distinct_tokens(more: dict[str, str]) -> None:
    fresh, scarce = (hm.plan(loss_like="70B@1.4T", **more, **data) for data in ({}, {"unique_tokens": "400B"}))
    assert value_of(scarce.answer.loss_nats) == pytest.approx(value_of(fresh.answer.loss_nats), abs=1e-6)
    assert scarce.answer.train_flop > fresh.answer.train_flop
    with pytest.raises(InfeasibleError):
        hm.plan(loss_like="70B@1.4T", unique_tokens="20B", **more)


def test_repeats_with_demand_answer_though_some_draws_cannot() -> None:
    plan = hm.plan(loss_like="70B@1.4T", inference_tokens="2T", unique_tokens="150B")
    assert plan.saving is not None
    assert 0.0 <= plan.saving.value < 0.2
    best = plan.objectives.training_optimal
    assert value_of(best.tokens) > 1.34e12  # repeats are worth less than the fresh 1.34T


@pytest.mark.parametrize("recipe", ["bf16", "fp8", "w4a16"])
def test_a_life_never_costs_more_than_the_training_optimum(recipe: str) -> None:
    plan = hm.plan(gpus="64xH100", params="7B", tokens="1T", inference_tokens="1T", serving_precision=recipe)
    assert plan.saving is not None
    assert plan.saving.value >= -1e-3  # both pay for the loss that the recipe costs


def test_given_flops_bind_under_kaplan_too() -> None:
    answer = hm.plan(flops="1e22", law="kaplan_2020/L_ND").answer
    assert answer.train_flop == pytest.approx(1e22)


def test_a_service_of_one_year() -> None:
    one, two = (
        hm.plan(tokens="1T", serve=f"10 req/s, 1k in, 300 out, {time}").request.given["inference_tokens"]
        for time in ("1 year", "2 years")
    )
    assert two == pytest.approx(2 * one)


def test_regaining_a_loss_on_repeated_data_takes_more_tokens_than_on_fresh() -> None:
    question = {"gpus": "96xH100", "params": "33B", "tokens": "3T"}
    fresh, repeated = (hm.compare(**question, **more).precisions[1] for more in ({}, {"unique_tokens": "800B"}))
    assert fresh.pays_up_to_share.value > repeated.pays_up_to_share.value > 0.0
    # three epochs and a bit: what repeats can still give is no room for the band of gaps
    assert fresh.tokens_factor.value > 1.0
    assert repeated.tokens_factor is None or repeated.tokens_factor.value > fresh.tokens_factor.value


def test_formats_that_the_part_lacks_are_no_rows_of_its_report() -> None:
    rows = hm.plan(gpus="64xMI300X", params="8B", tokens="100B").precisions
    assert {row.status for row in rows} == {"ok"}
    assert "mxfp8" not in {row.precision for row in rows}
