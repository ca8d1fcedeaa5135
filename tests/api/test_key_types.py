"""JSON (DESIGN 5): a key keeps one type whatever was given, what is uncertain is a record, a name says its unit."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.api.forms import Form
from tests.api.questions import QUESTIONS, document

ENDS = {"value", "low", "high"}
# What the contract calls uncertain: a record with the ends of its 80 % interval wherever an answer states it.
UNCERTAIN = (
    "loss_nats", "train_days", "elapsed_days", "gpu_hours", "cost_usd", "total_usd", "energy_mwh", "co2e_t", "mfu",
    "tokens_per_s", "tokens_per_s_per_accelerator", "peak_memory_bytes", "reserved_memory_bytes",
    "allocated_memory_bytes", "speedup", "pays_up_to_share", "loss_gap_share", "step_s", "whole_run_factor",
    "teacher_gpu_hours", "rollout_gpu_hours", "slower_fraction", "slowdown", "doubled_speedup", "elasticity", "ttft_s",
    "tpot_s", "ttft_tail_s", "tpot_tail_s", "request_s", "requests_per_s", "requests_per_s_per_replica",
    "output_tokens_per_s", "total_tokens_per_s", "usd_per_hour", "usd_per_million_tokens", "usd_per_million_input",
    "usd_per_million_output", "usd_per_million_cached_input", "joules_per_input_token", "joules_per_output_token",
    "headroom", "load", "busy", "saving_share", "tokens_per_day",
)  # fmt: skip
# Where such a name is one point: a percentile is its own end, the columns of a sweep keep the ends beside the value
# (`cost_usd_low`), a law's curve is drawn through its own constants, and `law` gives a band where its law has a
# covariance (DESIGN 5).
POINTS = (
    r"quantiles\.p\d\d\.", r"sweep.*\.(top\.\w+|pareto\.rows)\[\]\.", r"(laws|curves\.size)\[\]\.loss_nats",
    # What a life costs, and what is saved of it, is compared under one choice of engine and has no interval.
    r"serving_formats\[\]\.fixed\.saving_share",
    r"(distillation\.at_(compute|loss)|samples\.families\[\]\.rows)\[\]\.loss_nats", r"^law \w+",
)  # fmt: skip
# Answers that are tables of predictions beside measurements, and formulas with their inputs; options as given.
OTHER = ("explain", "validate", "accuracy", "prices")
GIVEN = r"[^.]*\.(request|axes|base|asked|units)\b.*"
UNIT = re.compile(
    r"(^|_)(usd|s|bytes|days|hours|mwh|kwh|t|m3|w|watts|nats|flop|months|years|joules)(_|$)|"
    r"(tokens|params|seqs|accelerators|layers|experts|requests|steps|quotes|replicas|workers|layouts|rollouts)(_|$)|"
    r"(share|factor|fraction|probability|coverage|score|saving|error|ape|chance)(_|$)|^(n|max|min)_|_free$"
)  # fmt: skip
# Names without a unit in them: what they count or hold. A new one is added here with its unit, or renamed.
BARE = {
    "a count": "tp cp pp vpp ep etp dp zero micro_batch layers vocab d_model d_ff head_dim heads batch clients pairs n "
               "rows ok refused terms models sources points count quotes month point draws shipped gpus sooner_than "
               "sequence_parallel steps interruptions_expected epochs seq_len samples cheapest_samples "
               "bins_per_decade excluded_by_axes excluded_by_answers",
    "a ratio": "elasticity goodput headroom load busy pue slowdown times_cheaper more_compute doubled_speedup speedup "
               "mfu mfu_of_16_bit_peak waste wasted decades_outside decades_outside_fit compute_equivalent acceptance "
               "lag confidence over_pretraining break_even_utilisation cheaper sooner lower_loss accuracy_drop "
               "perplexity_increase used constant multiplier kumar_2024 sun_2025",
    "nats": "loss_small loss_large loss_p10 loss_p90",
    "tokens": "longest_response mean_response",
    "a requests' rate": "cache_requests",
    "in the unit that stands beside it": "limit planned break_even p10 p50 p90 pretraining post_training lifetime_cost "
                                         "train_cost serve_cost training_optimal_lifetime_cost value low high "
                                         "this_plan_lifetime_cost gain_low gain_high median predicted",
    "dollars an hour of one accelerator": "hyperscaler marketplace neocloud one_year three_years",
}  # fmt: skip
NAMES = {name for names in BARE.values() for name in names.split()}


def _numbers(value: Any, place: str) -> Iterator[tuple[str, str, Any]]:
    """(Place, key, number or record with ends) of a document."""
    if isinstance(value, dict):
        for key, one in value.items():
            at = f"{place}.{key}"
            banded = isinstance(one, dict) and set(one) >= ENDS
            if banded or (isinstance(one, (int, float)) and not isinstance(one, bool)):
                yield at, key, one
            if not banded:
                yield from _numbers(one, at)
    if isinstance(value, list):
        for one in value:
            yield from _numbers(one, f"{place}[]")


def _found(name: str) -> list[tuple[str, str, Any]]:
    return [one for one in _numbers(document(name), name) if not re.fullmatch(GIVEN, one[0])]


def test_the_questions_are_many_and_unlike() -> None:
    kinds = {name.split(":")[0].split(" ")[0] for name in QUESTIONS}
    assert len(QUESTIONS) > 50
    assert kinds == {"plan", "budget", "compare", "train", "serve", "sweep", "law", "prices", "validate", "accuracy",
                     "explain"}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_number_is_none(name: str) -> None:
    """Plain JSON holds no NaN and no infinity: what has no number is null."""
    text = json.dumps(document(name), allow_nan=False)
    assert "NaN" not in text
    for place, _, one in _found(name):
        ends = one.values() if isinstance(one, dict) else [one]
        assert all(not isinstance(end, float) or math.isfinite(end) for end in ends), place


@pytest.mark.parametrize("name", [name for name in QUESTIONS if not name.startswith(OTHER)])
def test_an_uncertain_quantity_is_a_record_with_its_ends_in_order(name: str) -> None:
    for place, key, one in _found(name):
        if isinstance(one, dict):
            known = [one[end] for end in ("low", "value", "high") if one[end] is not None]
            assert all(a <= b + 1e-12 * abs(b) for a, b in pairwise(known)), (place, one)
        elif key in UNCERTAIN:
            assert any(re.search(point, place) for point in POINTS), f"{place} = {one} has no interval"


def test_what_was_given_has_no_width() -> None:
    answer = document("plan: all given")["answer"]
    for key, given in (("params", 8e9), ("tokens", 1e11)):
        assert answer[key] == {"value": given, "low": given, "high": given}
    solved = document("plan: time")["answer"]
    assert all(solved[key]["low"] < solved[key]["value"] < solved[key]["high"] for key in ("params", "tokens"))


@pytest.mark.parametrize("verb", ["plan", "budget", "compare: f", "compare", "train", "sweep: p", "sweep: f"])
def test_a_place_holds_one_kind_of_value(verb: str) -> None:
    """Whatever was asked: a number at one question is no record at another, and text never a number."""
    form = Form()
    for name in QUESTIONS:
        if name.startswith(verb):
            form.add({key: one for key, one in document(name).items() if key != "request"})
    mixed = {place: kinds for place, kinds in form.mixed().items() if ".request." not in place}
    assert not mixed


def test_every_number_says_its_unit() -> None:
    """By its name, or by the table above."""
    strange = defaultdict(set)
    for name in QUESTIONS:
        if not name.startswith(OTHER):
            for place, key, _ in _found(name):
                if not UNIT.search(key) and key not in NAMES:
                    strange[key].add(place)
    assert not strange


def test_a_quantity_has_one_unit_by_its_name() -> None:
    """What ends in a unit is a number of it, or a record of such numbers: never text, never a list."""
    suffix = re.compile(r"_(usd|s|bytes|days|mwh|nats|w|m3)$")

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, one in value.items():
                if suffix.search(key) and not re.fullmatch(GIVEN, f"{place}.{key}"):
                    assert not isinstance(one, (str, bool)), f"{place}.{key} = {one}"
                walk(one, f"{place}.{key}")
        if isinstance(value, list):
            for one in value:
                walk(one, f"{place}[]")

    for name in QUESTIONS:
        if not name.startswith(OTHER):
            walk(document(name), name)
