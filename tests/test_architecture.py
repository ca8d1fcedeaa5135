"""The house of floors: nothing imports upward, lazily or for type checking either, and the page says what is."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from hwmodel.api.options import RunOptions
from hwmodel.predict.layouts import SEARCHED
from hwmodel.specs.layout import ASKED

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "docs" / "draw_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_import_points_upward(drawing: ModuleType) -> None:
    assert drawing.upward(drawing.arrows()) == []
    assert drawing.upward(Counter({("physics", "solve"): 1, ("solve", "physics"): 1})) == [("physics", "solve")]
    assert drawing.upward(Counter({("laws", "physics"): 1})) == [("laws", "physics")]


def test_every_wing_has_its_place(drawing: ModuleType) -> None:
    wings = {p.name.removesuffix(".py") for p in (ROOT / "hwmodel").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert (
        {w for w in wings if not w.startswith("__")}
        == {wing for row in drawing.ROWS for wing in row}
        == set(drawing.WHAT)
    )


def test_the_page_is_current(drawing: ModuleType) -> None:
    page = ROOT / "docs" / "architecture.md"
    assert drawing.drawn()[page] == page.read_text(encoding="utf-8"), "run python docs/draw_architecture.py"
    for name in ("cli/plan.py", "solve/question/parse.py", "predict/layouts.py", "solve/run/answers.py"):
        assert f"`{name}" in page.read_text(encoding="utf-8")
        assert (ROOT / "hwmodel" / name).exists()


# Where a parallel dimension stands by name: its field and words, its choices, its option, what it may not be when it
# is given; and the physics of what it costs. Files of other tools and published rows have names of their own.
DIMENSION = {"specs/layout.py", "predict/layouts.py", "solve/question/options.py", "predict/given_layout.py"}


def test_a_parallel_dimension_stands_in_four_files_beside_its_physics() -> None:
    named = {
        path.relative_to(ROOT / "hwmodel").as_posix()
        for path in (ROOT / "hwmodel").rglob("*.py")
        if re.search(r"\betp\b", path.read_text(encoding="utf-8"))
    }
    elsewhere = {name for name in named if not name.startswith(("physics/", "interop/", "validation/"))}
    assert elsewhere <= DIMENSION


def test_what_is_asked_of_a_dimension_is_searched() -> None:
    """An option for a size that the search of layouts does not know would be dropped."""
    assert set(ASKED) <= set(SEARCHED)
    assert set(ASKED) <= set(RunOptions.__annotations__)


def _places() -> dict[str, Path]:
    """Every module of the package and its file."""
    found = {}
    for path in (ROOT / "hwmodel").rglob("*.py"):
        words = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(words[:-1] if words[-1] == "__init__" else words)] = path
    return found


def _imports() -> dict[str, set[str]]:
    """Every module with the modules that it imports: at the top, lazily, and for type checking."""
    places = _places()
    found: dict[str, set[str]] = {name: set() for name in places}
    for name, path in places.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                wanted = {f"{node.module}.{alias.name}" for alias in node.names}
                found[name] |= {one if one in places else node.module for one in wanted} & (places.keys() - {name})
    return found


def _circles(imports: dict[str, set[str]]) -> set[str]:
    """What lies on a circle, or between two: left when what imports nothing, or is imported by nothing, is taken away
    again and again."""
    left = {name: set(wanted) for name, wanted in imports.items()}
    while True:
        wanted_by = {one for wanted in left.values() for one in wanted}
        done = {name for name, wanted in left.items() if not wanted or name not in wanted_by}
        if not done:
            return set(left)
        left = {name: wanted - done for name, wanted in left.items() if name not in done}


def test_no_module_imports_itself_by_a_detour() -> None:
    assert _circles(_imports()) == set()
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"b", "e"}, "d": {"a"}, "e": set()}) == {"b", "c"}


EXCLUDES = re.compile(r"\b(no|not|never|nothing|nowhere|alone|belongs? to|belong to)\b", re.IGNORECASE)


def _folders() -> list[Path]:
    """Folders of the package that hold code of their own."""
    return sorted(path.parent for path in (ROOT / "hwmodel").rglob("__init__.py"))


@pytest.mark.parametrize("folder", _folders(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_folder_says_what_belongs_there_and_what_does_not(folder: Path) -> None:
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert said, f"{folder}/__init__.py says nothing"
    assert folder == ROOT / "hwmodel" or EXCLUDES.search(said), f"{folder} does not say what is kept out of it"


def _between_folders(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same for folders: the modules of each taken together, its face (`__init__`) apart."""
    found: dict[str, set[str]] = {}
    packages = {name for name in imports if any(other.startswith(f"{name}.") for other in imports)}
    for name, wanted in imports.items():
        if name in packages:
            continue
        own = name.rpartition(".")[0]
        others = {other if other in packages else other.rpartition(".")[0] for other in wanted}
        found.setdefault(own, set()).update(others - {own, "hwmodel"})
    return {own: wanted & found.keys() for own, wanted in found.items()}


