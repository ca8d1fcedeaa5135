"""Reading a plan file: keys checked with their lines, stages as plain records."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from hwmodel.catalog.names import fold
from hwmodel.catalog.yamlfile import line_of, parse_yaml, read_text
from hwmodel.errors import CatalogError, HwModelError, InfeasibleError, InputError, unknown
from hwmodel.plain import Options
from hwmodel.solve.question.options import PlanOptions
from hwmodel.solve.stages.given import BudgetKeys, StageKeys
from hwmodel.solve.stages.keys import COMMON, KINDS, NAMES, PARTS, TOP, stage_keys, top_keys


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage as given: `own` keys of its kind and the common ones, `options` of `plan` that it sets itself."""

    name: str
    kind: str
    own: StageKeys
    options: PlanOptions
    where: str


class BudgetFile(msgspec.Struct, frozen=True, kw_only=True):
    """A plan file as given: keys of the whole budget, options of `plan` that all stages share, and the stages."""

    name: str
    top: BudgetKeys
    options: PlanOptions
    stages: tuple[Stage, ...]


class _Place(msgspec.Struct, frozen=True):
    """Where something stands: the file and the way to the node."""

    path: Path | None

    def __call__(self, *keys: str | int) -> str:
        if self.path is None:
            return "the plan"
        line = line_of(self.path, keys)
        return f"{self.path}:{line}" if line else str(self.path)


def read_budget(source: Path | str | Options) -> BudgetFile:
    """A plan file by its path, or the same as a mapping. Raises InputError with file, line and nearest key."""
    if isinstance(source, Mapping):
        return _checked(dict(source), _Place(None), "the plan")
    path = Path(source)
    try:
        data = parse_yaml(read_text(path), path)
    except CatalogError as error:
        raise InputError(
            str(error).replace("a catalog file", "a plan file").replace("a catalog", "a plan file")
        ) from error
    if not isinstance(data, dict):
        raise InputError(f"{path} is no mapping of keys; a plan file has `stages:` and options like `gpus: 512xH100`")
    return _checked(data, _Place(path), str(path))


def _checked(data: Options, place: _Place, name: str) -> BudgetFile:
    top = {_key(key): value for key, value in data.items()}
    _known(top, top_keys(), place, (), "a plan file", data)
    for part, keys in PARTS.items():
        if part in top:
            top[part] = _part(part, top[part], tuple(keys), place)
    stages = top.get("stages")
    if not isinstance(stages, list) or not stages:
        raise InputError(f"{place()}: no stages; list them under `stages:`, each with its name as `stage:`")
    return BudgetFile(
        name=name, top=cast("BudgetKeys", {k: v for k, v in top.items() if k in TOP and k != "stages"}),
        options=cast("PlanOptions", {k: v for k, v in top.items() if k not in TOP}),
        stages=tuple(_stage(one, i, place) for i, one in enumerate(stages)),
    )  # fmt: skip


def _key(key: Any) -> str:
    return str(key).strip().replace("-", "_")


def _part(name: str, value: Any, keys: Sequence[str], place: _Place) -> Options:
    """A group of keys of the whole budget; `own: true` is the group without any."""
    if value is True:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{place(name)}: {name} takes keys of its own: {', '.join(keys)}")
    found = {_key(key): one for key, one in value.items()}
    _known(found, keys, place, (name,), name, value)
    return found


def _known(
    given: Options, known: Sequence[str], place: _Place, at: tuple[str | int, ...], what: str,
    typed: Iterable[object],
) -> None:  # fmt: skip
    """Raises InputError for the first key that is not known, with its line and the nearest one that is."""
    for key, raw in zip(given, typed):
        if key not in known:
            raise InputError(f"{place(*at, str(raw))}: {unknown('key', str(raw), known, what)}")
    blank = next((key for key, value in given.items() if value is None), None)
    if blank is not None:
        raise InputError(f"{place(*at, blank)}: {blank} is empty: give a value or leave the key out")


def _stage(data: Any, number: int, place: _Place) -> Stage:
    at: tuple[str | int, ...] = ("stages", number)
    where = place(*at)
    if not isinstance(data, dict) or not str(data.get("stage") or data.get("kind") or "").strip():
        raise InputError(f"{where}: stage {number + 1} needs its name, like `stage: rl`")
    given = {_key(key): value for key, value in data.items()}
    name = str(given.get("stage") or given["kind"]).strip()
    kind = _kind(name, given, where)
    _known(given, stage_keys(kind), place, at, f"the stage {name!r} ({kind})", data)
    own = {k: v for k, v in given.items() if k in KINDS[kind] or (k in COMMON and k not in ("stage", "kind"))}
    options = {k: v for k, v in given.items() if k not in own and k not in ("stage", "kind")}
    return Stage(name=name, kind=kind, own=cast("StageKeys", own), options=cast("PlanOptions", options), where=where)


def _kind(name: str, given: Options, where: str) -> str:
    """The kind of a stage, by its key or its name. Raises InputError with the nearest kind."""
    word = str(given.get("kind") or name).strip().lower()
    meant = {fold(one): kind for one, kind in (*zip(KINDS, KINDS), *NAMES.items())}.get(fold(word))
    if meant is not None:
        return meant
    if "kind" not in given and ("gpu_hours" in given or "cost_usd" in given):
        return "other"
    known = [*KINDS, *NAMES]
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    kinds = ", ".join(k for k in KINDS if k != "other")
    hint = f"nearest: {', '.join(near)}" if near else f"kinds: {kinds}"
    raise InputError(
        f"{where}: no kind of stage is called {word!r}; {hint}; or enter its gpu_hours or cost_usd, with `kind: other`"
    )


@contextmanager
def said_in(where: str) -> Iterator[None]:
    """Errors inside say where they were found."""
    try:
        yield
    except InfeasibleError as error:
        raise InfeasibleError(f"{where}: {error}", binding=error.binding, remedy=error.remedy) from error
    except CatalogError:
        raise
    except HwModelError as error:
        raise InputError(f"{where}: {error}") from error


def said_of(stage: Stage) -> AbstractContextManager[None]:
    """Errors inside say of which stage they are."""
    return said_in(f"{stage.where}: stage {stage.name!r}")
