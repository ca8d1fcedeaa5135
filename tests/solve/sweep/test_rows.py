"""Rows of a sweep are the answers of `plan`, whatever closes a point; what stays of them is the best of all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import hwmodel as hm
from hwmodel.predict import fastest as searches
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import Band
from hwmodel.solve.sweep import keeping, searching
from hwmodel.solve.sweep.best import best_rows
from hwmodel.solve.sweep.fronts import front_rows
from hwmodel.solve.sweep.keeping import Partial, Winners, merged, packed, unpacked
from hwmodel.solve.sweep.space import read_space

COMPARED = (
    "params",
    "tokens",
    "train_flop",
    "loss_nats",
    "accelerators",
    "idle_accelerators",
    "train_days",
    "elapsed_days",
    "gpu_hours",
    "mfu",
    "tokens_per_s",
    "cost_usd",
    "energy_mwh",
    "co2e_t",
    "goodput",
    "peak_memory_bytes",
    "reserved_memory_bytes",
)
LAYOUT = (
    "tp",
    "cp",
    "pp",
    "vpp",
    "ep",
    "etp",
    "dp",
    "zero",
    "micro_batch",
    "global_batch_seqs",
    "recompute",
    "offload",
)
OPTION = {"time_s": "time", "budget_usd": "budget", "flop": "flops"}


def rows_of(space: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """Every row of a sweep."""
    rows: list[dict[str, Any]] = hm.sweep(space, **options).to_table().to_pylist()
    return rows


def asked(space: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The question of a row, as `plan` takes it."""
    names = [axis.column for axis in read_space(space).axes]
    return {**space["base"], **{OPTION.get(name, name): row[name] for name in names}}


def number(value: Any) -> float:
    return value.value if isinstance(value, Band) else float(value)


def same(row: dict[str, Any], plan: Plan) -> None:
    """A row and a plan, figure by figure."""
    for name in COMPARED:
        theirs = getattr(plan.answer, name)
        if theirs is None:
            assert row[name] is None, name
        else:
            assert row[name] == pytest.approx(number(theirs), rel=1e-9), name
    if plan.layout is not None:
        assert {name: row[name] for name in LAYOUT} == {name: getattr(plan.layout, name) for name in LAYOUT}
    if isinstance(plan.answer.cost_usd, Band):
        assert row["cost_usd_low"] == pytest.approx(plan.answer.cost_usd.low, rel=1e-9)
        assert row["elapsed_days_high"] == pytest.approx(plan.answer.elapsed_days.high, rel=1e-9)


def test_rows_keep_the_ends_of_memory() -> None:
    kept = [f"{kind}_memory_bytes{end}" for kind in ("peak", "reserved") for end in ("", "_low", "_high")]
    space = {"base": {"params": "8B", "tokens": "1T"}, "axes": {"gpus": FLEETS}, "keep": {"columns": kept}}
    for row in rows_of(space):
        answer = hm.plan(**asked(space, row)).to_dict()["answer"]
        for kind in ("peak", "reserved"):
            ends = answer[f"{kind}_memory_bytes"]
            assert row[f"{kind}_memory_bytes"] == pytest.approx(ends["value"], rel=1e-9)
            assert row[f"{kind}_memory_bytes_low"] == pytest.approx(ends["low"], rel=1e-9)
            assert row[f"{kind}_memory_bytes_high"] == pytest.approx(ends["high"], rel=1e-9)


