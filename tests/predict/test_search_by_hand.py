"""What a search makes of layouts that were evaluated: a handful of rows of round seconds and bytes."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import LAYER, MACHINE, SHAPE, STACK, VOCABULARY

from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError
from hwmodel.predict import search, training
from hwmodel.predict.layouts import Cases
from hwmodel.predict.policy import Policy
from hwmodel.predict.search import (
    Evaluation,
    choice,
    few_of,
    fuller_layouts,
    least_seconds_of_micro_batch,
    pareto,
    ranked,
    require_fit,
    runners_up,
)
from hwmodel.predict.space import LayoutSpace
from hwmodel.predict.training import (
    TrainingPrediction,
    TrainingRun,
    default_batch_seqs,
    predict_training,
    rate_of_one,
    step_rate,
    with_layout,
)
from hwmodel.specs import Layout, MemoryTerms, StepTerms

BF16 = load_catalog().precision("bf16")
INF = math.inf
# Two fleets of sixteen and eight; of the second no layout fits. Rows: tensor ranks, replicas, the case, sequences.
ROWS = (
    (1.0, 16.0, 0, 16.0),
    (2.0, 8.0, 0, 32.0),
    (2.0, 4.0, 0, 32.0),
    (4.0, 4.0, 0, 8.0),
    (8.0, 1.0, 1, 8.0),
    (8.0, 1.0, 1, 4.0),
)
TP, DP, CASE, BATCH = (np.array(column) for column in zip(*ROWS))
SECONDS = np.array([16.0, 16.0, 24.0, 8.0, INF, INF])  # a step: 1, 0.5, 0.75 and 1 a sequence
BYTES = np.array([8.0, 9.0, 7.0, 6.0, 100.0, 90.0]) * 1e9


def cases(cap: float = 32.0, given: bool = False) -> Cases:
    return Cases(
        shape=SHAPE, accelerators=np.array([16.0, 8.0]), batch_cap_seqs=np.array([cap, cap]), batch_given=given,
        seq_len=1024.0,
    )  # fmt: skip


def space() -> LayoutSpace:
    return LayoutSpace(
        options=Layout(tp=TP, micro_batch=np.ones(6)), option=np.arange(6), case=CASE, dp=DP, batch_seqs=BATCH
    )


def evaluation(billed: Any = None, fixed: tuple[tuple[str, tuple[float, ...]], ...] = ()) -> Evaluation:
    every = fixed or tuple((name, (1.0,)) for name in ("tp", "pp", "micro_batch"))
    return ranked(cases(), space(), SECONDS, BYTES, Policy(fixed=every), billed)


def test_the_fastest_of_each_case() -> None:
    # Half a second a sequence is least; where nothing fits the leanest stands for it.
    found = evaluation()
    assert found.billed_s.tolist() == [1.0, 0.5, 0.75, 1.0, INF, INF]
    assert found.best.tolist() == [1, -1]
    assert (found.pick(0), found.pick(1)) == (1, 5)
    assert (found.tokens_per_s(0), found.tokens_per_s(1)) == (2048.0, 0.0)
    # Sixteen accelerators are billed twice as long, eight once: row 2 uses eight.
    found = evaluation(lambda used: used / 8.0)
    assert found.billed_s.tolist() == [2.0, 1.0, 0.75, 2.0, INF, INF]
    assert (found.best.tolist(), found.step_s.tolist()) == ([2, -1], SECONDS.tolist())


def test_a_search_of_everything_is_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "search_factor", lambda policy: 1.0 if policy.fixed else 1.5)
    found = ranked(cases(), space(), SECONDS, BYTES, Policy(), None)
    assert found.step_s.tolist() == [24.0, 24.0, 36.0, 12.0, INF, INF]
    assert found.search_factor == 1.5


def test_who_comes_next() -> None:
    # Rows 1 and 2 are split alike; row 0 and row 3 take as long, the earlier first.
    found = evaluation()
    assert runners_up(found, 0) == [0, 3]
    assert runners_up(found, 0, 1) == [0]
    assert few_of(found, 0, 3) == [1, 2, 0]
    assert few_of(found, 1, 3) == []
    # By the bill row 2 wins, and 1 is split alike.
    assert runners_up(evaluation(lambda used: used / 8.0), 0) == [0, 3]


def test_layouts_that_no_other_beats() -> None:
    # Row 1 is fastest, row 2 slower and leaner on fewer accelerators, row 3 leanest; row 0 is beaten by row 2.
    assert pareto(evaluation(), 0) == [1, 2, 3]
    assert pareto(evaluation(), 1) == []
    # Billed by what they use, row 2 beats row 1 in everything.
    assert pareto(evaluation(lambda used: used / 8.0), 0) == [2, 3]


def test_what_does_not_fit_says_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    # The leanest needs 90 GB of the 72 that may be filled: 8 x 90 / 72 = 10 accelerators.
    monkeypatch.setattr(search, "usable_bytes", lambda machine: 72e9)
    assert require_fit(evaluation(), 0, MACHINE, "it") == 1
    with pytest.raises(InfeasibleError, match=r"does not fit on 8 x round: .* 83\.8GiB .* 67\.1GiB; .* about 10 "):
        require_fit(evaluation(), 1, MACHINE, "it")
    monkeypatch.setattr(search, "usable_bytes", lambda machine: 71e9)
    with pytest.raises(InfeasibleError, match="about 11 accelerators"):
        require_fit(evaluation(), 1, MACHINE, "it")
    none = space().rows(CASE == 0)
    empty = ranked(cases(), none, SECONDS[:4], BYTES[:4], Policy(), None)
    with pytest.raises(InfeasibleError, match="no layout of it on 8 x round divides: 8 heads, 4 layers"):
        require_fit(empty, 1, MACHINE, "it")


def test_memory_that_may_be_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "memory_calibration", lambda: SimpleNamespace(most_full=0.9))
    assert search.usable_bytes(MACHINE) == 72e9


def test_least_seconds_of_a_micro_batch() -> None:
    # Six FLOPs a weight in products and token, four and a half where a quarter trains, over tensor ranks and stages.
    weights = 4 * LAYER + VOCABULARY
    layout = Layout(tp=np.array([1.0, 2.0]), cp=np.array([1.0, 2.0]), pp=2.0, micro_batch=np.array([1.0, 3.0]))
    found = least_seconds_of_micro_batch(cases(), layout, MACHINE)
    assert found == pytest.approx([6 * weights * 1024 / 1e14 / 2, 6 * weights * 1024 * 3 / 1e14 / 8])
    tuned = msgspec.structs.replace(cases(), trainable_fraction=0.25)
    assert least_seconds_of_micro_batch(tuned, layout, MACHINE)[0] == pytest.approx(4.5 * weights * 1024 / 1e14 / 2)


def test_layouts_with_fewer_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a cap of 20 sequences twelve replicas take 12 in a micro-batch: ten take all in two, six 18 in three."""
    taken = np.array([12.0, 20.0])
    one = LayoutSpace(options=Layout(tp=np.array([1.0])), option=np.array([0, 0]), case=np.array([0, 0]), dp=taken,
                      batch_seqs=taken, own_micro_batch=np.ones(2))  # fmt: skip
    fleet = Cases(
        shape=SHAPE, accelerators=np.array([20.0]), batch_cap_seqs=np.array([20.0]), batch_given=False, seq_len=1024.0
    )
    round_s = 0.1
    monkeypatch.setattr(search, "least_seconds_of_micro_batch", lambda *_: np.full(1, round_s))

    def found(first_s: float, second_s: float, best: float | None = None) -> list[tuple[float, float]]:
        bar = None if best is None else np.array([best])
        more, of = fuller_layouts(fleet, one, np.array([first_s, second_s]), MACHINE, bar)
        assert of.tolist() == [0] * more.count
        return list(zip(more.dp.tolist(), more.batch_seqs.tolist()))

    # A tenth of a second a micro-batch, and 0.98 x 3 s: ten replicas take at least 3.04 s, six 3.14, five 3.24; to win
    # they must take less than the full batch's seconds a sequence times 20, 18 and 20.
    for second_s, won in (
        (4.0, [(10.0, 20.0), (6.0, 18.0), (5.0, 20.0)]), (3.6, [(10.0, 20.0), (6.0, 18.0), (5.0, 20.0)]),
        (3.3, [(10.0, 20.0), (5.0, 20.0)]), (3.2, [(10.0, 20.0)]), (3.0, []),
    ):  # fmt: skip
        assert found(3.0, second_s) == won
    # What takes longer than the best would with as much more of the batch is no candidate.
    assert found(7.0, 4.0) == []
    # Beside layouts elsewhere that take 0.1 s a sequence: 3.04 of 2.
    assert found(3.0, 4.0, 0.1) == []
    # 4.05 s less a fiftieth and one short micro-batch are 3.98 of 4.
    round_s = 0.01
    assert found(4.05, 4.0) == [(10.0, 20.0), (5.0, 20.0)]
    # A batch that is full calls for none.
    assert found(INF, 4.0) == []


