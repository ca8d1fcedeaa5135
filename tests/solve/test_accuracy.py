"""`accuracy`: the board cut as asked, names exact; the same figures in every answer."""

from __future__ import annotations

import json
from statistics import median

import pytest
from click.testing import CliRunner

import hwmodel as hm
from hwmodel.catalog.accuracy import board_cells
from hwmodel.cli.accuracy import command
from hwmodel.errors import InputError
from hwmodel.predict.likeness import LEAST_RUNS, LEAST_SOURCES, like, summary
from hwmodel.solve.accuracy import KINDS, accuracy
from hwmodel.specs.accuracy import BoardCell


def cell(source: str, errors: list[int], inside: int, refused: int = 0) -> BoardCell:
    return BoardCell(
        kind="tpot", source=source, part="p", family="f", software="s", mixture=False, number_format="fp8",
        left_out=tuple(errors), shipped=tuple(errors), constant=(), inside=inside, refused=refused,
    )  # fmt: skip


def test_sources_weigh_alike() -> None:
    """Three runs of one source at 10 %, one of another at 50 %: 30 %, not 10 %; held 1/3 and 1: two thirds."""
    found = summary([cell("a", [100, 100, 100], 1), cell("b", [500], 1)], "tpot", "x")
    assert (found.n, found.sources) == (4, 2)
    assert found.median_error == pytest.approx(0.3)
    assert found.coverage == pytest.approx(2.0 / 3.0)


def test_the_board_holds_every_kind_and_counts_itself() -> None:
    found = accuracy()
    assert {one.kind for one in found.kinds} == set(KINDS)
    for one in found.kinds:
        mine = [each for each in found.by_source if each.kind == one.kind]
        assert one.n == sum(each.n for each in mine)
        assert one.sources == len(mine)
        assert one.median_error == pytest.approx(sum(each.median_error for each in mine) / len(mine))
        assert (one.answered_error == one.median_error) is (one.refused == 0)
        errors = [e for c in board_cells() if c.kind == one.kind for e in c.sizes_of("left_out")]
        assert one.refused == sum(c.refused for c in board_cells() if c.kind == one.kind) < 0.1 * one.n
        assert one.median_error_by_rows == pytest.approx(median(errors) / 1e3)
    training = next(one for one in found.kinds if one.kind == "training")
    assert training.constant is not None
    assert training.shipped < training.median_error < training.constant


def test_cuts_are_parts_of_the_whole() -> None:
    whole = accuracy(kind="serving")
    cut = accuracy(kind="serving", part="b200", model="moe")
    assert cut.asked == {"kind": "serving", "part": "b200-sxm6-180gb", "model": "moe"}
    sizes = {one.kind: one.n for one in whole.kinds}
    assert all(one.n < sizes[one.kind] for one in cut.kinds)
    named = accuracy(kind="serving", part="b200", model="deepseek-v3")
    assert named.kinds == cut.kinds  # a model stands for its kind


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"part": "b2"}, "nearest"), ({"kind": "speed"}, "kind 'speed'"), ({"model": "moes"}, "moes"),
        ({"software": "vlm"}, "vllm"), ({"precision": "fp7"}, "fp8"),
        ({"part": "h100", "software": "vllm", "kind": "training"}, "no run with"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_in_one_line(options: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        accuracy(**options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_python_is_the_command() -> None:
    done = CliRunner().invoke(command, ["--part", "h100", "--kind", "tpot", "--format", "json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == json.loads(hm.accuracy(part="h100", kind="tpot").to_json())
    shown = CliRunner().invoke(command, ["--part", "h100", "--kind", "tpot", "--format", "md"]).output
    assert "times a token" in shown
    assert "80 % held" in shown


def test_likeness_widens_until_sources_agree() -> None:
    near = like("tpot", "h100-sxm5-80gb", "hopper", mixture=False, software="vllm")
    assert near is not None
    assert near.of.startswith("h100-sxm5-80gb")
    far = like("tpot", "trainium2", "trainium", mixture=False, software="vllm")
    assert far is not None
    assert far.of == "any part, dense models"
    for one in (near, far):
        assert one.sources >= LEAST_SOURCES
        assert one.n >= LEAST_RUNS
    assert like("never", "h100", "hopper", mixture=False) is None


def test_every_answer_says_how_right_the_like_of_it_was() -> None:
    keys = {"kind", "of", "n", "sources", "median_error", "coverage"}
    plan = hm.plan(gpus="64xH100", params="8B", tokens="100B")
    assert set(plan.to_dict()["like"]) == keys
    assert plan.like.kind == "searched"
    assert "Measured: like" in plan.to_markdown().split("\n## ")[0]
    train = hm.train(gpus="8xH100", model="llama-3.1-8b", tp=8, pp=1, micro_batch=1, global_batch=64)
    assert train.to_dict()["like"]["kind"] == "training"
    assert "How sure: like" in train.to_markdown()
    served = hm.serve("llama-3.1-8b", parts="h100", concurrency=8)
    assert served.to_dict()["like"]["kind"] == "tpot"
    assert "How sure: like" in served.to_markdown()
