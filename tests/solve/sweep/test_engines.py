"""Engines and order change no byte; a folder goes on where it was left, and never mixes two sweeps."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.solve.sweep import extras
from hwmodel.solve.sweep import folder as folder_module
from hwmodel.solve.sweep.answers import known_columns
from hwmodel.solve.sweep.folder import Folder

from .conftest import SMALL, bytes_of


def test_processes_of_this_machine_give_the_same_bytes(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    said: list[str] = []
    hm.sweep(SMALL, tmp_path / "two", workers=2, say=said.append)
    assert bytes_of(tmp_path / "two") == undisturbed
    assert any(line.startswith("dashboard: http") for line in said)


def test_an_executor_gives_the_same_bytes(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    with ThreadPoolExecutor(2) as executor:
        hm.sweep(SMALL, tmp_path / "threads", executor=executor)
    assert bytes_of(tmp_path / "threads") == undisturbed


def test_a_client_of_dask_gives_the_same_bytes(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    import distributed

    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        hm.sweep(SMALL, tmp_path / "client", executor=client)
    assert bytes_of(tmp_path / "client") == undisturbed


def test_what_is_no_executor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"executor must be one of concurrent\.futures or a client of Dask, got int"):
        hm.sweep(SMALL, tmp_path / "none", executor=4)
    assert not (tmp_path / "none").exists()


def test_parts_of_a_batch_system_share_a_folder(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    folder = tmp_path / "parts"
    for part in ("3/3", "1/3"):
        assert hm.sweep(SMALL, folder, shard=part).summary is None
    assert hm.sweep(SMALL, folder, shard="2/3").summary is not None
    assert bytes_of(folder) == undisturbed


def test_a_part_reads_its_own_shards_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand processes that share a folder each would else read what all have written."""
    folder = tmp_path / "parts"
    hm.sweep(SMALL, folder, shard="1/3")
    read: list[str] = []
    sound = folder_module._sound
    monkeypatch.setattr(folder_module, "_sound", lambda path: read.append(path.name) or sound(path))
    hm.sweep(SMALL, folder, shard="2/3")
    assert read == []
    hm.sweep(SMALL, folder, shard="1/3")
    assert len(read) == 12


def test_a_finished_sweep_goes_on_without_computing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = hm.sweep(SMALL, tmp_path / "done")
    before = bytes_of(tmp_path / "done")
    monkeypatch.setattr("hwmodel.solve.sweep.shard.Sweeper.shard", lambda *_: pytest.fail("computed again"))
    assert hm.sweep(SMALL, tmp_path / "done", resume=True).summary == first.summary
    assert bytes_of(tmp_path / "done") == before


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "removed", "stray"])
def test_a_damaged_shard_is_computed_again(tmp_path: Path, undisturbed: dict[str, str], damage: str) -> None:
    folder = tmp_path / "damaged"
    hm.sweep(SMALL, folder)
    path = sorted((folder / "shards").iterdir())[4]
    data = path.read_bytes()
    if damage == "removed":
        path.unlink()
    elif damage == "stray":
        path.with_name(f"{path.name[:6]}-{'0' * 20}.parquet").write_bytes(data[:100])
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes({"truncated": data[:-9], "flipped": flipped, "emptied": b""}[damage])
    hm.sweep(SMALL, folder, resume=True)
    assert bytes_of(folder) == undisturbed


