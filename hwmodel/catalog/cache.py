"""Parsed files kept between runs, by the hash of what they were parsed from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hwmodel.catalog import places


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


def candidates(name: str, key: str) -> list[Path]:
    """Where a parsed file may lie: shipped with the catalogs, then in the user's cache (the place to write)."""
    file = f"{name}-{key}.msgpack"
    return [places.catalog_root() / "compiled" / file, places.cache_dir() / file]
