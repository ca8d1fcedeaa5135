"""Small changes of a serving question move the fleet a little and the right way."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.solve.run.band import value_of
from hwmodel.solve.serve.choose import choose
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import FleetRow

CATALOG = load_catalog()
BASE = {
    "model": "llama-3.1-70b", "prompt_tokens": 1000.0, "output_tokens": 300.0, "rate": 2000.0, "tpot_s": 0.04,
    "ttft_s": 1.0, "parts": ("h100", "h200"), "precisions": ("fp8",),
}  # fmt: skip


def fleet(**changes: Any) -> FleetRow:
    return choose(ServingQuestion(**{**BASE, **changes}), CATALOG).found.answer


def cost(**changes: Any) -> float:
    return value_of(fleet(**changes).usd_per_hour)


def test_demand_costs_in_proportion() -> None:
    rates = np.geomspace(1000.0, 8000.0, 10)
    costs = np.array([cost(rate=r, spares=0) for r in rates])
    assert (np.diff(costs) > 0).all()
    assert np.allclose(costs / costs[0], rates / rates[0], rtol=0.03)


@pytest.mark.parametrize(("name", "values"), [("tpot_s", (0.015, 0.02, 0.03, 0.04, 0.06)), ("ttft_s", (0.2, 0.4, 1.0))])
def test_longer_limits_never_cost_more(name: str, values: tuple[float, ...]) -> None:
    costs = [cost(**{name: v}) for v in values]
    assert costs == sorted(costs, reverse=True)


def test_one_more_layer_costs_a_little_more_and_names_do_not_matter() -> None:
    shape = CATALOG.model("llama-3.1-70b")

    def deeper(extra: float) -> Any:
        block = msgspec.structs.replace(shape.blocks[0], count=shape.blocks[0].count + extra)
        return msgspec.structs.replace(shape, name="another", blocks=(block,))

    base = cost()
    assert cost(shape=deeper(0.0)) == pytest.approx(base)
    for extra in (1.0, 2.0, 4.0):
        # A layer of eighty is 1.25 %; batches and replicas come in whole numbers.
        assert 1.0 <= cost(shape=deeper(extra)) / base < 1.0 + 0.04 * extra


def test_half_the_bandwidth_costs_more_and_half_the_price_half_as_much(tmp_path: Any) -> None:
    (tmp_path / "accelerators").mkdir()
    (tmp_path / "accelerators" / "half.yaml").write_text(
        "- id: h200-half\n  name: H200 at half bandwidth\n  extends: h200-sxm-141gb\n  memory:\n"
        "    bandwidth: {value: 2.4, unit: TB/s, source: recalled, status: unconfirmed}\n"
    )
    catalog = load_catalog([tmp_path])
    costs, notes = {}, {}
    for part in ("h200", "h200-half"):
        question = ServingQuestion(**{**BASE, "parts": (part,), "prices": (("", 3.0),)})
        found = choose(question, catalog).found
        costs[part], notes[part] = value_of(found.answer.usd_per_hour), " ".join(found.notes)
    assert 1.1 < costs["h200-half"] / costs["h200"] < 2.0
    assert "hbm_bytes_per_s" in notes["h200-half"]
    assert "not measured" in notes["h200-half"]
    cheap = ServingQuestion(**{**BASE, "parts": ("h200",), "prices": (("h200", 1.5),)})
    assert value_of(choose(cheap, catalog).found.answer.usd_per_hour) == pytest.approx(0.5 * costs["h200"])


def test_the_tail_is_never_below_the_mean() -> None:
    for rate in (0.01, 1.0, 100.0):
        a = fleet(rate=rate, tpot_s=float("inf"), ttft_s=float("inf"))
        assert value_of(a.ttft_tail_s) >= value_of(a.ttft_s)
        assert value_of(a.tpot_tail_s) >= value_of(a.tpot_s)


def test_one_token_in_and_out_is_no_paradox() -> None:
    """Where a prompt adds nothing to a step it costs nothing, never less."""
    for recipe in ("w4a16", "fp8", "bf16"):
        a = fleet(prompt_tokens=1.0, output_tokens=1.0, rate=10.0, precisions=(recipe,))
        assert value_of(a.tpot_s) > 0.0
        assert value_of(a.headroom) >= 0.0
        assert a.replicas >= 2
