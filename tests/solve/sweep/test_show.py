"""What a folder answers through the database, against the same rows read plainly."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hwmodel as hm
from hwmodel.cli.main import cli
from hwmodel.errors import InputError
from hwmodel.report.sweep import cell, rows_table, shown_text, sweep_report
from hwmodel.report.sweep_figures import drawn_front, front_figure, heat_figure
from hwmodel.solve.sweep import run, show, tree
from hwmodel.solve.sweep.show import Rows

from .conftest import COMPILES, SMALL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("show") / "it's here"
    hm.sweep(SMALL, path)
    return path


@pytest.fixture(scope="module")
def plain(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = hm.sweep(SMALL, folder, resume=True).to_table().to_pylist()
    return rows


def test_the_best(folder: Path, plain: list[dict[str, Any]]) -> None:
    ok = [row for row in plain if row["status"] == "ok"]
    found = Rows(folder).best(4, "mfu", "tokens >= 1T").rows
    assert found == sorted((r for r in ok if r["tokens"] >= 1e12), key=lambda r: -r["mfu"])[:4]
    assert [r["cost_usd"] for r in Rows(folder).best(100).rows] == sorted(r["cost_usd"] for r in ok)


def test_rows_without_an_answer_are_found_by_their_reason(folder: Path) -> None:
    found = Rows(folder).best(50, where="status == 'refused'").rows
    assert len(found) == 12
    assert all("V100" in row["reason"] for row in found)


def test_the_front(folder: Path) -> None:
    summary = hm.sweep(SMALL, folder, resume=True).to_dict()
    found = Rows(folder).front(["cost_usd", "loss_nats"]).rows
    assert {row["point"] for row in found} == {row["point"] for row in summary["pareto"]["rows"]}
    assert [row["cost_usd"] for row in found] == sorted(row["cost_usd"] for row in found)
    assert Rows(folder).front(["cost_usd", "loss_nats"], "params > 1T").rows == []


def test_of_a_long_front_some_rows_and_of_rows_some_columns(folder: Path) -> None:
    whole = Rows(folder).front(["cost_usd", "loss_nats"])
    some = Rows(folder).front(["cost_usd", "loss_nats"], columns=["params", "cost_usd"], most=3)
    assert some.columns == ("params", "cost_usd")
    assert some.found == whole.found == len(whole.rows) > 3
    ends = [whole.rows[at] for at in (0, round((some.found - 1) / 2), -1)]
    assert some.rows == [{name: row[name] for name in some.columns} for row in ends]
    assert f"3 of {some.found} rows, from end to end" in shown_text(some, ["params"], "md")
    whole = Rows(folder).front(["accelerators", "loss_nats"])
    assert [(type(r["accelerators"]), type(r["loss_nats"])) for r in whole.rows] == [(int, float)] * whole.found
    asked = Rows(folder).front(["cost_usd", "mfu"], columns=["mfu", "cost_usd"]).rows
    assert asked == [{n: r[n] for n in ("mfu", "cost_usd")} for r in Rows(folder).front(["cost_usd", "mfu"]).rows]
    assert all(row["mfu"] > 0.0 for row in asked)
    assert Rows(folder).best(2, columns=["point"]).rows == [{"point": r["point"]} for r in Rows(folder).best(2).rows]


def test_a_front_that_is_too_much_at_once_is_refused_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "MOST_VALUES", 10)
    with pytest.raises(
        InputError, match=r"rows of \d+ columns, 10 values are handed over at once: narrow it with --where"
    ):
        Rows(folder).front(["cost_usd", "loss_nats"])
    assert len(Rows(folder).front(["cost_usd", "loss_nats"], columns=["mfu", "tokens"], most=5).rows) == 5


def test_top_says_how_many_rows_of_a_front_are_shown(folder: Path) -> None:
    asked = ["sweep", "show", str(folder), "--pareto", "cost_usd,loss_nats", "--columns", "point", "--format", "json"]
    every = json.loads(CliRunner().invoke(cli, asked).stdout)["rows"]
    three = CliRunner().invoke(cli, [*asked, "--top", "3"])
    assert json.loads(three.stdout)["rows"] == [every[at] for at in (0, round((len(every) - 1) / 2), -1)]
    assert f"{len(every)} rows, of which 3 are shown" in three.stderr


def test_rows_are_shown_without_what_computes_them() -> None:
    """Neither the solver nor what writes shards is imported to read a table."""
    asked = "import sys, hwmodel.solve.sweep.show, hwmodel.report.sweep; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("hwmodel.solve.plan", "hwmodel.solve.life", "pyarrow", "pandas")
    assert [name for name in loaded if name.startswith(heavy)] == []


def test_a_front_is_read_without_pandas_and_compiles_nothing(folder: Path, tmp_path: Path) -> None:
    """Arrow's own way into NumPy imports pandas, a quarter of a second; a compiler takes twice that."""
    asked = """import sys; from hwmodel.solve.sweep.show import Rows
rows = Rows(sys.argv[1]).front(["cost_usd", "loss_nats", "accelerators"], "recompute == 'none'").rows
assert rows; print(*sys.modules)"""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", asked, str(folder)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "pyarrow" in done.stdout.split()
    assert "pandas" not in done.stdout.split()
    assert not list(tmp_path.rglob("kernels"))


