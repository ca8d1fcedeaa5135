"""What the intervals of serving predictions go by, on round settings worked out in the comments."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import BLOCK, HELD, MACHINE, SHAPE

from hwmodel.predict.service import intervals
from hwmodel.predict.service.intervals import (
    THROUGHPUT,
    TPOT,
    TTFT,
    Alone,
    Covered,
    Parts,
    ServiceTraits,
    at_rest,
    covered_by,
    parts_of,
    passes_alone,
    service_ends,
    service_familiarity,
    traits_of,
)
from hwmodel.predict.service.setting import CLOSED, OPEN, SATURATED, ServiceSetting, Worker
from hwmodel.specs.hardware import Part
from hwmodel.specs.intervals import Z80, IntervalConstants
from hwmodel.specs.serving import (
    DecodeTerms,
    Engine,
    ServiceTerms,
    ServingFormats,
    ServingLayout,
    ServingLoad,
    Speculation,
)

DENSE = ServiceTraits(regime=CLOSED, engine="one", part="p1", family="f1", mixture=False, params=8e9, active_params=8e9)
SPARSE = ServiceTraits(
    regime=OPEN, engine="two", part="p2", family="f1", mixture=True, params=4e10, active_params=5e9 + 0.4,
    ranks=(True, True),
)  # fmt: skip


def test_what_the_runs_of_a_fit_covered() -> None:
    # Sizes by engine and kind, whole, each once and the least first; open loops stand with closed ones.
    smaller = msgspec.structs.replace(DENSE, active_params=7e9, regime=SATURATED, ranks=(False, True), part="p2")
    found = covered_by([DENSE, smaller, smaller, SPARSE])
    assert found.families == {"f1"}
    assert found.parts == {"p1", "p2"}
    assert found.engine_parts == {"one|p1", "one|p2", "two|p2"}
    assert found.layouts == {"one|dense||closed loop", "one|dense|ep|saturated", "two|moe|dp+ep|closed loop"}
    assert found.models == {"one|8e+09|8e+09", "one|8e+09|7e+09", "two|4e+10|5e+09"}
    assert found.sizes == {"one|dense": (7e9, 8e9), "two|moe": (5e9,)}
    assert covered_by([]) == Covered()


def test_how_far_a_setting_lies_from_what_was_measured() -> None:
    covered = msgspec.structs.replace(covered_by([DENSE, SPARSE]), sizes={"one|dense": (8e9, 1e9), "two|moe": (5e9,)})
    near = service_familiarity(DENSE, Parts(experts=0.1, other=0.2, queue=0.3), covered)
    assert near.known == 1.0
    assert near.shares == {"experts": 0.1, "other": 0.2, "queue": 0.3}
    assert set(near.distances.values()) == {0.0}
    # 2e9 is a doubling of the one and two halvings of the other; 1.28e11 is four doublings, 2.56e11 counts as four too.
    for size, doublings in ((2e9, 1.0), (1.28e11, 4.0), (2.56e11, 4.0)):
        off = service_familiarity(msgspec.structs.replace(DENSE, active_params=size), Parts(), covered)
        assert (off.distances["size"], off.known) == (doublings, 0.0)
    # Nothing of it was seen: three doublings, and one of each.
    new = ServiceTraits(
        regime=SATURATED, engine="three", part="p3", family="f3", mixture=True, params=1e9, active_params=1e9,
        searched=True, strange=True, cuts=2.5,
    )  # fmt: skip
    assert service_familiarity(new, Parts(), covered).distances == {
        "size": 3.0, "family": 1.0, "part": 1.0, "engine_part": 1.0, "layout": 1.0, "searched": 1.0, "strange": 1.0,
        "cuts": 2.5,
    }  # fmt: skip


def worker(**sizes: float) -> Worker:
    return Worker(machine=MACHINE, formats=ServingFormats(), engine=Engine(), layout=ServingLayout(**sizes))


def setting(**fields: Any) -> ServiceSetting:
    load = ServingLoad(prompt_tokens=1000.0, output_tokens=100.0)
    return ServiceSetting(**{"shape": SHAPE, "worker": worker(tp=4.0, dp=2.0), "load": load, **fields})


PART = Part(id="round-80", name="Round", vendor="none", family="round")


def test_traits_of_a_setting() -> None:
    # Eight accelerators fill a domain; attention stands on two ranks of four; ranks of experts there are none.
    found = traits_of(CLOSED, setting(), "one", PART)
    assert (found.part, found.family, found.engine, found.regime) == ("round-80", "round", "one", CLOSED)
    assert (found.mixture, found.ranks, found.strange, found.searched) == (False, (True, False), False, False)
    assert found.cuts == 3.0
    assert found.params == found.active_params == pytest.approx(HELD, rel=1e-3)
    # Two stages of eight leave the domain; a shape made up from a size is strange too.
    assert traits_of(CLOSED, setting(worker=worker(tp=4.0, dp=2.0, pp=2.0)), "one", PART).strange
    assert traits_of(CLOSED, setting(), "one", PART, made_up=True, searched=True).strange
    assert traits_of(CLOSED, setting(), "one", PART, searched=True).searched


def test_traits_of_a_mixture_and_of_pools() -> None:
    block = msgspec.structs.replace(BLOCK, n_experts=8.0, top_k=2.0)
    mixture = msgspec.structs.replace(SHAPE, blocks=(BLOCK, block))
    found = traits_of(OPEN, setting(shape=mixture, worker=worker(tp=2.0, ep=2.0)), "one", PART)
    assert (found.mixture, found.ranks, found.cuts) == (True, (False, True), 1.0)
    # A prompt is cut over the four accelerators of a pool of its own; pools whose counts are open are strange.
    pools = {"prefill": worker(tp=4.0), "prefill_workers": 1.0}
    assert traits_of(CLOSED, setting(**pools), "one", PART).cuts == 2.0
    assert traits_of(CLOSED, setting(**pools), "one", PART).strange
    assert not traits_of(CLOSED, setting(**pools, decode_workers=2.0), "one", PART).strange


def terms(**seconds: float) -> DecodeTerms:
    return DecodeTerms(**(dict.fromkeys(DecodeTerms.__struct_fields__, 0.0) | seconds))


# Eight seconds and twenty, of which three and ten are neither products nor those of experts.
STEP = terms(gemm_s=3.0, experts_s=2.0, attention_s=1.0, tp_s=1.0, host_s=1.0)
PROMPT = terms(gemm_s=5.0, experts_s=5.0, attention_s=4.0, kernel_gap_s=6.0)


def seen(**fields: float) -> ServiceTerms:
    return ServiceTerms(**(dict.fromkeys(ServiceTerms.__struct_fields__, 1.0) | fields))


def test_shares_of_doubtful_parts() -> None:
    # Two drafts, a half of each accepted, an eighth of a step each: 1 + 1/2 + 1/4 tokens in 5/4 of a step.
    one = setting(drafts=Speculation(draft_tokens=2.0, acceptance=0.5, draft_share=0.125))
    alone = Alone(STEP, PROMPT)
    # A first token of 0.4 s waits 0.1 of them: of the rest a quarter are experts, a half the others.
    first = parts_of(one, seen(prefill_s=0.3, ttft_s=0.4), TTFT, alone)
    assert (first.queue, first.experts, first.other) == pytest.approx((0.25, 0.75 / 4, 0.75 / 2))
    # A token without waits takes 8 x 1.25 / 1.75 = 5.714 s of 8: 2/7 are waits.
    later = parts_of(one, seen(tpot_s=8.0), TPOT, alone)
    assert (later.queue, later.experts, later.other) == pytest.approx((2 / 7, 5 / 7 * 2 / 8, 5 / 7 * 3 / 8))
    # A rate: the time that the engine spends on prompts, at least none and at most all.
    for busy, queue in ((0.2, 0.2), (-0.1, 0.0), (1.5, 1.0)):
        rate = parts_of(one, seen(utilisation=busy), THROUGHPUT, alone)
        assert (rate.queue, rate.experts, rate.other) == pytest.approx((queue, (1 - queue) / 4, (1 - queue) * 3 / 8))
    # What takes less than its own pass waits for nothing.
    assert parts_of(one, seen(prefill_s=0.5, ttft_s=0.4), TTFT, alone).queue == 0.0
    assert parts_of(one, seen(tpot_s=1.0), TPOT, alone).queue == 0.0


def test_passes_that_are_not_known_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of as many seconds as requests run, the prompt's pass on the workers that read it."""
    monkeypatch.setattr(intervals, "step_terms", lambda s, running: terms(gemm_s=running - 2.0, attention_s=2.0))
    monkeypatch.setattr(intervals, "prompt_terms", lambda shape, w, load: terms(gemm_s=1.0, host_s=w.layout.tp))
    two = setting(prefill=worker(tp=3.0))
    found = passes_alone(two, 8.0)
    assert (found.step.total_s, found.prompt.total_s) == (8.0, 4.0)
    assert parts_of(two, seen(running=8.0, utilisation=0.0), THROUGHPUT).other == pytest.approx(1 / 4)
    assert parts_of(two, seen(prefill_s=1.0, ttft_s=1.0), TTFT).other == pytest.approx(3 / 4)
    assert parts_of(setting(), seen(prefill_s=1.0, ttft_s=1.0), TTFT).other == pytest.approx(4 / 5)
    rest = at_rest(two, running=8.0, tpot_s=0.02, ttft_s=0.5, busy=0.3)
    # A hundred tokens of 0.02 s after the first.
    assert (rest.request_s, rest.step_s, rest.prefill_s) == pytest.approx((2.5, 8.0, 4.0))
    assert (rest.running, rest.waiting, rest.utilisation, rest.ttft_s, rest.tpot_s) == (8.0, 0.0, 0.3, 0.5, 0.02)
    assert at_rest(two, running=2.0, tpot_s=0.0, ttft_s=0.5, busy=0.0, alone=Alone(STEP, PROMPT)).step_s == 8.0


