"""The names that hwmodel writes are those of the tools' own packages, read out of them by syntax tree."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

from hwmodel.interop.tools.names import FOLDER, fits, names_of

TABLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SITE = os.environ.get("HWMODEL_VERIFY_SITE")
RECORDED = sorted(path.stem for path in (Path(__file__).parent / "names").glob("*.json"))


def agrees(ours: str, theirs: str) -> bool:
    """Whether every value that our table allows is one that the tool takes."""
    if theirs in ("any", ours) or (ours == "any" and theirs != "no such name"):
        return True
    if theirs.startswith("one of "):
        words = theirs.removeprefix("one of ").removesuffix("|none").split(", ")
        return ours.startswith("one of ") and set(ours.removeprefix("one of ").split(", ")) <= set(words)
    kinds = theirs.split("|")
    return (
        "any" in kinds
        or ours in kinds
        or (ours == "int" and "float" in kinds)
        or (ours.startswith("one of ") and "str" in kinds)
    )


@pytest.mark.parametrize("target", [t for t in TABLES if t in RECORDED])
def test_every_name_is_in_the_package_with_its_kind(target: str, recorder: ModuleType) -> None:
    table, recorded = names_of(target), recorder.recorded(target)
    assert table.verified_against == recorded["package"]
    wrong = {
        name: (kind, recorded["names"].get(name, "no such name"))
        for name, kind in table.names.items()
        if name not in table.script and not agrees(kind, recorded["names"].get(name, "no such name"))
    }
    assert not wrong


@pytest.mark.parametrize("target", TABLES)
def test_no_name_is_read_and_passed_over(target: str) -> None:
    table = names_of(target)
    assert table.verified_against
    assert table.where


def test_flavors_of_torchtitan_are_the_models_of_the_catalog(recorder: ModuleType) -> None:
    """Layers, width and heads of each flavor, as its own function sets them, against the catalog."""
    from hwmodel.catalog import load_catalog
    from hwmodel.interop.tools.titan_models import FLAVORS
    from hwmodel.physics.shape import layers

    names = recorder.recorded("torchtitan")["names"]
    for (module, flavor), model in FLAVORS.items():
        shape = load_catalog().model(model)
        said = dict(word.split("=") for word in names[f"flavor:{module}/{flavor}"].split())
        ours = {"n_layers": layers(shape), "dim": shape.d_model, "vocab_size": shape.vocab,
                "n_heads": shape.blocks[-1].n_heads}  # fmt: skip
        for name, value in ours.items():
            assert int(said[name]) == value if name in said else name == "vocab_size", (flavor, name)


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [("int", 8, 8.0), ("int", 8, True), ("flag", None, 1), ("float", 3e-4, "3e-4"), ("one of a, b", "a", "c"),
     ("list", ["x"], "x"), ("bool", True, 1), ("str", "a", 1)],
)  # fmt: skip
def test_kinds_tell_values_apart(kind: str, right: object, wrong: object) -> None:
    assert fits(kind, right)
    assert not fits(kind, wrong)


@pytest.mark.skipif(SITE is None, reason="set HWMODEL_VERIFY_SITE to the folder that `make verify` fills")
def test_recorded_names_are_those_of_the_packages(recorder: ModuleType) -> None:
    assert recorder.main(Path(str(SITE)), False) == 0
