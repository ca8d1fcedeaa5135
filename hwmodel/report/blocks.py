"""A report as blocks: what is said, apart from how Markdown or HTML shows it."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from hwmodel.catalog.safe_text import markdown_safe
from hwmodel.report.tables import table
from hwmodel.report.wide import width, wrapped


class Heading(msgspec.Struct, frozen=True):
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


class Text(msgspec.Struct, frozen=True):
    """A paragraph; **strong** and `code` are marked as in Markdown."""

    text: str


class Table(msgspec.Struct, frozen=True):
    """A table of words."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Bullets(msgspec.Struct, frozen=True):
    """A list."""

    items: Sequence[str]


class Picture(msgspec.Struct, frozen=True):
    """A figure by its name, where it was drawn; else the block that says the same in words, if any."""

    name: str
    caption: str
    instead: Table | None = None


class Code(msgspec.Struct, frozen=True):
    """Text as it is typed."""

    text: str


class PageBreak(msgspec.Struct, frozen=True):
    """Where a printed report turns the page."""


Block = Heading | Text | Table | Bullets | Picture | Code | PageBreak


def shown(blocks: Sequence[Block], figures: Collection[str]) -> list[Block]:
    """The blocks with every picture that was not drawn replaced by its words; headings over nothing are left out."""
    kept: list[Block] = []
    for block in blocks:
        if isinstance(block, Picture) and block.name not in figures:
            if block.instead is not None:
                kept.append(block.instead)
        elif not _empty(block):
            kept.append(block)
    return [
        block for place, block in enumerate(kept)
        if not isinstance(block, Heading) or block.level == 1 or not _ends(kept[place + 1 : place + 2], block)
    ]  # fmt: skip


def _empty(block: Block) -> bool:
    if isinstance(block, Table):
        return not block.rows
    if isinstance(block, Bullets):
        return not block.items
    return isinstance(block, (Text, Code)) and not block.text


def _ends(after: Sequence[Block], heading: Heading) -> bool:
    """Whether nothing stands under a heading."""
    return not after or (isinstance(after[0], Heading) and after[0].level <= heading.level)


def markdown(blocks: Sequence[Block], figures: Mapping[str, str]) -> str:
    """Markdown; `figures` maps the name of a picture to its file."""
    parts = [_markdown(block, figures) for block in shown(blocks, figures)]
    return markdown_safe("\n\n".join(part for part in parts if part) + "\n")


def plain_text(blocks: Sequence[Block], columns: int | None = None) -> str:
    """For a terminal: headings underlined, code indented, tables in columns, paragraphs within the width."""
    parts = [_plain(block, columns) for block in shown(blocks, {})]
    return "\n\n".join(part for part in parts if part) + "\n"


def text_of_markdown(text: str, columns: int | None = None) -> str:
    """The same from a report that was written as Markdown."""
    return plain_text(read_markdown(text), columns)


def _plain(block: Block, columns: int | None) -> str:
    if isinstance(block, Heading):
        lines = [block.text] if columns is None else wrapped(block.text, columns)
        return "\n".join([*lines, "-" * max(map(width, lines))])
    if isinstance(block, Table):
        return table(block.header, block.rows, "text", columns)
    if isinstance(block, Code):
        lines = block.text.splitlines()
        room = columns or max(map(len, lines)) + 4
        return "\n".join(part for line in lines for part in wrapped(line, room, "    ", "      "))
    if isinstance(block, Bullets):
        return "\n".join(_filled(f"- {item}", columns, "  ") for item in block.items)
    return _filled(block.text, columns) if isinstance(block, Text) else ""


def _filled(text: str, columns: int | None, indent: str = "") -> str:
    """A paragraph without the marks of Markdown, wrapped where a width is given."""
    bare = text.replace("**", "").replace("`", "")
    return bare if columns is None else "\n".join(wrapped(bare, columns, indent=indent))


def _markdown(block: Block, figures: Mapping[str, str]) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Text):
        return block.text
    if isinstance(block, Table):
        return table(block.header, block.rows)
    if isinstance(block, Bullets):
        return "\n".join(f"- {item}" for item in block.items)
    if isinstance(block, Picture):
        return f"![{block.caption}]({figures[block.name]})"
    return f"```\n{block.text}\n```" if isinstance(block, Code) else ""


def read_markdown(text: str) -> list[Block]:
    """The blocks of a report that was written as Markdown: headings, paragraphs, lists, tables, code, pictures."""
    return [_read(part) for part in text.strip().split("\n\n")]


def _read(part: str) -> Block:
    """One block of Markdown as this package writes it."""
    lines = part.splitlines()
    text = html.unescape(part)
    if part.startswith("#"):
        marks, _, title = text.partition(" ")
        return Heading(title, len(marks))
    if part.startswith("|"):
        rows = [_cells(line) for line in lines]
        return Table(rows[0], rows[2:])
    if all(line.startswith("- ") for line in lines):
        return Bullets([html.unescape(line[2:]) for line in lines])
    if picture := re.fullmatch(r"!\[([^]]*)\]\(([^)]*)\)", part):
        return Picture(picture[2], picture[1])
    if part.startswith("```"):
        return Code("\n".join(lines[1:-1]))
    return Text(text)


def _cells(line: str) -> list[str]:
    """The cells of a row of a pipe table."""
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    return [html.unescape(cell.strip().replace("\\|", "|")) for cell in cells]