FLEETS = ["24xA100", "96xH100", "256xB200"]
SPACES: dict[str, dict[str, Any]] = {
    "size and tokens": {
        "base": {"precision": "bf16"},
        "axes": {"gpus": FLEETS, "params": ["3B", "20B"], "tokens": ["300B", "2T"]},
    },
    "tokens alone": {"base": {"confidence": "80%"}, "axes": {"gpus": FLEETS, "tokens": ["100B", "1T"]}},
    "flops": {"base": {}, "axes": {"gpus": FLEETS[:2], "flops": [1e21, 3e23]}},
    "size under a time": {
        "base": {"flop_convention": "palm"},
        "axes": {"gpus": FLEETS, "params": ["3B", "20B"], "time": ["20d", "90d"]},
    },
    "model under money": {"base": {"model": "llama-3.1-8b"}, "axes": {"gpus": FLEETS[:2], "budget": ["200k", "1M"]}},
    "time alone": {"base": {}, "axes": {"gpus": ["64xH100"], "time": ["10d", "40d"]}},
    "a mixture": {
        "base": {"model": "mixtral-8x7b", "tokens": "1T"},
        "axes": {"gpus": ["256xH100"], "precision": ["bf16", "fp8"]},
    },
    "a batch": {
        "base": {"global_batch": "512", "params": "7B"},
        "axes": {"gpus": ["256xH100", "1024xH100"], "tokens": ["1T"], "tp": ["1", "4"]},
    },
    "an open fleet": {"base": {"time": "60d", "tokens": "1T"}, "axes": {"gpus": ["H100", "B200"], "params": ["7B"]}},
    "a loss": {"base": {"gpus": "512xH100"}, "axes": {"loss": [2.1, 2.0]}},
    "no fleet": {"base": {}, "axes": {"law": ["besiroglu_2024", "chinchilla_2022"], "tokens": ["1T"]}},
    "repeats": {
        "base": {"gpus": "256xH100", "unique_tokens": "100B"},
        "axes": {"params": ["7B"], "tokens": ["200B", "1T"]},
    },
    "own speed and price": {
        "base": {"params": "7B", "tokens": "1T", "mfu": "40%"},
        "axes": {"gpus": FLEETS[:2], "usd_per_hour": ["1.5", "3"]},
    },
}


@pytest.mark.parametrize("kind", SPACES)
def test_rows_are_plans(kind: str) -> None:
    space = SPACES[kind]
    rows = rows_of(space)
    assert len(rows) == read_space(space).points
    for row in rows[:: max(1, len(rows) // 4)]:
        assert row["status"] == "ok", row["reason"]
        same(row, hm.plan(**asked(space, row)))


def test_loss_bands_are_those_of_a_plan_where_draws_are_asked() -> None:
    space = {
        "base": {"gpus": "256xH100"},
        "axes": {"params": ["7B"], "time": ["10d"]},
        "draws": 400,
        "keep": {"columns": ["loss_nats_low", "loss_nats_high", "tokens"]},
    }
    (row,) = rows_of(space)
    loss = hm.plan(gpus="256xH100", params="7B", time="10d").answer.loss_nats
    assert isinstance(loss, Band)
    assert (row["loss_nats_low"], row["loss_nats_high"]) == pytest.approx((loss.low, loss.high), rel=1e-9)


def test_a_life_is_closed_as_plan_closes_it() -> None:
    space = {"base": {"gpus": "512xH100", "tokens": "1T"}, "axes": {"inference_tokens": ["1T"]}}
    (row,) = rows_of(space)
    plan = hm.plan(gpus="512xH100", tokens="1T", inference_tokens="1T")
    assert row["lifetime_cost"] == pytest.approx(plan.answer.lifetime_cost, rel=1e-9)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"base": {"tokens": "1T", "precision": "fp8"}, "axes": {"gpus": ["8xA100", "64xH100"], "params": ["7B"]}},
        "refused",
        "cannot compute in fp8",
    ),
    (
        {"base": {"tokens": "1T"}, "axes": {"gpus": ["8xH100", "64xH100"], "params": ["200B", "7B"]}},
        "infeasible",
        "does not fit",
    ),
    (
        {"base": {"tokens": "10T", "params": "70B"}, "axes": {"gpus": ["64xH100", "8192xH100"], "time": ["60d"]}},
        "infeasible",
        "the run takes",
    ),
    (
        {"base": {"gpus": "64xH100", "params": "7B", "unique_tokens": "1T"}, "axes": {"tokens": ["500B", "2T"]}},
        "refused",
        "exceed --tokens",
    ),
    ({"base": {"gpus": "64xH100"}, "axes": {"loss": [1.0, 2.1]}}, "infeasible", "floor"),
]


