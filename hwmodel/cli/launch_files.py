"""Options that read a launch file into a question, and that write the answer's launch files."""

from __future__ import annotations

from pathlib import Path

import click

from hwmodel.cli.output import note
from hwmodel.plain import Document, Given

FROM = click.option(
    "--from", "source", metavar="FILE", type=click.Path(path_type=Path),
    help="Read the question from a launch file (Megatron, torchtitan, MaxText, DeepSpeed ...); options override it.",
)  # fmt: skip
EXPORT = click.option(
    "--export", "export", metavar="TARGETS[=DIR]", help="Also write launch files, like megatron,slurm=launch."
)


def with_launch_file(given: Given, source: Path | None, *, quiet: bool, tokens: bool = False) -> Given:
    """The options, those of the launch file added. `tokens`: also the tokens that its steps train on."""
    if source is None:
        return given
    from hwmodel.catalog import load_catalog
    from hwmodel.interop.launch_in import read_launch
    from hwmodel.interop.launch_in.question import question
    from hwmodel.solve.question.request import DEFAULT_SEQ_LEN
    from hwmodel.solve.question.values import whole_of

    read = read_launch(source)
    catalog = load_catalog(tuple(given.get("catalogs") or ()))
    out = question(read, given, [entry.shape for entry in catalog.models() if entry.shape is not None])
    if tokens:  # a plan: its layout is taken as given
        out.pop("searched", None)
    if tokens and read.steps and not any(out.get(name) for name in ("tokens", "time", "budget", "flops", "loss")):
        batch = whole_of(out["global_batch"], "--global-batch")
        out["tokens"] = str(read.steps * batch * whole_of(out.get("seq_len", DEFAULT_SEQ_LEN), "--seq-len"))
    said = ", ".join(
        f"{name} {value}"
        for name, value in out.items()
        if name not in ("shape", "catalogs") and given.get(name) is None
    )
    note(f"note: read from {source} ({read.tool}): {said}", quiet=quiet)
    for line in read.notes:
        note(f"note: {source}: {line}", quiet=quiet)
    if read.passed_over:
        note(f"note: {source}: passed over {', '.join(read.passed_over)}", quiet=quiet)
    return out


def sequence_parallel_of(source: Path | None) -> bool | None:
    """Whether the launch file splits norms over tensor-parallel ranks; None (the stack's habit) without a file."""
    if source is None:
        return None
    from hwmodel.interop.launch_in import read_launch

    return read_launch(source).sequence_parallel


def export_answer(data: Document, asked: str | None, *, quiet: bool) -> None:
    """Write the launch files of `--export TARGETS[=DIR]`; the folder is `launch` where none is named."""
    if asked is None:
        return
    from hwmodel.cli.export import write_launch
    from hwmodel.interop.export import names_asked

    targets, _, folder = asked.partition("=")
    write_launch(data, names_asked(targets), Path(folder or "launch"), "the answer", quiet=quiet)
