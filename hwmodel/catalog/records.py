"""Reading record files: every record of a folder over all roots, with `extends` resolved and faults placed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from hwmodel.catalog.places import files_of
from hwmodel.catalog.values import FaultError
from hwmodel.catalog.yamlfile import line_of, parse_yaml, read_text
from hwmodel.errors import CatalogError
from hwmodel.plain import JsonObject, JsonValue

OWN_KEYS = ("id", "name", "aliases", "default_system", "extends", "notes", "status")  # not inherited by `extends`


class Raw(msgspec.Struct):
    """One record as written: where it stands, and its fields (after `extends`)."""

    path: Path
    place: tuple[str | int, ...]
    root: int
    fields: JsonObject
    ancestors: tuple[str, ...] = ()  # ids that it extends, the first one first

    @property
    def parent(self) -> str:
        """The id that it extends; empty where it extends none."""
        return self.ancestors[-1] if self.ancestors else ""

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    def error(self, fault: FaultError) -> CatalogError:
        """The fault as one line with file, line and place."""
        return placed(self.path, (*self.place, *fault.at), self.id, fault)


def placed(path: Path, keys: Sequence[str | int], name: str, fault: FaultError) -> CatalogError:
    """A CatalogError that says file, line, record and field."""
    line = line_of(path, keys)
    where = f"{path}:{line}" if line else str(path)
    field = ".".join(str(k) for k in fault.at)
    return CatalogError(f"{where}: {name}{'.' + field if field else ''}: {fault.message}")


def _as_list(data: JsonValue, path: Path) -> list[JsonValue]:
    if data is None:
        return []
    if not isinstance(data, list):
        raise CatalogError(f"{path}: expected a list of records (`- id: ...`)")
    return data


def read_records(roots: Sequence[Path], folder: str) -> dict[str, Raw]:
    """All records of `folder`, by id. A later root may override one of an earlier root by extending it."""
    layers: dict[str, list[Raw]] = {}
    for root, path in files_of(roots, folder, ".yaml"):
        for i, item in enumerate(_as_list(parse_yaml(read_text(path), path), path)):
            raw = _record(item, path, i, root)
            below = layers.setdefault(raw.id, [])
            if below and not (below[-1].root < root and raw.fields.get("extends") == raw.id):
                first = below[-1]
                hint = "" if first.root == root else f"; to change it, write `extends: {raw.id}`"
                raise raw.error(FaultError((), f"id stands already in {first.path.name}{hint}"))
            below.append(raw)
    return _extended(layers)


def _record(item: JsonValue, path: Path, i: int, root: int) -> Raw:
    if not isinstance(item, dict):
        raise placed(path, (i,), f"record {i + 1}", FaultError((), "expected a mapping that starts with `id:`"))
    name = item.get("id")
    if not isinstance(name, str) or not name or name != name.strip().lower() or set(name) & set(" _/:"):
        fault = FaultError(("id",), f"id {str(name)[:60]!r} must be lower case text with - between the words")
        raise placed(path, (i, "id"), f"record {i + 1}", fault)
    return Raw(path, (i,), root, item)


def merge(base: JsonObject, over: JsonObject) -> JsonObject:
    """`over` laid on `base`: mappings of fields merge, a value record replaces a value record whole."""
    if "value" in over or "value" in base:
        return over
    return {**base, **{name: _laid(base.get(name), value) for name, value in over.items()}}


def _laid(base: JsonValue, over: JsonValue) -> JsonValue:
    return merge(base, over) if isinstance(base, dict) and isinstance(over, dict) else over


def _extended(layers: dict[str, list[Raw]]) -> dict[str, Raw]:
    """All records with `extends` resolved."""
    done: dict[tuple[str, int], Raw] = {}

    def build(name: str, depth: int, chain: tuple[str, ...]) -> Raw:
        """A record with what it extends merged in."""
        if (name, depth) in done:
            return done[name, depth]
        raw = layers[name][depth]
        parent = raw.fields.get("extends")
        if parent is None:
            done[name, depth] = raw
            return raw
        if parent == name and depth > 0:
            base = build(name, depth - 1, chain)
            merged = merge(base.fields, {k: v for k, v in raw.fields.items() if k != "extends"})
            result = Raw(raw.path, raw.place, raw.root, merged, base.ancestors)
        else:
            if not isinstance(parent, str) or parent not in layers:
                raise raw.error(
                    FaultError(("extends",), f"extends {str(parent)[:60]!r}, which is no id in this folder")
                )
            if parent == name or parent in chain:
                loop = " -> ".join((*chain, name, parent))
                raise raw.error(FaultError(("extends",), f"extends goes in a circle: {loop}"))
            base = build(parent, len(layers[parent]) - 1, (*chain, name))
            inherited = {k: v for k, v in base.fields.items() if k not in OWN_KEYS}
            own = {k: v for k, v in raw.fields.items() if k != "extends"}
            result = Raw(raw.path, raw.place, raw.root, merge(inherited, own), (*base.ancestors, parent))
        done[name, depth] = result
        return result

    return {name: build(name, len(stack) - 1, ()) for name, stack in layers.items()}


def texts(raw: JsonValue, at: tuple[str | int, ...]) -> tuple[str, ...]:
    """A list of names."""
    names = [name for name in raw if isinstance(name, str)] if isinstance(raw, list) else None
    if names is None or not isinstance(raw, list) or len(names) < len(raw):
        raise FaultError(at, "expected a list of names (quote numbers)")
    return tuple(names)


def only(fields: JsonObject, known: Iterable[str], at: tuple[str | int, ...] = ()) -> None:
    """Refuse keys that nothing reads."""
    from hwmodel.catalog.values import near

    known = tuple(known)
    for key in fields:
        if key not in known:
            raise FaultError((*at, str(key)), f"unknown field {str(key)[:60]!r}{near(str(key), known)}")
