"""The folder of a sweep: `space.json`, `shards/*.parquet`, `summary.json`.

A shard's file is written under a name of its own, then renamed to its number and the digest of its bytes: a file whose
bytes do not match its name is not read but computed again, so that nothing half-written or damaged ever counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from hwmodel import version as package
from hwmodel.errors import InputError
from hwmodel.plain import Document, listed
from hwmodel.solve.sweep import seen
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.space import Space

SPACE, SUMMARY, SHARDS, UNFINISHED = "space.json", "summary.json", "shards", ".unfinished"
DIGEST_LETTERS = 20
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{20})\.parquet")


def code_digest() -> str:
    """A short hash of this version's code: results of two versions never share a folder."""
    root = Path(package.__file__).parent
    whole = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        whole.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]


def described(space: Space) -> Document:
    """The sweep as `space.json` says it: the space, its size, and the versions that its bytes depend on."""
    import numpy

    from hwmodel.catalog import load_catalog

    roots = tuple(Path(str(one)) for one in listed(space.base.get("catalogs") or None))
    versions = {
        "hwmodel": package.__version__, "code": code_digest(), "catalog": load_catalog(roots).version,
        "numpy": numpy.__version__, "pyarrow": extra("pyarrow", "pyarrow").__version__,
    }  # fmt: skip
    files = {str(v): _file_digest(Path(v)) for n, v in space.base.items() if n in ("measured", "prices", "model")
             and isinstance(v, str) and Path(v).is_file()}  # fmt: skip
    plain: Document = msgspec.to_builtins(space)
    return {"versions": versions, "files": files, **plain, "points": space.points, "shards": space.shards}


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGEST_LETTERS]


