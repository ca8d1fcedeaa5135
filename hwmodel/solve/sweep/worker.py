"""What a worker of `--workers` loads first: a Ctrl-C reaches all processes of a terminal, and the client ends its
workers itself."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(_worker: Any) -> None:
    """Called by Dask in the worker, in its main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
