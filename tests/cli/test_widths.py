"""A terminal gets lines as wide as it is: of every command its help, tables, cards, errors, in Chinese too."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hwmodel.cli.help_text import Context, Help
from hwmodel.cli.main import COMMANDS, cli
from hwmodel.cli.sections import ALL
from hwmodel.report.wide import width, wrapped

WIDTHS = (40, 60, 80, 120, 200)
SMALL = "--gpus 64xH100 --tokens 100B"
QUESTIONS = [
    f"plan {SMALL}", f"plan {SMALL} --lang zh", f"compare {SMALL} --precision bf16,fp8 --lang zh",
    f"compare {SMALL} --params 3B,7B", "train --model llama-3.1-8b --gpus 8xH100 --lang zh",
    "serve --model llama-3.1-8b --part h100 --tp 1 --concurrency 8 --lang zh", "diff a.json b.json",
    "diff a.json b.json --lang zh", "explain a.json cost_usd", "explain a.json step.gemm_s --lang zh", "law list",
    "law show besiroglu_2024", "law disagreement --flops 1e22", "claims", "claims show 2", "claims history", "accuracy",
    "accuracy --lang zh", "validate rl_steps", "catalog list", "catalog list sources", "catalog show A100",
    "catalog show gb300 --provenance", "catalog show deepseek-v3 --provenance", "catalog show besiroglu_2024",
    "prices list", "prices list --part h100", "sweep space.yaml --out new", "sweep show rows",
    "sweep show rows --pareto cost_usd,loss_nats", "sweep show rows --heat gpus,params,cost_usd",
    "export a.json --to megatron --out launch", "plan --gpus 64xH101 --tokens 100B", "nothing", "plan --nothing 3",
    "plan --gpus 8xH100 --params 405B --tokens 1T",
]  # fmt: skip
SPACE = "base: {tokens: 100B, precision: bf16}\naxes: {gpus: [64xH100, 128xH100], params: [1B, 3B, 7B]}\n"


def on_terminal(words: str, columns: int) -> list[str]:
    """The lines, without their colours, that a command writes on a terminal of so many columns, notes and errors too.

    The command runs in a fork of this process: what it imports stands already."""
    child, reader = pty.fork()
    if not child:
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        sys.stdout, sys.stderr = (os.fdopen(os.dup(place), "w", encoding="utf-8") for place in (1, 2))
        try:
            sys.exit(_answered(words))
        finally:
            os._exit(9)
    shown = b"".join(iter(lambda: _read(reader), b""))
    _, state = os.waitpid(child, 0)
    os.close(reader)
    assert os.waitstatus_to_exitcode(state) == 0, shown.decode()
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    return [line.rpartition("\r")[2] for line in bare.replace("\r\n", "\n").split("\n")]


def _answered(words: str) -> None:
    """Run a command in a fork made for it, and leave it: 0 where it was answered, or refused in its own words."""
    from hwmodel.cli.main import main

    code: object = 0
    try:
        main(shlex.split(words))
    except SystemExit as ended:
        code = ended.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if code in (None, 0, 2, 3) else 1)


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def wider(lines: list[str], columns: int) -> list[str]:
    """Lines wider than the terminal, but for those of one word that nothing breaks."""
    return [line for line in lines if width(line) > columns and len(line.split()) > 1]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with two saved answers and the rows of a sweep."""
    import hwmodel as hm

    folder = tmp_path_factory.mktemp("answers")
    for name, precision in (("a", "bf16"), ("b", "fp8")):
        found = hm.plan(gpus="64xH100", tokens="100B", precision=precision)
        (folder / f"{name}.json").write_text(found.to_json(), encoding="utf-8")
    (folder / "space.yaml").write_text(SPACE, encoding="utf-8")
    hm.sweep(folder / "space.yaml", out=folder / "rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize("question", QUESTIONS)
def test_no_line_is_wider_than_the_terminal(question: str) -> None:
    for columns in WIDTHS:
        words = question.replace("--out new", f"--out new{columns}").replace("launch", f"launch{columns}")
        lines = on_terminal(words, columns)
        assert any(lines)
        assert not wider(lines, columns), (columns, wider(lines, columns)[:3])


def commands(command: click.Command, path: list[str]) -> Iterator[tuple[click.Command, list[str]]]:
    """A command and all in it, with their names."""
    yield command, path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, [*path, name])


@pytest.mark.parametrize("columns", WIDTHS)
def test_no_help_is_wider_than_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    seen = set()
    for command, path in commands(cli, ["hwmodel"]):
        for every in (False, True):
            context = Context(command, info_name=" ".join(path))
            context.meta[ALL] = every
            shown = command.get_help(context)
            assert not wider(shown.splitlines(), columns), (path, wider(shown.splitlines(), columns)[:3])
            assert "..." not in [line[-3:] for line in shown.splitlines() if line.startswith("  ")][-1:], path
        seen.add(path[1] if path[1:] else "")
    assert seen == {"", *COMMANDS}


def test_help_uses_this_layout_in_a_terminal(tmp_path: Path) -> None:
    """Groups and their commands get it when they run, not only where a test asks for it."""
    for words in ("--help", "serve --help", "sweep show --help"):
        assert not wider(on_terminal(words, 40), 40)


def test_a_long_line_to_be_typed_goes_on_behind_a_backslash() -> None:
    shown = Help(width=40)
    with shown.indentation():
        shown.write_text('\b\nhwmodel serve --demand "200 req/s" --input 1k --tp 8')
    text = shown.getvalue()
    assert text == '  hwmodel serve --demand "200 req/s" \\\n      --input 1k --tp 8\n'
    assert shlex.split(text.replace("\\\n", " ")) == ["hwmodel", "serve", "--demand", "200 req/s", "--input", "1k",
                                                       "--tp", "8"]  # fmt: skip


def test_words_are_broken_between_names_and_figures_stay_whole() -> None:
    assert wrapped("chinchilla_2022/approach1 1,234.5 8 %", 12) == ["chinchilla_", "2022/", "approach1", "1,234.5 8 %"]
    assert wrapped("租金（3 个报价）。", 8) == ["租金（3", "个报", "价）。"]
