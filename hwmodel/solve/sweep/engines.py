"""Who runs the shards: this process, an executor, processes of its own, or a Dask cluster. All write the same files."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from hwmodel.errors import InputError
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.folder import Folder
from hwmodel.solve.sweep.shard import Sweeper
from hwmodel.solve.sweep.space import Space

Done = Callable[[int], None]  # told the number of each shard that stands in its file
Say = Callable[[str], None]  # tells people a line
AHEAD = 4  # shards that wait at each worker: enough to keep it busy, few enough that a scheduler holds no long queue
CONNECT_S, ANSWER_S, POLL_S = 10.0, 5.0, 1.0
LOST_S = float(os.environ.get("HWMODEL_SWEEP_LOST_S", "30"))  # of silence, after which a scheduler is given up
ALLOWED_FAILURES = 20  # workers that may die under one shard before it is taken to be the cause
_local = threading.local()  # the sweeper and folder of each thread: what they keep is not shared


def run_shard(space: bytes, folder: str, shard: int) -> int:
    """Compute a shard and write its file; runs in any process that sees the folder."""
    if getattr(_local, "asked", None) != (space, folder):
        read, place = msgspec.json.decode(space, type=Space), Folder(Path(folder))
        place.check_worker(read, os.uname().nodename)
        _local.asked, _local.sweeper, _local.folder = (space, folder), Sweeper(read), place
    data = _local.sweeper.shard(shard)
    _local.folder.check_files(_local.sweeper.space)
    _local.folder.write_shard(shard, data)
    return shard


def in_process(space: Space, folder: Folder, shards: list[int], done: Done) -> None:
    """One shard after another, here."""
    packed = msgspec.json.encode(space)
    try:
        for shard in shards:
            done(run_shard(packed, str(folder.path), shard))
    except MemoryError as error:
        raise _too_large(folder, space) from error


def is_client(executor: Any) -> bool:
    """Whether it is a client of Dask, whose futures are not those of `concurrent.futures`."""
    return hasattr(executor, "scheduler_info") and hasattr(executor, "submit")


def on_executor(executor: Any, space: Space, folder: Folder, shards: list[int], done: Done, say: Say) -> None:
    """On an executor of the caller's, or a Dask client, never more than a few shards ahead."""
    if is_client(executor):
        _on_client(executor, space, folder, shards, done, _Waiting("the cluster of the client", say))
        return
    workers = getattr(executor, "_max_workers", 1)
    packed, left = msgspec.json.encode(space), iter(shards)
    running = {executor.submit(run_shard, packed, str(folder.path), s) for s in islice(left, AHEAD * workers)}
    while running:
        finished, running = wait(running, return_when=FIRST_COMPLETED)
        for one in finished:
            done(_of_executor(one, folder, space))
            shard = next(left, None)
            if shard is not None:
                running.add(executor.submit(run_shard, packed, str(folder.path), shard))


def _of_executor(future: Future[int], folder: Folder, space: Space) -> int:
    """The number of a finished shard. Raises InputError where a worker died or had no memory."""
    try:
        return future.result()
    except MemoryError as error:
        raise _too_large(folder, space) from error
    except BrokenExecutor as error:
        raise InputError(f"a worker of the executor died; {_left(folder, space)}") from error


def _too_large(folder: Folder, space: Space) -> InputError:
    more = "with fewer workers or smaller shard_points in a new folder"
    return InputError(f"not enough memory for a shard; {_left(folder, space)}, or sweep {more}")


def on_workers(space: Space, folder: Folder, shards: list[int], done: Done, workers: int, say: Say,
               memory: str = "auto") -> None:  # fmt: skip
    """On processes of this machine, under a Dask scheduler of their own."""
    distributed, dask = extra("distributed", "dask[distributed]"), extra("dask", "dask[distributed]")
    with _quiet(), dask.config.set({**_PATIENCE, **_THREADS}):
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=memory,
            dashboard_address=":0",
            preload=["hwmodel.solve.sweep.worker"],
        )
        try:
            with distributed.Client(cluster) as client:
                say(f"dashboard: {cluster.dashboard_link}")
                _on_client(client, space, folder, shards, done, _Waiting("the workers of this machine", None))
        finally:
            with contextlib.suppress(Exception):
                cluster.close(timeout=CONNECT_S)


# Workers that may die under a shard; how long one may be silent (the scheduler looks once in that time).
_PATIENCE = {
    "distributed.scheduler.allowed-failures": ALLOWED_FAILURES, "distributed.scheduler.worker-ttl": "60s",
}  # fmt: skip
_THREADS = {
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "DASK_LOGGING__DISTRIBUTED": "critical",
    }
}  # fmt: skip


