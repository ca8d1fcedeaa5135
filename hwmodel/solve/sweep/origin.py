"""What the bytes of a sweep depend on: the space, the versions, and the files that it names."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from hwmodel import version as package
from hwmodel.plain import listed
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.seen import Signature, settled, signature
from hwmodel.solve.sweep.space import Space

DIGEST_LETTERS = 20
FEW = 3  # values of an axis that a refusal names
# Options that may name a file, or a folder with what is read in it (beside a model's description its weights may lie).
FILES = {"measured": "*", "prices": "*", "model": "*", "histogram": "*", "catalogs": "**/*"}
READ = (".yaml", ".csv", ".json")
CODE = (".py", ".c")  # texts that compute a row


@cache
def code_digest() -> str:
    """A short hash of this version's code: results of two versions never share a folder."""
    root = Path(package.__file__).parent
    whole = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*.*") if path.suffix in CODE):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep's bytes depend on beside its space."""

    versions: dict[str, str]
    files: dict[str, str]  # that it names: the digest of each


def origin_of(space: Space) -> Origin:
    """The versions that would answer the space here, and the files that it names."""
    import numpy

    from hwmodel.catalog import load_catalog

    roots = tuple(Path(str(one)) for one in listed(space.base.get("catalogs") or None))
    versions = {
        "hwmodel": package.__version__, "code": code_digest(), "catalog": load_catalog(roots).version,
        "numpy": numpy.__version__, "pyarrow": extra("pyarrow", "pyarrow").__version__,
    }  # fmt: skip
    return Origin(versions=versions, files=files_of(space))


def described(space: Space) -> str:
    """The sweep as `space.json` says it: the versions and files that its bytes depend on, the space and its size."""
    plain = {**msgspec.to_builtins(origin_of(space)), **msgspec.to_builtins(space)}
    return json.dumps({**plain, "points": space.points, "shards": space.shards}, indent=1, ensure_ascii=False) + "\n"


def files_of(space: Space) -> dict[str, str]:
    """The files that the base or an axis names, each with the digest of its bytes."""
    axes = {axis.name: axis.values for axis in space.axes}
    named = {
        Path(str(one)): depth
        for name, depth in FILES.items()
        for one in (*listed(space.base.get(name) or None), *axes.get(name, ()))
    }
    return {str(one): _digest(one) for path, depth in named.items() for one in _files(path, depth)}


def _files(path: Path, below: str) -> list[Path]:
    """The file, or those of a folder that are read; none of a name that is neither."""
    if path.is_dir():
        return sorted(one for one in path.glob(below) if one.suffix in READ and one.is_file())
    return [path] if path.is_file() else []


def _digest(path: Path) -> str:
    """The digest of a file, read anew where the disk says of it anything else than when it last was, or where it had
    changed too shortly before to tell."""
    there = signature(path)
    known = _READ.get(path)
    if known is not None and known[0] == there:
        return known[1]
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()[:DIGEST_LETTERS]
    _READ.pop(path, None)
    if settled(there) and signature(path) == there:
        _READ[path] = (there, found)
    return found


_READ: dict[Path, tuple[Signature, str]] = {}  # by this process


def difference(theirs: str, ours: str) -> str:
    """In what two descriptions differ, shortly; empty where in nothing. ValueError for a text that is none."""
    was, now = json.loads(theirs), json.loads(ours)
    if not isinstance(was, dict):
        raise ValueError("a description has names")
    differ = [name for name in now if was.get(name) != now[name]]
    return "; ".join(_difference(name, was.get(name), now[name]) for name in differ[:3])


def same_in_any_layout(text: str) -> str:
    """A description without what its layout and the order of its names add."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def _difference(name: str, theirs: Any, ours: Any) -> str:
    """One thing that differs, shortly."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        inner = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
        return ", ".join(f"{name}.{key} was {_short(theirs.get(key))}, is {_short(ours.get(key))}" for key in inner[:2])
    if name == "axes" and isinstance(theirs, list):
        was, now = ({axis["name"]: axis["values"] for axis in axes} for axes in (theirs, ours))
        inner = [key for key in {**was, **now} if was.get(key) != now.get(key)]
        if not inner:
            return f"the order of the axes was {', '.join(was)}, is {', '.join(now)}"
        return ", ".join(_of_axis(key, was.get(key), now.get(key)) for key in inner[:3])
    return f"{name} was {_short(theirs)}, is {_short(ours)}"


def _of_axis(name: str, theirs: list[Any] | None, ours: list[Any] | None) -> str:
    """How the values of an axis differ."""
    if theirs is None or ours is None:
        return f"axes.{name} is {'new' if theirs is None else 'gone'}"
    sides = (("without", set(theirs) - set(ours), theirs), ("with", set(ours) - set(theirs), ours))
    said = [f"{word} {_few([one for one in every if one in some])}" for word, some, every in sides if some]
    return f"axes.{name} is {' and '.join(said) or 'in another order'}"


def _few(values: list[Any]) -> str:
    """Some values, and of many how many more."""
    said = ", ".join(f"{one:.12g}" if isinstance(one, float) else str(one) for one in values[:FEW])
    return said if len(values) <= FEW else f"{said} and {len(values) - FEW:,} more"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
