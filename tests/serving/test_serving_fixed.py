"""The same model in each serving recipe: what a row states is what serving it alone states."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.solve.serve.fixed import FixedRow

DEMAND = {"model": "llama-3.1-70b", "demand": "40 req/s", "ttft": "2s", "tpot": "60ms", "parts": "h200"}


def fixed(**asked: object) -> dict[str, FixedRow]:
    return {row.precision: row for row in hm.serve(**asked).found.fixed}


def test_each_recipe_costs_what_it_costs_alone() -> None:
    rows = fixed(**DEMAND)
    assert next(iter(rows)) == "bf16"
    assert len(rows) >= 6
    for name in ("bf16", "fp8", "w4a16", "bf16-kv8"):
        alone = hm.serve(**DEMAND, precision=name).answer
        assert rows[name].usd_per_hour == alone.usd_per_hour, name
        assert rows[name].accelerators == alone.accelerators
        saved = rows[name].saving_share
        assert saved.value == pytest.approx(1.0 - alone.usd_per_hour.value / rows["bf16"].usd_per_hour.value)
        assert (saved.low < saved.value < saved.high) == (name != "bf16")


def test_losses_come_with_intervals_and_grow_as_bits_fall() -> None:
    rows = fixed(**DEMAND)
    losses = [rows[name].loss_nats for name in ("bf16", "w8a16", "bf16-kv8", "fp8", "w4a16", "w4a8")]
    assert [one.value for one in losses] == sorted(one.value for one in losses)
    assert losses[0].high == 0.0
    for one in losses[1:]:
        assert one.low < one.value < one.high
    # A smaller model trained on as many tokens loses more in the same recipe.
    small = fixed(**{**DEMAND, "model": "llama-3.1-8b", "parts": "l40s"})
    assert small["w4a16"].loss_nats.value > rows["w4a16"].loss_nats.value


def test_one_configuration_in_each_recipe() -> None:
    asked = {"model": "llama-3.1-8b", "parts": "h100", "concurrency": 32}
    rows = fixed(**asked, precision="fp8")
    for name in ("bf16", "fp8", "w4a16"):
        alone = hm.serve(**asked, precision=name).answer
        assert rows[name].usd_per_million_tokens == alone.usd_per_million_tokens


def test_what_does_not_fit_what_lacks_and_what_limits_exclude_is_said() -> None:
    rows = fixed(model="llama-3.1-70b", parts="h100", concurrency=4, tp=1, precision="w4a16")
    assert rows["bf16"].status == "unfit"
    assert "does not fit" in rows["bf16"].reason
    assert rows["w4a16"].status == "ok"
    assert rows["w4a16"].saving_share is None  # nothing in 16 bits to save over
    named = fixed(**{**DEMAND, "precision": "fp8,nvfp4", "max_loss": 0.02})
    assert named["nvfp4"].status == "lacking"
    assert not named["nvfp4"].allowed
    assert named["fp8"].allowed


def test_a_release_in_four_bits_loses_nothing_by_them() -> None:
    rows = fixed(model="gpt-oss-120b", demand="20 req/s", parts="b200", precision="mxfp4,fp8")
    native = next(row for name, row in rows.items() if name.startswith("mxfp4"))
    assert native.native
    assert native.loss_nats.high == 0.0


def test_the_report_shows_the_table() -> None:
    text = hm.serve(**DEMAND).to_markdown()
    assert "served in, on h200-sxm-141gb" in text
    assert "| saved |" in text
    assert "80 % interval" in text
