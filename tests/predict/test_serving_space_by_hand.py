"""Layouts of an engine, on a model of 4 layers and 8 heads: which are tried, and which serves most."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import BLOCK, MACHINE, SHAPE

from hwmodel.errors import InputError
from hwmodel.predict.service import search
from hwmodel.predict.service.layouts import (
    EVERY,
    SMOOTH,
    ServingSpace,
    Sizes,
    _even,
    _experts,
    cells,
    check_sizes,
    layouts,
    rows_of,
)
from hwmodel.predict.service.search import best_layout, candidates, fitting, numbers, replicas, shared
from hwmodel.predict.service.setting import CLOSED, ServiceSetting, Worker, drafts_of
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad

MIXTURE = msgspec.structs.replace(
    SHAPE, blocks=(msgspec.structs.replace(BLOCK, count=2.0), msgspec.structs.replace(BLOCK, count=2.0, n_experts=16.0))
)
FEWER = msgspec.structs.replace(SHAPE, blocks=(BLOCK, msgspec.structs.replace(BLOCK, n_heads=4.0)))


def rows(found: ServingLayout) -> list[tuple[float, ...]]:
    return [tuple(cells(found, i).values()) for i in range(len(found.tp))]  # type: ignore[arg-type]


def test_stages_that_hold_evenly_enough() -> None:
    # 80 layers on 12 stages: seven on the fullest, 84 / 80; on 16 five; on 24 four, 96 / 80 = 1.2. Ten on 3: 12 / 10.
    # 20 on 3 hold seven, 21 / 20; 40 on 9 five, 45 / 40 = 1.125; four on five stages leave one empty.
    for depth, stages, even in (
        (80, 12, True), (80, 16, True), (80, 24, False), (10, 3, False), (20, 3, True), (40, 9, True), (4, 5, False),
        (4, 4, True), (23, 20, False),
    ):  # fmt: skip
        assert _even(float(depth), float(stages)) is even


def test_ways_to_spread_the_experts_of_an_engine() -> None:
    # On every accelerator of a stage, or on none without attention ranks; what is given where it divides a stage.
    for tp, dp, routed, ways in (
        (4, 1, 0, (1,)), (1, 1, 16, (1,)), (4, 1, 16, (1, 4)), (4, 2, 16, (8,)), (1, 4, 16, (4,)), (4, 8, 16, ()),
        (3, 1, 16, (1,)), (3, 2, 16, ()),
    ):  # fmt: skip
        assert _experts(float(tp), float(dp), float(routed), None, True) == ways
    assert _experts(3.0, 2.0, 16.0, None, False) == (6.0,)
    assert _experts(4.0, 8.0, 16.0, None, False) == ()
    assert _experts(4.0, 2.0, 16.0, 4.0, True) == (4.0,)
    assert _experts(4.0, 2.0, 16.0, 3.0, True) == ()


def test_layouts_that_are_tried() -> None:
    # Tensor ranks that divide eight heads in a domain of four; stages of 4 layers: 1, 2 or 4 (three hold 6 / 4).
    assert rows(layouts(SHAPE, 4.0)) == [(t, p, 1.0, 1.0) for t in (1.0, 2.0, 4.0) for p in (1.0, 2.0, 4.0)]
    # Four heads in another layer: no more than four ranks.
    assert {t for t, *_ in rows(layouts(FEWER, 8.0))} == {1.0, 2.0, 4.0}
    # Smooth sizes divide nothing.
    smooth = ServingSpace(tensor=(3.0,), pipeline=(3.0,), whole=False)
    assert rows(layouts(SHAPE, 8.0, space=smooth)) == [(3.0, 3.0, 1.0, 1.0)]
    assert rows(layouts(SHAPE, 8.0, space=msgspec.structs.replace(smooth, whole=True))) == []
    # A mixture takes attention ranks too, up to sixteen experts apart, and powers of two of stages.
    small = msgspec.structs.replace(EVERY, most=8.0)
    found = rows(layouts(MIXTURE, 2.0, space=small))
    assert found == [
        (1, 1, 1, 1), (1, 1, 2, 2), (1, 1, 4, 4), (1, 1, 8, 8), (1, 2, 1, 1), (1, 2, 2, 2), (1, 2, 4, 4), (1, 4, 1, 1),
        (1, 4, 2, 2), (2, 1, 1, 1), (2, 1, 1, 2), (2, 1, 2, 4), (2, 1, 4, 8), (2, 2, 1, 1), (2, 2, 1, 2), (2, 2, 2, 4),
        (2, 4, 1, 1), (2, 4, 1, 2),
    ]  # fmt: skip
    assert {p for _, p, *_ in rows(layouts(msgspec.structs.replace(MIXTURE, blocks=MIXTURE.blocks * 3), 1.0))} == {
        1,
        2,
        4,
    }
    assert SMOOTH.pipeline == SMOOTH.pipeline_of_experts == (1.0, 2.0, 4.0, 8.0)


def test_given_sizes_bind_in_any_domain() -> None:
    # Also beyond the domain, what divides or is even, and the most of an engine.
    assert rows(layouts(SHAPE, 1.0, Sizes(tp=8.0, pp=3.0))) == [(8.0, 3.0, 1.0, 1.0)]
    assert rows(layouts(SHAPE, 1.0, Sizes(dp=128.0, pp=1.0))) == [(1.0, 1.0, 128.0, 1.0)]
    assert rows(layouts(MIXTURE, 1.0, Sizes(tp=4.0, pp=1.0, dp=2.0, ep=4.0))) == [(4.0, 1.0, 2.0, 4.0)]
    assert not Sizes().any
    assert Sizes(ep=1.0).any


@pytest.mark.parametrize(
    ("shape", "given", "said"),
    [
        (SHAPE, Sizes(tp=0.0), "--tp must be a whole number of at least 1, not 0"),
        (SHAPE, Sizes(pp=1.5), "--pp must be a whole number of at least 1, not 1.5"),
        (FEWER, Sizes(tp=8.0), "--tp 8 does not divide the 4 and 8 attention heads of round"),
        (SHAPE, Sizes(pp=5.0), r"--pp 5 is more stages than round has layers \(4\)"),
        (SHAPE, Sizes(ep=2.0), "--ep spreads the experts of a mixture and round has none"),
        (SHAPE, Sizes(dp=2.0), "--dp spreads the experts of a mixture and round has none"),
        (MIXTURE, Sizes(ep=3.0), "--ep 3 does not divide the 16 experts of round"),
        (MIXTURE, Sizes(tp=2.0, dp=2.0, ep=8.0), "--ep 8 does not divide the 4 accelerators of --tp x --dp"),
    ],
)  # fmt: skip
def test_sizes_that_no_model_can_be_cut_into(shape: Any, given: Sizes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_sizes(shape, given)


def test_sizes_that_it_can() -> None:
    check_sizes(SHAPE, Sizes(tp=8.0, pp=4.0, dp=1.0, ep=1.0))
    check_sizes(FEWER, Sizes(tp=4.0))
    check_sizes(MIXTURE, Sizes(tp=2.0, dp=4.0, ep=8.0))
    check_sizes(MIXTURE, Sizes(tp=2.0, ep=16.0))
    check_sizes(MIXTURE, Sizes(dp=3.0))


def setting(shape: Any = SHAPE, **layout: float) -> ServiceSetting:
    worker = Worker(machine=MACHINE, formats=ServingFormats(), engine=Engine(), layout=ServingLayout(**layout))
    load = ServingLoad(prompt_tokens=1000.0, output_tokens=100.0)
    return ServiceSetting(shape=shape, worker=worker, load=load, clients=24.0, rate=6.0)


def test_instances_share_a_fleet_and_its_load() -> None:
    # Engines of four on eleven accelerators are two; less than one engine is one.
    four = ServingLayout(tp=2.0, dp=2.0)
    assert replicas(11.0, four) == 2.0
    assert replicas(3.0, four) == 1.0
    assert replicas(0.3 / 0.1 * 4, four) == 3.0  # 2.9999999999999996 engines
    found = shared(setting(), 11.0, four)
    assert (found.clients, found.rate, found.worker.layout) == (12.0, 3.0, four)
    assert numbers(rows_of(layouts(SHAPE, 4.0), np.array([4, 8])), 1) == ServingLayout(tp=4.0, pp=4.0)
    drafts = drafts_of(3.0)
    assert (drafts.draft_tokens, drafts.acceptance, drafts.draft_share) == (3.0, 0.7, 0.05)


def test_layouts_that_hold_the_model_and_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for a request on four accelerators and more."""
    monkeypatch.setattr(search, "room", lambda s: s.worker.layout.accelerators / 4.0)
    assert rows(fitting(setting(), 8.0)) == [(t, p, 1, 1) for t, p in ((1, 4), (2, 2), (2, 4), (4, 1), (4, 2), (8, 1))]
    # Tensor ranks alone where they do.
    assert rows(candidates(setting(), 8.0)) == [(4, 1, 1, 1), (8, 1, 1, 1)]
    # On two no engine of tensor ranks fits, nor any other; on four with two tensor ranks stages help.
    assert rows(candidates(setting(), 2.0)) == []
    assert rows(candidates(setting(), 8.0, Sizes(tp=2.0))) == [(2, 2, 1, 1), (2, 4, 1, 1)]
    assert rows(candidates(setting(), 8.0, Sizes(pp=2.0))) == [(2, 2, 1, 1), (4, 2, 1, 1)]
    # Of a mixture without attention ranks and stages, experts on one rank each, unless they are given.
    assert rows(candidates(setting(MIXTURE), 4.0)) == [(4, 1, 1, 1)]
    assert rows(candidates(setting(MIXTURE), 4.0, Sizes(dp=2.0, ep=4.0))) == [(2, 1, 2, 4)]
    assert rows(candidates(setting(MIXTURE), 4.0, Sizes(ep=4.0))) == [(4, 1, 1, 4)]


def test_the_layout_that_serves_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines of four on eight accelerators serve more than one of eight that is quicker by half."""
    tried = ServingLayout(tp=np.array([8.0, 4.0, 2.0]), pp=np.ones(3), dp=np.ones(3), ep=np.ones(3))

    def serve(s: ServiceSetting, regime: str) -> Any:
        assert regime == CLOSED
        assert s.clients.tolist() == [24.0, 12.0, 6.0]  # type: ignore[union-attr]
        return SimpleNamespace(requests_per_s=np.array([3.0, 2.0, 0.5]))

    monkeypatch.setattr(search, "serve", serve)
    assert best_layout(setting(), CLOSED, 8.0, tried) == ServingLayout(tp=4.0)
    assert best_layout(setting(), CLOSED, 8.0, rows_of(tried, slice(0))) is None
