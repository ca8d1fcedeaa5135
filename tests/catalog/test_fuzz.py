"""Anything may stand in an overlay: it loads, or one line says why not."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import ModelEntry, formats, hardware, load_catalog, models
from hwmodel.catalog.entries import Facility, FleetEntry
from hwmodel.catalog.places import catalog_root
from hwmodel.catalog.records import Raw
from hwmodel.catalog.values import FaultError
from hwmodel.errors import HwModelError
from hwmodel.specs import Part, Precision, ServingPrecision, System

junk = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats() | st.text("ab-.:{}[]0#\n", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "unit", "id", "x"]), inner),
    max_leaves=5,
)


@functools.cache
def records(kind: str) -> list[dict[str, Any]]:
    files = sorted((catalog_root() / kind).glob("*.yaml"))
    return [record for path in files for record in yaml.safe_load(path.read_text())]


def paths(node: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(node, dict):
        found += [p for key, value in node.items() for p in paths(value, (*at, key))]
    if isinstance(node, list):
        found += [p for i, value in enumerate(node) for p in paths(value, (*at, i))]
    return found


def replaced(node: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[at[0]] = replaced(node[at[0]], at[1:], value)
    return copy


SOURCES = load_catalog().data.sources
PARTS = {p.id: p for p in load_catalog().parts()}
READERS: dict[str, tuple[Callable[[Raw], Any], Any]] = {
    "accelerators": (lambda raw: hardware.read_part(raw, SOURCES)[0], Part),
    "systems": (lambda raw: hardware.read_system(raw, SOURCES, PARTS)[0], System),
    "models": (lambda raw: models.read_model(raw, SOURCES)[0], ModelEntry),
    "precisions/training": (lambda raw: formats.read_precision(raw, Precision, SOURCES), Precision),
    "precisions/serving": (lambda raw: formats.read_precision(raw, ServingPrecision, SOURCES), ServingPrecision),
    "reliability": (lambda raw: formats.read_fleet(raw, SOURCES)[0], FleetEntry),
    "energy": (lambda raw: formats.read_facility(raw, SOURCES)[0], Facility),
}


def doctored(kind: str, data: st.DataObject) -> dict[str, Any]:
    record = data.draw(st.sampled_from([r for r in records(kind) if "extends" not in r]))
    at = data.draw(st.sampled_from([p for p in paths(record) if p != ("id",)]))
    return {**replaced(record, at, data.draw(junk)), "id": "doctored"}


@pytest.mark.parametrize("kind", sorted(READERS))
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_reader_gives_a_sound_record_or_a_fault(kind: str, data: st.DataObject) -> None:
    """What a reader accepts survives encoding and decoding with its types; everything else is a FaultError."""
    read, record_type = READERS[kind]
    try:
        found = read(Raw(Path("own.yaml"), (0,), 1, doctored(kind, data)))
    except FaultError as fault:
        found = None
        message = fault.message
    else:
        message = ""
    assert "\n" not in message
    if found is not None:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=record_type) == found


@pytest.mark.parametrize("kind", ["accelerators", "systems", "models"])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_doctored_file_loads_or_is_refused_in_one_line(kind: str, data: st.DataObject) -> None:
    record = {**doctored(kind, data), "aliases": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / kind / "own.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump([record], allow_unicode=True))
        message = ""
        try:
            catalog = load_catalog([Path(folder)])
            assert catalog.parts()
            assert catalog.systems()
            assert catalog.models()
        except HwModelError as error:
            message = str(error)
        assert "\n" not in message


@pytest.mark.parametrize("value", [float("nan"), -1.0])
def test_a_recipe_of_no_size_is_a_fault(value: float) -> None:
    record = next(r for r in records("precisions/training") if r["id"] == "bf16")
    with pytest.raises(FaultError, match="must not be negative"):
        READERS["precisions/training"][0](Raw(Path("own.yaml"), (0,), 1, {**record, "gradient_bytes": value}))
