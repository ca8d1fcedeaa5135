"""A worker process: warmed up once, then one question after the other, without files, within its memory."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from multiprocessing.connection import Connection

import msgspec

from hwmodel.web import warm
from hwmodel.web.answers import Job, reply

READY = b"ready"


def serve_questions(pipe: Connection, memory_bytes: int) -> None:
    """Answer each job that comes through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends its workers itself
    sys.dont_write_bytecode = True
    warm.up()
    with tempfile.TemporaryDirectory(prefix="hwmodel-worker-") as empty:
        os.chdir(empty)  # a relative name in a question could meet nothing
        _confine(memory_bytes)
        encode = msgspec.msgpack.Encoder().encode
        decode = msgspec.msgpack.Decoder(Job).decode
        with contextlib.suppress(EOFError, OSError):
            pipe.send_bytes(READY)
            while True:
                pipe.send_bytes(encode(reply(decode(pipe.recv_bytes()))))
        os.chdir("/")


def _confine(memory_bytes: int) -> None:
    """No file may be written, and memory ends at a limit over what is held now (where the system has such limits)."""
    try:
        import resource
    except ImportError:  # Windows: the limits on time and on bodies hold alone
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = _held_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _held_bytes() -> int:
    """Address space of this process now; where the system does not say, room for the libraries."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 4 << 30