@pytest.mark.parametrize(("space", "status", "said"), REFUSED, ids=[said for *_, said in REFUSED])
def test_a_point_without_an_answer_is_a_row_with_the_reason_of_plan(
    space: dict[str, Any], status: str, said: str
) -> None:
    rows = rows_of(space)
    bad = [row for row in rows if row["status"] != "ok"]
    assert bad
    assert len(bad) < len(rows)
    for row in bad:
        assert row["status"] == status
        assert said in row["reason"]
        assert row["cost_usd"] is None
        with pytest.raises(hm.HwModelError) as error:
            hm.plan(**asked(space, row))
        if row["binding"] in ("time", "budget"):  # a plan says also what would mend it
            assert str(error.value).startswith(row["reason"].split(",")[0])
            assert error.value.binding == row["binding"]
        else:
            assert str(error.value) == row["reason"]


def test_constraints_leave_points_out_before_and_rows_after() -> None:
    space = {
        "base": {},
        "axes": {"gpus": ["64xH100"], "params": "1B..64B log 7", "tokens": ["100B", "1T"]},
        "where": ["tokens / params >= 20", "elapsed_days < 40"],
    }
    found = hm.sweep(space)
    rows = found.to_table().to_pylist()
    assert all(row["tokens"] / row["params"] >= 20 and row["elapsed_days"] < 40 for row in rows)
    summary = found.to_dict()
    assert summary["excluded_by_axes"] == 5  # 8B to 64B on 100B tokens, and 64B on 1T
    assert summary["points"] == 14 == summary["rows"] + summary["excluded_by_axes"] + summary["excluded_by_answers"]
    assert summary["excluded_by_answers"] > 0


def test_every_layout_is_a_row_and_the_best_of_them_the_point() -> None:
    axes = {"gpus": ["16xH100"], "params": ["3B", "30B"]}
    every = rows_of({"base": {"tokens": "1T"}, "axes": axes, "layouts": "all"})
    best = rows_of({"base": {"tokens": "1T"}, "axes": axes})
    assert len(every) == sum(row["layouts"] for row in best)
    for one in best:
        mine = [row for row in every if row["point"] == one["point"]]
        assert max(row["tokens_per_s"] for row in mine if row["status"] == "ok") == one["tokens_per_s"]
    assert {row["binding"] for row in every if row["status"] != "ok"} == {"memory"}


def _by_text(search: Callable[..., Any], *given: Any, **how: Any) -> Any:
    return search(*given, **{**how, "compiled": False})


