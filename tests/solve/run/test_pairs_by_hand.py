"""Published pairs against precision laws: which pairs speak, and for how much, on pairs of round figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.solve.run import pairs
from hwmodel.solve.run.pairs import (
    KUMAR,
    SUN,
    _penalty,
    _ratio,
    _scenario,
    _within,
    evidence_kind,
    loss_gaps,
    published_speed,
    scenarios,
)
from hwmodel.solve.run.result import Band
from hwmodel.solve.run.sizing import Sized
from hwmodel.specs.evidence import PrecisionPair

BF16 = load_catalog().precision("bf16")
PLAIN = msgspec.structs.replace(BF16, weight_bytes=2.0, master_bytes=4.0, moment_bytes=8.0, scale_block=0.0)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        # FP32 weights, in the optimizer or in the model, and both moments.
        ({}, "16-bit"), ({"weight_bytes": 4.0, "master_bytes": 0.0}, "16-bit"), ({"master_bytes": 2.0}, ""),
        ({"moment_bytes": 4.0}, ""), ({"moment_bytes": 16.0}, "16-bit"),
        ({"scale_block": 32.0, "gemm_format": "fp8"}, "fp8"), ({"scale_block": 32.0, "gemm_format": "mxfp8"}, "fp8"),
        ({"scale_block": 16.0, "gemm_format": "nvfp4"}, "nvfp4-full"),
        ({"scale_block": 16.0, "gemm_format": "fp4", "bf16_layers": 0.1}, "nvfp4-part"),
        ({"scale_block": 32.0, "gemm_format": "mxfp4"}, "mxfp4"), ({"scale_block": 32.0, "gemm_format": "int8"}, ""),
    ],
)  # fmt: skip
def test_which_pairs_speak_for_a_recipe(changes: dict[str, Any], kind: str) -> None:
    assert evidence_kind(msgspec.structs.replace(PLAIN, **changes)) == kind


def pair(**fields: Any) -> PrecisionPair:
    given = {"source": "one", "group": "fp8", "format": "fp8", "metric": "val_loss", "change": 0.004, "params": 1e9,
             "tokens": 2e10, "delta_nats": 0.01}  # fmt: skip
    return PrecisionPair(**{**given, **fields})


def test_gaps_by_kind() -> None:
    # Clean pairs of a loss alone; of an upper bound the interval from nothing to it.
    bound = pair(source="two", bound="upper_bound", change=0.01)
    others = [pair(metric="speedup_end_to_end"), pair(why_not_counted="another order"), pair(group="int8")]
    found = loss_gaps([pair(), bound, *others, pair(group="mxfp4", change=-0.002)])
    assert [(g.source, g.low, g.high) for g in found["fp8"]] == [("one", 0.004, 0.004), ("two", 0.0, 0.01)]
    assert [(g.low, g.params, g.tokens) for g in found["mxfp4"]] == [(-0.002, 1e9, 2e10)]
    assert found["nvfp4-full"] == []


def test_measured_speeds_of_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    # A tenth, a fifth and a half faster than bf16, of two papers; another name of the recipe counts, another
    # reference does not.
    monkeypatch.setattr(pairs, "speedups_in_pairs", lambda: {"fp8": 1.3})
    speed = {"metric": "speedup_end_to_end"}
    rows = [pair(**speed, change=0.1), pair(**speed, change=0.5, format="fp8-tensor-current"),
            pair(**speed, change=0.2, source="two"), pair(**speed, change=0.9, baseline="fp16"), pair(change=0.9),
            pair(**speed, change=0.9, format="mxfp8")]  # fmt: skip
    recipe = msgspec.structs.replace(PLAIN, id="fp8")
    found = published_speed(rows, recipe)
    assert found is not None
    assert (found.pairs, found.sources, found.predicted) == (3, 2, 1.3)
    assert (found.median, found.low, found.high) == pytest.approx((1.2, 1.1, 1.5))
    assert published_speed([pair()], recipe) is None


def test_a_fifth_beyond_an_end_is_within() -> None:
    span = (1.2e9, 1e10)
    for value, inside in ((1e9, True), (0.99e9, False), (1.2e10, True), (1.21e10, False), (2e9, True)):
        assert _within(span, value) is inside
    assert not _within(None, 2e9)


class Catalog:
    """Two laws with ranges of 1 to 10 billion parameters and 10 to 100 billion tokens, and pairs."""

    def __init__(self, *rows: PrecisionPair) -> None:
        self.rows = rows

    def precision_pairs(self) -> Any:
        return self.rows

    def precision(self, name: str) -> Any:
        return SimpleNamespace(name=name, exponent_bits=4.0, mantissa_bits=3.0, scale_block=32.0)

    def law(self, name: str) -> Any:
        return SimpleNamespace(id=name, fit_params=(1e9, 1e10), fit_tokens=(1e10, 1e11))


@pytest.fixture(autouse=True)
def penalty(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Kumar's law says 0.02 nats of its own and 0.05 in the base, or the other way; Sun's a thousandth for each billion
    tokens."""
    asked: list[Any] = []

    def training_penalty(base: Any, kumar: Any, sun: Any, params: float, tokens: float, **bits: Any) -> Any:
        asked.append((base.id, kumar.id, sun.id, params, tokens, bits))
        if base.id == "odd":
            raise InputError("no")
        return SimpleNamespace(kumar_own=0.02, factor_in_base=0.05, sun=None if params < 1e6 else 1e-12 * tokens)

    monkeypatch.setattr(pairs, "training_penalty", training_penalty)
    return asked


