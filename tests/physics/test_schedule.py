"""Pipeline schedules: idle time against a simulation and the papers' tables, what is alive, what is held twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import training_stack
from hwmodel.physics.machine import machine
from hwmodel.physics.memory import memory_by_stage
from hwmodel.physics.schedule import bubble_s, copies, in_flight
from hwmodel.physics.stages import data_ranks
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Stack, Workload
from hwmodel.specs.layout import DUALPIPE, DUALPIPE_V, ONE_F_ONE_B, SCHEDULES, ZB_H1, ZB_H2, schedule_word

CATALOG = load_catalog()
PART, BF16 = CATALOG.part("H100"), CATALOG.precision("bf16")
H100 = machine(PART, CATALOG.default_system(PART), BF16, kernel_calibration())
LLAMA = CATALOG.model("llama-3.1-8b")
F, B, W = 1.0, 1.6, 0.7  # forward, whole backward, the part of it for weights
Order = list[tuple[str, int]]


def _one_f_one_b(rank: int, p: int, m: int) -> Order:
    """Passes of a rank in order, the backward one whole."""
    ahead = min(p - rank - 1, m)
    order: Order = [("F", i) for i in range(ahead)]
    for i in range(m):
        order += [("F", i + ahead)] if i + ahead < m else []
        order += [("B", i)]
    return order


def _zb_h1(rank: int, p: int, m: int) -> Order:
    """The same, with weights' gradients of the first `rank` backward passes put off to the end (arXiv 2401.10241)."""
    out: Order = []
    waiting: list[int] = []
    for kind, i in _one_f_one_b(rank, p, m):
        out.append((kind, i))
        if kind == "B":
            waiting.append(i)
            if len(waiting) > rank:
                out.append(("W", waiting.pop(0)))
    return out + [("W", i) for i in waiting]


def _span(p: int, m: int, order: Callable[[int, int, int], Order], seconds: dict[str, float]) -> float:
    """Seconds of a step: each rank runs its order, a pass waits for its neighbour's."""
    done: dict[tuple[str, int, int], float] = {}
    queues = [order(rank, p, m) for rank in range(p)]
    free = [0.0] * p
    while any(queues):
        for rank, queue in enumerate(queues):
            while queue:
                kind, i = queue[0]
                needs = {"F": ("F", rank - 1, i), "B": ("B", rank + 1, i), "W": ("B", rank, i)}[kind]
                edge = (kind == "F" and rank == 0) or (kind == "B" and rank == p - 1)
                needs = ("F", rank, i) if kind == "B" and edge else needs
                if not (edge and kind == "F") and needs not in done:
                    break
                start = max(free[rank], done.get(needs, 0.0))
                free[rank] = done[(kind, rank, i)] = start + seconds[kind]
                queue.pop(0)
    return max(free)


@pytest.mark.parametrize(("p", "m"), [(2, 4), (4, 8), (4, 13), (8, 16)])
def test_idle_time_of_1f1b_and_zb_h1_is_that_of_a_simulation(p: int, m: int) -> None:
    split = {"F": F, "B": B - W, "W": W}
    for schedule, order, seconds in ((ONE_F_ONE_B, _one_f_one_b, {"F": F, "B": B}), (ZB_H1, _zb_h1, split)):
        idle = _span(p, m, order, seconds) - m * (F + B)
        assert bubble_s(Layout(pp=float(p), schedule=schedule), float(m), F + B, B, W) == pytest.approx(idle, rel=1e-9)


def test_idle_time_is_that_of_the_published_table() -> None:
    """deepseek-ai/DualPipe, README: eight stages, F&B taken as F + B."""

    def idle(schedule: float, pp: float, share: float = 1.0) -> float:
        return float(bubble_s(Layout(pp=pp, schedule=schedule), 64.0, share * (F + B), share * B, share * W))

    assert idle(ONE_F_ONE_B, 8.0) == pytest.approx(7 * (F + B))
    assert idle(ZB_H1, 8.0) == pytest.approx(7 * (F + B - 2 * W))
    assert idle(ZB_H2, 8.0) == pytest.approx(7 * (F + B - 3 * W))
    assert idle(DUALPIPE, 8.0) == pytest.approx(3 * (F + B + B - 3 * W))
    # Four ranks hold the eight stages, two each: a rank takes twice as long for a micro-batch.
    assert idle(DUALPIPE_V, 4.0, share=2.0) == pytest.approx(3 * (F + B + B - 3 * W))


