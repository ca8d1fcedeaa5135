"""The best rows; of equal ones the cheapest, then the fastest, then those of fewest accelerators, then the first."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwmodel as hm
from hwmodel.solve.sweep import show
from hwmodel.solve.sweep.best import best_rows
from hwmodel.solve.sweep.fronts import rounded
from hwmodel.solve.sweep.show import Rows

from .test_columns import written

TOLD = {"loss_nats": ("cost_usd", "elapsed_days", "accelerators"), "cost_usd": ("elapsed_days", "accelerators"),
        "elapsed_days": ("cost_usd", "accelerators"), "mfu": ("cost_usd", "elapsed_days", "accelerators"),
        "accelerators": ("cost_usd", "elapsed_days")}  # fmt: skip


def test_best_rows_by_hand() -> None:
    loss = np.array([2.0, 1.5, 1.5 * (1 + 1e-13), math.nan, 1.5, 1.5])
    cost = np.array([1.0, 7.0, 5.0, 0.0, 5.0, math.nan])
    days = np.array([1.0, 1.0, 3.0, 0.0, 2.0, 0.0])
    assert best_rows([loss, cost, days], 6, largest=False).tolist() == [4, 2, 1, 5, 0]
    assert best_rows([loss, cost, days], 2, largest=True).tolist() == [0, 4]
    assert best_rows([loss], 3, largest=False).tolist() == [1, 2, 4]


@pytest.mark.parametrize("count", [1, 7, 400])
@pytest.mark.parametrize("largest", [False, True])
def test_best_rows_are_those_of_a_plain_sort(count: int, largest: bool) -> None:
    draw = np.random.default_rng(count)
    columns = [np.round(draw.uniform(1.0, 2.0, 3000), digits) for digits in (2, 1, 1)]
    for column in columns:
        column[draw.random(3000) < 0.05] = math.nan
    keys = [[-one if largest and at == 0 else one for one in column] for at, column in enumerate(columns)]
    keys = [[math.inf if math.isnan(one) else one for one in column] for column in keys]
    expected = sorted((k for k in range(3000) if keys[0][k] < math.inf), key=lambda k: (*(key[k] for key in keys), k))
    assert best_rows(columns, count, largest).tolist() == expected[:count]


@pytest.mark.parametrize("equal", [1, show.MOST_EQUAL])
@pytest.mark.parametrize("by", TOLD)
@pytest.mark.parametrize("kind", ["ties", "lacking"])
def test_the_best_of_a_folder(kind: str, by: str, equal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same whether few rows or many are equal to the last of them, under constraints too."""
    monkeypatch.setattr(show, "MOST_EQUAL", equal)
    rows = written(tmp_path, kind)
    every = list(rows.best(10_000, by).rows)
    assert sorted(row["point"] for row in every) == sorted({row["point"] for row in every})

    def key(row: dict[str, Any]) -> tuple[float, ...]:
        told = [float(rounded(np.array([row[n] if row[n] is not None else math.inf]))[0]) for n in (by, *TOLD[by])]
        return (-told[0] if by == "mfu" else told[0], *told[1:], row["point"])

    assert every == sorted(every, key=key)
    assert rows.best(9, by).rows == every[:9]
    assert rows.best(9, by, "params > 2B").rows == [row for row in every if row["params"] > 2e9][:9]
    assert rows.best(9, by, "params > 1T").rows == []


def test_the_least_loss_of_a_sweep_is_the_cheapest_that_has_it(tmp_path: Path) -> None:
    """Loss knows nothing of fleets: of those that train one run the summary and the table name the cheapest."""
    asked = {"base": {"tokens": "200B"}, "axes": {"gpus": ["256xH200", "256xA100", "512xMI300X", "256xH100"],
                                                  "params": ["1B", "7B"]}}  # fmt: skip
    for keep in ("all", "winners"):
        found = hm.sweep({**asked, "keep": {"rows": keep}}, tmp_path / keep)
        best = found.finished.top["loss_nats"]
        rows = Rows(tmp_path / keep).best(20, "loss_nats").rows
        assert [row["point"] for row in rows] == [row["point"] for row in best]
        if keep == "all":
            least = [row for row in rows if row["loss_nats"] == rows[0]["loss_nats"]]
            assert len(least) == 4
            assert least == sorted(least, key=lambda row: row["cost_usd"])
            assert [row["point"] for row in least] != sorted(row["point"] for row in least)