def test_no_folder_imports_itself_by_a_detour() -> None:
    assert _circles(_between_folders(_imports())) == set()
    assert _circles(
        _between_folders({"a.x": {"b.y"}, "b.z": {"a.w"}, "a.w": set(), "b.y": set(), "a": set(), "b": set()})
    )


def test_tables_and_csv_are_written_in_one_place() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "hwmodel").rglob("*.py")}
    drawing = {path.name for path, text in sources.items() if re.search(r"import tabulate\b", text)}
    writing = {path.name for path, text in sources.items() if re.search(r"csv\.(writer|DictWriter)\(", text)}
    assert (drawing, writing) == ({"tables.py"}, {"safe_text.py"})


def _face(path: Path) -> set[str]:
    """What other folders may import from a folder: the names and modules in `__all__` of its `__init__`."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _entered() -> set[tuple[str, str, str]]:
    """Imports across folders: who imports, the folder that is entered, and the module or the name taken from it.

    A folder within another one is at home there.
    """
    places = _places()
    folders = {name for name, path in places.items() if path.name == "__init__.py" and name != "hwmodel"}
    found = set()
    for name, path in places.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hwmodel.")):
                continue
            for alias in node.names:
                folder, taken = node.module, alias.name
                if folder not in folders:
                    folder, _, taken = folder.rpartition(".")
                at_home = name == folder or name.startswith(f"{folder}.")
                if folder in folders and f"{folder}.{taken}" not in folders and not at_home:
                    found.add((name, folder, taken))
    return found


def test_a_folder_is_entered_by_its_face() -> None:
    places = _places()
    faces = {folder: _face(places[folder]) for _, folder, _ in _entered()}
    behind = [f"{who} takes {taken} of {folder}" for who, folder, taken in _entered() if taken not in faces[folder]]
    assert not behind, "not in __all__ of the folder: " + "; ".join(sorted(behind))
    assert not [taken for _, _, taken in _entered() if taken.startswith("_")]


def test_a_face_names_what_stands_there_and_only_modules_that_others_enter() -> None:
    places, entered = _places(), {(folder, taken) for _, folder, taken in _entered()}
    faces = {name: _face(path) for name, path in places.items() if path.name == "__init__.py" and name != "hwmodel"}
    for folder, name in [(folder, name) for folder, face in faces.items() for name in sorted(face)]:
        package = importlib.import_module(folder)
        if f"{folder}.{name}" in places and not hasattr(package, name):
            importlib.import_module(f"{folder}.{name}")
        assert hasattr(package, name), f"{folder} has no {name}"
        assert (folder, name) in entered or not isinstance(getattr(package, name), ModuleType), (
            f"nobody outside enters {folder}.{name}"
        )


def test_a_public_class_has_a_name_of_its_own() -> None:
    homes: dict[str, list[str]] = {}
    for name, path in _places().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(name)
    assert not {name: found for name, found in homes.items() if len(found) > 1}
