"""torchtitan's two formats as one mapping `section.key` -> value: TOML, and Python read by its syntax tree."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from hwmodel.errors import InputError
from hwmodel.interop.launch_in.python_source import UNREAD, Plain, constants, function_of, value_of
from hwmodel.interop.launch_in.settings import flat

SECTIONS = {"TrainingConfig": "training", "ParallelismConfig": "parallelism", "CompileConfig": "compile"}
POLICIES = {"FullAC": "full", "SelectiveAC": "selective", "MemoryBudgetAC": "memory_budget"}
FLOAT32_PRODUCTS = "torch.set_float32_matmul_precision"  # what a Python file tells PyTorch of FP32 products
BUILDERS = ("_build_llama3_layers", "_build_qwen3_layers", "_build_qwen3_moe_layers")


def toml_settings(text: str, path: Path) -> Plain:
    """`section.key` -> value of a TOML file. InputError for one that is none."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    return {**flat(data)}


def python_settings(text: str, path: Path, function: str = "") -> Plain:
    """`section.key` -> value of the configuration that one function of the file returns.

    InputError where the file has several and none is named, or where it builds on a configuration elsewhere.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno}: not Python: {error.msg}") from error
    node = function_of(tree, path, function, _makes)
    return _imported_model(tree, path) | _of_function(tree, node, path, ()) | _custom_model(tree) | _products(tree)


def _products(tree: ast.Module) -> Plain:
    """How PyTorch is told to multiply FP32, where it is."""
    told = [call for call in _calls(tree) if ast.unparse(call.func) == FLOAT32_PRODUCTS and call.args]
    return {FLOAT32_PRODUCTS: value_of(told[-1].args[0], constants(tree.body))} if told else {}


def _of_function(tree: ast.Module, node: ast.FunctionDef, path: Path, above: tuple[str, ...]) -> Plain:
    """What a function sets: its own Trainer.Config(...), or changes to that of the function that it builds on.

    InputError where it does neither, or hands its configuration to a function that may change it.
    """
    base = _built_on(tree, node)
    call = next((c for c in _calls(node) if _name(c.func) == "Trainer.Config"), None)
    if call is None and (base is None or base[1].name in above):
        raise InputError(
            f"{path}: {node.name} returns no Trainer.Config(...) of its own; name the function it builds on"
        )
    found: Plain = {}
    if call is None and base is not None:
        found = _of_function(tree, base[1], path, (*above, node.name))
        found = _without_replaced(found, node, base[0], path)
    for keyword in call.keywords if call is not None else ():
        if keyword.arg not in ("training", "parallelism", "compile", "activation_checkpoint", "model_spec"):
            found[str(keyword.arg)] = UNREAD
    local = {**constants(tree.body), **constants(node.body)}
    for each in _calls(node):
        found |= _section(each, local, path)
    return found | _assignments(node, local, path)


def _built_on(tree: ast.Module, node: ast.FunctionDef) -> tuple[str, ast.FunctionDef] | None:
    """The name of a configuration and the function of the file whose result it is: `config = other()`."""
    named = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    for each in node.body:
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name) and isinstance(each.value, ast.Call):
            name = ast.unparse(each.value.func)
            if name in named and not each.value.args and not each.value.keywords:
                return each.targets[0].id, named[name]
    return None


# Fields of a configuration and the settings that go with them when it is set anew.
REPLACED = {"training": "training.", "parallelism": "parallelism.", "compile": "compile.", "model_spec": "model.",
            "activation_checkpoint": "activation_checkpoint."}  # fmt: skip


def _without_replaced(found: Plain, node: ast.FunctionDef, config: str, path: Path) -> Plain:
    """Settings of the base without those of sections that the function sets anew; what it passes on is refused."""
    gone: list[str] = []
    for each in ast.walk(node):
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Attribute):
            words = ast.unparse(each.targets[0]).split(".")
            if len(words) == 2 and words[0] == config and words[1] in REPLACED:
                gone.append(REPLACED[words[1]])
        if isinstance(each, ast.Call) and any(isinstance(a, ast.Name) and a.id == config for a in each.args):
            raise InputError(
                f"{path}:{each.lineno}: {ast.unparse(each.func)}({config}) may change the configuration and is not "
                "followed; name a function without it"
            )
    kept = {key: value for key, value in found.items() if not key.startswith(tuple(gone))} if gone else found
    return kept | ({"model.name": found["model.name"]} if "model.name" in found else {})


def _makes(node: ast.FunctionDef) -> bool:
    """Whether a function makes a configuration."""
    return any(_name(call.func) == "Trainer.Config" for call in _calls(node))


def _calls(node: ast.AST) -> list[ast.Call]:
    return [each for each in ast.walk(node) if isinstance(each, ast.Call)]


def _name(node: ast.expr) -> str:
    """The last words of a dotted name: `models.RMSNorm.Config` is RMSNorm.Config, `x.FullAC` FullAC."""
    words = ast.unparse(node).split(".")
    return ".".join(words[-2:]) if words[-1] == "Config" else words[-1]


def _section(call: ast.Call, local: Plain, path: Path) -> Plain:
    """What one call sets: a section, the policy of recomputation, a converter, or the flavor."""
    name = _name(call.func)
    if name in SECTIONS:
        out = {}
        for keyword in call.keywords:
            value = value_of(keyword.value, local)
            if value is UNREAD and SECTIONS[name] != "compile":
                raise InputError(f"{path}:{call.lineno}: {name}.{keyword.arg} is no plain value; write the number")
            out[f"{SECTIONS[name]}.{keyword.arg}"] = value
        return out
    if name.removesuffix(".Config") in POLICIES:
        return {"activation_checkpoint.mode": POLICIES[name.removesuffix(".Config")]}
    if name.endswith("LinearConverter.Config"):
        for keyword in call.keywords:
            if keyword.arg == "fqns" and value_of(keyword.value, local) is UNREAD:
                raise InputError(f"{path}:{call.lineno}: {name} converts layers that are computed; list their names")
        return {"model.converters": [name.removesuffix(".Config")]}
    if name == "model_registry" and call.args:
        return {"model.flavor": value_of(call.args[0], local)}
    return {}


def _assignments(node: ast.FunctionDef, local: Plain, path: Path) -> Plain:
    """`activation_checkpoint=None`, and settings changed afterwards like `config.parallelism.x = 2`."""
    out: Plain = {}
    for call in _calls(node):
        for keyword in call.keywords:
            if keyword.arg == "activation_checkpoint" and isinstance(keyword.value, ast.Constant):
                out["activation_checkpoint.mode"] = "none"
    for each in node.body:
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Attribute):
            words = ast.unparse(each.targets[0]).split(".")
            if len(words) == 3 and words[1] in SECTIONS.values():
                value = value_of(each.value, local)
                if value is UNREAD:
                    raise InputError(f"{path}:{each.lineno}: {'.'.join(words)} is no plain value; write the number")
                out[".".join(words[1:])] = value
            elif words[1:] == ["activation_checkpoint"] and isinstance(each.value, ast.Constant):
                out["activation_checkpoint.mode"] = "none"
    return out


def _imported_model(tree: ast.Module, path: Path) -> Plain:
    """The module of the model: imported by name, or the folder of a configuration that stands in it."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            match = re.search(r"torchtitan\.models\.(\w+)$", module)
            if match is not None and any(a.name == "model_registry" for a in node.names):
                return {"model.name": match[1]}
            if module == "torchtitan.models" and node.names:
                return {"model.name": node.names[0].name}
            if node.level == 1 and any(a.name == "model_registry" for a in node.names):
                return {"model.name": path.resolve().parent.name}
    return {}


def _custom_model(tree: ast.Module) -> Plain:
    """Arguments of a builder of layers and of the model's head, as `custom.NAME`."""
    out: Plain = {}
    for call in _calls(tree):
        name = _name(call.func)
        if name in BUILDERS:
            out["custom.builder"] = name
        if name in BUILDERS or name in ("Llama3Model.Config", "Qwen3Model.Config"):
            for keyword in call.keywords:
                value = value_of(keyword.value, {})
                if value is not UNREAD:
                    out[f"custom.{keyword.arg}"] = value
    return out
