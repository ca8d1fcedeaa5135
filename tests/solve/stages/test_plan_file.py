"""The plan file itself: errors in one line, options beside it, its schema, and the reports of its answer."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest

import hwmodel as hm
from hwmodel.report import budget_card, budget_csv, budget_markdown
from hwmodel.solve.run.result import value_of
from hwmodel.solve.stages.given import (
    BudgetKeys,
    CommitKeys,
    EgressKeys,
    OwnKeys,
    RepeatedRun,
    SpotKeys,
    StageKeys,
    StorageKeys,
)
from hwmodel.solve.stages.keys import COMMON, KINDS, OF_PLAN, PARTS, TOP, schema
from hwmodel.solve.stages.solver import budget
from hwmodel.units import format_usd
from tests.solve.stages.budgets import FIVE, command

ERRORS = [
    ("gpus: 8xH100\nstages:\n  - {stage: pretrain, tokns: 1T}\n", r":3: unknown key 'tokns'.*nearest: tokens"),
    ("gpus: 8xH100\nregoin: France\nstages:\n  - {stage: pretrain}\n", r":2: unknown key 'regoin'.*nearest: region"),
    ("gpus: 8xH100\nstages:\n  - {stage: rl, params: 8B}\n", "needs steps, prompts, samples_per_prompt"),
    ("gpus: 8xH100\nstages:\n  - {stage: rlx, params: 8B}\n", "no kind of stage is called 'rlx'; nearest: rl"),
    ("gpus: 8xH100\nstages: []\n", "no stages"),
    ("gpus: 8xH100\nstages:\n  - {params: 8B}\n", "needs its name"),
    ("gpus: 8xH100\nstages:\n  - {stage: sft, model: Qwen3-8B}\n", "needs examples, example_tokens"),
    ("gpus: 8xH100\nstages:\n  - {stage: context, params: 8B, tokens: 1B}\n", "needs seq_len"),
    ("gpus: 8xH100\nstages:\n  - {stage: sft, params: 8B, tokens: 1B, gpu_hours: 5}\n", "would be computed from"),
    ("gpus: 8xH100\nstages:\n  - {stage: failed, share: 10%}\n", "put the stage after it"),
    ("gpus: 8xH100\nregion: Frnce\nstages:\n  - {stage: x, cost_usd: 1}\n", "unknown region 'Frnce'; nearest: France"),
    ("gpus: 8xH100\nown: {purchas_usd: 5}\nstages:\n  - {stage: x, cost_usd: 1}\n", "nearest: purchase_usd"),
    ("gpus: 8xH100\nstages:\n  - {stage: evaluation, gpu_hours: -5}\n", "gpu_hours"),
    ("gpus: [\n", "not YAML"),
    ("- a\n", "no mapping of keys"),
    ("gpus: 8xH100\nstages:\n  - {stage: sft, model: Qwen3-8B, tokens: }\n", "tokens is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ERRORS)
def test_a_bad_file_is_one_line_and_exit_2(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text(text, encoding="utf-8")
    found = command("plan", str(path))
    assert found.returncode == 2, found.stdout
    assert re.search(said, found.stderr), found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_missing_file_and_options_beside_it(tmp_path: Path) -> None:
    found = command("plan", "nothing.yaml")
    assert (found.returncode, len(found.stderr.strip().splitlines())) == (2, 1)
    path = tmp_path / "b.yaml"
    path.write_text(json.dumps(FIVE), encoding="utf-8")
    found = command("plan", str(path), "--region", "Poland", "--format", "json")
    plain = json.loads(found.stdout)
    assert plain["request"]["region"] == "Poland"
    assert set(plain["budget"]["lines"][0]) == {"stage", "gpu_hours", "cost_usd", "how"}
    assert set(plain["budget"]["cash_flow"][0]) == {"month", "usd"}
    assert plain["budget"]["contingency_usd"] > 0
    refused = command("plan", str(path), "--moe", "8")
    assert (refused.returncode, "means nothing beside a plan file" in refused.stderr) == (2, True)


def test_a_budget_reads_the_same_as_a_mapping_and_is_not_changed_by_it(tmp_path: Path) -> None:
    given = copy.deepcopy(FIVE)
    path = tmp_path / "b.yaml"
    path.write_text(json.dumps(FIVE), encoding="utf-8")
    assert budget(given).budget == budget(path).budget
    assert given == FIVE


def test_reports_say_what_stands_in_the_answer() -> None:
    found = budget({**FIVE, "own": {"purchase_usd": 30_000}})
    text = budget_markdown(found)
    for said in (
        "## Stages",
        "steps of reinforcement learning",
        "## Bought",
        "## Cash flow",
        "Not counted:",
    ):
        assert said in text, said
    assert all(len(row) <= 80 for row in budget_card(found, 80).splitlines())
    assert len(budget_csv(found).splitlines()) == 1 + len(found.stages)


def test_the_schema_is_that_of_the_tree_and_of_the_keys() -> None:
    stored = json.loads((Path(__file__).parents[3] / "catalogs/schema/plan.schema.json").read_text(encoding="utf-8"))
    assert stored == schema()
    stage = stored["properties"]["stages"]["items"]["properties"]
    assert {"steps", "rollout_gpus", "verifier_usd_per_rollout", *OF_PLAN} <= set(stage)
    assert not stored["additionalProperties"]


def test_keys_are_typed_by_their_names() -> None:
    stage = {key for keys in KINDS.values() for key in keys} | (COMMON.keys() - {"stage", "kind"})
    assert StageKeys.__annotations__.keys() == stage
    assert BudgetKeys.__annotations__.keys() == TOP.keys() - {"stages"}
    typed = {"own": OwnKeys, "spot": SpotKeys, "commit": CommitKeys, "storage": StorageKeys, "egress": EgressKeys}
    assert {name: set(keys.__annotations__) for name, keys in typed.items()} == {n: set(k) for n, k in PARTS.items()}
    assert RepeatedRun.__annotations__.keys() >= {"count", *OF_PLAN} - {"catalogs"}


def test_every_plan_carries_its_budget() -> None:
    found = hm.plan(gpus="64xH100", params="8B", tokens="100B").to_dict()
    first = found["budget"]["lines"][0]
    assert first["cost_usd"] == found["answer"]["cost_usd"]
    assert sum(row["usd"] for row in found["budget"]["cash_flow"]) == pytest.approx(
        first["cost_usd"]["value"] + found["budget"]["contingency_usd"]
    )
    assert {row["how"] for row in found["budget"]["lines"][1:]} == {"not_counted"}
    assert hm.plan(tokens="1T").budget is None


def test_what_a_plan_serves_is_a_line_of_its_budget() -> None:
    """Tokens served after training at the plan's own cost of a token, as the whole life counts them."""
    found = hm.plan(gpus="64xH100", params="8B", tokens="100B", inference_tokens="1T")
    lines = {one.stage: one for one in found.budget.lines}
    serving = lines["serving"].cost_usd
    row = found.serving_formats[0]  # in bf16
    assert serving.value == pytest.approx(row.fixed.serve_cost, rel=1e-6)
    assert serving.low < serving.value < serving.high
    rate = serving.value / lines["serving"].gpu_hours.value
    assert rate == pytest.approx(found.money.price.median_usd_per_accelerator_hour)
    plain = hm.plan(gpus="64xH100", params="8B", tokens="100B")
    assert {one.stage: one.how for one in plain.budget.lines}["serving"] == "not_counted"
    text = plain.to_markdown()
    budget = text[text.index("### The whole budget") : text.index("## Energy")]
    assert "| contingency: what the run lacks to be enough in 80 % of cases | - |" in budget
    assert "Not counted: ablations and scaling runs, post-training, evaluation" in budget
    total = value_of(plain.budget.total_usd)
    assert format_usd(total) in budget
    assert "The whole budget" not in hm.plan(params="8B", tokens="100B").to_markdown()
    assert value_of(found.budget.total_usd) == pytest.approx(
        lines["pre-training"].cost_usd.value + serving.value + found.budget.contingency_usd
    )
    assert "serving" not in found.budget.not_counted


@pytest.mark.parametrize(
    "name", ["mid-training", "midtraining", "Mid Training", "mid_train", "Pre Training", "PRETRAIN"]
)
def test_names_of_kinds_are_folded_like_all_names(name: str) -> None:
    found = budget({"gpus": "64xH100", "stages": [{"stage": name, "params": "7B", "tokens": "100B"}]})
    assert (found.stages[0].kind, found.stages[0].stage) == ("pretrain", name)
