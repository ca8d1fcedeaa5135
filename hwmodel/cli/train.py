"""`hwmodel train`: predict one training layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from hwmodel.answers import json_text
from hwmodel.cli.launch_files import EXPORT, FROM, export_answer, sequence_parallel_of, with_launch_file
from hwmodel.cli.models import with_model_file
from hwmodel.cli.options import REPORT, RUN, stated, with_options
from hwmodel.cli.output import emit, terminal_columns
from hwmodel.cli.process import start_no_algebra
from hwmodel.cli.sections import Sectioned
from hwmodel.errors import InfeasibleError

if TYPE_CHECKING:
    from hwmodel.solve.question.options import TrainOptions


@click.command("train", cls=Sectioned)
@with_options([*RUN, click.option("--precision", help="Training recipe, like bf16 or fp8."), *REPORT])
@click.option("--task", type=click.Choice(["pretrain", "sft", "lora"]), default="pretrain", show_default=True)
@click.option("--rank", type=float, help="Rank of the adapters of --task lora (default: a hundredth of the model).")
@click.option("--base", help="Format of the frozen weights under --task lora: nf4, int8 or bf16.")
@click.option("--no-sequence-parallel", "plain", is_flag=True, help="Tensor parallelism without sequence parallelism.")
@click.option("--searched", help="Settings given here that a search chose, like tp,pp,micro_batch: add its optimism.")
@FROM
@EXPORT
def command(
    fmt: str,
    out: Path | None,
    quiet: bool,
    lang: str | None,
    plain: bool,
    source: Path | None,
    export: str | None,
    **options: Unpack[TrainOptions],
) -> None:
    """Predict the step time, its terms, and the memory of one training layout; blanks are chosen as the fastest fit.

    A layout that does not fit is shown all the same, and exits with 3.

    \b
    hwmodel train --model llama-3.1-405b --gpus 16384xH100 --tp 8 --pp 16 --cp 1 --global-batch 2048 --seq-len 8192
    hwmodel train --model mixtral-8x7b --gpus 64xH100 --ep 8 --precision fp8
    hwmodel train --from pretrain.sh --gpus 64xH100
    """
    start_no_algebra()
    from hwmodel.report import train_card
    from hwmodel.report.phrases import language_of
    from hwmodel.report.train_report import train_csv, train_html, train_markdown
    from hwmodel.solve.train import train

    language = language_of(lang, fmt)
    given = with_model_file(with_launch_file(stated(options), source, quiet=quiet), quiet=quiet)
    split = False if plain else sequence_parallel_of(source)
    if split is not None:
        given["sequence_parallel"] = split
    found = train(**given)
    if fmt == "json":
        text = json_text(found.to_dict())
    elif fmt == "csv":
        text = train_csv(found)
    elif fmt == "text":
        text = train_card(found, terminal_columns(), language)
    else:
        text = (train_html if fmt == "html" else train_markdown)(found, language)
    emit(text, out)
    export_answer(found.to_dict(), export, quiet=quiet)
    if not found.fits:
        raise InfeasibleError(next(line for line in found.warnings if line.startswith("does not fit")))