def ratio(law: str, **fields: Any) -> float | None:
    return _ratio(Catalog(), law, pair(**fields))  # type: ignore[arg-type]


def test_a_law_over_a_pair(penalty: list[Any]) -> None:
    # 0.02 nats of 0.01 measured; Sun's 0.02 on 20 billion tokens of 0.04.
    assert ratio(KUMAR) == pytest.approx(2.0)
    bits = {"exponent_bits": 4.0, "mantissa_bits": 3.0, "scale_block": 32.0}
    assert penalty == [("besiroglu_2024", KUMAR, SUN, 1e9, 2e10, bits)]
    assert ratio(SUN, delta_nats=0.04) == pytest.approx(0.5)
    # Kumar's law needs no tokens of it, Sun's does; neither speaks of what is not clean, no loss, a bound or no gap.
    assert ratio(KUMAR, tokens=None) == pytest.approx(2.0)
    assert penalty[-1][4] == 1.0
    assert ratio(SUN, tokens=None) is None
    for wrong in ({"why_not_counted": "order"}, {"metric": "speedup_end_to_end"}, {"bound": "upper_bound"},
                  {"delta_nats": None}, {"delta_nats": -0.01}, {"delta_nats": 0.0}, {"params": None}):  # fmt: skip
        assert ratio(KUMAR, **wrong) is None
    assert ratio(SUN, params=1e5) is None


def test_a_base_that_carries_no_factor() -> None:
    recipe: Any = Catalog().precision("fp8")
    catalog: Any = Catalog()
    odd: Any = SimpleNamespace(id="odd")
    assert _penalty(catalog, odd, recipe, 1e9, 1e10) is None


def test_a_law_beside_the_pairs_of_as_many_bits() -> None:
    # Ratios of 2, 4 and 1 inside the range of its runs; outside it 0.5, which then does not count; of four bits none.
    inside = [pair(), pair(delta_nats=0.005), pair(delta_nats=0.02, tokens=None)]
    outside = [pair(delta_nats=0.04, params=1e11), pair(delta_nats=0.04, tokens=1e13), pair(params=None)]
    catalog: Any = Catalog(*inside, *outside, pair(group="nvfp4-full", delta_nats=0.001))
    found = _scenario(catalog, KUMAR, "fp8", Band(0.05, 0.02, 0.08))
    assert (found.value, found.low, found.high) == (0.05, 0.02, 0.08)
    assert (found.ratio_to_pairs, found.pairs, found.pairs_inside_fit) == (pytest.approx(2.0), 3, True)
    assert (found.fit_params, found.fit_tokens) == ((1e9, 1e10), (1e10, 1e11))
    catalog = Catalog(*outside)
    found = _scenario(catalog, KUMAR, "fp8", Band(0.05, 0.02, 0.08))
    assert (found.ratio_to_pairs, found.pairs, found.pairs_inside_fit) == (pytest.approx(0.5), 2, False)
    assert _scenario(catalog, KUMAR, "nvfp4-full", Band(0.05, 0.02, 0.08)).ratio_to_pairs is None
    assert _scenario(catalog, KUMAR, "none", Band(0.05, 0.02, 0.08)).pairs == 0
    # Four bits speak for all recipes of four.
    four: Any = Catalog(pair(group="mxfp4"))
    assert _scenario(four, KUMAR, "nvfp4-part", Band(0.05, 0.02, 0.08)).pairs == 1


def test_scenarios_of_a_recipe() -> None:
    # Of a loss of 2 nats 0.05 and 0.02 are 2.5 and 1 per cent; Sun's 0.04 on 40 billion tokens 2.
    catalog = Catalog(pair())
    recipe = msgspec.structs.replace(PLAIN, scale_block=32.0, gemm_format="fp8")

    def found(sized: Sized, unique: float | None = None, law: str = "base", of: Any = recipe) -> Any:
        setting: Any = SimpleNamespace(
            request=SimpleNamespace(unique_tokens=unique), catalog=catalog, law=SimpleNamespace(id=law)
        )
        return scenarios(setting, of, sized)

    sized = Sized(params=2e9, tokens=4e10, loss=2.0, solved={})
    both = found(sized)
    assert (both[KUMAR].value, both[KUMAR].low, both[KUMAR].high) == pytest.approx((0.025, 0.01, 0.025))
    assert (both[SUN].value, both[SUN].low, both[SUN].high) == pytest.approx((0.02, 0.02, 0.02))
    assert both[KUMAR].pairs == 1
    banded = found(msgspec.structs.replace(sized, loss=Band(2.0, 1.0, 4.0)))
    assert banded[KUMAR].value == pytest.approx(0.025)
    assert set(found(msgspec.structs.replace(sized, params=1e5))) == {KUMAR}
    # Not on data that repeat, without a loss, in 16 bits, or beside a law that carries no factor.
    assert set(found(sized, 4e10)) == {KUMAR, SUN}
    assert found(sized, 3e10) == {}
    assert found(msgspec.structs.replace(sized, loss=None)) == {}
    assert found(sized, of=PLAIN) == {}
    assert found(sized, law="odd") == {}
