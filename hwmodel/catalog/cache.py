"""Parsed files kept between runs, by the hash of what they were parsed from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from hwmodel.catalog import places

T = TypeVar("T")


def keep(path: Path, data: bytes) -> None:
    """Keep `data` for the next run; a read-only home is no error."""
    import os
    import tempfile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except OSError:
        return


def content_key(data: bytes) -> str:
    """Short hash of a file's bytes."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def file_name(name: str, content: bytes) -> str:
    """What the parsed form of a file of this content is called."""
    return f"{name}-{content_key(content)}.msgpack"


def parsed_once(name: str, content: bytes, kind: type[T], parse: Callable[[], object]) -> T:
    """What `parse` makes of a file's content, as a `kind`: shipped with the catalogs or kept in the user's cache.

    Raises msgspec.ValidationError where the content is none.
    """
    file = file_name(name, content)
    for place in (places.catalog_root() / places.COMPILED / file, places.cache_dir() / file):
        try:
            return msgspec.msgpack.decode(place.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError):
            continue
    found = parse()
    keep(places.cache_dir() / file, msgspec.msgpack.encode(found))
    return msgspec.convert(found, kind)
