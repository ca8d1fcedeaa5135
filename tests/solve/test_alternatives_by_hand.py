"""What else was considered for a plan, on layouts of round seconds: why each lost, and what a factor doubled brings."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.solve.plan import alternatives
from hwmodel.solve.plan.alternatives import (
    _more_memory,
    _slower,
    _term_differences,
    pareto_rows,
    runner_up_rows,
    sensitivities,
    slowest_network,
)
from hwmodel.solve.run.band import Band
from hwmodel.specs import StepTerms
from hwmodel.specs.intervals import Ends

ZEROS = dict.fromkeys(StepTerms.__struct_fields__, 0.0)


def chosen(batch: float, **seconds: float) -> Any:
    terms = StepTerms(**{**ZEROS, **seconds})
    return SimpleNamespace(
        step=terms, step_s=float(terms.total_s), batch_seqs=batch, shown=f"of {batch:g}", accelerators=16,
        idle_accelerators=4, footprint=SimpleNamespace(peak_bytes=7e9, doubt=Ends(0.1, 0.2)), tokens_per_s=1000.0,
    )  # fmt: skip


# A step of 10 s for ten sequences; one of 24 s for twenty that waits longer for its network and computes less.
BEST, OTHER = chosen(10.0, gemm_s=8.0, tp_s=2.0), chosen(20.0, gemm_s=14.0, tp_s=10.0)


def solved(**fields: Any) -> Any:
    evaluation = SimpleNamespace(billed_s=np.array([1.2, 1.0, 1.5]), best=np.array([1]), laid=None)
    setting = SimpleNamespace(stack=None)
    shape = SimpleNamespace(blocks=())
    fleet = SimpleNamespace(machine=None, precision=None, setting=setting, accelerators=16, batch=None)
    return SimpleNamespace(**{
        "evaluation": evaluation, "fleet": fleet, "choice": BEST, "at": SimpleNamespace(shape=shape),
        "sized": SimpleNamespace(n=1e9), **fields,
    })  # fmt: skip


@pytest.fixture
def doubted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """One step over another may be half as long or twice as long; the network's shares of both, as they are asked."""
    asked: list[tuple[float, float]] = []

    def doubt(*given: Any) -> Ends:
        asked.append((given[-2].network, given[-1].network))
        return Ends(math.log(2.0), math.log(2.0))

    monkeypatch.setattr(alternatives, "step_ratio_doubt", doubt)
    return asked


def ends(band: Band) -> tuple[float, float, float]:
    return band.value, band.low, band.high


def test_why_a_layout_lost(monkeypatch: pytest.MonkeyPatch, doubted: list[tuple[float, float]]) -> None:
    # Of a sequence 0.7 for 0.8 s of products and 0.5 for 0.2 s of traffic: 0.3 s more, 3 of the 10 of a step.
    differences = _term_differences(BEST, OTHER)
    assert differences[0] == ("tp_s", pytest.approx(0.3))
    assert differences[-1] == ("gemm_s", pytest.approx(-0.1))
    # 1.2 times as long, or 0.6, or 2.4; ten of its 24 seconds are traffic, and two of ten of the layout chosen.
    assert ends(_slower(solved(), 0, OTHER)) == pytest.approx((0.2, -0.4, 1.4))
    assert doubted == [pytest.approx((10 / 24, 0.2))]
    monkeypatch.setattr(alternatives, "runners_up", lambda evaluation, case: [0, 2])
    monkeypatch.setattr(alternatives, "choice", lambda evaluation, row, *_: OTHER)
    one, two = runner_up_rows(solved().fleet.setting, solved())
    assert (one.layout, one.lost_by) == ("of 20", "tp_s")
    # 7 GB, a tenth less and a fifth more on the log scale.
    assert one.peak_memory_bytes == Band(7e9, pytest.approx(7e9 * math.exp(-0.1)), pytest.approx(7e9 * math.exp(0.2)))
    assert one.lost_fraction_of_step == pytest.approx(0.3)
    assert (one.slower_fraction.value, two.slower_fraction.value) == pytest.approx((0.2, 0.5))


@pytest.mark.usefixtures("doubted")
def test_layouts_that_no_other_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alternatives, "pareto", lambda evaluation, case: [1, 0, *[2] * 9])
    monkeypatch.setattr(alternatives, "choice", lambda evaluation, row, *_: OTHER)
    rows = pareto_rows(solved())
    assert len(rows) == alternatives.PARETO_SHOWN == 8
    # Twelve of sixteen are used.
    assert (rows[1].accelerators, rows[1].peak_memory_bytes.value) == (12, 7e9)
    assert [row.slower_fraction.value for row in rows[:3]] == pytest.approx([0.0, 0.2, 0.5])
    # The layout chosen is as fast as itself, whatever is in doubt.
    assert rows[0].slower_fraction == Band(0.0, 0.0, 0.0)


