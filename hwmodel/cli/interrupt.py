"""Work that may be stopped and go on: SIGINT, SIGTERM and SIGHUP end it in order, with one line that says how."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

# What a person, a batch system and a closed terminal send; the exit code is 128 and its number, as shells have it.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """A signal to end; no `except Exception` on the way takes it for a fault."""


@contextlib.contextmanager
def stopping(state: Callable[[], str], *, at_once: bool) -> Iterator[None]:
    """Run until the end or a signal; then say `state` and exit. Belongs into the main thread.

    `at_once`: in the handler itself, for work that needs no closing: an exception out of the middle of an array would
    come back as another, or be lost there.
    """
    stopped: list[int] = []

    def said() -> int:
        """The line on how to go on; the exit code of the signal."""
        sys.stderr.write(f"hwmodel: interrupted; {state()}\n")
        sys.stderr.flush()
        return 128 + stopped[0]

    def stop(number: int, _frame: Any) -> None:
        """Ends on a signal, at once or by what unwinds."""
        stopped.append(number)
        for one in ENDING:
            signal.signal(one, signal.SIG_IGN)  # the ending itself is not stopped again
        if at_once:
            os._exit(said())
        raise _Stopped

    before = {one: signal.signal(one, stop) for one in ENDING if signal.getsignal(one) is not signal.SIG_IGN}
    try:
        yield
    except BaseException:
        if stopped:
            raise SystemExit(said()) from None
        raise
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
