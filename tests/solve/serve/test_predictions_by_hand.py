"""A prediction of `serve`: which layout and pools are taken, what they hold and what they spend, on round workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from round_machine import MACHINE, SHAPE

from hwmodel.errors import InfeasibleError, InputError
from hwmodel.predict.service.layouts import Sizes
from hwmodel.predict.service.setting import CLOSED, ServiceSetting, Worker
from hwmodel.solve.run.band import Band
from hwmodel.solve.serve import predict
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad, ServingMemory

LOAD = ServingLoad(prompt_tokens=1000.0, output_tokens=100.0)


def worker(**sizes: float) -> Worker:
    return Worker(machine=MACHINE, formats=ServingFormats(), engine=Engine(), layout=ServingLayout(**sizes))


def setting(**fields: Any) -> ServiceSetting:
    return ServiceSetting(**{"shape": SHAPE, "worker": worker(), "load": LOAD, "clients": 24.0, **fields})


def question(**fields: Any) -> Any:
    usual = {"tp": None, "pp": None, "dp": None, "ep": None, "disaggregated": None, "model": "m",
             "prefill": SimpleNamespace(most=7.0), "decode": SimpleNamespace(most=13.0)}  # fmt: skip
    return SimpleNamespace(**{**usual, **fields})


def columns(*rows: tuple[float, float]) -> ServingLayout:
    tp, pp = np.array([*zip(*rows)]) if rows else np.empty((2, 0))
    return ServingLayout(tp=tp, pp=pp, dp=np.ones(len(rows)), ep=np.ones(len(rows)))


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Room for a request on two accelerators and more; candidates of four, two and two stages of one."""
    asked: list[Any] = []

    def candidates(s: ServiceSetting, accelerators: float, given: Sizes) -> ServingLayout:
        asked.append((accelerators, given))
        fits = [one for one in ((4.0, 1.0), (1.0, 2.0), (2.0, 1.0)) if one[0] * one[1] <= accelerators]
        return columns(*fits)

    memory = ServingMemory(weights_bytes=3e9, reserve_bytes=0.0, kv_pool_bytes=5e9, kv_bytes_per_token=1.0,
                           state_bytes_per_sequence=0.0)  # fmt: skip
    for name, other in (
        ("candidates", candidates), ("fitting", lambda s, accelerators: candidates(s, accelerators, Sizes())),
        ("room", lambda s: float(s.worker.layout.accelerators) / 2), ("held", lambda s: memory),
        ("cache_requests", lambda s: Band(5.0, 4.0, 6.0)), ("transfer_s", lambda shape, w, load: 0.1 * w.layout.tp),
    ):  # fmt: skip
        monkeypatch.setattr(predict, name, other)
    return asked


def test_pools_on_two_parts(room: list[Any]) -> None:
    # The fewest accelerators, without stages where there are as many: seven hold three workers of two, thirteen six.
    other: Any = SimpleNamespace(setting=setting(worker=worker(tp=8.0)), part=SimpleNamespace(name="other"))
    found = predict._two_pools(setting(), other, question(pp=1.0), "one", None)
    assert found.prefill is not None
    assert (found.worker.layout, found.prefill.layout) == (ServingLayout(tp=2.0), ServingLayout(tp=2.0))
    assert (found.prefill_workers, found.decode_workers) == (3.0, 6.0)
    assert [accelerators for accelerators, _ in room] == [13.0, 7.0]
    assert [given.pp for _, given in room] == [1.0, 1.0]
    # A pool of open size has no count yet; its own tensor ranks take no experts of the other.
    endless = question(prefill=SimpleNamespace(most=float("inf")), ep=4.0, tp=1.0)
    found = predict._two_pools(setting(), other, endless, "one", 2.0)
    assert (found.prefill_workers, found.decode_workers) == (0.0, 6.0)
    assert [(given.tp, given.ep) for _, given in room[2:]] == [(1.0, 4.0), (2.0, None)]
    assert room[-1][0] == 1e6
    with pytest.raises(InfeasibleError, match="m does not fit 1 x one: 3 GB of weights on each accelerator of 80 GB"):
        predict._two_pools(setting(), other, question(decode=SimpleNamespace(most=1.0)), "one", None)