def network(name: str, rate: float) -> Any:
    return SimpleNamespace(id=name, nic_uni_bytes_per_s=rate)


def test_the_slowest_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(own: float, *listed: Any) -> Any:
        catalog = SimpleNamespace(systems_of=lambda part: listed)
        setting: Any = SimpleNamespace(part=SimpleNamespace(id="p"), system=network("own", own), catalog=catalog)
        return slowest_network(setting, solved())

    times: Band | None = Band(0.8, 0.5, 1.0)
    monkeypatch.setattr(alternatives, "_times_as_fast", lambda setting, solved, part, system: times)
    # 0.8 times as fast: a quarter longer, or twice as long, or as long.
    one = found(5e10, network("a", 5e10), network("b", 1e10), network("none", 0.0), network("c", 2e10))
    assert (one.system, one.nic_uni_bytes_per_s, one.slowdown) == ("b", 1e10, Band(1.25, 1.0, 2.0))
    assert found(1e10, network("b", 1e10), network("a", 5e10)) is None
    assert found(1e10, network("none", 0.0)) is None
    times = None
    assert found(5e10, network("b", 1e10)).slowdown is None


def test_how_fast_elsewhere(monkeypatch: pytest.MonkeyPatch, doubted: list[tuple[float, float]]) -> None:
    """1,500 tokens a second on another part against 1,000, or between half and twice as many; None where none fits."""
    rates = {0: 1500.0, -1: 0.0}
    row = 0

    class Elsewhere:
        machine = precision = None

        def evaluate(self, shape: Any, params: float, laid: Any) -> Any:
            return SimpleNamespace(best=np.array([row]), tokens_per_s=lambda case: rates[row])

    monkeypatch.setattr(alternatives, "Fleet", lambda *_, **__: Elsewhere())
    monkeypatch.setattr(alternatives, "physics_machine", lambda *_: None)
    monkeypatch.setattr(alternatives, "choice", lambda *_: OTHER)
    setting: Any = SimpleNamespace(kernels=lambda: None, stack=None)
    found = alternatives._times_as_fast(setting, solved(), None, None)  # type: ignore[arg-type]
    assert found is not None
    assert ends(found) == pytest.approx((1.5, 0.75, 3.0))
    assert doubted == [pytest.approx((10 / 24, 0.2))]
    row = -1
    assert alternatives._times_as_fast(setting, solved(), None, None) is None  # type: ignore[arg-type]


def test_factors_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the peak is 1.5 times as fast, twice the links sqrt 2; with twice the memory or its rate none is left."""
    catalog = load_catalog()
    part = msgspec.structs.replace(catalog.part("H100"), usable_hbm_bytes=7e10)
    system = catalog.default_system(part.id)
    asked: list[Any] = []

    def times(setting: Any, solved: Any, other: Any, wires: Any) -> Band | None:
        asked.append((
            other.peak_dense_flop_per_s["bf16"] / part.peak_dense_flop_per_s["bf16"],
            other.hbm_bytes_per_s / part.hbm_bytes_per_s, other.hbm_bytes / part.hbm_bytes,
            wires.link_uni_bytes_per_s / system.link_uni_bytes_per_s,
            wires.nic_uni_bytes_per_s / system.nic_uni_bytes_per_s,
        ))  # fmt: skip
        if asked[-1][2] == 2.0:
            raise InputError("none")
        if asked[-1][1] == 2.0:
            return None
        value = {0: 1.5, 3: 2**0.5, 4: 2.0}[asked[-1].index(2.0)]
        return Band(value, value / 2.0, value * 4.0)

    monkeypatch.setattr(alternatives, "_times_as_fast", times)
    found = sensitivities(SimpleNamespace(part=part, system=system), solved())  # type: ignore[arg-type]
    assert asked == [tuple(2.0 if i == place else 1.0 for i in range(5)) for place in range(5)]
    assert [one.factor for one in found] == [
        "peak_dense_flop_per_s", "link_uni_bytes_per_s", "nic_uni_bytes_per_s"
    ]  # fmt: skip
    assert [one.doubled_speedup.value for one in found] == pytest.approx([1.5, 2**0.5, 2.0])
    # -log2 of 1.5, sqrt 2 and 2; at four times the speed-up two less, at half of it one more.
    assert [ends(one.elasticity) for one in found] == [
        pytest.approx((value, value - 2.0, value + 1.0)) for value in (-math.log2(1.5), -0.5, -1.0)
    ]
    more = _more_memory(part)
    assert (more.hbm_bytes, more.usable_hbm_bytes) == (2 * part.hbm_bytes, 1.4e11)
    assert _more_memory(msgspec.structs.replace(part, usable_hbm_bytes=None)).usable_hbm_bytes is None
