"""`hwmodel measured`: a job's own log as the file of `plan --measured`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import click

from hwmodel.cli.launch_files import FROM, with_launch_file
from hwmodel.cli.models import with_model_file
from hwmodel.cli.options import OUT, QUIET, RUN, stated, with_options
from hwmodel.cli.output import emit, note
from hwmodel.cli.sections import Sectioned
from hwmodel.errors import InputError

if TYPE_CHECKING:
    from hwmodel.interop.job_logs import MeasuredRun
    from hwmodel.solve.question.options import TrainOptions

MAX_BYTES = 1_000_000_000


@click.command("measured", cls=Sectioned)
@click.argument("log", type=click.Path(path_type=Path))
@with_options([*RUN, click.option("--precision", help="Training recipe, like bf16 or fp8."), FROM, OUT, QUIET])
@click.option("--skip", type=click.IntRange(0), default=10, show_default=True, help="Steps of a start to leave out.")
def command(
    log: Path, source: Path | None, out: Path | None, quiet: bool, skip: int, **given: Unpack[TrainOptions]
) -> None:
    """The step time of your own job, read from its log (Megatron-LM, torchtitan, MaxText), for `plan --measured`.

    Say which run it was: its launch file (`--from`), options, or both. The median step after the start counts.

    \b
    hwmodel measured train.log --from pretrain.sh --gpus H100 --out mine.yaml
    hwmodel plan --gpus 1024xH100 --tokens 2T --measured mine.yaml
    """
    from hwmodel.catalog.reading import text_of
    from hwmodel.interop.job_logs import measured_run, read_log
    from hwmodel.units import parse_fleet

    found = read_log(text_of(log, most=MAX_BYTES, errors="replace"), str(log), skip)
    options = with_launch_file(stated(given), source, quiet=quiet)
    if options.get("gpus") is None or (options.get("model") is None and options.get("params") is None):
        raise InputError(f"{log}: say which run it was: --from its launch file, or --gpus and --model (and its layout)")
    options = with_model_file(options, quiet=quiet)
    run = measured_run(found, options, parse_fleet(str(options["gpus"]))[0], str(log))
    name, unit = ("seconds", "s a step") if "step_time" in run else ("rate", "tokens/s an accelerator")
    low, high = found.spread(name)
    said = [
        f"{found.tool}: {len(found.steps)} printed steps, {found.left_out} left out (start, restarts, smaller batches)",
        f"median {found.typical(name):.6g} {unit}; eight of ten from {low:.6g} to {high:.6g}",
    ]
    if found.memory_bytes is not None:
        said.append(f"memory: {found.memory_bytes / 2**30:.2f} GiB of an accelerator, {found.memory_words}")
    lines = [f"# hwmodel measured {log}", *(f"# {line}" for line in said)]
    text = "\n".join(lines) + "\n" + _yaml(run)
    level = _level(text)
    for line in (*said, f"the run took {level:.2f} times the predicted time", *_memory(run)):
        note(f"note: {line}", quiet=quiet)
    emit(text, out)


def _yaml(run: MeasuredRun) -> str:
    """The file's text; a model that is not in the catalog with its fields, so that its own file is not needed."""
    import msgspec
    import yaml

    def plain(value: Any) -> Any:
        """Builtin values, those of structs that are the default left out."""
        if isinstance(value, msgspec.Struct):
            fields = msgspec.structs.fields(value)
            return {f.name: plain(v) for f in fields if (v := getattr(value, f.name)) != f.default}
        if isinstance(value, (tuple, list)):
            return [plain(v) for v in value]
        return value if isinstance(value, (int, float, str)) else str(value)

    return str(yaml.safe_dump({name: plain(value) for name, value in run.items()}, sort_keys=False))


def _memory(run: MeasuredRun) -> list[str]:
    """What the prediction of the same run allocates, to hold beside the log's memory."""
    from hwmodel.solve.train import train

    options = {name: value for name, value in run.items() if name not in ("step_time", "tokens_per_s")}
    found = train(**cast("TrainOptions", options)).answer.allocated_memory_bytes.scaled(2.0**-30)
    return [f"predicted allocation: {found.value:.1f} GiB (80 %: {found.low:.1f} to {found.high:.1f})"]


def _level(text: str) -> float:
    """Measured over predicted time of the file, as `plan --measured` will take it. InputError where it cannot."""
    from hwmodel.solve.plan.solver import setting_of

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return setting_of(gpus="8xH100", tokens="1T", measured=str(path)).level
