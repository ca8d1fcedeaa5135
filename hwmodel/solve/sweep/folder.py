"""The folder of a sweep: `space.json`, `shards/*.parquet`, `summary.json`.

A shard's file is written under a name of its own, then renamed to its number and a digest of the sweep, the number and
its bytes: a file that does not match its name is not read but computed again, so that nothing half-written, damaged or
of another sweep ever counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import msgspec

from hwmodel.errors import InputError
from hwmodel.solve.sweep import seen
from hwmodel.solve.sweep.answers import SweepRow
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.origin import (
    DIGEST_LETTERS,
    Origin,
    code_digest,
    described,
    difference,
    files_of,
    same_in_any_layout,
)
from hwmodel.solve.sweep.space import Space

SPACE, SUMMARY, SHARDS, UNFINISHED = "space.json", "summary.json", "shards", ".unfinished"
TRIES = 5  # of a file: who ends a sweep takes away the unfinished files of all
_Held = TypeVar("_Held", Space, Origin)
_NAME = re.compile(r"(\d{6,})-([0-9a-f]{20})\.parquet")


class Folder:
    """A sweep's folder on disk."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._held: str | None = None

    # --- what is being swept

    def claim(self, space: Space, *, resume: bool, joins: bool) -> None:
        """Make the folder this sweep's. Raises InputError for one that holds another, or this one unless it goes on.

        `joins`: one of several processes that share the folder.
        """
        data = described(space)
        try:
            self._check_strangers()
            (self.path / SHARDS).mkdir(parents=True, exist_ok=True)
            fresh = not (self.path / SPACE).exists() and self._write_first(SPACE, data)
        except OSError as error:
            raise self.refusal(error) from error
        self._check_same(data)
        if not (fresh or resume or joins) and (stand := len(self.listed())):
            raise InputError(
                f"{self.path} holds this sweep already ({stand} of {space.shards} shards): go on with "
                "--resume, or name another folder"
            )

    def _check_strangers(self) -> None:
        """Raises InputError for a folder of other things, before anything is put into it."""
        ours, shards = {SPACE, SUMMARY, SHARDS, UNFINISHED}, self.path / SHARDS
        inside = list(self.path.iterdir()) if self.path.is_dir() else []
        strange = [one.name for one in inside if one.name not in ours and not one.name.startswith(".")]
        if shards.is_dir():
            strange += [f"{SHARDS}/{one.name}" for one in shards.iterdir() if not _NAME.fullmatch(one.name)]
        strange.sort()
        if strange and not (self.path / SPACE).exists():
            raise InputError(f"{self.path} holds other files ({', '.join(strange[:3])}): name an empty folder")

    def check_same(self, space: Space) -> None:
        """Raises InputError where the folder holds another sweep than this one, as this process would run it."""
        self._check_same(described(space))

    def _check_same(self, ours: str) -> None:
        if said := self._differs(ours):
            raise InputError(f"{self.path} holds another sweep: {said}; name another folder or ask the same")

    def check_worker(self, space: Space, host: str) -> None:
        """Raises InputError where a worker would compute other rows than the process that began the sweep."""
        if not self.path.is_dir():
            raise InputError(f"a worker on {host} does not see {self.path}: use a folder that all workers share")
        if said := self._differs(described(space)):
            raise InputError(
                f"a worker on {host} would compute another sweep than {self.path} holds: {said}; give all workers one "
                "version and the same files, named by their whole path"
            )

    def _differs(self, ours: str) -> str:
        """In what the folder's sweep, read anew, differs from this description; what is no other is held."""
        theirs = self._read()
        try:
            said = difference(theirs, ours)
        except ValueError as error:
            raise self._damaged() from error
        if not said:
            self._held = theirs
        return said

    def held(self) -> str:
        """`space.json` as it was when the folder was found to hold the sweep, or first is read."""
        if self._held is None:
            self._held = self._read()
        return self._held

    def origin(self) -> Origin:
        """The versions and files of the sweep."""
        return self._of_held(Origin)

    def space(self) -> Space:
        """The space that the folder holds."""
        return self._of_held(Space)

    def _of_held(self, kind: type[_Held]) -> _Held:
        try:
            return msgspec.json.decode(self.held(), type=kind)
        except msgspec.ValidationError as error:
            raise InputError(f"cannot read {self.path / SPACE}: {error}") from error
        except msgspec.DecodeError as error:
            raise self._damaged() from error

    def _read(self) -> str:
        try:
            return (self.path / SPACE).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise InputError(f"{self.path} holds no sweep: {SPACE} is missing") from error
        except (OSError, ValueError) as error:
            raise self._damaged() from error

    def _damaged(self) -> InputError:
        return InputError(f"cannot read {self.path / SPACE}: it is damaged; sweep into another folder")

    def check_files(self, space: Space) -> None:
        """Raises InputError where a file that the space names is no longer what it was when the sweep began."""
        found = files_of(space)
        changed = next((name for name, digest in self.origin().files.items() if found.get(name) != digest), None)
        if changed is not None:
            raise InputError(
                f"{changed} changed while the sweep ran: put it back and go on with --resume, or sweep into another "
                "folder"
            )

    def _write_first(self, name: str, text: str) -> bool:
        """Write a file unless it is there; whether it was written. It appears whole or not at all."""
        try:
            self._put(text.encode(), self.path / name, os.link)
        except FileExistsError:
            return False
        return True

    # --- shards

    @cached_property
    def identity(self) -> str:
        """A digest of the sweep that the folder holds, whatever the layout of its `space.json`."""
        try:
            text = same_in_any_layout(self.held())
        except ValueError as error:
            raise self._damaged() from error
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LETTERS]

    def _seal(self, shard: int) -> hashlib._Hash:
        """A digest begun with the sweep and the shard's number, for the bytes of its file."""
        return hashlib.sha256(f"{self.identity}/{shard}/".encode())

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
        return self._checked(seen.signatures(self.path, self.identity))[0]

    def without_rows(self) -> InputError:
        """Why no shard is read, in one line: none is there, or all are of others or damaged."""
        count, theirs = len(self.listed()), self.origin().versions.get("code")
        if not count:
            return InputError(f"{self.path} holds no rows yet: run the sweep first")
        shards = f"{count} shard{'s' if count > 1 else ''}"
        if theirs != code_digest():
            return InputError(
                f"{self.path} holds {shards} of another version of hwmodel (code {theirs}; this is {code_digest()}): "
                "show them with that version, or sweep into another folder"
            )
        return InputError(
            f"{self.path} holds {shards}, none of the sweep in its {SPACE} (another sweep's, or damaged): run that "
            "sweep with --resume to compute them again, or show the folder that they came from"
        )

    def whole(self, some: Container[int] | None = None) -> dict[int, Path]:
        """The same of all shards (or some), all bytes read; files that are damaged, or stand beside a sound one, are
        taken away."""
        found, rest = self._checked({}, some)
        for path in rest:
            with contextlib.suppress(OSError):  # what cannot be taken away is not read either
                path.unlink(missing_ok=True)
        return found

    def _checked(
        self, known: Mapping[str, seen.Signature], some: Container[int] | None = None
    ) -> tuple[dict[int, Path], list[Path]]:
        listed = self.listed().items()
        pairs = [(shard, path) for shard, paths in listed for path in paths if some is None or shard in some]
        before = {path.name: seen.signature(path) for _, path in pairs}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sound = list(
                pool.map(lambda at: known.get(at[1].name) == before[at[1].name] or _sound(at[1], self._seal), pairs)
            )
        signed = {path.name: before[path.name] for (_, path), good in zip(pairs, sound) if good}
        seen.note(self.path, self.identity, signed, known)
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
        seal = self._seal(shard)
        seal.update(data)
        path = self.path / SHARDS / f"{shard:06d}-{seal.hexdigest()[:DIGEST_LETTERS]}.parquet"
        try:
            self._put(data, path, os.replace)
        except OSError as error:
            raise self.refusal(error) from error
        return path

    def write_summary(self, text: str) -> None:
        """Put the summary in place."""
        try:
            self._put(text.encode(), self.path / SUMMARY, os.replace)
        except OSError as error:
            raise self.refusal(error) from error

    def tidy(self) -> None:
        """Take away what unfinished work left."""
        shutil.rmtree(self.path / UNFINISHED, ignore_errors=True)

    def _put(self, data: bytes, path: Path, how: Callable[[Path, Path], None]) -> None:
        """The bytes under this name, all of them or none. OSError where the disk takes them not."""
        for left in reversed(range(TRIES)):
            temporary = self.path / UNFINISHED / uuid.uuid4().hex
            try:
                temporary.parent.mkdir(exist_ok=True)
                temporary.write_bytes(data)
                how(temporary, path)
                return
            except FileNotFoundError:  # another process has ended the sweep meanwhile, or the folder is gone
                if not left:
                    raise
            finally:
                temporary.unlink(missing_ok=True)

    def refusal(self, error: OSError) -> InputError:
        """What the disk said, in one line."""
        why = error.strerror or type(error).__name__
        return InputError(f"cannot write into {self.path}: {why}; mend it and go on with --resume")

    def partials(self, shards: dict[int, Path]) -> Iterator[bytes]:
        """What each shard's file says of its winners, in the order of the shards."""
        parquet = extra("pyarrow.parquet", "pyarrow")
        for shard in sorted(shards):
            yield parquet.read_metadata(shards[shard]).metadata[b"hwmodel.partial"]

    def records(self, shards: dict[int, Path], wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], SweepRow]:
        """Rows by shard and place in its file, as columns by name."""
        parquet = extra("pyarrow.parquet", "pyarrow")
        places: dict[int, list[int]] = {}
        for shard, row in sorted(set(wanted)):
            places.setdefault(shard, []).append(row)
        found: dict[tuple[int, int], SweepRow] = {}
        for shard, rows in places.items():
            taken = parquet.read_table(shards[shard]).take(rows).to_pylist()
            found |= {(shard, row): record for row, record in zip(rows, taken)}
        return found


def rows_digest(shards: dict[int, Path]) -> str:
    """One digest of all rows: of the names of the files, which are the digests of their bytes."""
    names = "\n".join(shards[shard].name for shard in sorted(shards))
    return hashlib.sha256(names.encode()).hexdigest()[:DIGEST_LETTERS]


def _sound(path: Path, seal: Callable[[int], hashlib._Hash]) -> bool:
    name = _NAME.fullmatch(path.name)
    try:
        if name is None or not path.is_file():
            return False
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, partial(seal, int(name[1]))).hexdigest()
    except OSError:
        return False
    return digest.startswith(name[2])
