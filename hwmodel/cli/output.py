"""Where a result goes: stdout or a file that appears whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hwmodel.catalog.writing import check_target, is_special, write_files, write_folder, write_whole
from hwmodel.errors import InputError

FORMATS = ("md", "json", "csv", "text", "html")
SUFFIXES = {
    ".md": "md",
    ".markdown": "md",
    ".json": "json",
    ".csv": "csv",
    ".html": "html",
    ".htm": "html",
    ".txt": "text",
}


def form_of(asked: str | None, out: Path | None, formats: Sequence[str] = FORMATS) -> str:
    """The format of a result: as asked, else of the file's suffix, else text on a terminal and Markdown elsewhere.

    Raises InputError where the suffix says another format than the option, or none that this command writes.
    """
    if out is None:
        return asked or ("text" if on_terminal() else "md")
    named = SUFFIXES.get(out.suffix.lower())
    if asked is not None:
        if named in formats and named != asked:
            raise InputError(f"--format {asked} and --out {out} name two formats; drop one of them")
        return asked
    if is_special(out) or not out.suffix:
        return "md"
    if named is None or named not in formats:
        known = ", ".join(suffix for suffix, form in SUFFIXES.items() if form in formats)
        raise InputError(f"--out {out}: no format is called {out.suffix!r}; use one of {known}, or add --format")
    return named


def on_terminal() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


def terminal_columns(most: int = 80) -> int:
    """Columns that a card may take: the terminal's, at most `most`; `most` into pipes and files."""
    return min(most, table_columns() or most)


def table_columns() -> int | None:
    """Columns that a table may take on a terminal; None into pipes and files, where lines may be long."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns if on_terminal() else None


def write_text(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all. Raises InputError if it cannot."""
    write_whole(path, text)


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their path below a folder, which is made. Raises InputError if it cannot."""
    write_folder(folder, texts)


def emit(text: str, out: Path | None, beside: Mapping[Path, bytes] | None = None) -> None:
    """Print the result, or put it into `out` with the files `beside` it, all or none.

    Raises InputError where a file or stdout takes nothing.
    """
    text = text if text.endswith("\n") else text + "\n"
    if out is not None:
        write_files({**(beside or {}), out: text})
        return
    if sys.stdout is None:
        raise InputError("cannot write the result: standard output is closed; name a file with --out")
    try:
        click.echo(text, nl=False)
        sys.stdout.flush()
    except UnicodeEncodeError as error:
        raise InputError(
            f"standard output ({error.encoding}) cannot show {error.object[error.start]!r}; name a file with --out"
        ) from error


def note(message: str, *, quiet: bool = False) -> None:
    """A line for the person, on stderr."""
    if not quiet:
        click.echo(told(message), err=True)


def told(message: str) -> str:
    """What stderr gets: the line as it is, wrapped between words where a terminal would break it anywhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        return message
    import shutil

    from hwmodel.report.wide import wrapped

    columns = shutil.get_terminal_size((80, 24)).columns
    return "\n".join(part for line in message.splitlines() for part in wrapped(line, columns, indent="  "))


def check_writable(path: Path | None, flag: str = "--out") -> None:
    """Raise InputError before any work is done if the `path` of an option could not be written."""
    check_target(path, flag)


def render(rows: Any, document: Any, fmt: str, text: str | None = None, lead: str | None = None) -> str:
    """Rows and document in the format asked; text as wide as the terminal."""
    from hwmodel.report import sheets

    return sheets.render(rows, document, fmt, text, lead, table_columns())


def written(markdown: str, form: str) -> str:
    """A report that was written as Markdown as it is, as a page, or as text as wide as the terminal."""
    if form == "html":
        from hwmodel.report.html import page_of_markdown

        return page_of_markdown(markdown)
    if form == "text":
        from hwmodel.report.blocks import text_of_markdown

        return text_of_markdown(markdown, table_columns())
    return markdown
