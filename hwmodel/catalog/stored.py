"""The parsed catalog by content hash: taken from the cache where its files and its parser are the same, else built."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from hwmodel.catalog import places
from hwmodel.catalog.compiled import Compiled, Provenance, Stored
from hwmodel.errors import CatalogError

T = TypeVar("T")


def _code_files() -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    return [p for folder in ("specs", "catalog") for p in places.listed(package / folder, (".py",))]


def _digest(files: Sequence[Path], roots: Sequence[Path]) -> str:
    import hashlib

    digest = hashlib.blake2b(digest_size=16)
    above = [f"{root}{os.sep}" for root in roots]
    for path in files:
        name = str(path)
        root = next((place for place in above if name.startswith(place)), f"{path.parent}{os.sep}")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CatalogError(f"{path}: cannot be read: {error.strerror}") from error
        digest.update(f"{name[len(root) :]}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    """Hash of the code that parses catalogs; what is loaded does not change."""
    return _digest(_code_files(), ())


class Keys(msgspec.Struct, frozen=True):
    """Hash of the catalog's content, and of that with the code that parses it."""

    content: str
    cache: str


def keys_of(roots: Sequence[Path]) -> Keys:
    """Hash of every file of the catalogs, by relative path, and the key under which its parsed form is kept.

    Always of the content: a file may change and keep its size and its time.
    """
    from hwmodel.catalog.cache import content_key

    content = _digest([f for root in roots for f in places.catalog_files(root)], roots)
    return Keys(content, content_key(f"{content}{_code_digest()}".encode()))


def _decode(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def _candidates(name: str, key: str) -> list[Path]:
    """Where a parsed catalog may lie: shipped with the catalogs, then in the user's cache."""
    return [place / f"{name}-{key}.msgpack" for place in (places.catalog_root() / places.COMPILED, places.cache_dir())]


def load(roots: Sequence[Path], keys: Keys) -> Compiled:
    """The compiled catalog of the roots; built when no cache holds it."""
    for path in _candidates("catalog", keys.cache):
        found = _decode(path, Stored)
        if found is not None:
            return Compiled(found)
    return Compiled(msgspec.msgpack.decode(_build(roots, keys)[0], type=Stored))


def _build(roots: Sequence[Path], keys: Keys) -> tuple[bytes, Provenance]:
    from hwmodel.catalog.build import build
    from hwmodel.catalog.cache import keep

    encoded, provenance = build(roots)
    keep(_candidates("catalog", keys.cache)[-1], encoded)
    keep(_candidates("provenance", keys.cache)[-1], msgspec.msgpack.encode(provenance))
    return encoded, provenance


def load_provenance(roots: Sequence[Path], keys: Keys) -> Provenance:
    """Where every value of the catalog comes from; read only when asked for."""
    for path in _candidates("provenance", keys.cache):
        found = _decode(path, Provenance)
        if found is not None:
            return dict(found)
    return _build(roots, keys)[1]
