"""Real processes killed, disks full, memory short, clusters gone: the bytes of an undisturbed sweep, or one line.

`make stress` runs each kind 20 times (HWMODEL_STRESS=20); the suite a short set.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

import hwmodel as hm
from hwmodel.errors import InputError

from .conftest import SMALL, bytes_of

TIMES = int(os.environ.get("HWMODEL_STRESS", "1"))
PATIENCE_S = 240.0


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the small space in it."""
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False))
    return tmp_path


def started(place: Path, *words: str, limit: Any = None) -> subprocess.Popen[str]:
    """`hwmodel sweep space.yaml --out out ...` as a process."""
    command = [sys.executable, "-m", "hwmodel", "sweep", "space.yaml", "--out", "out", *words]
    return subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what it said on stderr, but for the dashboard's address."""
    _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, "".join(
        line for line in said.splitlines(keepends=True) if not line.startswith("dashboard")
    )


def wait_for_shards(place: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until so many shards stand, or the process has ended."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        if len(list((place / "out" / "shards").glob("*.parquet"))) >= count:
            return
        time.sleep(0.005)


@pytest.mark.parametrize("seed", range(TIMES + 1))
def test_a_killed_client_goes_on_to_the_same_bytes(place: Path, undisturbed: dict[str, str], seed: int) -> None:
    draw = random.Random(seed)
    process = started(place)
    wait_for_shards(place, draw.randrange(1, 34), process)
    time.sleep(draw.random() * 0.05)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    code, said = ended(started(place, "--resume"))
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("words", [(), ("--workers", "2"), ("--shard", "1/2")], ids=["here", "workers", "shard"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_a_stopped_sweep_says_how_to_go_on(
    place: Path, undisturbed: dict[str, str], number: signal.Signals, words: tuple[str, ...], seed: int
) -> None:
    process = started(place, *words)
    wait_for_shards(place, random.Random(f"{number} {words} {seed}").randrange(1, 12), process)
    process.send_signal(number)
    code, said = ended(process)
    if code == 0:  # it had ended before
        return
    assert code == 128 + number
    assert said.count("\n") == 1
    assert said.startswith("hwmodel: interrupted; ")
    assert (
        f"of 36 shards stand in out: {'start this part again' if '--shard' in words else 'go on with --resume'}" in said
    )
    code, said = ended(started(place, "--resume"))
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


def spawned(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes below a client."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return [one for one in below if "spawn_main" in " ".join(one.cmdline())]
    except psutil.Error:
        return []


@pytest.mark.parametrize("seed", range(TIMES))
def test_killed_workers_are_replaced(place: Path, undisturbed: dict[str, str], seed: int) -> None:
    draw = random.Random(1000 + seed)
    process = started(place, "--workers", "2")
    for count in sorted(draw.sample(range(1, 30), 2)):
        wait_for_shards(place, count, process)
        for worker in spawned(process)[: draw.randrange(1, 3)]:
            worker.send_signal(signal.SIGKILL)
    code, said = ended(process)
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


@pytest.mark.parametrize("seed", range(TIMES))
def test_a_worker_that_stood_still_goes_on(place: Path, undisturbed: dict[str, str], seed: int) -> None:
    """As one whose machine slept."""
    draw = random.Random(3000 + seed)
    process = started(place, "--workers", "2")
    wait_for_shards(place, draw.randrange(1, 20), process)
    still = spawned(process)[:1]
    for worker in still:
        worker.send_signal(signal.SIGSTOP)
    time.sleep(2.0 * draw.random())
    for worker in still:
        worker.send_signal(signal.SIGCONT)
    code, said = ended(process)
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


@pytest.mark.skipif(TIMES == 1, reason="two minutes: make stress")
def test_a_worker_that_stands_still_for_good_is_given_up(place: Path, undisturbed: dict[str, str]) -> None:
    """The scheduler takes its shards away after one to two minutes; the others end them."""
    process = started(place, "--workers", "2")
    wait_for_shards(place, 3, process)
    spawned(process)[0].send_signal(signal.SIGSTOP)
    code, said = ended(process)
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


@pytest.mark.parametrize("years", [-40, 40])
def test_a_clock_that_jumps_changes_nothing(place: Path, undisturbed: dict[str, str], years: int) -> None:
    """Files that seem older than the space, or written tomorrow, are what they hold."""
    process = started(place)
    wait_for_shards(place, 8, process)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    at = time.time() + years * 3.15e7
    for path in (place / "out").rglob("*"):
        os.utime(path, (at, at))
    code, said = ended(started(place, "--resume"))
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


# `hwmodel` that waits a second for a scheduler, not ten.
HASTY = """
import sys
from hwmodel.cli.main import main
from hwmodel.solve.sweep import engines
engines.CONNECT_S = 1.0
main()
"""


def test_what_accepts_and_says_nothing_is_no_scheduler(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-c", HASTY, "sweep", "space.yaml", "--out", "out", "--dask", address]
        found = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=PATIENCE_S)
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert found.stderr.startswith(f"hwmodel: no Dask scheduler answers at {address} within 1 s")


def worker_of(info: Path) -> subprocess.Popen[bytes]:
    """A worker of the scheduler that this file describes."""
    words = ["worker", "--scheduler-file", str(info), "--nthreads", "1", "--no-dashboard"]
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words, "--local-directory", str(info.parent / "dask")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler of its own with one worker: its address and its processes."""
    info = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "dask",
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            str(info),
        ],
        **quiet,
    )
    worker = worker_of(info)
    end = time.monotonic() + 60.0
    while not info.exists() and time.monotonic() < end:
        time.sleep(0.05)
    import json

    time.sleep(0.2)
    yield json.loads(info.read_text())["address"], scheduler, [worker]
    for process in (worker, scheduler):
        process.terminate()
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()


def test_a_cluster_that_runs_gives_the_same_bytes(place: Path, undisturbed: dict[str, str], cluster: Any) -> None:
    code, said = ended(started(place, "--dask", cluster[0]))
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


def test_a_cluster_whose_jobs_queue_is_waited_for(
    place: Path, undisturbed: dict[str, str], cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler that answers and has no worker yet is not lost, however long that lasts."""
    monkeypatch.setenv("HWMODEL_SWEEP_LOST_S", "2")
    address, _, workers = cluster
    workers[0].terminate()
    workers[0].wait(20.0)
    process = started(place, "--dask", address)
    time.sleep(10.0)
    assert process.poll() is None
    workers.append(worker_of(tmp_path / "scheduler.json"))
    try:
        code, said = ended(process)
        assert code == 0, said
        assert bytes_of(place / "out") == undisturbed
    finally:
        workers[1].terminate()
        workers[1].wait(20.0)


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda one: one.name)
def test_a_killed_or_stopped_scheduler_is_one_line_and_the_sweep_goes_on(
    place: Path, undisturbed: dict[str, str], cluster: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals,
    seed: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("HWMODEL_SWEEP_LOST_S", "3")
    address, scheduler, _ = cluster
    process = started(place, "--dask", address)
    wait_for_shards(place, random.Random(2000 + seed).randrange(1, 20), process)
    scheduler.send_signal(number)
    code, said = ended(process)
    scheduler.send_signal(signal.SIGCONT)
    if code == 0:  # the last shard stood before
        assert bytes_of(place / "out") == undisturbed
        return
    assert code == 2, said
    assert said.count("\n") == 1
    assert "go on with --resume" in said
    code, said = ended(started(place, "--resume"))
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


@pytest.mark.parametrize("limit", [200, 9_000])
def test_a_full_disk_is_one_line_and_leaves_no_half_file(place: Path, undisturbed: dict[str, str], limit: int) -> None:
    """A limit on the size of files stands for it: the first hits `space.json`, the second the rows."""
    process = started(place, limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    code, said = ended(process)
    assert code == 2, said
    assert said.count("\n") == 1
    assert "cannot write into out" in said
    assert not [
        path for path in (place / "out").rglob("*") if path.is_file() and path.suffix not in (".json", ".parquet")
    ]
    code, said = ended(started(place, "--resume"))
    assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


def little_memory() -> None:
    """So little that a shard of many points does not fit."""
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), used + (60 << 20)))


def test_a_worker_without_memory_is_one_line(tmp_path: Path) -> None:
    large = {
        "base": {},
        "axes": {"gpus": ["64xH100"], "params": ["7B"], "time": "5d..90d linear 900000"},
        "shard_points": 900_000,
    }
    hm.plan(gpus="64xH100", params="7B", time="9d")  # what is imported and read once is no part of the test
    with (
        ProcessPoolExecutor(1, mp_context=get_context("fork"), initializer=little_memory) as executor,
        pytest.raises(InputError, match=r"not enough memory for a shard|worker of the executor died") as error,
    ):
        hm.sweep(large, tmp_path / "out", executor=executor)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "out" / "shards").iterdir())


def test_two_processes_with_one_sweep_do_not_hurt_each_other(place: Path, undisturbed: dict[str, str]) -> None:
    hm.sweep(SMALL, place / "out", shard="1/36")
    both = [started(place, "--resume") for _ in range(2)]
    for process in both:
        code, said = ended(process)
        assert code == 0, said
    assert bytes_of(place / "out") == undisturbed


def test_of_two_sweeps_into_one_folder_one_is_refused(place: Path) -> None:
    other = {**SMALL, "base": {"precision": "fp16"}}
    (place / "other.yaml").write_text(yaml.safe_dump(other, sort_keys=False))
    command = [sys.executable, "-m", "hwmodel", "sweep", "other.yaml", "--out", "out"]
    second = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = sorted([ended(started(place)), ended(second)])
    assert [code for code, _ in found] == [0, 2]
    assert "holds another sweep: base.precision" in found[1][1]
    assert found[1][1].count("\n") == 1