@pytest.mark.parametrize("compiled", [False, True])
def test_the_fastest_layouts_and_the_front_are_rows_of_all(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    monkeypatch.setattr(searches, "COMPILED_AFTER", -1)
    for name in () if compiled else ("fastest", "fronts"):
        monkeypatch.setattr(searching, name, partial(_by_text, getattr(searching, name)))
    axes = {"gpus": [f"{n}xH100" for n in (8, 16, 24, 40, 64, 96, 128)], "params": ["3B"]}
    every, five, front = (
        rows_of({"base": {"tokens": "1T"}, "axes": axes, "layouts": which}) for which in ("all", 5, "front")
    )
    for point in range(7):
        all_of, some, best = ([r for r in rows if r["point"] == point] for rows in (every, five, front))
        ok = [row for row in all_of if row["status"] == "ok"]
        fastest = sorted(ok, key=lambda row: row["elapsed_days"])  # as billed, failures counted
        assert [row["elapsed_days"] for row in some] == [row["elapsed_days"] for row in fastest[:5]]
        assert {row["layouts"] for row in (*some, *best)} == {len(all_of)}

        def costs(row: dict[str, Any]) -> tuple[float, ...]:
            used = row["accelerators"] - row["idle_accelerators"]
            return row["elapsed_days"], row["peak_memory_bytes"], used

        beaten = [
            row
            for row in best
            if any(all(a <= b for a, b in zip(costs(other), costs(row))) and costs(other) != costs(row) for other in ok)
        ]
        assert not beaten
        assert best[0]["elapsed_days"] == fastest[0]["elapsed_days"]
        kept = {costs(row) for row in best}
        missed = [
            row
            for row in ok
            if costs(row) not in kept and not any(all(a <= b for a, b in zip(known, costs(row))) for known in kept)
        ]
        assert not missed


def test_winners_are_those_of_all_rows() -> None:
    space = {
        "base": {},
        "axes": {"gpus": ["64xH100", "64xB200", "64xA100"], "params": "1B..40B log 9", "tokens": "100B..2T log 5"},
        "keep": {
            "top": {"cost_usd": 3, "mfu": 4},
            "pareto": ["elapsed_days", "cost_usd", "loss_nats"],
            "histograms": ["cost_usd"],
        },
        "shard_points": 45,
    }
    whole = hm.sweep(space)
    few = hm.sweep({**space, "keep": {**space["keep"], "rows": "winners"}})
    assert whole.to_dict()["top"] == few.to_dict()["top"]
    assert whole.to_dict()["pareto"] == few.to_dict()["pareto"]
    assert few.to_table().num_rows < whole.to_table().num_rows
    rows = whole.to_table().to_pylist()
    summary = whole.to_dict()
    cheapest = sorted(rows, key=lambda row: (row["cost_usd"], row["point"]))[:3]
    assert [row["point"] for row in summary["top"]["cost_usd"]] == [row["point"] for row in cheapest]
    assert [row["mfu"] for row in summary["top"]["mfu"]] == sorted((r["mfu"] for r in rows), reverse=True)[:4]
    by = summary["pareto"]["by"]
    points = {row["point"]: [row[name] for name in by] for row in rows}
    beaten = {p for p, a in points.items() for b in points.values() if all(y <= x for x, y in zip(a, b)) and a != b}
    assert {row["point"] for row in summary["pareto"]["rows"]} == set(points) - beaten
    assert sum(one["count"] for one in summary["histograms"]["cost_usd"]) == len(rows)
    for one in summary["histograms"]["cost_usd"]:
        assert one["count"] == sum(one["low"] <= row["cost_usd"] < one["high"] for row in rows)


def test_the_best_of_many_with_ties() -> None:
    values = np.array([3.0, 1.0, 1.0, np.nan, 0.5, 1.0] * 50)
    assert best_rows([values], 3, largest=False).tolist() == [4, 10, 16]
    assert best_rows([values], 52, largest=False).tolist()[50:] == [1, 2]
    assert best_rows([values], 2, largest=True).tolist() == [0, 6]


def test_fronts_of_shards_fold_into_the_front_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they are thinned on the way or at the end; of equal rows that of the first shard stays."""
    axes = {"gpus": ["8xH100"]}
    space = read_space({"base": {"tokens": "1T"}, "axes": axes, "keep": {"pareto": ["cost_usd", "mfu"]}})
    draw = np.round(np.random.default_rng(5).random((60, 40, 2)), 2) + 0.01
    shards = [front_rows(part * [1.0, -1.0]) for part in draw]
    partials = [
        Partial(rows=40, top={n: Winners() for n in space.keep.top}, histograms={n: {} for n in space.keep.histograms},
                pareto=Winners(rows=rows.tolist(), values=part[rows].tolist()))
        for part, rows in zip(draw, shards)
    ]  # fmt: skip
    assert all(unpacked(packed(one)) == one for one in partials)
    assert all(packed(one).isascii() for one in partials)
    whole = front_rows(draw.reshape(-1, 2) * [1.0, -1.0])
    for rows in (1, 1 << 16):
        monkeypatch.setattr(keeping, "FRONT_ROWS", rows)
        found = merged(space, partials)
        assert found.rows == 60 * 40
        assert [40 * shard + row for shard, row in zip(found.pareto.shards, found.pareto.rows)] == whole.tolist()
        assert found.pareto.values == draw.reshape(-1, 2)[whole].tolist()


@pytest.mark.parametrize("base", [{"time": "60d"}, {"tokens": "1T"}])
def test_a_law_without_draws_has_its_loss_as_both_ends(base: dict[str, str]) -> None:
    """As a plan, where such a loss has no wider interval; one with draws has ends where draws are asked."""
    columns = {"columns": ["loss_nats", "loss_nats_low", "loss_nats_high"]}
    axes = {"gpus": ["512xH100"], "law": ["gadre_2024/c4", "muennighoff_2023", "besiroglu_2024"]}
    rows = hm.sweep({"base": {"params": "20B", **base}, "axes": axes, "keep": columns}).to_table().to_pylist()
    for row in rows[:2]:
        assert row["loss_nats_low"] == row["loss_nats"] == row["loss_nats_high"]
    assert rows[2]["loss_nats_low"] is None
