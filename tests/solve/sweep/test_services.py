"""Sweeps of serving questions: rows are the answers of `serve`."""

from __future__ import annotations

from typing import Any

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.solve.serve.ask import serve


def test_prefill_and_decode_on_different_parts() -> None:
    space: dict[str, Any] = {
        "ask": "serve",
        "base": {"model": "llama-3.1-8b", "demand": "20 req/s", "input": "4k", "tpot": "40ms", "precision": "bf16"},
        "axes": {"prefill": ["H100", "L40S"], "decode": ["H100", "2xH200"]},
    }
    rows = hm.sweep(space).to_table().to_pylist()
    assert len(rows) == 4
    for row in rows:
        question = {**space["base"], "prefill": row["prefill"], "decode": row["decode"]}
        if row["status"] != "ok":
            with pytest.raises(hm.HwModelError) as error:
                serve(**question)
            assert str(error.value) == row["reason"]
            continue
        answer = serve(**question).answer
        assert row["usd_per_hour"] == answer.usd_per_hour.value
        assert row["tpot_s"] == answer.tpot_s.value
        assert row["prefill_part"] == answer.prefill.part
        assert row["accelerators"] == answer.accelerators
    assert any(row["status"] == "ok" for row in rows)


def test_names_are_tried_first() -> None:
    space: dict[str, Any] = {"ask": "serve", "base": {"model": "llama-3.1-8b", "demand": "20 req/s"}, "axes": {}}
    with pytest.raises(InputError, match=r"axes.parts\[1\]: unknown accelerator 'h1000'"):
        hm.sweep({**space, "axes": {"parts": ["h100", "h1000"]}})
    with pytest.raises(InputError, match="unknown option 'tokens' in axes"):
        hm.sweep({**space, "axes": {"tokens": ["1T"]}})


def test_a_price_that_is_asked_is_no_rent_of_the_fleet() -> None:
    space: dict[str, Any] = {
        "ask": "serve",
        "base": {"model": "llama-3.1-8b", "demand": "20 req/s", "parts": "H100", "tp": "1"},
        "axes": {"usd_per_hour": ["2", "3"], "precision": ["bf16", "bf16,fp8"]},
    }
    for row in hm.sweep(space).to_table().to_pylist():
        answer = serve(**space["base"], usd_per_hour=row["asked_usd_per_hour"], precision=row["asked_precision"]).answer
        assert row["usd_per_hour"] == answer.usd_per_hour.value == row["asked_usd_per_hour"] * row["accelerators"]
        assert row["precision"] == answer.precision
