"""`hwmodel export`: a saved answer as launch files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwmodel.cli.output import note, write_texts
from hwmodel.plain import JsonValue

if TYPE_CHECKING:
    from hwmodel.plain import JsonValue


@click.command("export")
@click.argument("answer", type=click.Path(path_type=Path))
@click.option("--to", "targets", required=True, metavar="A,B", help="Targets, like megatron,slurm (docs/launch.md).")
@click.option(
    "--out", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A new or empty folder."
)
@click.option("--quiet", is_flag=True, help="No notes on stderr.")
def command(answer: Path, targets: str, folder: Path, quiet: bool) -> None:
    """Launch files of a saved answer (`--format json`) for trainers, servers and schedulers.

    \b
    hwmodel plan --model llama-3.1-70b --gpus 512xH100 --tokens 1T --format json --out plan.json
    hwmodel export plan.json --to megatron,slurm --out launch
    """
    from hwmodel.interop.export import names_asked
    from hwmodel.solve.saved import read_answer

    write_launch(read_answer(answer), names_asked(targets), folder, str(answer), quiet=quiet)


def write_launch(
    data: Mapping[str, JsonValue], targets: tuple[str, ...], folder: Path, where: str, *, quiet: bool
) -> None:
    """Write the files of an answer and say how to start them. InputError leaves nothing behind."""
    from hwmodel.interop.export import check_folder, launch_files

    written = launch_files(data, targets, where)
    check_folder(folder, written.files)
    write_texts(folder, written.files)
    for name in written.files:
        click.echo(str(folder / name))
    for item in written.unexpressed:
        note(f"note: {item.setting} {item.value}: {item.reason}", quiet=quiet)
    note(f"start: {written.start}", quiet=quiet)