def test_ends_by_quantity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one source scatter by 0.1, waits may take e^(1.28155 x 0.5) = 1.8980 times as long."""
    c = IntervalConstants(row=0.1, level=0.0, shares={"queue": 0.5}, distances={}, known=1.0)
    monkeypatch.setattr(intervals, "interval_calibration", lambda: {TTFT: c})
    terms_ = seen(prefill_s=0.3, ttft_s=0.4)
    found = service_ends(DENSE, setting(), terms_, TTFT, covered_by([DENSE]), Alone(STEP, PROMPT))
    assert found.up == pytest.approx(math.hypot(Z80 * 0.1, math.log(1 + 0.25 * 0.8980)), rel=1e-4)
    assert found.down == pytest.approx(math.hypot(Z80 * 0.1, math.log(1 - 0.25 * (1 - 1 / 1.8980))), rel=1e-4)
    # Without a yardstick it is that of the shipped fit.
    far = msgspec.structs.replace(c, distances={"part": 1.0})
    monkeypatch.setattr(intervals, "interval_calibration", lambda: {TTFT: far})
    monkeypatch.setattr(intervals, "shipped_covered", lambda: Covered())
    assert service_ends(DENSE, setting(), terms_, TTFT, None, Alone(STEP, PROMPT)).up > Z80


def test_the_size_of_a_column_is_its_largest() -> None:
    spread: Any = SimpleNamespace(
        worker=worker(tp=np.array([2.0, 8.0, 4.0])), shape=SHAPE, prefill=None, prefill_workers=0.0,
        decode_workers=0.0,
    )  # fmt: skip
    assert traits_of(CLOSED, spread, "one", PART).cuts == 3.0