def changed(**keys: Any) -> dict[str, Any]:
    """SMALL with other keys."""
    return {**copy.deepcopy(SMALL), **keys}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (changed(base={"precision": "fp16"}), 'base.precision was "bf16", is "fp16"'),
        (changed(axes={**SMALL["axes"], "tokens": ["200B"]}), "axes.tokens differs"),
        (changed(where="params > 2B"), "where was"),
        (changed(keep={"rows": "winners"}), 'keep.rows was "all", is "winners"'),
    ],
)
def test_a_folder_of_another_space_is_refused(tmp_path: Path, space: dict[str, Any], said: str) -> None:
    hm.sweep(SMALL, tmp_path / "first", shard="1/99")
    for options in ({}, {"resume": True}, {"shard": "1/2"}):
        with pytest.raises(InputError, match="holds another sweep") as error:
            hm.sweep(space, tmp_path / "first", **options)
        assert said in str(error.value)
        assert "\n" not in str(error.value)


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "older"
    hm.sweep(SMALL, folder, shard="1/99")
    data = json.loads((folder / "space.json").read_text())
    data["versions"]["code"] = "0" * 12
    (folder / "space.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=r'holds another sweep: versions\.code was "000000000000"'):
        hm.sweep(SMALL, folder, resume=True)


def test_the_same_sweep_again_needs_resume(tmp_path: Path) -> None:
    hm.sweep(SMALL, tmp_path / "again", shard="1/4")
    with pytest.raises(InputError, match=r"holds this sweep already \(9 of 36 shards\): go on with --resume"):
        hm.sweep(SMALL, tmp_path / "again")


def test_other_files_are_never_mixed_in(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        hm.sweep(SMALL, tmp_path)
    (tmp_path / "theirs" / "shards").mkdir(parents=True)
    (tmp_path / "theirs" / "shards" / "mine.parquet").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(shards/mine.parquet\)"):
        hm.sweep(SMALL, tmp_path / "theirs")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write into"):
        hm.sweep(SMALL, tmp_path / "file" / "below")


def test_a_folder_whose_cluster_did_not_answer_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwmodel.solve.sweep.engines.CONNECT_S", 0.5)
    for _ in range(2):
        with pytest.raises(InputError, match="no Dask scheduler answers"):
            hm.sweep(SMALL, tmp_path / "free", dask="tcp://127.0.0.1:9")


def test_a_damaged_space_is_one_line(tmp_path: Path) -> None:
    hm.sweep(SMALL, tmp_path / "s", shard="1/99")
    (tmp_path / "s" / "space.json").write_text('{"half')
    with pytest.raises(InputError, match="it is damaged"):
        hm.sweep(SMALL, tmp_path / "s", resume=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shard": "0/3"}, "write it like 3/16"),
        ({"shard": "4/3"}, "write it like"),
        ({"shard": "a"}, "write it like"),
        ({"workers": 0}, "--workers must be"),
        ({"workers": 2, "dask": "tcp://x:1"}, "both say who computes"),
        ({"workers": 2, "shard": "1/2"}, "drop --workers"),
        ({"dask": "tcp://127.0.0.1:9"}, "no Dask scheduler answers"),
        ({"dask": "nonsense://x"}, "no Dask scheduler answers"),
    ],
)
def test_engines_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr("hwmodel.solve.sweep.engines.CONNECT_S", 1.0)
    with pytest.raises(InputError, match=said) as error:
        hm.sweep(SMALL, tmp_path / "none", **options)
    assert "\n" not in str(error.value)


def test_a_missing_extra_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"sweep needs dask\[distributed\]: pip install 'hwmodel\[sweep\]'"):
        hm.sweep(SMALL, tmp_path / "x", workers=2)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="sweep needs pyarrow"):
        hm.sweep(SMALL, tmp_path / "x")
    assert extras.extra("json", "json") is json


def test_frames_and_files_are_read_by_others_as_they_are(tmp_path: Path) -> None:
    import duckdb
    import pandas
    import polars
    import pyarrow.parquet as parquet

    found = hm.sweep(SMALL, tmp_path / "s")
    pattern = str(tmp_path / "s" / "shards" / "*.parquet")
    rows = found.to_table().num_rows
    assert duckdb.sql(f"SELECT count(*) FROM '{pattern}' WHERE status = 'ok'").fetchall() == [(24,)]
    assert polars.read_parquet(pattern).height == rows == 36
    files = sorted((tmp_path / "s" / "shards").iterdir())
    assert sum(len(pandas.read_parquet(path)) for path in files) == rows
    frame = found.to_frame()
    assert list(frame["point"]) == list(range(36))
    schema = parquet.read_schema(files[0])
    for name in ("cost_usd", "loss_nats", "elapsed_days", "energy_mwh", "peak_memory_bytes"):
        column = known_columns("plan")[name]
        assert schema.field(name).metadata == {b"unit": column.unit.encode(), b"meaning": column.meaning.encode()}
    assert schema.field("gpus").metadata[b"meaning"] == b"axis"


def test_nothing_unfinished_stays(tmp_path: Path) -> None:
    hm.sweep(SMALL, tmp_path / "s")
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["shards", "space.json", "summary.json"]
    assert len(Folder(tmp_path / "s").whole()) == 36


def test_the_command_sweeps_and_goes_on(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    import yaml

    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hwmodel", "sweep", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    first = run("space.yaml", "--out", "out")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("# Sweep of 36 points: 6 params x 2 tokens x 3 gpus")
    assert bytes_of(tmp_path / "out") == undisturbed
    again = run("space.yaml", "--out", "out")
    assert again.returncode == 2
    assert "go on with --resume" in again.stderr
    assert run("space.yaml", "--out", "out", "--resume", "--format", "json").returncode == 0
    shown = run("show", "out", "--top", "2", "--by", "mfu", "--where", "params > 5B", "--format", "json")
    assert len(json.loads(shown.stdout)["rows"]) == 2
    wrong = run("space.yml", "--out", "other")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