def test_the_batch_of_a_run_that_states_none() -> None:
    # 64 accelerators in replicas of 2 x 2 are sixteen, of micro-batches of two: 32 sequences. Four million tokens of
    # 4,096 are 976.6 sequences: 30.5 of them, 31 x 32 (30 of an even half); at least one of each.
    assert default_batch_seqs(64.0, 4096.0, {"tp": 2.0, "pp": (2.0, 4.0), "micro_batch": 2.0}) == 992.0
    assert default_batch_seqs(64.0, 4096.0, {"cp": 2.0}) == 32.0 * 31
    assert default_batch_seqs(4096.0, 4096.0, {}) == 4096.0
    assert default_batch_seqs(2.0, 4096.0, {"tp": 8.0}) == 977.0
    assert (step_rate(8.0, 1024.0, 4.0), rate_of_one(8.0, 4.0)) == (2048.0, 2.0)


def run(**fields: Any) -> TrainingRun:
    given = {"shape": SHAPE, "machine": MACHINE, "precision": BF16, "stack": STACK, "accelerators": 8.0,
             "seq_len": 1000.0, "global_batch_seqs": 8.0}  # fmt: skip
    return TrainingRun(**{**given, **fields})


def test_rates_and_room_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # Eight sequences of 1,000 tokens in 2 s, measured 1.25 times as long; 76 of 80 GB.
    step = StepTerms(**{**dict.fromkeys(StepTerms.__struct_fields__, 0.0), "gemm_s": 2.0})
    held = MemoryTerms(**{**dict.fromkeys(MemoryTerms.__struct_fields__, 0.0), "weights_bytes": 76e9})
    found = TrainingPrediction(run=run(), layout=Layout(), step=step, memory={"first": held}, level=1.25)
    assert (found.step_s, found.tokens_per_s, found.tokens_per_s_per_accelerator) == (2.5, 3200.0, 400.0)
    for usable, tight in ((72e9, True), (78e9, False)):
        monkeypatch.setattr(training, "usable_bytes", lambda machine, usable=usable: usable)
        assert (found.fits, found.tight) == (True, tight)
    small = msgspec.structs.replace(found, run=run(machine=msgspec.structs.replace(MACHINE, hbm_bytes=7e10)))
    assert (small.fits, small.tight) == (False, False)
    # A logistic of the fill: 0.95 of 0.9, to the tenth power over one.
    doubt = SimpleNamespace(middle=0.9, width=0.1)
    monkeypatch.setattr(training, "memory_calibration", lambda: doubt)
    assert found.fits_probability == pytest.approx(1 / (1 + (0.95 / 0.9) ** 10))
    work = run(trainable_fraction=0.5).workload
    assert (work.seq_len, work.global_batch_seqs, work.trainable_fraction) == (1000.0, 8.0, 0.5)


