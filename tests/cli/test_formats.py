"""Which format a result takes: as asked, by the suffix of --out, text on a terminal, Markdown in a pipe."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hwmodel.cli.main import cli
from hwmodel.cli.output import form_of
from hwmodel.errors import InputError

PLAN = ["plan", "--gpus", "64xH100", "--tokens", "100B"]


@pytest.mark.parametrize(
    ("asked", "out", "form"),
    [
        (None, "a.md", "md"), (None, "a.json", "json"), (None, "a.CSV", "csv"), (None, "a.txt", "text"),
        (None, "report", "md"), ("json", "answer", "json"), ("text", "notes.log", "text"), ("json", "a.json", "json"),
        (None, None, "md"), ("csv", None, "csv"),
    ],
)  # fmt: skip
def test_the_format_of_a_file(asked: str | None, out: str | None, form: str) -> None:
    assert form_of(asked, Path(out) if out else None) == form


@pytest.mark.parametrize(
    ("asked", "out", "words"),
    [
        (None, "a.pdf", r"--out a.pdf: no format is called '.pdf'; use one of .md, .markdown, .json, .csv, .*txt"),
        (None, "a.xlsx", "no format is called"),
        ("json", "a.csv", "--format json and --out a.csv name two formats"),
    ],
)
def test_formats_that_cannot_be(asked: str | None, out: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        form_of(asked, Path(out))


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hwmodel", *words], capture_output=True, text=True, cwd=cwd)


def test_suffixes_end_to_end(tmp_path: Path) -> None:
    assert run(*PLAN, "--out", "plan.json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "plan.json").read_text())["answer"]["tokens"]["value"] == 1e11
    assert run(*PLAN, "--out", "plan.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "plan.csv").read_text().startswith("quantity,value,low,high")
    refused = run(*PLAN, "--out", "plan.pdf", cwd=tmp_path)
    assert refused.returncode == 2
    assert not (tmp_path / "plan.pdf").exists()
    assert run(*PLAN, cwd=tmp_path).stdout.startswith("# ")


@pytest.mark.parametrize(
    "words",
    [
        PLAN,
        ["compare", "--gpus", "64xH100", "--tokens", "100B", "--precision", "bf16,fp8"],
        ["compare", "--gpus", "64xH100,32xH100", "--tokens", "100B"],
        ["train", "--model", "llama-3.1-8b", "--gpus", "8xH100"],
    ],
)
def test_a_terminal_gets_a_card_of_its_width(words: list[str]) -> None:
    """Through a pseudo-terminal of 80 columns: text, no wider than it is, 24 lines at most, no Markdown."""
    reader, writer = pty.openpty()
    env = {**os.environ, "COLUMNS": "72", "LINES": "24"}
    child = subprocess.Popen(
        [sys.executable, "-m", "hwmodel", *words], stdout=writer, stderr=subprocess.DEVNULL, env=env
    )
    os.close(writer)
    shown = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:  # the child closed its end
            break
        if not piece:
            break
        shown += piece
    assert child.wait(timeout=120) == 0
    os.close(reader)
    lines = shown.decode().replace("\r\n", "\n").splitlines()
    assert 5 < len(lines) <= 24
    assert max(map(len, lines)) <= 72
    assert not any(line.startswith(("#", "|")) or "**" in line for line in lines)


def test_shipped_runs_have_names(tmp_path: Path) -> None:
    done = run("validate", "whole", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["kind"] == "whole"
    assert "no such" in run("validate", "trainings", cwd=tmp_path).stderr.lower()


@pytest.mark.parametrize(
    "words",
    [
        ["law", "optimum", "besiroglu_2024", "--flops", "1e24"],
        ["catalog", "list", "laws"],
        ["catalog", "show", "a100-sxm4-80gb"],
        ["prices", "list", "--part", "A100"],
    ],
)
def test_tables_are_pages_and_rows_too(words: list[str]) -> None:
    page, rows = (CliRunner().invoke(cli, [*words, "--format", form]) for form in ("html", "csv"))
    assert page.stdout.startswith("<!DOCTYPE html>")
    assert "<table" in page.stdout
    assert rows.exit_code == 0
    assert "<" not in rows.stdout.splitlines()[0]


def test_every_result_has_every_format() -> None:
    """A command that has --format takes all of them."""

    def commands(group: click.Command) -> list[click.Command]:
        if not isinstance(group, click.Group):
            return [group]
        context = click.Context(group)
        found = (group.get_command(context, name) for name in group.list_commands(context))
        return [one for each in found if each is not None for one in commands(each)]

    choices = {
        str(one.name): tuple(option.type.choices)
        for one in commands(cli)
        for option in one.params
        if option.name == "fmt" and isinstance(option.type, click.Choice)
    }
    assert len(choices) > 15
    assert set(choices.values()) == {("md", "json", "csv", "text", "html")}, choices
