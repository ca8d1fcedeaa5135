"""What was published in a recipe's bits and what a release already lost, on rows of round figures."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from hwmodel.solve.run.result import Band
from hwmodel.solve.serve import quality as qualities
from hwmodel.solve.serve.quality import (
    Bits,
    _beyond_release,
    _by_model,
    _published,
    _same_bits,
    _spread,
    bits_of,
    loss_of,
    quality,
    within,
)
from hwmodel.specs import ServingPrecision
from hwmodel.specs.quantised import QuantisedRow

FULL = {"weights": 16.0, "activations": 16.0, "cache": 16.0}


def recipe(weight: float, activation: float, cache: float, gemm: str = "bf16", **fields: Any) -> ServingPrecision:
    return ServingPrecision(id="r", title="R", gemm_format=gemm, weight_bytes=weight, activation_bytes=activation,
                            kv_bytes=cache, **fields)  # fmt: skip


def row(weights: float, activations: float, cache: float = 16.0, name: str = "w", **fields: Any) -> QuantisedRow:
    given = {"source": "one", "model": "m", "recipe": name, "method": "", "metric": ""}
    return QuantisedRow(**{**given, **fields}, weight_bits=weights, activation_bits=activations, cache_bits=cache)


def test_bits_of_recipes() -> None:
    assert bits_of(recipe(2.0, 2.0, 2.0)) == Bits(**FULL)
    assert bits_of(recipe(2.0, 2.0, 2.0)).full
    # Weights alone: activations keep 16. Eight bits of floats and of whole numbers.
    assert bits_of(recipe(0.5, 0.5, 1.0, weight_only=True)) == Bits(weights=4.0, activations=16.0, cache=8.0)
    assert bits_of(recipe(1.0, 1.0, 2.0, "fp8")) == Bits(weights=8.0, activations=8.0, cache=16.0, float8=True)
    assert bits_of(recipe(1.0, 1.0, 2.0, "int8")) == Bits(weights=8.0, activations=8.0, cache=16.0)
    # Four bits and a scale of eight for sixteen: 4.5 of weights, whole bits of activations.
    four = bits_of(recipe(0.5625, 0.5625, 1.0, "nvfp4", power_of_two_scales=True))
    assert four == Bits(weights=4.5, activations=4.0, cache=8.0, float4=True, power_of_two=True)
    assert bits_of(recipe(4.0, 4.0, 2.0)).activations == 16.0
    for name in FULL:
        assert not Bits(**{**FULL, name: 14.0}).full


def test_rows_that_speak_for_a_recipe() -> None:
    four = Bits(weights=4.5, activations=16.0, cache=16.0)
    for one, same in (
        (row(4.0, 16.0), True), (row(5.1, 16.0), True), (row(3.8, 16.0), False), (row(5.2, 16.0), False),
        (row(4.5, 8.0), False), (row(4.5, 16.0, 8.0), True), (row(4.5, 16.0, 7.0), False),
        (row(4.5, 16.0, name="gguf-q4"), False), (row(4.5, 16.0, name="mxfp4"), False),
    ):  # fmt: skip
        assert _same_bits(one, four) is same
    assert _same_bits(row(4.5, 16.0, 6.0), Bits(weights=4.5, activations=16.0, cache=6.5))
    # Eight bits of floats are no whole numbers; four bits of floats are told apart too.
    eight = Bits(weights=8.0, activations=8.0, cache=16.0, float8=True)
    assert _same_bits(row(8.0, 8.0, name="fp8"), eight)
    assert not _same_bits(row(8.0, 8.0, name="int8"), eight)
    floats = Bits(weights=4.5, activations=4.0, cache=16.0, float4=True)
    assert _same_bits(row(4.5, 4.0, name="nvfp4"), floats)
    assert not _same_bits(row(4.5, 4.0, name="int4"), floats)
    # Of 16 bits the cache alone: within one.
    cache = Bits(weights=16.0, activations=16.0, cache=8.0)
    assert _same_bits(row(16.0, 16.0, 8.5), cache)
    assert not _same_bits(row(16.0, 16.0, 9.5), cache)
    assert not _same_bits(row(8.0, 16.0, 8.0), cache)
    assert not _same_bits(row(16.0, 8.0, 8.0), cache)


def test_one_vote_a_source_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three runs of one model are their median; two models of a source two votes.
    rows = [row(4.5, 16.0, nats_per_token=nats) for nats in (0.01, 0.05, 0.02)]
    rows += [row(4.5, 16.0, model="n", nats_per_token=0.04, recovery=0.9), row(4.5, 16.0, source="two", recovery=0.98)]
    assert _by_model(rows, "nats_per_token") == [0.02, 0.04]
    assert _spread([]) is None
    dropped = row(4.5, 16.0, nats_per_token=1.0, source="bad", why_not_counted="other prompts")
    monkeypatch.setattr(qualities, "quantised_rows", lambda: [*rows, dropped, row(8.0, 16.0, nats_per_token=2.0)])
    found = _published.__wrapped__(Bits(weights=4.5, activations=16.0, cache=16.0))
    assert found.sources == ["one", "two"]
    loss = found.loss_increase_nats
    assert (loss.value, loss.low, loss.high, loss.n) == pytest.approx((0.03, 0.02, 0.04, 2.0))
    assert found.perplexity_increase.high == pytest.approx(math.e**0.04 - 1)
    assert (found.accuracy_drop.low, found.accuracy_drop.high) == pytest.approx((0.02, 0.1))
    assert _published.__wrapped__(Bits(weights=2.0, activations=16.0, cache=16.0)) is None
    monkeypatch.setattr(qualities, "quantised_rows", lambda: rows[-1:])
    assert _published.__wrapped__(Bits(weights=4.5, activations=16.0, cache=16.0)).loss_increase_nats is None


def test_what_a_release_already_lost() -> None:
    released = recipe(1.0, 1.0, 2.0, "fp8")
    same = Bits(weights=8.0, activations=8.0, cache=16.0, float8=True)
    assert _beyond_release(same, None) == (same, False)
    left, native = _beyond_release(same, released)
    assert (left.weights, left.activations, left.cache, native) == (16.0, 16.0, 16.0, True)
    # A little fewer bits of weights are the same; fewer activations are not; four bits of weights are lost whole.
    assert _beyond_release(Bits(weights=7.5, activations=8.0, cache=8.0), released)[1]
    left, native = _beyond_release(Bits(weights=8.0, activations=4.0, cache=16.0), released)
    assert (left.weights, left.activations, native) == (16.0, 4.0, False)
    left, native = _beyond_release(Bits(weights=4.5, activations=16.0, cache=16.0), released)
    assert (left.weights, left.activations, native) == (4.5, 16.0, False)


def test_the_loss_of_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousandth of a nat for each bit of weights below 16, a tenth of them for each trillion tokens; half a score
    lost for each nat; ends twice the middle and half of it."""

    def nats(c: Any, weights: float, activations: float, cache: float, params: Any, tokens: Any, **kind: Any) -> Any:
        asked.append((activations, cache, params, kind))
        return 1e-3 * (16 - weights) * tokens / 1e13

    asked: list[Any] = []
    monkeypatch.setattr(qualities, "quantised_constants", SimpleNamespace)
    monkeypatch.setattr(qualities, "quantised_nats", nats)
    monkeypatch.setattr(qualities, "log_half_width", lambda c, n, *, mixture, tokens_known: math.log(2.0 + mixture))
    monkeypatch.setattr(qualities, "retained_score", lambda c, loss: 1.0 - 0.5 * loss)
    monkeypatch.setattr(qualities, "published", lambda recipe: None)
    four = recipe(0.5, 2.0, 1.0, weight_only=True)
    found = quality(four, 7e9, 1e13)
    assert (found.loss_nats.value, found.loss_nats.low, found.loss_nats.high) == pytest.approx((0.012, 0.006, 0.024))
    score = found.retained_score
    assert (score.value, score.low, score.high) == pytest.approx((0.994, 0.988, 0.997))
    assert (found.measured, found.native, found.tokens_known) == (False, False, True)
    assert asked[-1] == (16.0, 8.0, 7e9, {"power_of_two": False, "mixture": False, "float8": False})
    # Tokens that nobody knows are three hundred a parameter: 3e13 of 1e11.
    guess = quality(four, 1e11, None, mixture=True)
    assert guess.loss_nats.value == pytest.approx(0.036)
    assert guess.loss_nats.high == pytest.approx(0.108)
    assert not guess.tokens_known
    assert loss_of(four, 1e11, 1e13, mixture=True) == pytest.approx(0.012)
    assert asked[-1][3]["mixture"] is True
    # A release in these bits loses nothing by them.
    native = quality(four, 7e9, 1e13, released_in=four)
    assert (native.native, native.loss_nats) == (True, Band(0.0, 0.0, 0.0))
    assert quality(recipe(2.0, 2.0, 2.0), 7e9, 1e13).measured


def test_limits_on_loss_and_score() -> None:
    found: Any = SimpleNamespace(loss_nats=Band(0.02, 0.0, 1.0), retained_score=Band(0.95, 0.0, 1.0))
    for loss, score, meets in (
        (None, None, True), (0.02, None, True), (0.019, None, False), (None, 0.95, True), (None, 0.96, False),
        (0.03, 0.96, False), (0.01, 0.9, False), (0.03, 0.9, True),
    ):  # fmt: skip
        assert within(found, loss, score) is meets