def test_too_few_micro_batches_leave_what_1f1b_leaves() -> None:
    for schedule in (ZB_H1, ZB_H2, DUALPIPE, DUALPIPE_V):
        assert bubble_s(Layout(pp=8.0, schedule=schedule), 7.0, F + B, B, W) == pytest.approx(7 * (F + B))


def test_micro_batches_alive_are_those_of_the_published_table() -> None:
    stack = Stack()

    def alive(schedule: float, stage: str) -> float:
        vpp = 2.0 if schedule == DUALPIPE_V else 1.0
        return float(in_flight(stage, Layout(pp=8.0, vpp=vpp, schedule=schedule), 64.0, stack))

    assert [alive(ONE_F_ONE_B, stage) for stage in ("first", "middle", "last")] == [8.0, 7.0, 1.0]
    assert [alive(ZB_H1, stage) for stage in ("first", "middle", "last")] == [8.0, 8.0, 8.0]
    assert alive(ZB_H2, "last") == 15.0
    assert [alive(DUALPIPE, stage) for stage in ("first", "last")] == [9.0, 9.0]
    assert alive(DUALPIPE_V, "first") == 8.5
    assert in_flight("first", Layout(pp=8.0, schedule=ZB_H2), 6.0, stack) == 6.0


def test_dualpipe_holds_weights_twice_and_shares_their_states_over_twice_the_ranks() -> None:
    stack = training_stack("hai-llm")
    load = Workload(seq_len=4096.0, global_batch_seqs=256.0)
    plain, twice = (
        memory_by_stage(LLAMA, BF16, Layout(pp=4.0, dp=4.0, schedule=s), load, stack)["middle"]
        for s in (ONE_F_ONE_B, DUALPIPE)
    )
    assert twice.weights_bytes == pytest.approx(2.0 * plain.weights_bytes)
    assert twice.gradients_bytes == pytest.approx(2.0 * plain.gradients_bytes)
    assert twice.optimizer_bytes == pytest.approx(plain.optimizer_bytes)
    assert copies(Layout(pp=4.0, schedule=DUALPIPE_V)) == 1.0
    assert data_ranks(Layout(pp=4.0, dp=4.0, schedule=DUALPIPE))[0] == 8.0


def test_logits_stand_where_the_head_is() -> None:
    load, stack = Workload(seq_len=4096.0, global_batch_seqs=256.0), Stack()

    def where_logits_are(schedule: float, vpp: float) -> list[str]:
        layout = Layout(pp=4.0, vpp=vpp, dp=4.0, schedule=schedule)
        found = memory_by_stage(LLAMA, BF16, layout, load, stack)
        return [stage for stage, terms in found.items() if terms.logits_bytes > 0]

    assert where_logits_are(ONE_F_ONE_B, 1.0) == ["last"]
    assert where_logits_are(DUALPIPE, 1.0) == ["first", "last"]
    assert where_logits_are(DUALPIPE_V, 2.0) == ["first"]


def test_a_step_is_shorter_under_a_schedule_that_fills_and_no_pipeline_has_none() -> None:
    load, stack = Workload(seq_len=4096.0, global_batch_seqs=256.0), Stack()

    def seconds(schedule: float, pp: float, vpp: float = 1.0) -> float:
        layout = Layout(tp=2.0, pp=pp, vpp=vpp, dp=4.0, schedule=schedule)
        return float(step(LLAMA, H100, BF16, layout, load, stack).pp_bubble_s)

    order = [seconds(ONE_F_ONE_B, 8.0), seconds(ZB_H1, 8.0), seconds(ZB_H2, 8.0)]
    assert order == sorted(order, reverse=True)
    assert seconds(DUALPIPE, 8.0) < seconds(ONE_F_ONE_B, 8.0)
    assert seconds(DUALPIPE_V, 8.0, 2.0) < seconds(ONE_F_ONE_B, 8.0, 2.0)
    assert all(seconds(float(place), 1.0) == 0.0 for place in range(len(SCHEDULES)))


def test_each_place_has_its_word() -> None:
    assert [schedule_word(Layout(schedule=float(i))) for i in range(len(SCHEDULES))] == list(SCHEDULES)