def space_text(data: Document) -> str:
    """The text of `space.json`."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


class Folder:
    """A sweep's folder on disk."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    # --- what is being swept

    def claim(self, space: Space, *, resume: bool, joins: bool) -> None:
        """Make the folder this sweep's. Raises InputError for one that holds another, or this one unless it goes on.

        `joins`: one of several processes that share the folder.
        """
        data = described(space)
        try:
            (self.path / SHARDS).mkdir(parents=True, exist_ok=True)
            self._check_strangers()
            fresh = self._write_first(SPACE, space_text(data))
        except OSError as error:
            raise self.refusal(error) from error
        if fresh:
            return
        self._check_same(self.read_json(SPACE), json.loads(space_text(data)))
        if not (resume or joins) and (stand := len(self.listed())):
            raise InputError(
                f"{self.path} holds this sweep already ({stand} of {space.shards} shards): go on with "
                "--resume, or name another folder"
            )

    def _check_strangers(self) -> None:
        ours = {SPACE, SUMMARY, SHARDS, UNFINISHED}
        strange = [one.name for one in self.path.iterdir() if one.name not in ours and not one.name.startswith(".")]
        strange += [f"{SHARDS}/{one.name}" for one in (self.path / SHARDS).iterdir() if not _NAME.fullmatch(one.name)]
        strange.sort()
        if strange and not (self.path / SPACE).exists():
            raise InputError(f"{self.path} holds other files ({', '.join(strange[:3])}): name an empty folder")

    def _check_same(self, theirs: Document, ours: Document) -> None:
        differ = [name for name in ours if theirs.get(name) != ours[name]]
        if not differ:
            return
        said = "; ".join(_difference(name, theirs.get(name), ours[name]) for name in differ[:3])
        raise InputError(f"{self.path} holds another sweep: {said}; name another folder or ask the same")

    def _write_first(self, name: str, text: str) -> bool:
        """Write a file unless it is there; whether it was written. It appears whole or not at all."""
        temporary = self._temporary(text.encode())
        try:
            os.link(temporary, self.path / name)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def read_json(self, name: str) -> Document:
        """A file of the folder. Raises InputError where it cannot be read."""
        try:
            data = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            what = "no finished sweep" if name == SUMMARY and (self.path / SPACE).exists() else "no sweep"
            raise InputError(f"{self.path} holds {what}: {name} is missing") from error
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {self.path / name}: it is damaged; sweep into another folder") from error
        if not isinstance(data, dict):
            raise InputError(f"cannot read {self.path / name}: it is damaged; sweep into another folder")
        return data

    def space(self) -> Space:
        """The space that the folder holds."""
        try:
            return msgspec.convert(self.read_json(SPACE), Space)
        except msgspec.ValidationError as error:
            raise InputError(f"cannot read {self.path / SPACE}: {error}") from error

    # --- shards

    def listed(self) -> dict[int, list[Path]]:
        """Files by the shard that they name, unchecked."""
        found: dict[int, list[Path]] = {}
        for path in sorted((self.path / SHARDS).glob("*.parquet")):
            name = _NAME.fullmatch(path.name)
            if name is not None:
                found.setdefault(int(name[1]), []).append(path)
        return found

    def sound(self) -> dict[int, Path]:
        """Shards whose bytes are those that were written; what was read once and not touched since is taken as read."""
        return self._checked(seen.signatures(self.path))[0]

    def whole(self, some: Container[int] | None = None) -> dict[int, Path]:
        """The same of all shards (or some), all bytes read; files that are damaged, or stand beside a sound one, are
        taken away."""
        found, rest = self._checked({}, some)
        for path in rest:
            path.unlink(missing_ok=True)
        return found

    def _checked(
        self, known: Mapping[str, seen.Signature], some: Container[int] | None = None
    ) -> tuple[dict[int, Path], list[Path]]:
        listed = self.listed().items()
        pairs = [(shard, path) for shard, paths in listed for path in paths if some is None or shard in some]
        before = {path.name: seen.signature(path) for _, path in pairs}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sound = list(pool.map(lambda at: known.get(at[1].name) == before[at[1].name] or _sound(at[1]), pairs))
        seen.note(self.path, {path.name: before[path.name] for (_, path), good in zip(pairs, sound) if good}, known)
        found: dict[int, Path] = {}
        rest = []
        for (shard, path), good in zip(pairs, sound):
            if good and shard not in found:
                found[shard] = path
            else:
                rest.append(path)
        return found, rest

    def write_shard(self, shard: int, data: bytes) -> Path:
        """Put a shard's bytes into its file. Raises InputError where the disk takes them not."""
        digest = hashlib.sha256(data).hexdigest()[:DIGEST_LETTERS]
        path = self.path / SHARDS / f"{shard:06d}-{digest}.parquet"
        try:
            os.replace(self._temporary(data), path)
        except OSError as error:
            raise self.refusal(error) from error
        return path

    def write_summary(self, text: str) -> None:
        """Put the summary in place, and take away what unfinished work left."""
        try:
            os.replace(self._temporary(text.encode()), self.path / SUMMARY)
        except OSError as error:
            raise self.refusal(error) from error
        shutil.rmtree(self.path / UNFINISHED, ignore_errors=True)

    def _temporary(self, data: bytes) -> Path:
        """The bytes in a file of its own. OSError where the disk takes them not: then nothing is left of it."""
        folder = self.path / UNFINISHED
        folder.mkdir(exist_ok=True)
        path = folder / uuid.uuid4().hex
        try:
            path.write_bytes(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return path

    def refusal(self, error: OSError) -> InputError:
        """What the disk said, in one line."""
        why = error.strerror or type(error).__name__
        return InputError(f"cannot write into {self.path}: {why}; mend it and go on with --resume")

    def partials(self, shards: dict[int, Path]) -> Iterator[bytes]:
        """What each shard's file says of its winners, in the order of the shards."""
        parquet = extra("pyarrow.parquet", "pyarrow")
        for shard in sorted(shards):
            yield parquet.read_metadata(shards[shard]).metadata[b"hwmodel.partial"]

    def records(self, shards: dict[int, Path], wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Document]:
        """Rows by shard and place in its file, as plain records."""
        parquet = extra("pyarrow.parquet", "pyarrow")
        places: dict[int, list[int]] = {}
        for shard, row in sorted(set(wanted)):
            places.setdefault(shard, []).append(row)
        found: dict[tuple[int, int], Document] = {}
        for shard, rows in places.items():
            taken = parquet.read_table(shards[shard]).take(rows).to_pylist()
            found |= {(shard, row): record for row, record in zip(rows, taken)}
        return found


def rows_digest(shards: dict[int, Path]) -> str:
    """One digest of all rows: of the names of the files, which are the digests of their bytes."""
    names = "\n".join(shards[shard].name for shard in sorted(shards))
    return hashlib.sha256(names.encode()).hexdigest()[:DIGEST_LETTERS]


def _sound(path: Path) -> bool:
    name = _NAME.fullmatch(path.name)
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return False
    return name is not None and digest.startswith(name[2])


def _difference(name: str, theirs: Any, ours: Any) -> str:
    """One thing that differs, shortly."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        inner = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
        return ", ".join(f"{name}.{key} was {_short(theirs.get(key))}, is {_short(ours.get(key))}" for key in inner[:2])
    if name == "axes" and isinstance(theirs, list):
        was, now = ({axis["name"]: axis["values"] for axis in axes} for axes in (theirs, ours))
        inner = [key for key in {**was, **now} if was.get(key) != now.get(key)] or ["their order"]
        return ", ".join(f"axes.{key} differs" for key in inner[:3])
    return f"{name} was {_short(theirs)}, is {_short(ours)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