def on_dask(space: Space, folder: Folder, shards: list[int], done: Done, address: str, say: Say) -> None:
    """On a cluster that runs already. Raises InputError where it does not answer."""
    distributed = extra("distributed", "dask[distributed]")
    with _quiet():
        try:
            client = _within(CONNECT_S + POLL_S, lambda: distributed.Client(address, timeout=CONNECT_S))
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"no Dask scheduler answers at {address} within {CONNECT_S:g} s: start one (dask scheduler), or use "
                "--workers N"
            ) from error
        try:
            say(f"dashboard: {client.dashboard_link}")
            _on_client(client, space, folder, shards, done, _Waiting(address, say))
        finally:
            with contextlib.suppress(Exception):
                client.close(timeout=POLL_S)


def _within(seconds: float, make: Callable[[], Any]) -> Any:
    """What `make` gives. Raises TimeoutError after so many seconds: a client of Dask waits for ever for what accepts a
    connection and says nothing."""
    made: Future[Any] = Future()

    def run() -> None:
        try:
            made.set_result(make())
        except Exception as error:
            made.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return made.result(timeout=seconds)


class _Waiting:
    """For how long a cluster may have no worker. Jobs of a batch system may queue for hours: one whose scheduler
    answers is waited for, which is said (`say`); processes of this machine, without it, are not."""

    def __init__(self, where: str, say: Say | None) -> None:
        self.where, self.say = where, say
        self.heard = self.worked = time.monotonic()
        self.told = False

    def over(self, workers: int | None) -> bool:
        """Whether it lasts too long, by the workers that the scheduler names now; None where it does not answer."""
        now = time.monotonic()
        if workers:
            self.worked, self.told = now, False
        if workers or (workers == 0 and self.say is not None):
            self.heard = now
        if workers == 0 and self.say is not None and not self.told and now - self.worked > ANSWER_S:
            self.told = True
            self.say(f"{self.where} has no worker: waiting for one (Ctrl-C ends, --resume goes on)")
        return now - self.heard > LOST_S


def _on_client(client: Any, space: Space, folder: Folder, shards: list[int], done: Done, waiting: _Waiting) -> None:
    """Keep every worker a few shards ahead; workers that come, go or die change nothing but the time."""
    packed, left = msgspec.json.encode(space), iter(shards)
    path, run = str(folder.path.resolve()), uuid.uuid4().hex
    running: dict[Any, int] = {}
    while True:
        workers = _worker_count(client)
        for shard in islice(left, max(0, AHEAD * max(1, workers or 0) - len(running))):
            running[client.submit(run_shard, packed, path, shard, key=f"hwmodel-{run}-{shard}", pure=False)] = shard
        if not running:
            return
        if waiting.over(workers):
            raise _lost(waiting.where, folder, space)
        for one in _ended(running):
            _check(one, waiting.where, folder, space)
            done(running.pop(one))


def _worker_count(client: Any) -> int | None:
    """Workers that a scheduler names; None where it does not answer, as one that was stopped."""
    if client.status != "running":
        return None
    try:
        return len(client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)["workers"])
    except Exception:
        return None


def _ended(running: Iterable[Any]) -> list[Any]:
    """The futures that end within a while."""
    end = time.monotonic() + POLL_S
    while time.monotonic() < end:
        found = [one for one in running if one.done()]
        if found:
            return found
        time.sleep(0.005)
    return []


def _check(future: Any, where: str, folder: Folder, space: Space) -> None:
    """Raises InputError where a shard failed or its cluster was lost. What a finished one returned is not fetched: its
    file stands, though the worker that wrote it may be gone."""
    if future.status == "finished":
        return
    error = future.exception(timeout=CONNECT_S) if future.status == "error" else None
    if error is None:
        raise _lost(where, folder, space)
    if isinstance(error, MemoryError):
        raise _too_large(folder, space) from error
    if type(error).__name__ == "KilledWorker":
        raise InputError(
            f"{ALLOWED_FAILURES} workers died under one shard, most likely for want of memory: give them more, or "
            f"smaller shard_points; {_left(folder, space)}"
        ) from error
    raise error


def _lost(where: str, folder: Folder, space: Space) -> InputError:
    return InputError(f"lost {where}; {_left(folder, space)}")


def _left(folder: Folder, space: Space) -> str:
    return f"{len(folder.listed())} of {space.shards} shards stand: go on with --resume"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the logs of a cluster, whose workers may come and go."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
