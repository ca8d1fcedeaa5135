"""Recipes of Megatron-Bridge, read by their syntax tree into a question."""

from __future__ import annotations

import ast
from pathlib import Path

from hwmodel.errors import InputError
from hwmodel.interop.launch_in import megatron
from hwmodel.interop.launch_in.python_source import UNREAD, Plain, constants, function_of, value_of
from hwmodel.interop.launch_in.record import Read, facts, sort_names, with_facts
from hwmodel.interop.launch_in.settings import Setting
from hwmodel.interop.launch_in.shell import Script
from hwmodel.interop.tools.bridge_fields import READ, RECIPES, flags_of
from hwmodel.interop.tools.names import names_of
from hwmodel.plain import Fields, JsonValue

# What `_pretrain_common` and the other bases set where a recipe says nothing.
BASE: Fields = {"ddp.use_distributed_optimizer": True, "mixed_precision": "bf16_mixed"}
FREE = {"model.moe_router_num_groups", "train.train_iters"}  # may be computed: no step depends on them
PROVIDERS = ("GPTModelProvider", "MLAModelProvider")


def reads(text: str) -> bool:
    """Whether a Python file holds recipes of Megatron-Bridge."""
    return "megatron.bridge" in text and "ConfigContainer" in text


def read(text: str, path: Path, function: str = "") -> Read:
    """The question behind a recipe. InputError for what would change the prediction and cannot be read."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno}: not Python: {error.msg}") from error
    node = function_of(tree, path, function, _is_recipe)
    found, model = _fields(tree, node, path)
    names = names_of("megatron-bridge")
    passed, noted = sort_names([name for name, value in found.items() if value is not None], READ, names, path)
    fields = BASE | {name: None if value is UNREAD else value for name, value in found.items()}
    flags = Script(path=path, flags=flags_of(fields), directives={}, variables={})
    shape = megatron.megatron_shape(flags) if "model.num_layers" in fields else None
    options = megatron.layout_options(flags) | {"precision": _precision(fields["mixed_precision"], path)}
    if model is not None:
        options["model"] = model
    options = with_facts(options | {"stack": "megatron-bridge"}, facts(text))
    return Read(
        tool="megatron-bridge", path=path, options=options, shape=shape, passed_over=tuple(passed), notes=tuple(noted),
        sequence_parallel=flags.has("--sequence-parallel"), steps=megatron.steps_of(flags),
    )  # fmt: skip


def _is_recipe(node: ast.FunctionDef) -> bool:
    """Whether a function sets fields of a configuration and returns it."""
    return node.returns is not None and "ConfigContainer" in ast.unparse(node.returns)


def _fields(tree: ast.Module, node: ast.FunctionDef, path: Path) -> tuple[Plain, str | None]:
    """`section.field` -> value of the recipe, and the Hugging Face name that its model comes from."""
    local = {**constants(tree.body), **constants(node.body)}
    fields: Plain = {}
    model: Setting = None
    for call in (c for c in ast.walk(node) if isinstance(c, ast.Call)):
        name = ast.unparse(call.func).split(".")[-1]
        if name in PROVIDERS:
            fields |= {f"model.{k.arg}": value_of(k.value, local) for k in call.keywords}
        if name == "from_hf_pretrained" and call.args:
            model = value_of(call.args[0], local)
    for statement in ast.walk(node):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Attribute):
            words = ast.unparse(statement.targets[0]).split(".")
            if len(words) in (2, 3) and words[1:] != ["model"]:
                fields[".".join(words[1:])] = value_of(statement.value, local)
    for name, value in fields.items():
        if value is UNREAD and name in READ - FREE:
            raise InputError(f"{path}: {name} is no plain value; write the number")
    return fields, model if isinstance(model, str) else None


def _precision(given: JsonValue, path: Path) -> str:
    """The recipe of this name; current scaling is one scale a tensor too."""
    known = {name: precision for precision, name in RECIPES.items()} | {"bf16_with_fp8_current_scaling_mixed": "fp8"}
    if not isinstance(given, str) or given not in known:
        raise InputError(f"{path}: mixed_precision {given!r} is none of {', '.join(known)}")
    return known[given]
