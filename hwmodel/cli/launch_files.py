"""Options that read a launch file into a question, and that write the answer's launch files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from hwmodel.cli.output import note

if TYPE_CHECKING:
    from hwmodel.interop.launch_in import Read
    from hwmodel.plain import JsonValue
    from hwmodel.solve.question.options import PlanOptions, TrainOptions

Asked = TypeVar("Asked", "PlanOptions", "TrainOptions")

FROM = click.option(
    "--from", "source", metavar="FILE", type=click.Path(path_type=Path),
    help="Read the question from a launch file (Megatron, torchtitan, MaxText, DeepSpeed ...); options override it.",
)  # fmt: skip
EXPORT = click.option(
    "--export", "export", metavar="TARGETS[=DIR]", help="Also write launch files, like megatron,slurm=launch."
)


def with_launch_file(given: TrainOptions, source: Path | None, *, quiet: bool) -> TrainOptions:
    """The options of a run, those of the launch file added."""
    if source is None:
        return given
    from hwmodel.interop.launch_in import read_launch

    read = read_launch(source)
    out = _with(read, given)
    _tell(read, source, given, out, quiet)
    return out


def plan_with_launch_file(given: PlanOptions, source: Path | None, *, quiet: bool) -> PlanOptions:
    """The options of a plan, those of the launch file added, whose layout is taken as given; also the tokens that its
    steps train on, where nothing else sizes the run."""
    if source is None:
        return given
    from msgspec.structs import replace

    from hwmodel.interop.launch_in import read_launch
    from hwmodel.solve.question.request import DEFAULT_SEQ_LEN
    from hwmodel.solve.question.values import whole_of

    read = read_launch(source)
    fixed = {name: value for name, value in read.options.items() if name != "searched"}
    out = _with(replace(read, options=fixed), given)
    if read.steps and not any(out.get(name) for name in ("tokens", "time", "budget", "flops", "loss")):
        batch = whole_of(out["global_batch"], "--global-batch")
        out["tokens"] = str(read.steps * batch * whole_of(out.get("seq_len", DEFAULT_SEQ_LEN), "--seq-len"))
    _tell(read, source, given, out, quiet)
    return out


def _with(read: Read, given: Asked) -> Asked:
    """What a launch file says with what is given beside it, its model one of the catalog where that has it."""
    from hwmodel.catalog import load_catalog
    from hwmodel.interop.launch_in.question import question

    catalog = load_catalog(tuple(given.get("catalogs", ())))
    return question(read, given, [entry.shape for entry in catalog.models() if entry.shape is not None])


def _tell(read: Read, source: Path, given: Asked, out: Asked, quiet: bool) -> None:
    """Notes on what was read, how, and what was passed over."""
    said = ", ".join(
        f"{name} {value}" for name, value in out.items() if name not in ("shape", "catalogs") and name not in given
    )
    note(f"note: read from {source} ({read.tool}): {said}", quiet=quiet)
    for line in read.notes:
        note(f"note: {source}: {line}", quiet=quiet)
    if read.passed_over:
        note(f"note: {source}: passed over {', '.join(read.passed_over)}", quiet=quiet)


def sequence_parallel_of(source: Path | None) -> bool | None:
    """Whether the launch file splits norms over tensor-parallel ranks; None (the stack's habit) without a file."""
    if source is None:
        return None
    from hwmodel.interop.launch_in import read_launch

    return read_launch(source).sequence_parallel


def export_answer(data: Mapping[str, JsonValue], asked: str | None, *, quiet: bool) -> None:
    """Write the launch files of `--export TARGETS[=DIR]`; the folder is `launch` where none is named."""
    if asked is None:
        return
    from hwmodel.cli.export import write_launch
    from hwmodel.interop.export import names_asked

    targets, _, folder = asked.partition("=")
    write_launch(data, names_asked(targets), Path(folder or "launch"), "the answer", quiet=quiet)
