"""LayoutRows of many parts in one table give what each part alone gives, to the last bit."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.predict.formats import formats_of
from hwmodel.predict.service import together
from hwmodel.predict.service.layouts import column, layouts, rows_of
from hwmodel.predict.service.passes import passes, prompt_s, room
from hwmodel.predict.service.setting import ServiceSetting, Worker, on_layout
from hwmodel.predict.service.together import Cells, LayoutRows, ServiceGroup
from hwmodel.specs.serving import ServingLayout, ServingLoad

PARTS = ("a100-pcie-80gb", "h100-sxm5-80gb", "mi300x-192gb", "tpu-v5p", "trainium2", "b200-sxm6-180gb", "rtx-5090")
RECIPES = ("bf16", "fp8", "w4a16", "mxfp4")
LOAD = ServingLoad(prompt_tokens=1000.0, output_tokens=300.0)


def setting(model: str, name: str, recipe_id: str) -> ServiceSetting:
    catalog = load_catalog()
    part, recipe, shape = catalog.part(name), catalog.serving_precision(recipe_id), catalog.model(model)
    worker = Worker(
        machine=machine(part, catalog.default_system(part.id), recipe, kernel_calibration()),
        formats=formats_of(shape, recipe),
        engine=engine_of(serving_calibration(), "generic", 0.0, part.family, recipe.id),
        layout=ServingLayout(),
    )
    return ServiceSetting(shape=shape, worker=worker, load=LOAD)


def able(part: str, recipe: str) -> bool:
    """Whether the part computes in the recipe."""
    catalog = load_catalog()
    return bool(catalog.part(part).peak_dense_flop_per_s.get(catalog.serving_precision(recipe).gemm_format))


def drawn(model: str, seed: int) -> tuple[list[ServiceSetting], list[LayoutRows]]:
    """Settings on every part and recipe, and some of their layouts at drawn batches; one has none."""
    draw = np.random.default_rng(seed)
    settings = [setting(model, part, recipe) for recipe in RECIPES for part in PARTS if able(part, recipe)]
    rows = []
    for place, s in enumerate(settings):
        tried = layouts(s.shape, float(s.worker.machine.network.domain))
        count = 0 if place == 3 else int(draw.integers(1, 60))
        some = draw.integers(0, len(column(tried.tp)), count)
        rows.append(LayoutRows(rows_of(tried, some), (np.round(2.0 ** draw.uniform(0.0, 11.0, count)),)))
    return settings, rows


def all_of(s: ServiceSetting, batch: np.ndarray) -> list[np.ndarray]:
    alone = prompt_s(s.shape, s.worker, s.load, 1.0 + 0.0 * batch)
    return [column(x) + 0.0 * batch for x in (*msgspec.structs.astuple(passes(s, batch)), room(s), alone)]


@pytest.mark.parametrize("model", ["deepseek-v3", "llama-3.1-70b", "gpt-oss-120b", "deepseek-v3.2", "mixtral-8x7b"])
def test_rows_of_many_parts_are_those_of_each(model):
    settings, rows = drawn(model, seed=len(model))
    found = ServiceGroup(settings).run(rows, all_of)
    for s, r, columns in zip(settings, rows, found, strict=True):
        alone = all_of(on_layout(s, r.layout), *r.columns) if r.size else []
        assert [c.tolist() for c in columns] == [c.tolist() for c in alone]


@pytest.mark.parametrize(("alone", "most"), [(1, 10), (10**9, 1), (10**9, 100), (30, 10**9)])
def test_how_rows_are_put_together_changes_nothing(monkeypatch, alone, most):
    settings, rows = drawn("mixtral-8x7b", seed=5)
    usual = ServiceGroup(settings).run(rows, all_of)
    monkeypatch.setattr(together, "ALONE_ROWS", alone)
    monkeypatch.setattr(together, "TOGETHER_ROWS", most)
    for one, other in zip(usual, ServiceGroup(settings).run(rows, all_of), strict=True):
        assert [c.tolist() for c in one] == [c.tolist() for c in other]


def laddered(s: ServiceSetting, seed: int, filled: float) -> LayoutRows:
    """Batches of a ladder on every layout but the third, in layouts' order; about the share `filled` of them."""
    draw = np.random.default_rng(seed)
    tried = layouts(s.shape, float(s.worker.machine.network.domain))
    count, ladder = len(column(tried.tp)), np.array([1.0, 3.0, 17.0, 200.0, 1500.0])
    place, rung = np.repeat(np.arange(count), len(ladder)), np.tile(np.arange(len(ladder)), count)
    kept = (draw.uniform(size=len(place)) < filled) & (place != 2)
    place, rung = place[kept], rung[kept]
    return LayoutRows(rows_of(tried, place), (ladder[rung] * column(tried.dp)[place],), Cells(tried, rung, place))


@pytest.mark.parametrize("model", ["deepseek-v3", "gpt-oss-120b", "nemotron-3-nano-30b-a3b", "minimax-m2.5"])
@pytest.mark.parametrize("filled", [1.0, 0.9, 0.1])
def test_a_grid_of_layouts_and_batches_gives_what_its_rows_give(monkeypatch, model, filled):
    for seed, part in enumerate(("h100-sxm5-80gb", "mi300x-192gb", "tpu-v5p")):
        s = setting(model, part, "bf16")
        rows = laddered(s, seed, filled)
        monkeypatch.setattr(together, "_run", lambda *_: [[]])  # rows that do not stand in a grid
        as_grid = ServiceGroup([s]).run([rows], lambda one, batch: [batch])
        assert len(as_grid[0]) == (filled > 0.5)  # where most of its cells are asked for
        monkeypatch.undo()
        (found,) = ServiceGroup([s]).run([rows], all_of)
        flat = all_of(on_layout(s, rows.layout), *rows.columns)
        assert [c.tolist() for c in found] == [c.tolist() for c in flat]


def test_every_row_stands_in_one_table_that_is_no_longer_than_it_may_be():
    rows = [LayoutRows(ServingLayout(tp=np.ones(n), pp=np.ones(n), dp=np.ones(n), ep=np.ones(n)))
            for n in (0, 5000, 700, 800, 900, 0, 600)]  # fmt: skip
    assert list(together._tables([0, 1, 2, 3, 5, 6], rows)) == [[1], [2, 3, 6]]
    long = [rows[4]] * 12  # 900 rows each, of which 8,192 hold nine
    assert list(together._tables(range(12), long)) == [list(range(9)), [9, 10, 11]]
