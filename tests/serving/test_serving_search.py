"""What the search leaves out changes no answer: pruned and whole tables agree to the last digit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.errors import HwModelError
from hwmodel.predict.service.arrivals import Decoded
from hwmodel.solve.serve import choose, search
from hwmodel.solve.serve.ask import read_question, serve
from hwmodel.solve.serve.fleet import Fleets, cheapest
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.search import every_fleet, not_plainly_beaten
from hwmodel.solve.serve.table import Options, options
from hwmodel.specs.serving import ServingLayout

CATALOG = load_catalog()
PARTS = (
    "h100-sxm5-80gb", "h200-sxm-141gb", "b200-sxm6-180gb", "a100-pcie-80gb", "mi300x-192gb", "l40s", "rtx-5090",
    "tpu-v5p", "trainium2",
)  # fmt: skip
MODELS = ("deepseek-v3", "llama-3.1-70b", "gpt-oss-120b", "mixtral-8x7b", "qwen3-235b-a22b", "llama-3.1-8b")
ASKED = st.fixed_dictionaries({
    "model": st.sampled_from(MODELS), "demand": st.sampled_from([0.2, 5.0, 200.0, 5000.0]),
    "tpot": st.sampled_from(["8ms", "20ms", "50ms", "1s", None]), "ttft": st.sampled_from([None, "400ms", "2s"]),
    "input": st.sampled_from([100, 1000, 8000]), "output": st.sampled_from([1, 300, 2000]),
    "parts": st.lists(st.sampled_from(PARTS), min_size=3, max_size=4, unique=True).map(",".join),
    "disaggregated": st.sampled_from([None, None, True, False]), "spares": st.sampled_from([0, 1]),
    "prefix_hit": st.sampled_from(["0%", "50%"]), "draft_tokens": st.sampled_from([0.0, 1.0]),
    "precision": st.sampled_from([None, "bf16,fp8", "fp8,w4a16,nvfp4"]),
})  # fmt: skip


DECODED = ("batch", "room", "pass_s", "pass_tail_s", "step_s", "step_tail_s")
FLEETS = ("prefill_share", "replicas", "requests_per_s", "tpot_s", "tpot_tail_s", "ttft_s", "ttft_tail_s")


def answered(asked: dict[str, Any]) -> str:
    try:
        return json.dumps(serve(**asked).to_dict())
    except HwModelError as error:
        return str(error)


@settings(max_examples=12, deadline=None)
@given(asked=ASKED)
def test_the_answer_is_that_of_all_fleets(asked: dict[str, Any]) -> None:
    found = answered(asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "FEW", 10**9)
        assert answered(asked) == found


def tables(question: ServingQuestion, within_s: float) -> list[Options]:
    shape = CATALOG.model(question.model)
    return options(question, choose.offers(question, shape, CATALOG), within_s)


def able(fleets: list[Fleets]) -> list[Fleets]:
    return [f for f in fleets if f.meets.any()]


def row(f: Fleets, i: int | None) -> tuple[float, ...] | None:
    if i is None:
        return None
    cells = (f.at.layout.tp, f.at.layout.pp, f.at.layout.dp, f.at.layout.ep, f.at.batch, f.usd_per_hour, f.ttft_tail_s)
    return tuple(float(np.asarray(column)[i]) for column in cells)


@pytest.mark.parametrize("model", MODELS)
def test_every_part_and_recipe_keeps_its_best_with_and_without_stages(model: str) -> None:
    question = read_question(model, 50.0, tpot="30ms", ttft="1s", parts=",".join(PARTS))
    some = every_fleet(question, tables(question, question.tpot_s), CATALOG)
    every = every_fleet(question, tables(question, np.inf), CATALOG, "whole")
    kept = {(f.options.part.id, f.options.recipe.id, f.pools is None): f for f in some}
    assert sum(len(f.meets) for f in some) < 0.7 * sum(len(f.meets) for f in every)  # much is left out
    for f in every:
        mine = kept.get((f.options.part.id, f.options.recipe.id, f.pools is None))
        if mine is None:
            assert not f.meets.any()
            continue
        assert row(mine, mine.best) == row(f, f.best)
        assert row(mine, mine.best_flat) == row(f, f.best_flat) == row(f, f.best_of(np.asarray(f.at.layout.pp) == 1))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("limits", "disaggregated"), [(("30ms", "1s"), None), (("30ms", "1s"), False),
                                                       (("9ms", "400ms"), None), (("1ms", None), None)])  # fmt: skip
def test_the_cheapest_of_either_mode_is_that_of_all_fleets(
    model: str, limits: tuple[str, str | None], disaggregated: bool | None
) -> None:
    question = read_question(model, 50.0, tpot=limits[0], ttft=limits[1], disaggregated=disaggregated)
    found = tables(question, np.inf)
    some, every = every_fleet(question, found, CATALOG, "cheapest"), every_fleet(question, found, CATALOG, "whole")
    for o in found:
        mine, all_of_it = ([f for f in fleets if f.options is o] for fleets in (some, every))
        if able(all_of_it):
            (of, i), (one, k) = cheapest(able(mine)), cheapest(able(all_of_it))
            assert (of.pools is None, row(of, i)) == (one.pools is None, row(one, k))
        else:  # what a refusal names is the nearest of all
            assert [len(f.meets) for f in mine] == [len(f.meets) for f in all_of_it]


def test_each_recipe_beside_the_answer_is_found_as_if_asked_for_alone() -> None:
    asked = {"model": "llama-3.1-70b", "demand": "20 req/s", "tpot": "9ms", "parts": "h100"}
    rows = serve(**asked).to_dict()["fixed"]
    assert {r["status"] for r in rows} == {"ok", "unfit"}
    for r in rows:
        assert alone(precision=r["precision"], **asked) == (
            r["reason"] or (r["accelerators"], r["usd_per_hour"]["value"])
        )


def alone(**asked: str) -> tuple[float, float | None] | str:
    try:
        found = serve(**asked).answer
    except HwModelError as error:
        return str(error)
    return found.accelerators, found.usd_per_hour.value


def test_what_decoding_takes_bounds_what_an_engine_does_that_prefills_too() -> None:
    question = read_question("mixtral-8x7b", 50.0, parts=",".join(PARTS), disaggregated=False)
    for f in every_fleet(question, tables(question, np.inf), CATALOG, "whole"):
        at = f.at
        assert (f.tpot_s >= at.step_s).all()
        assert (f.tpot_tail_s >= at.step_tail_s).all()
        assert (f.requests_per_s <= at.batch / (question.output_tokens * at.step_s)).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60), st.integers(1, 60))
def test_rows_that_are_plainly_beaten_are_neither_on_a_front_nor_move_it(
    rows: list[tuple[int, int]], drawn: int
) -> None:
    cost, time = (np.array([r[k] for r in rows], dtype=float) for k in (0, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "DRAWN", drawn)
        kept = set(not_plainly_beaten(cost, time).tolist())
    front = {k for k, (c, t) in enumerate(rows) if not any(a <= c and b <= t and (a, b) != (c, t) for a, b in rows)}
    assert front <= kept
    beaten = [any(rows[j][0] < c and rows[j][1] <= t for j in range(0, len(rows), max(len(rows) // drawn, 1)))
              for c, t in rows]  # fmt: skip
    assert [k not in kept for k in range(len(rows))] == beaten


def test_fleets_that_cost_the_same_to_six_digits_are_equally_cheap() -> None:
    # 12.0000004 rounds to 12.000000 as 12.0 does, 12.0000006 to 12.000001: of the first two the one on fewer
    # accelerators is best, the third is dearer.
    def best(usd: list[float], accelerators: list[float]) -> int | None:
        count = len(usd)
        at = Decoded(layout=ServingLayout(pp=np.ones(count)), **dict.fromkeys(DECODED, np.ones(count)))
        columns = {name: np.ones(count) for name in FLEETS}
        columns |= {"usd_per_hour": np.array(usd), "accelerators": np.array(accelerators)}
        return Fleets(options=None, pools=None, at=at, meets=np.ones(count, bool), **columns).best

    assert best([12.0, 12.0000004, 12.0000006], [16.0, 8.0, 4.0]) == 1
    assert best([2e9, 2e9 - 0.001, 2e9], [4.0, 8.0, 2.0]) == 1  # a tenth of a cent counts in billions too
    assert best([np.nan, np.nan], [16.0, 8.0]) == 1  # nobody says a price
