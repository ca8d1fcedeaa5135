"""Python configurations read without running them: the function that makes one, and values that are plain."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from hwmodel.errors import InputError
from hwmodel.interop.launch_in.settings import Setting, Unread

Plain: TypeAlias = dict[str, Setting]  # what values names stand for
UNREAD = Unread.UNREAD


def function_of(tree: ast.Module, path: Path, name: str, makes: Callable[[ast.FunctionDef], bool]) -> ast.FunctionDef:
    """The function that makes a configuration. InputError where none or several do and none is named."""
    named = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    making = [n for n in named.values() if makes(n)]
    if name:
        if name not in named:
            raise InputError(f"{path}: no function {name}; it has {', '.join(named) or 'none'}")
        return named[name]
    if len(making) != 1:
        listed = ", ".join(n.name for n in making[:6])
        raise InputError(f"{path}: {len(making)} configurations ({listed}); name one, like --from {path}:NAME")
    return making[0]


def constants(body: list[ast.stmt]) -> Plain:
    """Names that are plain values, among statements."""
    out: Plain = {}
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        target = node.target if isinstance(node, ast.AnnAssign) and node.value is not None else target
        if isinstance(target, ast.Name) and isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            value = value_of(node.value, out)
            if value is not UNREAD:
                out[target.id] = value
    return out


def value_of(node: ast.expr, local: Plain) -> Setting:
    """A constant, a name of one, a list of them, or a sum, product or quotient; else UNREAD."""
    if isinstance(node, ast.Name):
        return local.get(node.id, UNREAD)
    if isinstance(node, ast.BinOp):
        return _computed(node.op, value_of(node.left, local), value_of(node.right, local))
    try:
        literal: Setting = ast.literal_eval(node)
    except ValueError:
        return UNREAD
    return literal


def _computed(op: ast.operator, left: Setting, right: Setting) -> Setting:
    """Whole numbers, and lists of them as layer patterns are written."""
    if isinstance(op, ast.Mult) and isinstance(right, int) and isinstance(left, (int, list)):
        return left * right
    if isinstance(left, list) and isinstance(right, list):
        return left + right if isinstance(op, ast.Add) else UNREAD
    if isinstance(left, int) and isinstance(right, int):
        if isinstance(op, ast.Add):
            return left + right
        if isinstance(op, ast.FloorDiv) and right:
            return left // right
    return UNREAD
