"""Uvicorn around the application: a socket of our own, clients that dawdle are let go, quiet logs."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import sys
from collections.abc import Callable

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from hwmodel.errors import HwModelError, InputError
from hwmodel.web.app import application
from hwmodel.web.guard import LOG, access, is_loopback
from hwmodel.web.limits import Limits

HEAD_BYTES = 16_384


def patient_protocol(limits: Limits) -> type[H11Protocol]:
    """HTTP as uvicorn speaks it, but a connection whose request head does not come in time is closed."""

    class Patient(H11Protocol):
        """A connection with a clock that runs while the head of a request is awaited."""

        clock: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            waiting = self.conn.their_state is h11.IDLE
            if waiting and self.clock is None:
                self._wait()
            if not waiting:
                self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self.clock = self.loop.call_later(limits.head_s, self.transport.close)

        def _stop(self) -> None:
            if self.clock is not None:
                self.clock.cancel()
                self.clock = None

    return Patient


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"cannot listen on --host {host} --port {port}: {why}; --port 0 takes a free one, and --host names an "
            "address of this machine, like 127.0.0.1"
        ) from None


def run(host: str, port: int, say: Callable[[str], None], limits: Limits | None = None) -> None:
    """Serve until interrupted. `say` gets the address to open, with the token where one is needed."""
    limits = limits or Limits()
    listening = bound(host, port)
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    _quiet_logs()
    config = uvicorn.Config(
        application(access(host, token), limits), http=patient_protocol(limits), ws="none", loop="asyncio",
        lifespan="on", log_config=None, access_log=False, server_header=False, proxy_headers=False,
        limit_concurrency=limits.connections, timeout_keep_alive=30, timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )  # fmt: skip
    shown = f"[{host}]" if ":" in host else host
    say(f"http://{shown}:{listening.getsockname()[1]}/" + ("" if token is None else f"#token={token}"))
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if not server.started:
        raise HwModelError("the workers do not start on this machine; a plan on the command line shows why")


def _quiet_logs() -> None:
    """Only our line a request: the verb and the time, on stderr."""
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    logging.getLogger("uvicorn").propagate = False
    LOG.setLevel(logging.INFO)
    LOG.addHandler(logging.StreamHandler(sys.stderr))
    LOG.propagate = False
