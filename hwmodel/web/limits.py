"""What one request may take: seconds, bytes, and places in the queue."""

from __future__ import annotations

import os

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the server. A question that computes for longer than `answer_s` is ended with its process."""

    workers: int = max(1, min(8, os.cpu_count() or 1))
    answer_s: float = 4.0
    queue_s: float = 30.0  # that a question may wait for a worker
    waiting: int = 256  # questions in the queue; more are turned away
    memory_bytes: int = 1 << 30  # of one worker, over what it holds when it starts
    body_bytes: int = 32_768
    body_s: float = 5.0  # from the head of a request to the end of its body
    head_s: float = 5.0  # from the first byte of a request to the end of its head
    reply_bytes: int = 16 << 20
    kept_answers: int = 256  # of the last questions, so that a shared link and a download need no second run
    kept_bytes: int = 64 << 20
    connections: int = 512
