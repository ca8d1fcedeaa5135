"""A fault planted in the running process: the code of its function is exchanged wherever that function is held.

The process has collected the tests and imported the sources once; each fault is planted in a fork of it, so that a
trial costs what its tests cost. Tests that start commands do not see such a fault: `trial` plants it in a copy.
"""

from __future__ import annotations

import ast
import builtins
import functools
import gc
import importlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

LONGEST_CPU_S = 25.0  # of the tests of one fault
SAYS = "_hwmodel_function_called"  # a name that all modules see


def import_all(package: Path, files: list[str]) -> None:
    """Import the modules of some files, so that their functions can be found."""
    for file in files:
        importlib.import_module(".".join((package.name, *Path(file).with_suffix("").parts)).removesuffix(".__init__"))


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those inside it."""
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from codes(one)


def exchange(path: Path, text: str | ast.Module) -> bool:
    """Gives all functions of a module's file the code that another text has for them; whether any differed."""
    wrong: dict[tuple[str, int], CodeType] = {}
    counts: dict[str, int] = {}
    for code in codes(compile(text, str(path), "exec")):
        counts[code.co_qualname] = counts.get(code.co_qualname, 0) + 1
        wrong[code.co_qualname, code.co_firstlineno] = code
    changed = False
    for function in [one for one in gc.get_objects() if isinstance(one, FunctionType)]:
        code = function.__code__
        if code.co_filename != str(path):
            continue
        other = wrong.get((code.co_qualname, code.co_firstlineno))
        if other is None and counts.get(code.co_qualname) == 1:
            other = next(one for (name, _), one in wrong.items() if name == code.co_qualname)
        if other is not None and other.co_freevars == code.co_freevars and other != code:
            function.__code__ = other
            changed = True
    return changed


def forget(package: str) -> None:
    """Empties the caches of a package's functions."""
    for one in gc.get_objects():
        if isinstance(one, functools._lru_cache_wrapper) and (one.__module__ or "").startswith(f"{package}."):
            one.cache_clear()


def forked(
    work: Callable[[Callable[[Any], None]], None], longest_s: float = LONGEST_CPU_S,
    heard: Callable[[Any], None] = lambda said: None,
) -> list[Any]:  # fmt: skip
    """What `work` says in a fork of this process, until it ends, dies or has used its processor time."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        _work(work, writes, longest_s)
    os.close(writes)
    with os.fdopen(reads, encoding="utf-8") as answers:
        said = []
        for line in answers:
            said.append(json.loads(line))
            heard(said[-1])
    os.waitpid(child, 0)
    return said


def _work(work: Callable[[Callable[[Any], None]], None], writes: int, longest_s: float) -> None:
    def say(what: Any) -> None:
        os.write(writes, (json.dumps(what) + "\n").encode())

    def late(_number: int, _frame: FrameType | None) -> None:
        say("late")
        os._exit(1)

    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, longest_s)
    try:
        work(say)
    except BaseException as error:
        say(f"broken: {type(error).__name__} {error}")
    os._exit(0)


class Reach:
    """The functions of a package that are called while it is on: each says so in its first statement."""

    def __init__(self, package: Path, files: list[str]) -> None:
        self.seen: set[str] = set()
        setattr(builtins, SAYS, self.seen.add)
        for file in files:
            exchange(package / file, saying((package / file).read_text(encoding="utf-8"), file))

    def on(self) -> None:
        """Begin with nothing seen."""
        self.seen.clear()


def saying(source: str, file: str) -> ast.Module:
    """A module whose functions say `file|qualified name` when they are called."""
    tree = ast.parse(source)
    _say_inside(tree, f"{file}|")
    return ast.fix_missing_locations(tree)


def _say_inside(node: ast.AST, before: str) -> None:
    for one in ast.iter_child_nodes(node):
        if isinstance(one, ast.FunctionDef):
            name = before + one.name
            said = ast.parse(f"{SAYS}({name!r})").body[0]
            one.body.insert(int(ast.get_docstring(one) is not None), said)
            _say_inside(one, f"{name}.<locals>.")
        else:
            _say_inside(one, f"{before}{one.name}." if isinstance(one, ast.ClassDef) else before)
