"""Engines and order change no byte; a folder goes on where it was left, and never mixes two sweeps."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import threading
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
    monkeypatch.setattr(folder_module, "_sound", lambda path, seal: read.append(path.name) or sound(path, seal))
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


def replaced(path: Path, data: bytes, number: int) -> None:
    """The bytes under the name that the digest of their own folder gave, as shard `number`."""
    path.with_name(f"{number:06d}{path.name[6:]}").write_bytes(data)


@pytest.mark.parametrize("kept", [True, False], ids=["beside ours", "in place of ours"])
def test_a_sound_shard_of_elsewhere_is_computed_again(tmp_path: Path, undisturbed: dict[str, str], kept: bool) -> None:
    """Another sweep's shard under the name that it had there, and one of our own under another number."""
    folder, other = tmp_path / "ours", tmp_path / "theirs"
    hm.sweep(SMALL, folder)
    hm.sweep({**SMALL, "base": {"precision": "fp16"}}, other)
    ours, theirs = (sorted((one / "shards").iterdir()) for one in (folder, other))
    for place, stranger in ((3, theirs[3]), (8, ours[9])):
        data = stranger.read_bytes()
        if not kept:
            ours[place].unlink()
        replaced(folder / "shards" / stranger.name, data, place)
    hm.sweep(SMALL, folder, resume=True)
    assert bytes_of(folder) == undisturbed


def test_names_of_shards_that_are_no_files_are_passed_over(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    folder = tmp_path / "odd"
    hm.sweep(SMALL, folder)
    path = sorted((folder / "shards").iterdir())[2]
    path.unlink()
    os.mkfifo(path)
    path.with_name(f"000005-{'a' * 20}.parquet").symlink_to("/dev/zero")
    path.with_name(f"000006-{'a' * 20}.parquet").mkdir()
    hm.sweep(SMALL, folder, resume=True)
    path.with_name(f"000006-{'a' * 20}.parquet").rmdir()
    assert bytes_of(folder) == undisturbed


def test_a_summary_with_another_letter_is_written_again(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    folder = tmp_path / "rotten"
    hm.sweep(SMALL, folder)
    path = folder / "summary.json"
    text = path.read_text()
    at = text.index('"cost_usd": ') + len('"cost_usd": ') + 1
    path.write_text(text[: at + 2] + ("1" if text[at + 2] != "1" else "2") + text[at + 3 :])
    found = hm.sweep(SMALL, folder, resume=True)
    assert bytes_of(folder) == undisturbed
    assert found.to_dict()["digest"] == json.loads(text)["digest"]


def test_unfinished_files_taken_away_by_who_ended_first_are_written_again(
    tmp_path: Path, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two processes with one sweep the first to end clears what is unfinished, the other's file among it."""
    true, calls = os.replace, []

    def cleared(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) % 3 == 1:
            shutil.rmtree(Path(source).parent)
        true(source, target)

    monkeypatch.setattr(folder_module.os, "replace", cleared)
    hm.sweep(SMALL, tmp_path / "both")
    assert bytes_of(tmp_path / "both") == undisturbed


def test_a_folder_that_becomes_another_sweep_is_one_line(tmp_path: Path) -> None:
    folder, other = tmp_path / "ours", tmp_path / "theirs"
    hm.sweep({**SMALL, "base": {"precision": "fp16"}}, other)

    def swap(progress: Any) -> None:
        if progress.shards == 5:
            shutil.rmtree(folder)
            shutil.copytree(other, folder)

    with pytest.raises(InputError, match=r"holds another sweep: base\.precision was") as error:
        hm.sweep(SMALL, folder, progress=swap)
    assert "\n" not in str(error.value)
    hm.sweep({**SMALL, "base": {"precision": "fp16"}}, folder, resume=True)
    assert bytes_of(folder) == bytes_of(other)


def test_a_worker_of_another_version_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node of a cluster may have another version installed: its rows never mix with ours."""
    from hwmodel.solve.sweep import origin

    true = origin.code_digest
    with ThreadPoolExecutor(1) as executor:

        def other() -> str:
            return "0" * 12 if threading.current_thread() is not threading.main_thread() else true()

        monkeypatch.setattr(origin, "code_digest", other)
        with pytest.raises(
            InputError, match=r"a worker on .* would compute another sweep .*versions\.code was"
        ) as error:
            hm.sweep(SMALL, tmp_path / "mixed", executor=executor)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "mixed" / "shards").iterdir())


PRICES = (
    "date,part,provider,kind,usd_per_accelerator_hour\n2026-01-01,H100,x,on_demand,2.5\n2026-01-01,H200,x,on_demand,3\n"
)


@pytest.mark.parametrize("where", ["base", "axes"])
def test_a_file_that_changes_while_the_sweep_runs_is_one_line(tmp_path: Path, where: str) -> None:
    """Prices, measured runs, models: rows before and after would be of two sweeps."""
    prices = tmp_path / "prices.csv"
    text = PRICES
    prices.write_text(text)
    axes = {"gpus": ["64xH100", "64xH200"], "params": "1B..9B log 4", "tokens": ["1T"]}
    named = (
        {"base": {"prices": str(prices)}, "axes": axes}
        if where == "base"
        else {"axes": {**axes, "prices": [str(prices)]}}
    )

    def edit(progress: Any) -> None:
        if progress.shards == 3:
            prices.write_text(text.replace("2.5", "3.5"))

    with pytest.raises(InputError, match=r"prices\.csv changed while the sweep ran") as error:
        hm.sweep(named, tmp_path / "out", progress=edit)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"holds another sweep: files\."):
        hm.sweep(named, tmp_path / "out", resume=True)
    prices.write_text(text)
    hm.sweep(named, tmp_path / "out", resume=True)
    hm.sweep(named, tmp_path / "once")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "once")


def test_a_finished_sweep_is_answered_from_a_folder_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hm.sweep(SMALL, tmp_path / "done")

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Folder, "_put", refuse)
    assert hm.sweep(SMALL, tmp_path / "done", resume=True).summary == first.summary
    with pytest.raises(InputError, match=r"cannot write into .*new: Permission denied"):
        hm.sweep(SMALL, tmp_path / "new")


def changed(**keys: Any) -> dict[str, Any]:
    """SMALL with other keys."""
    return {**copy.deepcopy(SMALL), **keys}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (changed(base={"precision": "fp16"}), 'base.precision was "bf16", is "fp16"'),
        (changed(axes={**SMALL["axes"], "tokens": ["200B"]}), "axes.tokens is without"),
        (changed(axes=dict(reversed(SMALL["axes"].items()))), "the order of the axes was "),
        (changed(axes={**SMALL["axes"], "time": ["30d"]}), "axes.time is new"),
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
        ({"shard": "0/0"}, "write it like"),
        ({"shard": "1/" + "9" * 5000}, "write it like"),
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
