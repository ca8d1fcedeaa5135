"""Write docs/cli.md, the help of every command with all its options: `python docs/cli_reference.py [--check]`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hwmodel.cli.help_text import Context
from hwmodel.cli.main import COMMANDS, SECTIONS
from hwmodel.cli.sections import ALL

PAGE = Path(__file__).resolve().parent / "cli.md"
WIDTH = 96
HEAD = """# Commands

Every command with every option, written from the commands themselves by `python docs/cli_reference.py`.
`--help` shows at most 40 options, `--help-all` the rest. Exit codes: 0 answered, 1 internal error, 2 bad input,
3 infeasible, 4 invalid catalog.
"""


def helps(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """(words, help) of a command and of the commands in it."""
    context = Context(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    context.meta[ALL] = True
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            inner = command.get_command(context, word)
            if inner is not None:
                yield from helps(inner, f"{name} {word}")


def text() -> str:
    """The whole page."""
    parts = [HEAD]
    for section, names in SECTIONS.items():
        parts.append(f"## {section}\n")
        for name in names:
            command = importlib.import_module(f"hwmodel.cli.{name}").command
            parts.append(f"{COMMANDS[name]}\n")
            for words, help_text in helps(command, f"hwmodel {name}"):
                body = "\n".join(line.rstrip() for line in help_text.splitlines())
                parts.append(f"### {words.removeprefix('hwmodel ')}\n\n```text\n{body}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text() else "docs/cli.md is not current")
    PAGE.write_text(text(), encoding="utf-8")
