"""Between the layers stand records: where a function or a field of a record still holds names to anything.

Counted are `dict[str, Any]`, `Mapping[str, object]`, lists of anything by name, names for these, and `**kwargs: Any`:
in public functions and fields, and apart from them in private functions.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "hwmodel"
MAPPINGS = ("dict", "Mapping", "MutableMapping")
LISTS = ("list", "Sequence", "Iterable")
ANYTHING = ("Any", "object")

# Files where a document comes in or goes out in no shape that can be written down, by the reason: how many in each.
# None is left: a document of any shape is a `JsonObject`, what an option may be given an `OptionValue`.
EDGES: dict[str, dict[str, int]] = {}
# The same of private functions: what is left there may only fall.
PRIVATE: dict[str, dict[str, int]] = {
    "expressions of SymPy, which has no types": {"report/law_docs.py": 1},
    "values of a traced graph: numbers, columns or draws by place": {"trace.py": 1},
    "keywords that are handed on as they came, by click and by warnings": {"cli/options.py": 1, "cli/main.py": 1},
}


def _module(path: Path) -> str:
    words = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def _loose(node: ast.AST, aliases: set[str]) -> bool:
    """Whether an annotation holds a mapping of names to anything, or a name that stands for one."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id in aliases:
            return True
        if not isinstance(each, ast.Subscript) or not isinstance(each.slice, ast.Tuple):
            continue
        if getattr(each.value, "id", "") in MAPPINGS and _anything(each.slice.elts[-1]):
            return True
    return False


def _anything(value: ast.expr) -> bool:
    """Whether the values of a mapping may be anything, alone or in a list."""
    if isinstance(value, ast.Subscript) and getattr(value.value, "id", "") in LISTS:
        return _anything(value.slice)
    return getattr(value, "id", "") in ANYTHING


def _defined(tree: ast.Module, aliases: set[str]) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and not target.id.isupper() and _loose(node.value, aliases):
                yield target.id


def _aliases(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Names that stand for such a mapping, by module, through any number of imports."""
    found: dict[str, set[str]] = {name: set() for name in trees}
    before = -1
    while before != (before := sum(map(len, found.values()))):
        for name, tree in trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module in found:
                    found[name] |= {a.asname or a.name for a in node.names if a.name in found[node.module]}
            found[name] |= set(_defined(tree, found[name]))
    return found


def _public(node: ast.AST, inside: bool = False) -> Iterator[ast.FunctionDef | ast.AnnAssign]:
    """Public functions, and fields of public classes."""
    for each in getattr(node, "body", []):
        if isinstance(each, ast.ClassDef) and not each.name.startswith("_"):
            yield from _public(each, inside=True)
        elif isinstance(each, ast.FunctionDef):
            if each.name == "__init__" or not each.name.startswith("_"):
                yield each
        elif inside and isinstance(each, ast.AnnAssign):
            yield each


def _loosely(function: ast.FunctionDef, aliases: set[str]) -> bool:
    """Whether an annotation of a function holds one."""
    a = function.args
    given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    notes = [one.annotation for one in given if one.annotation] + ([function.returns] if function.returns else [])
    keywords = a.kwarg is not None and a.kwarg.annotation is not None and _anything(a.kwarg.annotation)
    return keywords or any(_loose(note, aliases) for note in notes)


def _places(tree: ast.Module, aliases: set[str]) -> Iterator[str]:
    """Public functions, and fields of public classes, whose annotations hold one."""
    for each in _public(tree):
        if isinstance(each, ast.FunctionDef):
            if _loosely(each, aliases):
                yield each.name
        elif _loose(each.annotation, aliases):
            yield ast.unparse(each.target)


def _private(tree: ast.Module, aliases: set[str]) -> Iterator[str]:
    """Private functions, those of private classes, and functions inside functions, whose annotations hold one."""
    public = {id(node) for node in _public(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and id(node) not in public and _loosely(node, aliases):
            yield node.name


def found_in(sources: dict[str, str], private: bool = False) -> Counter[str]:
    trees = {name: ast.parse(text) for name, text in sources.items()}
    aliases = _aliases(trees)
    places = _private if private else _places
    return Counter({name: len(list(places(tree, aliases[name]))) for name, tree in trees.items()})


@pytest.mark.parametrize("private", [False, True])
def test_records_stand_between_the_layers(private: bool) -> None:
    paths = {_module(path): path for path in PACKAGE.rglob("*.py")}
    found = found_in({name: path.read_text(encoding="utf-8") for name, path in paths.items()}, private)
    counts = {paths[name].relative_to(PACKAGE).as_posix(): count for name, count in found.items() if count}
    allowed = sum((Counter(files) for files in (PRIVATE if private else EDGES).values()), Counter[str]())
    beyond = {file: count for file, count in counts.items() if count > allowed.get(file, 0)}
    assert not beyond, f"make a record of it, or say in EDGES or PRIVATE why it is an edge: {beyond}"
    fewer = {file: counts.get(file, 0) for file, most in allowed.items() if counts.get(file, 0) < most}
    assert not fewer, f"write the new count down, so that it stays: {fewer}"


def test_the_count_of_private_functions_sees_classes_and_functions_inside() -> None:
    assert found_in({
        "a": "from typing import Any\ndef public(x: dict[str, Any]) -> None: ...\ndef _own() -> dict[str, Any]: ...",
        "b": "from typing import Any\nclass _C:\n    def shown(self, x: dict[str, object]) -> None: ...\n"
             "class D:\n    def _own(self, **given: Any) -> None: ...\n    def shown(self, x: dict[str, Any]): ...",
        "c": "def public() -> None:\n    def inside(x: list[dict[str, object]]) -> None: ...",
    }, private=True) == {"a": 1, "b": 2, "c": 1}  # fmt: skip


def test_the_count_sees_names_imports_and_fields() -> None:
    assert found_in({
        "a": "from typing import Any\nLoose = dict[str, Any]\ndef public(x: Loose) -> None: ...\n"
             "def _own(x: Loose) -> None: ...",
        "b": "from a import Loose as L\nclass R:\n    field: tuple[L, ...]\n    fine: dict[str, float]",
        "c": "from typing import Any\ndef f() -> list[dict[str, Any]]: ...\ndef g(x: dict[str, object]) -> None: ...\n"
             "def h(x: dict[str, list[Any]]) -> None: ...\ndef i(x: dict[str, list[int]]) -> None: ...",
        "d": "from typing import Any\ndef f(**given: Any) -> None: ...\ndef g(**given: float) -> None: ...",
    }) == {"a": 1, "b": 1, "c": 3, "d": 1}  # fmt: skip
