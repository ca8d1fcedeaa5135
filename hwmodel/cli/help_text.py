"""How `--help` is laid out: as wide as the terminal, long lines to be typed continued as a shell reads them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence

import click
from click import formatting

LEAST = 20  # columns below which no help is drawn narrower
PLAIN = "\b"  # click's mark of a paragraph that is shown as it stands
# What stays together in a line that is typed: an option with its value, a quoted word, a word.
_TYPED = re.compile(r"""--\S+ (?:"[^"]*"|(?!-)\S+)|\S*"[^"]*"\S*|\S+""")


class Help(click.HelpFormatter):
    """The formatter of click without its least width of 50, and with terms and typed lines that are broken too."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = formatting.FORCED_WIDTH or min(shutil.get_terminal_size((80, 24)).columns, max_width or 80) - 2
        super().__init__(indent_increment, width or max(columns, LEAST), max_width)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Usage; the arguments stand below a name that leaves them no room."""
        shown = f"{'Usage: ' if prefix is None else prefix}{prog} "
        if len(shown) + len(args) <= self.width:
            self.write(f"{shown}{args}\n")
            return
        for line in (shown.rstrip(), *(f"{'':4}{one}" for one in _broken(args.split(" "), self.width - 4))):
            self.write(f"{line}\n")

    def write_text(self, text: str) -> None:
        """Paragraphs; the lines of plain ones are continued where they are too long."""
        room = self.width - self.current_indent
        paragraphs = (_continued(part, room) if part.startswith(PLAIN) else part for part in re.split(r"\n\s*\n", text))
        super().write_text("\n\n".join(paragraphs))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Terms and what they mean, side by side."""
        room = self.width - self.current_indent
        broken = [("\n    ".join(_broken(re.split(r" |(?<=\|)", term), room)), said) for term, said in rows]
        super().write_dl(broken, min(col_max, room // 2 - 4), col_spacing)


class Context(click.Context):
    """The context of a command whose help is laid out so."""

    formatter_class = Help


def _broken(pieces: Sequence[str], columns: int) -> Iterator[str]:
    """Pieces joined into lines of at most so many columns; those that end in a bar stand close to the next."""
    line = ""
    for piece in pieces:
        joint = "" if not line or line.endswith("|") else " "
        if line and len(line) + len(joint) + len(piece) > columns - 2:
            yield line
            line, joint = "", ""
        line += joint + piece
    yield line


def _continued(paragraph: str, columns: int) -> str:
    """A paragraph of lines to be typed, each within so many columns."""
    return "\n".join(part for line in paragraph.split("\n") for part in _typed(line, columns))


def _typed(line: str, columns: int) -> Iterator[str]:
    """One such line: a command goes on behind a backslash, YAML on a line further in."""
    if len(line) <= columns:
        yield line
        return
    end, begin, shown = " \\" if line.startswith("hwmodel ") else "", "    ", ""
    for piece in _TYPED.findall(line):
        if shown.strip() and len(shown) + 1 + len(piece) + len(end) > columns:
            yield shown + end
            shown = begin + piece
        else:
            shown += f" {piece}" if shown else piece
    yield shown
