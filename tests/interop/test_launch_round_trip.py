"""An answer exported and read back is the same question: the same step and the same memory, to the digit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from hwmodel.errors import InputError
from hwmodel.interop.tools import settings
from hwmodel.interop.tools.settings import SETTINGS
from hwmodel.predict import recompute
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.train import TrainResult
from hwmodel.specs import Layout
from hwmodel.specs.layout import NAMES, TrainLayout

# Fields of a layout that one word says together.
FIELDS = {"recompute": recompute.FIELDS, "offload": tuple(recompute.OFFLOADS.values())}

# Target -> the file of it that a reader opens, and the least of fifty layouts at random that it can express.
OPENS = {
    "megatron": ("megatron.sh", 50),
    "megatron-bridge": ("megatron_bridge.py", 50),
    "maxtext": ("maxtext.yml", 15),
    "deepspeed": ("deepspeed.sh", 5),
    "accelerate": ("accelerate.sh", 5),
    "torchtitan": ("torchtitan_config.py", 15),
}
# What a target has no name for at all is refused, with what to do.
NO_WAY_THERE: dict[tuple[str, str], str] = {
    **dict.fromkeys([(t, q) for t in ("deepspeed", "accelerate") for q in ("dense-70b", "mixture-235b")], "--pp 1"),
    ("deepspeed", "long-8b"): "plan with --cp 1", ("accelerate", "sharded-235b"): "plan with --ep 1",
}  # fmt: skip
Back = Callable[..., TrainResult]


def saved(found: TrainResult) -> dict[str, Any]:
    """The answer as a file holds it, of a layout that is taken to fit."""
    data: dict[str, Any] = json.loads(json.dumps(found.to_dict()))
    return data | {"fits": True}


def same(one: TrainResult, other: TrainResult) -> bool:
    return (
        one.layout == other.layout
        and one.workload == other.workload
        and one.step_s == other.step_s
        and one.memory == other.memory
        and one.to_dict()["step_s"] == other.to_dict()["step_s"]
    )


@pytest.mark.parametrize("target", OPENS)
def test_fifty_layouts_come_back_to_the_digit(
    target: str, random_answers: list[tuple[dict[str, str], TrainResult]], there_and_back: Back
) -> None:
    opens, least = OPENS[target]
    came, refused = 0, Counter[str]()
    for asked, found in random_answers:
        try:
            again = there_and_back(saved(found), target, opens)
        except InputError as error:
            refused[str(error).rpartition("/")[2][:120]] += 1
            continue
        assert same(found, again), asked
        came += 1
    assert came >= least, refused


@pytest.mark.parametrize("target", OPENS)
@pytest.mark.parametrize("name", ["dense-70b", "mixture-235b", "long-8b", "sharded-70b", "sharded-235b"])
def test_plans_come_back(target: str, name: str, answers: dict[str, Any], there_and_back: Back) -> None:
    answer = answers[name]
    if (target, name) in NO_WAY_THERE:
        with pytest.raises(InputError, match=NO_WAY_THERE[target, name]):
            there_and_back(answer, target, OPENS[target][0])
        return
    again = there_and_back(answer, target, OPENS[target][0])
    assert again.step_s == pytest.approx(answer["step"]["total_s"], rel=1e-12)
    for held in ("peak_memory_bytes", "reserved_memory_bytes"):
        assert again.to_dict()[held] == answer["answer"][held]
    assert again.accelerators == answer["answer"]["accelerators"]


def test_the_part_may_be_said_beside_a_file_that_does_not(answers: dict[str, Any], there_and_back: Back) -> None:
    """Without the comments of hwmodel a script still is the same launch; the part is then an option."""
    found = there_and_back(answers["dense-70b"], "megatron", "megatron.sh", strip=True, gpus="H100", stack="generic")
    assert found.step_s == pytest.approx(answers["dense-70b"]["step"]["total_s"], rel=1e-12)


def test_without_the_part_the_file_is_no_question(answers: dict[str, Any], there_and_back: Back) -> None:
    with pytest.raises(InputError, match="does not say on which accelerators; add --gpus, like --gpus 512xH100"):
        there_and_back(answers["dense-70b"], "megatron", "megatron.sh", strip=True)


def test_every_field_of_a_layout_is_a_setting_or_a_size() -> None:
    """A new field of Layout is written by somebody, or is a size whose layouts are refused where it splits anything."""
    said_together = {field for fields in FIELDS.values() for field in fields}
    assert set(Layout.__struct_fields__) <= set(SETTINGS) | said_together | set(NAMES)


def test_a_size_that_nobody_writes_yet_is_refused_where_it_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "NAMES", (*NAMES, "hp"))
    assert "hp" not in settings.checked({"tp": 2, "hp": 1.0}, "the answer")
    with pytest.raises(InputError, match="'hp'"):
        settings.checked({"tp": 2, "hp": 2.0}, "the answer")
    with pytest.raises(InputError, match="'other'"):
        settings.checked({"tp": 2, "other": 1.0}, "the answer")
    assert set(FIELDS) <= set(SETTINGS)


def test_every_key_of_an_answers_layout_is_a_setting() -> None:
    assert set(TrainLayout.__struct_fields__) <= set(SETTINGS) | set(NAMES)


@pytest.mark.parametrize("target", ["megatron", "maxtext", "torchtitan"])
@pytest.mark.parametrize("asked", [{}, {"tp": "2"}, {"tp": "1", "pp": "1", "micro_batch": "1"}], ids=str)
def test_a_plan_read_back_takes_the_time_that_it_prints(
    target: str, asked: dict[str, str], there_and_back: Back
) -> None:
    """The optimism of the search that chose its layout is in the file as it is in the plan."""
    found = plan(gpus="64xH100", model="llama-3.1-8b", tokens="100B", pp=asked.get("pp", "1"), recompute="none", **{
        name: value for name, value in asked.items() if name != "pp"
    })  # fmt: skip
    assert found.step is not None
    again = there_and_back(json.loads(found.to_json()), target, OPENS[target][0])
    assert again.to_dict()["step_s"]["value"] == pytest.approx(found.step["total_s"], rel=1e-12)
    assert any("layout taken as given" in line for line in again.warnings) == (len(asked) == 3)
