"""Drawn spaces: each row is the answer of a single question, to 1e-12; what is kept is what brute force finds.

`make stress` draws more (HWMODEL_DRAWN_SPACES).
"""

from __future__ import annotations

import math
import os
import random
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.solve.sweep.answers import known_columns

from .drawn import disagreements, drawn_space

SPACES = int(os.environ.get("HWMODEL_DRAWN_SPACES", "20"))


@pytest.mark.parametrize("seed", range(SPACES))
def test_rows_are_the_answers_of_single_plans(seed: int) -> None:
    assert disagreements(drawn_space(seed), 2) == []


# Each was found so: a budget on a part that nobody quotes; experts to spread that a model has not; the band of a
# mixture's loss; time at a confidence; a law that splits no compute; answers left open; a schedule without stages; a
# life in carbon.
FOUND: list[dict[str, Any]] = [
    {"base": {"budget": "500k"}, "axes": {"gpus": ["64xMI250X", "64xH100"], "params": ["3B"]}},
    {"base": {"budget": "500k"}, "axes": {"gpus": ["64xMI250X", "64xH100"], "params": ["3B"], "tokens": ["20B"]}},
    {"base": {"budget": "500k"}, "axes": {"gpus": ["64xMI250X", "64xH100"], "params": ["3B"], "flops": [1e21]}},
    {"base": {"params": "7B", "tokens": "300B"}, "axes": {"gpus": ["64xH100"], "ep": ["1", "4"]}},
    {"base": {"model": "mixtral-8x7b", "time": "30d"}, "axes": {"gpus": ["128xMI355X"], "unique_tokens": ["1T"]}},
    {"base": {"model": "mixtral-8x7b"}, "axes": {"gpus": ["128xMI355X"], "time": ["30d"]}},
    {"base": {"params": "20B", "time": "60d", "budget": "20k"}, "axes": {"gpus": ["512xH100"], "confidence": ["65%"]}},
    {"base": {"params": "20B", "time": "60d"}, "axes": {"gpus": ["512xH100"], "law": ["gadre_2024/c4"]}},
    {"base": {"params": "20B", "tokens": "1T"}, "axes": {"gpus": ["64xMI250X"], "objective": ["usd", "kwh"]}},
    {"base": {"params": "20B", "tokens": "1T"}, "axes": {"objective": ["usd", "flops"]}},
    {"base": {"loss": "2.1", "inference_tokens": "1T", "task_family": "code"},
     "axes": {"gpus": ["256xH100"], "samples": ["any", "4"]}},
    {"base": {"tokens": "1.4T", "schedule": "dualpipe"}, "axes": {"gpus": ["16xMI355X", "32xMI355X"]}},
    {"base": {"tokens": "20B"}, "axes": {"gpus": ["8xH100"], "params": [1e5, 2e6, 2e7]}},
    {"base": {"gpus": "64xTPU-v6e", "inference_tokens": "1T", "loss": "2.3"}, "axes": {"objective": ["co2e", "kwh"]}},
]  # fmt: skip


@pytest.mark.parametrize("space", FOUND, ids=lambda space: "-".join(space["axes"]))
def test_rows_that_were_no_answers_once(space: dict[str, Any]) -> None:
    assert disagreements({**space, "draws": 400, "keep": {"columns": list(known_columns("plan"))}}, 4) == []


def test_words_that_were_asked_stand_beside_what_was_chosen() -> None:
    space = {
        "base": {"params": "70B", "tokens": "1T", "gpus": "32xH100"},
        "axes": {"offload": ["any", "none"], "schedule": ["zb-h1"]},
    }
    rows = hm.sweep(space).to_table().to_pylist()
    assert [row["asked_offload"] for row in rows] == ["any", "none"]
    assert rows[0]["offload"] not in ("any", None)
    some = hm.sweep({**space, "where": ["asked_offload == 'any'", "offload != 'any'"]}).to_table().to_pylist()
    assert [row["asked_offload"] for row in some] == ["any"]


MEASURES = ("cost_usd", "elapsed_days", "loss_nats", "mfu", "tokens_per_s", "energy_mwh", "goodput", "tokens",
            "peak_memory_bytes", "gpu_hours", "accelerators")  # fmt: skip
TIES = ("cost_usd", "elapsed_days", "accelerators")  # of rows that are equal the cheaper, then the faster, the smaller
MORE_IS_BETTER = {"mfu", "tokens_per_s", "goodput"}


def keeping(seed: int) -> dict[str, Any]:
    """A space of some points, with what it keeps drawn."""
    draw = random.Random(f"kept {seed}")
    size = draw.choice([("tokens", "30B..3T log 6"), ("flops", "1e20..2e24 log 5")])
    return {
        "base": {"confidence": draw.choice(["50%", "80%"])},
        "axes": {
            "gpus": [f"{draw.choice((8, 24, 64, 256))}x{part}" for part in draw.sample(["H100", "A100", "B200"], 2)],
            "params": f"500M..{draw.choice((20, 90))}B log 7",
            size[0]: size[1],
        },
        "keep": {
            "top": {name: draw.randrange(1, 9) for name in draw.sample(MEASURES, 3)},
            "pareto": draw.sample(MEASURES, draw.randrange(2, 5)),
            "histograms": draw.sample(MEASURES, 2),
            "columns": [*MEASURES, "tp"],
        },
        "shard_points": draw.choice([1, 7, 40]),
    }


@pytest.mark.parametrize("seed", range(max(3, SPACES // 5)))
def test_what_is_kept_is_what_brute_force_finds(seed: int) -> None:
    """The best, the front and the histograms of a drawn space, whether all rows stay or the winners alone."""
    space = keeping(seed)
    found = hm.sweep(space)
    summary, rows = found.to_dict(), [row for row in found.to_table().to_pylist() if row["status"] == "ok"]

    def cost(row: dict[str, Any], name: str) -> float:
        return -row[name] if name in MORE_IS_BETTER else row[name]

    def told(row: dict[str, Any], name: str) -> float:
        return float(f"{cost(row, name) if row[name] is not None else math.inf:.10g}")

    for name, count in space["keep"]["top"].items():
        best = sorted(rows, key=lambda row: (*(told(row, each) for each in (name, *TIES)), row["point"]))[:count]
        assert [row["point"] for row in summary["top"][name]] == [row["point"] for row in best]
    by = space["keep"]["pareto"]
    costs = {row["point"]: [float(f"{cost(row, name):.10g}") for name in by] for row in rows}
    seen: dict[tuple[float, ...], int] = {}
    for point, mine in costs.items():  # of rows alike the first
        seen.setdefault(tuple(mine), point)
    front = {
        point for mine, point in seen.items()
        if not any(other != mine and all(a <= b for a, b in zip(other, mine)) for other in seen)
    }  # fmt: skip
    assert {row["point"] for row in summary["pareto"]["rows"]} == front
    for name in space["keep"]["histograms"]:
        bins = summary["histograms"][name]
        assert sum(one["count"] for one in bins) == len(rows)
        for one in bins:
            low, high = one["low"] * (1 - 1e-12), one["high"] * (1 - 1e-12)
            assert one["count"] == sum(low <= row[name] < high for row in rows)
    few = hm.sweep({**space, "keep": {**space["keep"], "rows": "winners"}}).to_dict()
    assert {key: few[key] for key in ("top", "pareto", "histograms")} == {
        key: summary[key] for key in ("top", "pareto", "histograms")
    }