def test_a_run_in_the_fastest_of_its_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One layout is taken as it is, of several the one that a search picks; a search adds its optimism."""
    monkeypatch.setattr(training, "search_factor", lambda policy: 1.5 if "tp" not in dict(policy.fixed) else 1.0)
    fixed = {"tp": 2.0, "cp": 1.0, "pp": 2.0, "ep": 1.0, "micro_batch": 2.0, "zero": 1.0}
    one = predict_training(run(fixed=fixed, again=("none",)), 2.0)
    assert (one.layout.tp, one.layout.pp, one.layout.dp, one.layout.micro_batch) == (2.0, 2.0, 2.0, 2.0)
    assert (one.level, one.step.search_s) == (2.0, 0.0)
    plain = float(with_layout(run(fixed=fixed), one.layout).step.total_s)
    assert float(with_layout(run(), one.layout).step.total_s) == pytest.approx(1.5 * plain)
    with pytest.raises(InfeasibleError, match="no layout: tp 3 does not divide 8"):
        predict_training(run(fixed={"tp": 3.0}))
    asked: list[int] = []
    found = SimpleNamespace(
        space=SimpleNamespace(at=lambda row: Layout(tp=row)), pick=lambda case: asked.append(case) or 4
    )
    monkeypatch.setattr(training, "search_run", lambda run: found)
    assert (predict_training(run()).layout.tp, asked) == (4, [0])


def test_a_choice_in_numbers() -> None:
    # Row 2 uses eight of sixteen: 32 sequences of 1,024 tokens in a step half as long again as its terms.
    of = msgspec.structs.replace(evaluation(), search_factor=1.5)
    found = choice(of, 2, MACHINE, BF16, STACK)
    assert (found.accelerators, found.idle_accelerators, found.batch_seqs) == (16, 8, 32.0)
    assert (found.layout.tp, found.layout.dp, found.recompute, found.offload) == (2.0, 4.0, "none", "none")
    assert found.step.search_s == pytest.approx(found.step_s / 3)
    assert found.tokens_per_s == pytest.approx(32 * 1024 / found.step_s)
    assert (found.shown.tp, found.shown.global_batch_seqs) == (2, 32)
