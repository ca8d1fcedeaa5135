"""Manual pages, written from the commands themselves: `hwmodel.1`, and one a command; the wheel installs them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import click

from hwmodel.cli.main import COMMANDS, cli
from hwmodel.cli.sections import SECTIONS, section_of
from hwmodel.version import __version__

EXITS = (
    ("0", "answered, warnings allowed"), ("1", "internal error"), ("2", "the question cannot be read"),
    ("3", "infeasible: the binding constraint and what would help are said"), ("4", "an invalid catalog record"),
)  # fmt: skip
PLAIN = "\b"  # click's mark of a paragraph that is shown as it stands


def roff(text: str) -> str:
    """Text that no formatter takes for its own: backslashes, minus signs, points and quotes at the start of a line."""
    return re.sub(r"(?m)^([.'])", r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-"))


def _prose(help_text: str) -> Iterator[str]:
    """Paragraphs, those marked as plain with their own lines."""
    for paragraph in re.split(r"\n\s*\n", help_text.strip()):
        lines = [line.strip() for line in paragraph.splitlines()]
        if lines[0] == PLAIN:
            yield "\n".join([".PP", ".nf", *(roff(line) for line in lines[1:]), ".fi"])
        else:
            yield f".PP\n{roff(' '.join(lines))}"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Options under the headings of `--help`, rare ones too."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for one in command.get_params(context):
        record = one.get_help_record(context)
        if record is not None:
            rows.setdefault(section_of(str(one.name)), []).append(record)
    for title in sorted(rows, key=lambda name: list(SECTIONS).index(name) if name in SECTIONS else len(SECTIONS)):
        yield f".SS {roff(title)}"
        yield from (f".TP\n.B {roff(words)}\n{roff(' '.join(said.split()))}" for words, said in rows[title])


def _inside(command: click.Command, context: click.Context) -> Iterator[str]:
    """What a page says of a command, and after it of the commands in it."""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f".SH SYNOPSIS\n.B {roff(context.command_path)}\n{roff(usage)}"
    yield ".SH DESCRIPTION"
    yield from _prose(command.help or "")
    yield ".SH OPTIONS"
    yield from _options(command, context)
    if isinstance(command, click.Group) and context.parent is not None:
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                below = click.Context(inner, info_name=name, parent=context)
                yield f".SH {roff(below.command_path.upper())}"
                yield from _prose(inner.help or "")
                yield from _options(inner, below)


def _page(name: str, summary: str, body: Iterator[str], others: list[str]) -> str:
    head = f'.TH "{name.upper()}" "1" "" "hwmodel {__version__}" "User Commands"\n.SH NAME\n{name} \\- {roff(summary)}'
    exits = "\n".join(f".TP\n.B {code}\n{roff(said)}" for code, said in EXITS)
    also = ",\n".join(f".BR {roff(one)} (1)" for one in others)
    return "\n".join([head, *body, f".SH EXIT STATUS\n{exits}", f".SH SEE ALSO\n{also}", ""])


def pages() -> dict[str, str]:
    """File name and text of every manual page."""
    top = click.Context(cli, info_name="hwmodel")
    listed = (f".TP\n.BR {roff(f'hwmodel-{name}')} (1)\n{roff(said)}" for name, said in COMMANDS.items())
    whole = [*_inside(cli, top), ".SH COMMANDS", *listed]
    summary = (cli.help or "").strip().splitlines()[0]
    found = {"hwmodel.1": _page("hwmodel", summary, iter(whole), [f"hwmodel-{name}" for name in COMMANDS])}
    for name, said in COMMANDS.items():
        command: click.Command = importlib.import_module(f"hwmodel.cli.{name}").command
        body = _inside(command, click.Context(command, info_name=name, parent=top))
        found[f"hwmodel-{name}.1"] = _page(f"hwmodel-{name}", said, body, ["hwmodel"])
    return found
