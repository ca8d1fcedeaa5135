"""Which files of a sweep were read whole and found sound, kept in the user's cache by what the disk says of each: to
show rows, a gigabyte is not read twice.

A file that is written anew, or in place, has another time of change. One that was changed within the last second is not
kept: the clock of a disk ticks slower than that of a processor.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from hwmodel.catalog.cache import keep
from hwmodel.catalog.places import cache_dir

Signature = tuple[int, int, int, int]  # inode, size, times of change of content and of record [ns]
GONE: Signature = (0, 0, 0, 0)
TICK_NS = 1_000_000_000


def signature(path: Path) -> Signature:
    """What the disk says of a file; GONE where there is none."""
    try:
        found = path.stat()
    except OSError:
        return GONE
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def settled(one: Signature) -> bool:
    """Whether a file that changes from now on would have another signature."""
    return one != GONE and max(one[2:]) < time.time_ns() - TICK_NS


def signatures(folder: Path, sweep: str) -> dict[str, Signature]:
    """Of each file of a folder that was found sound, as one of this sweep, what the disk said then."""
    try:
        return msgspec.msgpack.decode(_place(folder, sweep).read_bytes(), type=dict[str, Signature])
    except (OSError, msgspec.MsgspecError):
        return {}


def note(folder: Path, sweep: str, sound: Mapping[str, Signature], known: Mapping[str, Signature]) -> None:
    """Keep what was found sound, where it is more than is known."""
    kept = {name: one for name, one in sound.items() if settled(one)}
    if kept and kept != known:
        keep(_place(folder, sweep), msgspec.msgpack.encode(kept))


def _place(folder: Path, sweep: str) -> Path:
    said = hashlib.blake2b(f"{folder.resolve()}\0{sweep}".encode(), digest_size=16).hexdigest()
    return cache_dir() / "sweeps" / f"{said}.msgpack"
