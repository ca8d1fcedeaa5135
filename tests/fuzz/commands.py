"""The same question typed: the command line answers as Python does, or ends with the code of the same refusal."""

from __future__ import annotations

import contextlib
import io
import json
from functools import cache
from typing import Any, NamedTuple

import click
from checks import Asked

from hwmodel.cli.main import cli, main
from hwmodel.errors import HwModelError


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def run(*typed: str) -> Ended:
    """A command in this process, with the code that a shell would see."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(typed))
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


@cache
def _options(verb: str) -> frozenset[str]:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    return frozenset(name for option in command.params for name in option.opts)


def words(verb: str, asked: Asked) -> list[str]:
    """The command of a question."""
    typed = [verb]
    for key, value in asked.items():
        option = f"--{key.replace('_', '-')}"
        assert option in _options(verb), f"{option} is no option of {verb}"
        typed += [option] if value is True else [option, str(value)]
    return typed


def same_answer(verb: str, asked: Asked, document: dict[str, Any]) -> None:
    """The command line gives the document that Python gave; `request` holds the words of the question."""
    done = run(*words(verb, asked), "--format", "json", "--quiet")
    unfit = document.get("fits") is False
    assert done.code == (3 if unfit else 0), f"command line: {done.code} {done.err[:200]}"
    assert unfit or not done.err, f"--quiet, but: {done.err[:100]}"
    typed = json.loads(done.out)
    for key in document.keys() - {"request"}:
        assert typed.get(key) == document[key], f"the command line answers otherwise than Python: {key}"


def same_refusal(verb: str, asked: Asked, error: HwModelError) -> None:
    """The command line ends with the code of Python's error, and says so in one line on stderr alone."""
    done = run(*words(verb, asked), "--format", "json", "--quiet")
    assert done.code == error.exit_code, f"command line: {done.code}, not {error.exit_code}: {done.err[:200]}"
    assert not done.out, f"a refusal printed {done.out[:100]}"
    assert done.err.strip(), "a refusal said nothing"
    assert "\n" not in done.err.strip(), f"a refusal of several lines: {done.err[:200]}"
