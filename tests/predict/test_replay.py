"""The replay of many layouts gives what the text of the physics gives, to the bit, whatever rows share."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.predict import search
from hwmodel.predict.layouts import Cases, layout_space
from hwmodel.predict.replay import PLANNED_ROWS, CommonInputs, OptionColumns, Replay, ReplayedRows
from hwmodel.predict.search import evaluate
from hwmodel.predict.space import LayoutSpace
from hwmodel.solve.question.setting import Fleeted
from hwmodel.specs import Layout, Workload
from tests.predict.fleets import FLEETS, NAMES, QUESTIONS
from tests.predict.fleets import Question as Asked


def common(cases: Cases, setting: Fleeted) -> CommonInputs:
    """What all rows have in common."""
    return CommonInputs(cases.shape, setting.machine, setting.precision, setting.stack, cases.seq_len, 1.0)


def by_text(space: LayoutSpace, asked: CommonInputs) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and bytes by the text."""
    shape, machine, precision, stack, seq_len, trainable = asked
    load = Workload(seq_len=seq_len, global_batch_seqs=space.batch_seqs, trainable_fraction=trainable)
    seconds = step(shape, machine, precision, space.layout, load, stack).total_s
    return seconds, peak_memory(shape, precision, space.layout, load, stack).total_bytes


def drawn(space: LayoutSpace, count: int, seed: int = 0) -> LayoutSpace:
    """Some rows in no order."""
    return space.rows(np.random.default_rng(seed).permutation(space.count)[:count])


@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
def test_rows_are_those_of_the_text(asked: Asked) -> None:
    setting = asked.setting
    cases = asked.cases(setting, FLEETS)
    space = layout_space(cases, float(setting.machine.network.domain), asked.policy)
    space = drawn(space, min(space.count, 40_000))
    question = common(cases, setting)
    text_s, text_bytes = by_text(space, question)
    usable = float(np.median(text_bytes))
    seconds, held = Replay(question, space).rows(space, usable)
    assert np.array_equal(held, text_bytes)
    assert np.array_equal(seconds, np.where(text_bytes <= usable, text_s, np.inf))


def test_adapters_and_a_micro_batch_of_each_row_are_those_of_the_text() -> None:
    asked = QUESTIONS[0]
    setting = asked.setting
    cases = asked.cases(setting, [256.0, 768.0])
    space = drawn(layout_space(cases, 8.0, asked.policy), 3000)
    own = msgspec.structs.replace(space, own_micro_batch=space.micro_batch / 2.0)
    question = common(cases, setting)._replace(trainable_fraction=0.01)
    for one in (space, own):
        seconds, held = Replay(question, one).rows(one)
        text_s, text_bytes = by_text(one, question)
        assert np.array_equal(seconds, text_s)
        assert np.array_equal(held, text_bytes)


def test_rows_that_share_less_than_those_the_plan_was_made_by() -> None:
    """The first rows have one number of replicas and batch, the later ones each their own, not whole."""
    asked = QUESTIONS[2]
    setting = asked.setting
    space = layout_space(asked.cases(setting, [512.0]), float(setting.machine.network.domain), asked.policy)
    alike = drawn(space, 1).rows(np.zeros(PLANNED_ROWS, dtype=np.int64))
    later = drawn(space, 5000)
    odd = msgspec.structs.replace(later, dp=later.dp + np.random.default_rng(1).uniform(0.0, 9.0, later.count))
    whole = alike.joined(odd)
    question = common(asked.cases(setting, [512.0]), setting)
    replay = Replay(question, whole)
    assert any("dp" in group.settings for group in replay.groups)
    seconds, held = replay.rows(whole)
    text_s, text_bytes = by_text(whole, question)
    assert np.array_equal(seconds, text_s)
    assert np.array_equal(held, text_bytes)


@pytest.mark.parametrize("asked", [QUESTIONS[1], QUESTIONS[5]], ids=["capped", "given"])
def test_a_search_finds_the_same_either_way(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = asked.setting
    cases, found = asked.cases(setting, FLEETS[:6]), []
    for rows in (1, 10**9):
        monkeypatch.setattr(search, "REPLAYED_ROWS", rows)
        found.append(evaluate(cases, setting.machine, setting.precision, setting.stack, asked.policy))
    replayed, text = found
    for name in ("step_s", "memory_bytes", "billed_s", "best"):
        assert np.array_equal(getattr(replayed, name), getattr(text, name)), name


def test_combinations_of_settings() -> None:
    """By hand: six rows of three options, of which two agree in the pipeline."""
    options = Layout(tp=np.array([1.0, 2.0, 4.0]), pp=np.array([3.0, 1.5, 3.0]))
    space = LayoutSpace(
        options=options, option=np.array([0, 1, 2, 0, 1, 2]), case=np.zeros(6, dtype=np.int64),
        dp=np.array([8.0, 8.0, 8.0, 8.0, 9.0, 9.0]), batch_seqs=np.full(6, 64.0),
    )  # fmt: skip
    rows = ReplayedRows(OptionColumns(space), space)
    for names, groups in (
        ({"pp"}, [{0, 2, 3, 5}, {1, 4}]),
        ({"pp", "dp"}, [{0, 2, 3}, {1}, {4}, {5}]),
        ({"tp", "pp"}, [{0, 3}, {1, 4}, {2, 5}]),
        ({"batch"}, [{0, 1, 2, 3, 4, 5}]),
    ):
        found = rows.distinct(frozenset(names))
        assert found is not None
        assert sorted(map(sorted, groups)) == sorted(
            sorted(np.flatnonzero(found.place == k).tolist()) for k in range(len(found.first))
        )
        assert all(found.place[first] == k for k, first in enumerate(found.first))
    assert list(rows.columns(["tp", "dp"], np.array([4]))["tp"]) == [2.0]


def test_a_space_keeps_options_apart_when_joined() -> None:
    one = LayoutSpace(options=Layout(tp=np.array([1.0, 2.0]), pp=1.0), option=np.array([1]), case=np.array([0]),
                dp=np.array([4.0]), batch_seqs=np.array([8.0]))  # fmt: skip
    other = LayoutSpace(options=Layout(tp=4.0, pp=np.array([2.0])), option=np.array([0]), case=np.array([0]),
                  dp=np.array([3.0]), batch_seqs=np.array([6.0]), own_micro_batch=np.array([2.0]))  # fmt: skip
    both = one.joined(other)
    assert [(x.tp, x.pp, x.dp, x.micro_batch) for x in (both.at(0), both.at(1))] == [(2, 1, 4, 1), (4, 2, 3, 2)]
    assert both.accelerators.tolist() == [8.0, 24.0]
    assert both.at(-1) == both.at(1)
    few = both.rows(np.array([1, 1])).compact()
    assert [few.at(0), few.at(1)] == [both.at(1)] * 2
    assert few.options.pp.tolist() == [2.0]
