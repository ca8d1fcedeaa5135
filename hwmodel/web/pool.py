"""Warm worker processes behind a bounded queue: a question that takes too long ends with its process."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from hwmodel.web.answers import INTERNAL, MEANING, STATUS, Job, Reply, refusal
from hwmodel.web.limits import Limits
from hwmodel.web.worker import READY, serve_questions

BUSY = "all workers are busy: ask again in a moment"
START_S = 120.0  # that a worker may take to warm up on a slow machine
OVER = "over the limit"
LOOK_S = 0.1  # between looks at what a running question has computed
CROWDED = 5.0  # wall-clock over computing seconds at which a crowded machine is too crowded


def _context() -> Any:
    """How workers start: forked from a warm process where the system can, else on their own."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hwmodel.web.template"])
    return context


def computed_s(pid: int) -> float | None:
    """Seconds that a process has computed; None where the system does not say so in /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            words = stream.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


class WorkerProcess:
    """One process and our end of its pipe. Its methods block: they are called in threads."""

    def __init__(self, context: Any, limits: Limits) -> None:
        self.context, self.limits = context, limits
        self.decode = msgspec.msgpack.Decoder(Reply).decode
        self.process: Any = None
        self.pipe: Connection | None = None

    def start(self) -> None:
        """A fresh process, ready. Raises RuntimeError where none comes up."""
        self.pipe, theirs = self.context.Pipe()
        arguments = (theirs, self.limits.memory_bytes)
        self.process = self.context.Process(target=serve_questions, args=arguments, daemon=True)
        with _main_module_unnamed():
            self.process.start()
        theirs.close()
        if not self.pipe.poll(START_S) or self.pipe.recv_bytes() != READY:
            raise RuntimeError("a worker did not start")

    def ask(self, job: Job) -> Reply:
        """The reply to a job; a refusal where it takes too long or the process dies of it."""
        if self.process is None or not self.process.is_alive():
            self.stop()
            self.start()
        assert self.pipe is not None
        try:
            self.pipe.send_bytes(msgspec.msgpack.encode(job))
            if self._in_time(self.pipe):
                return self.decode(self.pipe.recv_bytes(self.limits.reply_bytes))
        except (EOFError, OSError):
            self.stop()
            return refusal(STATUS[1], INTERNAL, MEANING[1], 1)
        self.stop()
        return refusal(422, f"the question takes longer than {self.limits.answer_s:g} s: narrow it", OVER)

    def _in_time(self, pipe: Connection) -> bool:
        """Whether a reply comes before the process has computed for too long. On a machine that others keep busy, the
        clock runs on while nothing is computed: then a multiple of the limit ends the wait."""
        began, spent = time.monotonic(), computed_s(self.process.pid)
        while not pipe.poll(LOOK_S):
            passed = time.monotonic() - began
            computed = passed if spent is None else (computed_s(self.process.pid) or 0.0) - spent
            if computed > self.limits.answer_s or passed > CROWDED * self.limits.answer_s:
                return False
        return True

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self.pipe is not None:
            self.pipe.close()
        if self.process is not None:
            self.process.kill()
            self.process.join()
        self.process = self.pipe = None


@contextlib.contextmanager
def _main_module_unnamed() -> Any:
    """Hide where the running script lies: a child would import it again, and need only this package."""
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: main.__dict__.pop(name) for name in ("__file__", "__spec__") if name in main.__dict__}
    main.__spec__ = None
    try:
        yield
    finally:
        main.__dict__.update(kept)


class Pending:
    """A question on its way: how many wait for it, and whether a worker has begun."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Reply] | None = None
        self.waiting = 0
        self.begun = False


class WorkerPool:
    """The workers, the queue before them, and the last answers."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        context = _context()
        self.workers = [WorkerProcess(context, limits) for _ in range(limits.workers)]
        self.threads = ThreadPoolExecutor(max_workers=limits.workers, thread_name_prefix="worker")
        self.idle: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        self.waiting = 0
        self.running: dict[Job, Pending] = {}
        self.kept: OrderedDict[Job, Reply] = OrderedDict()
        self.kept_bytes = 0
        self.day = date.today()

    async def start(self) -> None:
        """All workers, warm."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self.threads, worker.start) for worker in self.workers))
        for worker in self.workers:
            self.idle.put_nowait(worker)

    async def stop(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.stop()
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def ask(self, job: Job) -> Reply:
        """The reply to a job: kept from before, shared with who asks the same now, or worked out."""
        if self.day != date.today():  # a deadline counts from today
            self.day, self.kept, self.kept_bytes = date.today(), OrderedDict(), 0
        if job in self.kept:
            self.kept.move_to_end(job)
            return self.kept[job]
        asked = self.running.get(job)
        if asked is None:
            asked = self.running[job] = Pending()
            asked.task = asyncio.create_task(self._worked_out(job, asked))
            asked.task.add_done_callback(lambda _: self.running.pop(job, None))
        assert asked.task is not None
        asked.waiting += 1
        try:
            return await asyncio.shield(asked.task)
        finally:
            asked.waiting -= 1
            if asked.waiting == 0 and not asked.begun:
                asked.task.cancel()  # all who asked have left before a worker was free

    async def _worked_out(self, job: Job, asked: Pending) -> Reply:
        """A worker's reply, once one is free; a refusal where too many wait or the wait is too long."""
        if self.waiting >= self.limits.waiting:
            return refusal(503, BUSY, OVER)
        self.waiting += 1
        try:
            worker = await asyncio.wait_for(self.idle.get(), self.limits.queue_s)
        except TimeoutError:
            return refusal(503, BUSY, OVER)
        finally:
            self.waiting -= 1
        asked.begun = True
        try:
            reply: Reply = await asyncio.get_running_loop().run_in_executor(self.threads, worker.ask, job)
        except RuntimeError:
            reply = refusal(STATUS[1], "no worker process starts on this machine", MEANING[1], 1)
        finally:
            self.idle.put_nowait(worker)
        self._keep(job, reply)
        return reply

    def _keep(self, job: Job, reply: Reply) -> None:
        """Remember an answer, and forget the oldest beyond the limits. Refusals that depend on load are not kept."""
        if reply.exit_code not in (0, 2, 3) or len(reply.body) > self.limits.kept_bytes // 4:
            return
        self.kept[job] = reply
        self.kept_bytes += len(reply.body)
        while len(self.kept) > self.limits.kept_answers or self.kept_bytes > self.limits.kept_bytes:
            _, old = self.kept.popitem(last=False)
            self.kept_bytes -= len(old.body)