def test_what_would_fit(room: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert predict._smallest_that_fits(setting()) == "--tp 2"
    monkeypatch.setattr(predict, "fitting", lambda s, accelerators: columns((1.0, 2.0), (4.0, 1.0)))
    assert predict._smallest_that_fits(setting()) == "--pp 2"
    monkeypatch.setattr(predict, "fitting", lambda s, accelerators: columns())
    assert predict._smallest_that_fits(setting()) == ""


def test_the_layout_given_or_searched(room: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    found = predict._laid_out(setting(), question(tp=4.0), "one", None, None, None)
    assert (found.worker.layout, found.prefill) == (ServingLayout(tp=4.0), None)
    # Two prefill workers and three for decoding, the first with tensor ranks of their own.
    found = predict._laid_out(setting(), question(tp=4.0), "one", (2, 3), 2.0, None)  # type: ignore[arg-type]
    assert found.prefill is not None
    assert (found.prefill.layout.tp, found.prefill_workers, found.decode_workers) == (2.0, 2.0, 3.0)
    found = predict._laid_out(setting(), question(tp=4.0, disaggregated=True), "one", None, None, None)
    assert found.prefill is not None
    assert (found.prefill.layout.tp, found.prefill_workers, found.decode_workers) == (4.0, 0.0, 0.0)
    said = r"does not fit 1 x one: .* leave no room for one request \(usual settings; 6"
    with pytest.raises(InfeasibleError, match=said):
        predict._laid_out(setting(), question(), "one", None, None, None)
    with pytest.raises(InfeasibleError, match="try --tp 2 or a smaller format"):
        predict._laid_out(setting(), question(tp=4.0), "one", (2, 3), 1.0, None)  # type: ignore[arg-type]
    # On eight accelerators the best of them, its load shared among two.
    asked: list[Any] = []
    best: ServingLayout | None = ServingLayout(tp=4.0)
    monkeypatch.setattr(predict, "best_layout", lambda s, regime, count, tried: asked.append((regime, count)) or best)
    found = predict._laid_out(setting(), question(), "one", None, None, 8.0)
    assert (found.worker.layout, found.clients, asked) == (ServingLayout(tp=4.0), 12.0, [(CLOSED, 8.0)])
    with pytest.raises(InputError, match="drop it, or --pools"):
        predict._laid_out(setting(), question(), "one", (2, 3), None, 8.0)  # type: ignore[arg-type]
    best = None
    with pytest.raises(InfeasibleError, match="does not fit 8 x one"):
        predict._laid_out(setting(), question(), "one", None, None, 64.0)


def test_layouts_that_contradict_themselves() -> None:
    def check(workers: Any = None, prefill_tp: float | None = None, more: Any = None, **sizes: float) -> None:
        predict._check_layout(question(**(more or {})), ServingLayout(**sizes), workers, prefill_tp)

    check(tp=4.0, dp=2.0, ep=8.0)
    check((1, 2), 2.0)
    check(None, 2.0, {"disaggregated": True})
    check((1, 2), None, {"disaggregated": True})
    for wrong, said in (
        ({"tp": 4.0, "dp": 2.0, "ep": 3.0}, "--ep 3 does not divide the 8 accelerators"),
        ({"workers": (1, 2), "more": {"disaggregated": False}}, "--aggregated forbids them"),
        ({"prefill_tp": 2.0}, "add --pools"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            check(**wrong)  # type: ignore[arg-type]


@pytest.mark.usefixtures("room")
def test_what_engines_and_pools_hold() -> None:
    terms: Any = SimpleNamespace(running=9.0)
    one = predict._both(setting(worker=worker(tp=4.0)), terms, 3.0)
    assert (one.mode, one.prefill, one.replicas, one.accelerators) == ("aggregated", None, 3, 12.0)
    assert (one.batch, one.cache_requests, one.kv_pool_bytes, one.weights_bytes) == (9.0, Band(5.0, 4.0, 6.0), 5e9, 3e9)
    # Two prefill workers of two and three of sixteen: 52; nine running are three on each, of room for eight.
    pools = setting(worker=worker(tp=16.0), prefill=worker(tp=2.0), prefill_workers=2.0, decode_workers=3.0)
    both = predict._split(pools, terms, "p")
    assert both.prefill is not None
    assert (both.mode, both.replicas, both.accelerators, both.batch) == ("disaggregated", 3, 52.0, 3.0)
    pool = both.prefill
    assert (pool.part, pool.workers, pool.accelerators_per_worker, pool.accelerators) == ("p", 2, 2.0, 4.0)
    assert (pool.cache_transfer_s, pool.tp) == (0.2, 2.0)
    for running, batch in ((90.0, 8.0), (1.0, 1.0)):
        assert predict._split(pools, SimpleNamespace(running=running), "p").batch == batch  # type: ignore[arg-type]


def test_what_a_prediction_spends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dollars of 2 and 5 an hour: 48 of 52 accelerators decode."""
    prices = {"one": 2.0, "two": 5.0}
    monkeypatch.setattr(predict, "price_of", lambda question, part, catalog: SimpleNamespace(
        **{f"{end}_usd_per_accelerator_hour": prices[part] for end in ("median", "low", "high")}
    ))  # fmt: skip
    monkeypatch.setattr(predict, "money", lambda question, spent, share, rate, catalog: (spent, share, rate))
    at: Any = [SimpleNamespace(part=SimpleNamespace(id=name), system=None) for name in prices]
    alone: Any = SimpleNamespace(prefill=None, accelerators=12.0)
    share, (spent, of, rate) = predict._spent(question(), *at, alone, 0.3, 7.0, None)  # type: ignore[arg-type,misc]
    assert ([one.accelerators for one in spent], share, of, rate) == ([12.0], 0.3, 0.3, 7.0)
    pools: Any = SimpleNamespace(prefill=SimpleNamespace(accelerators=4.0), accelerators=52.0)
    share, (spent, *_) = predict._spent(question(), *at, pools, 0.3, 7.0, None)  # type: ignore[arg-type,misc]
    assert [(one.part.id, one.accelerators) for one in spent] == [("one", 48.0), ("two", 4.0)]
    assert share == pytest.approx(20 / (96 + 20))