@COMPILES
def test_a_large_sweep_leaves_what_its_fronts_are_found_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree.compiled.cache_clear()
    assert tree.compiled() is None
    hm.sweep(SMALL, tmp_path / "small")
    assert tree.compiled() is None
    monkeypatch.setattr(run, "MANY_ROWS", 10)
    hm.sweep(SMALL, tmp_path / "large")
    assert tree.compiled() is not None
    monkeypatch.undo()
    tree.compiled.cache_clear()


def test_two_axes(folder: Path, plain: list[dict[str, Any]]) -> None:
    heat = Rows(folder).heat("gpus", "params", "elapsed_days")
    assert heat.across == ["64xH100", "128xH100"]
    for j, params in enumerate(heat.up):
        for i, gpus in enumerate(heat.across):
            cells = [
                r["elapsed_days"] for r in plain if r["gpus"] == gpus and r["params"] == params and r["elapsed_days"]
            ]
            assert heat.best[j][i] == min(cells)
    assert heat_figure(heat, {"elapsed_days": "day"}) is not None


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda r: r.best(3, "costs_usd"), "unknown column 'costs_usd' in --by; nearest: cost_usd"),
        (lambda r: r.best(0), "--top must be"),
        (lambda r: r.front(["cost_usd", "loss_nats"], most=0), "--top must be"),
        (lambda r: r.front(["cost_usd"]), "--pareto takes 2 to 4"),
        (lambda r: r.front(["cost_usd", "recompute"]), "unknown column 'recompute'"),
        (lambda r: r.heat("gpus", "tp", "cost_usd"), "unknown column 'tp' in --heat"),
        (lambda r: r.best(3, where="cost_usd < '5M'"), "texts and numbers do not compare"),
        (lambda r: r.best(3, where="gpus > 64"), "gpus is a text, like gpus == '"),
        (lambda r: r.best(3, where="accelerator == 'H1000'"), "unknown accelerator 'H1000'; nearest: h100"),
        (lambda r: r.best(3, where="status == 'OK'"), "unknown value of status 'OK'"),
        (lambda r: r.best(3, where="1; DROP TABLE x"), "no part of an expression"),
    ],
)
def test_one_line_for_each_mistake(folder: Path, call: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        call(Rows(folder))
    assert "\n" not in str(error.value)


def test_no_sweep_no_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no sweep"):
        Rows(tmp_path)


def moved_shards(folder: Path, place: Path, **changed: Any) -> Path:
    """The shards of a sweep beside a `space.json` that says something else."""
    shutil.copytree(folder, place)
    told = json.loads((place / "space.json").read_text())
    (place / "space.json").write_text(json.dumps(told | changed))
    return place


def test_shards_of_another_sweep_are_no_rows_that_are_yet_to_come(folder: Path, tmp_path: Path) -> None:
    count = len(list((folder / "shards").iterdir()))
    versions = json.loads((folder / "space.json").read_text())["versions"]
    other = moved_shards(folder, tmp_path / "other", seed=7)
    with pytest.raises(InputError, match=rf"holds {count} shards?, none of the sweep in its space.json .*--resume"):
        Rows(other)
    older = moved_shards(folder, tmp_path / "older", versions=versions | {"code": "0123456789ab"})
    with pytest.raises(InputError, match=rf"holds {count} shards? of another version .*code 0123456789ab; this is"):
        Rows(older)
    for shard in (older / "shards").iterdir():
        shard.unlink()
    with pytest.raises(InputError, match="holds no rows yet: run the sweep first"):
        Rows(older)


def test_reports(folder: Path) -> None:
    summary = hm.sweep(SMALL, folder, resume=True).summary
    text = sweep_report(summary, folder)
    cheapest = summary.top["cost_usd"][0]
    assert f"- Cheapest: **{cell('cost_usd', cheapest['cost_usd'])}** at params 1B, tokens 200B, gpus " in text
    assert text.index("- Cheapest") < text.index("24 rows have an answer")
    assert "24 rows have an answer" in text
    assert "12 have none (refused)" in text
    assert "## Cheapest" in text
    csv = sweep_report(summary, folder, "csv").splitlines()
    assert csv[0].startswith("best_by,point,status")
    assert len(csv) == 1 + sum(map(len, summary.top.values()))
    found = Rows(folder).best(2)
    assert shown_text(found, ["params", "cost_usd"], "md") == rows_table(found.rows, ["params", "cost_usd"]) + "\n"
    assert cell("params", 7e9) == "7B"
    assert cell("cost_usd", None) == "-"
    front = Rows(folder).front(["cost_usd", "loss_nats"]).rows
    assert (
        front_figure(["cost_usd", "loss_nats"], Rows(folder).points(["cost_usd", "loss_nats"]), front, {}) is not None
    )


def test_a_sweep_reads_like_every_other_answer(tmp_path: Path) -> None:
    """The methods of a typed result, the front in its page, and frames of rows, of the best and of the front."""
    found = hm.sweep(SMALL, tmp_path / "s")
    assert found.to_markdown() == sweep_report(found.finished, tmp_path / "s")
    assert json.loads(found.to_json())["ok"] == 24
    assert repr(found) == f"<Sweep: 24 of 36 points answered, in {tmp_path / 's'}>"
    page = found.to_html()
    assert page.count("<img") == 1
    assert "data:image/svg+xml" in page
    assert "<iframe" in found._repr_html_()
    assert found.to_text().startswith("Sweep of 36 points")
    assert found.to_csv().startswith("best_by,")
    assert len(found.to_frame()) == len(found.to_frame("rows")) == 36
    assert list(found.to_frame("pareto")["cost_usd"]) == [row["cost_usd"] for row in found.finished.pareto.rows]
    assert set(found.to_frame("best")["best_by"]) == {"cost_usd", "elapsed_days", "loss_nats"}
    with pytest.raises(InputError, match="unknown table 'parto'; nearest: pareto"):
        found.to_frame("parto")
    part = hm.sweep(SMALL, tmp_path / "part", shard="1/2")
    assert "unfinished" in repr(part)
    with pytest.raises(InputError, match="not finished"):
        part.to_markdown()


def test_the_front_of_a_figure_says_what_its_rows_are(folder: Path) -> None:
    rows = Rows(folder)
    names = ["elapsed_days", "loss_nats"]
    front = rows.front(names).rows
    figure = drawn_front(rows, names, front)
    said = [one.get_text() for one in figure.axes[0].texts]
    first, last = front[0], front[-1]
    for row in (first, last):
        assert f"{cell('params', row['params'])} {cell('tokens', row['tokens'])} {row['gpus']}" in said


def test_the_benchmark_of_show_writes_a_finished_sweep(tmp_path: Path) -> None:
    """benchmarks/show.py draws its rows by the code that a sweep writes with."""
    place = Path(__file__).parents[3] / "benchmarks" / "show.py"
    found = importlib.util.spec_from_file_location("show_benchmark", place)
    assert found is not None
    assert found.loader is not None
    benchmark = importlib.util.module_from_spec(found)
    sys.modules[found.name] = benchmark
    found.loader.exec_module(benchmark)
    benchmark.write(tmp_path / "drawn", 2_000, 0.5)
    rows = Rows(tmp_path / "drawn")
    assert len(rows.best(20).rows) == 20
    assert json.loads((tmp_path / "drawn" / "summary.json").read_text())["rows"] >= 2_000
