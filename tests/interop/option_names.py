"""Names of options and their kinds out of Python sources, by syntax tree: no package is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

KINDS = {"int": "int", "float": "float", "bool": "bool", "str": "str", "dict": "dict", "list": "list", "tuple": "list"}
Names = dict[str, str]


def kind(node: ast.expr | None) -> str:
    """The kind of an annotation: int, float, bool, str, list, dict, the words of a Literal, or any; unions with `|`."""
    if node is None:
        return "any"
    if isinstance(node, ast.Constant):
        return "none" if node.value is None else kind(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp):
        return "|".join(dict.fromkeys((kind(node.left) + "|" + kind(node.right)).split("|")))
    if isinstance(node, ast.Subscript):
        head = ast.unparse(node.value).split(".")[-1]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head in ("Optional", "Union"):
            words = "|".join(kind(each) for each in inner) + ("|none" if head == "Optional" else "")
            return "|".join(dict.fromkeys(words.split("|")))
        if head == "Literal":
            return "one of " + ", ".join(str(each.value) for each in inner if isinstance(each, ast.Constant))
        if head in ("Annotated", "A"):
            return kind(inner[0])
        return KINDS.get(head.lower(), "any")
    return KINDS.get(ast.unparse(node).split(".")[-1].lower(), "any")


def classes(path: Path) -> Iterator[tuple[str, ast.ClassDef]]:
    """Classes of a file with their dotted names."""
    stack = [("", ast.parse(path.read_text(encoding="utf-8")).body)]
    while stack:
        prefix, body = stack.pop()
        for node in body:
            if isinstance(node, (ast.If, ast.Try)):
                stack.append((prefix, node.body))
            if isinstance(node, ast.ClassDef):
                yield prefix + node.name, node
                stack.append((f"{prefix}{node.name}.", node.body))


def fields(path: Path, *names: str, prefix: bool = True) -> Names:
    """Annotated fields of these classes of a file, as `Class.field` or bare."""
    found: Names = {}
    known = dict(classes(path))
    for name in names:
        for node in known[name].body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[f"{name}.{node.target.id}" if prefix else node.target.id] = kind(node.annotation)
    return found


def parameters(path: Path, *names: str) -> Names:
    """Keyword parameters of these functions, as `function.parameter`."""
    found: Names = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            for each in (*node.args.args, *node.args.kwonlyargs):
                found[f"{node.name}.{each.arg}"] = kind(each.annotation)
    return found


def flags(path: Path) -> Names:
    """Flags of every `add_argument` call of a file; a switch without a value is a `flag`."""
    found: Names = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("add_argument", "option"):
            takes = _argument_kind({k.arg: k.value for k in node.keywords if k.arg})
            words = [each.value for each in node.args if isinstance(each, ast.Constant)]
            found |= {word: takes for word in words if str(word).startswith("--")}
    return found


def _argument_kind(keywords: dict[str, ast.expr]) -> str:
    """What an argument takes, by the keywords of its `add_argument`."""
    choices = keywords.get("choices")
    if isinstance(choices, (ast.List, ast.Tuple)):
        return "one of " + ", ".join(str(each.value) for each in choices.elts if isinstance(each, ast.Constant))
    action = ast.unparse(keywords["action"]) if "action" in keywords else ""
    if "store_" in action or "BooleanOptional" in action or "is_flag" in keywords:
        return "flag"
    return "list" if "nargs" in keywords else kind(keywords.get("type"))


def generated_flags(path: Path, *names: str) -> Names:
    """Flags that Megatron makes of dataclass fields: `_` is `-`; a switch that is on by default is `--no-X`."""
    found: Names = {}
    known = dict(classes(path))
    for name in names:
        for node in known[name].body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            takes, flag = kind(node.annotation), node.target.id.replace("_", "-")
            text = ast.unparse(node.value) if node.value is not None else ""
            renamed = re.search(r"'arg_names': \[([^\]]*)\]", text)
            if renamed is not None:
                found |= dict.fromkeys(re.findall(r"'(--[^']+)'", renamed[1]), "flag" if takes == "bool" else takes)
            elif takes == "bool" and (text == "True" or "default=True" in text):
                found |= {f"--no-{flag}": "flag", f"--disable-{flag}": "flag"}
            else:
                found[f"--{flag}"] = "flag" if takes == "bool" else takes
    return found


def module_names(path: Path) -> set[str]:
    """Names that a module defines or imports at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def numbers_of(path: Path, function: str) -> str:
    """Whole numbers that a function gives to names and keywords, as `name=value` words."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for each in ast.walk(node):
                if isinstance(each, ast.keyword) and each.arg and type(getattr(each.value, "value", None)) is int:
                    found.setdefault(each.arg, ast.literal_eval(each.value))
                if isinstance(each, ast.Assign) and type(getattr(each.value, "value", None)) is int:
                    found[ast.unparse(each.targets[0])] = ast.literal_eval(each.value)
    return " ".join(f"{name}={value}" for name, value in sorted(found.items()))


JSON_KINDS = {
    "string": "str", "integer": "int", "object": "dict", "array": "list", "boolean": "bool", "number": "float"
}  # fmt: skip


def schema_keys(path: Path, function: str) -> Names:
    """Keys of the first `properties` of the JSON Schema that a function returns, with their types."""
    node = next(n for n in ast.walk(ast.parse(path.read_text())) if getattr(n, "name", "") == function)
    properties = next((p for each in ast.walk(node) if (p := _entries(each).get("properties")) is not None), None)
    stated = {name: schema for name, schema in _entries(properties).items() if isinstance(schema, ast.Dict)}
    return {name: _schema_kind(_entries(schema)) for name, schema in stated.items()}


def _entries(node: ast.AST | None) -> dict[str, ast.expr]:
    """The entries of a dictionary display whose keys are constants; nothing of any other node."""
    if not isinstance(node, ast.Dict):
        return {}
    pairs = zip(node.keys, node.values, strict=True)
    return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}


def _schema_kind(schema: dict[str, ast.expr]) -> str:
    """The kind that a schema asks for; `any` where it names none or several."""
    named = schema.get("type") or schema.get("case_insensitive_enum")
    word = getattr(named, "value", "string" if named is not None else "")
    return JSON_KINDS.get(str(word), "any")
