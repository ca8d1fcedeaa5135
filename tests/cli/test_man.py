"""Manual pages: every command and option stands in one, and no word of a help text is taken for formatting."""

from __future__ import annotations

import importlib
import shutil
import subprocess

import click
import pytest

from hwmodel.cli.main import COMMANDS
from hwmodel.cli.man import pages, roff


def test_every_command_and_option_has_its_place() -> None:
    found = pages()
    assert found.keys() == {"hwmodel.1", *(f"hwmodel-{name}.1" for name in COMMANDS)}
    for name in COMMANDS:
        command: click.Command = importlib.import_module(f"hwmodel.cli.{name}").command
        for one in command.params:
            if isinstance(one, click.Option) and not one.hidden:
                assert roff(one.opts[-1]) in found[f"hwmodel-{name}.1"], (name, one.opts)
    assert "law optimum" in found["hwmodel-law.1"].lower()


def test_a_line_of_text_is_no_request() -> None:
    assert roff(".TH x\n'quoted\na-b \\n") == "\\&.TH x\n\\&'quoted\na\\-b \\en"


@pytest.mark.skipif(shutil.which("groff") is None, reason="no formatter of manual pages")
@pytest.mark.parametrize("name", ["hwmodel.1", "hwmodel-plan.1", "hwmodel-catalog.1"])
def test_a_formatter_finds_nothing_wrong(name: str) -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-z"], input=pages()[name], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr == ""
