"""`hwmodel plan`: the budget report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from hwmodel.answers import json_text
from hwmodel.catalog.writing import is_special
from hwmodel.cli.launch_files import EXPORT, FROM, export_answer, plan_with_launch_file
from hwmodel.cli.models import with_model_file
from hwmodel.cli.options import QUESTION, REPORT, stated, with_options
from hwmodel.cli.output import emit, note, terminal_columns
from hwmodel.cli.process import start_no_algebra
from hwmodel.cli.sections import Sectioned

if TYPE_CHECKING:
    from hwmodel.solve.plan.answer import Plan
    from hwmodel.solve.question.options import PlanOptions
    from hwmodel.solve.stages.solver import BudgetPlan


@click.command("plan", cls=Sectioned)
@click.argument("file", required=False, metavar="[BUDGET.yaml]")
@with_options([*QUESTION, click.option("--precision", help="Training recipe, like bf16 or fp8."), *REPORT])
@click.option(
    "--own", is_flag=True, help="Accelerators bought, with cash flow and break-even; details in a BUDGET.yaml."
)
@click.option("--figures", type=click.Choice(["svg", "png", "none"]), default="svg", show_default=True)
@FROM
@EXPORT
def command(
    file: str | None,
    fmt: str,
    out: Path | None,
    quiet: bool,
    lang: str | None,
    figures: str,
    source: Path | None,
    export: str | None,
    own: bool,
    **options: Unpack[PlanOptions],
) -> None:
    """What to train on a fleet, in which layout, for how long, at what cost, and how sure.

    \b
    hwmodel plan --gpus 1024xA100 --tokens 1.4T
    hwmodel plan --gpus 100xA100 --time 30d --out budget.md
    hwmodel plan --loss-like 70B@1.4T --inference-tokens 2T
    hwmodel plan budget.yaml

    A BUDGET.yaml has stages (ablations, pre-training, fine-tuning, rl, serving ...), pools, and money; its keys are
    these options. Given beside it stand for the same keys of the file.
    """
    start_no_algebra()
    from hwmodel.report.phrases import language_of
    from hwmodel.solve.plan.solver import plan
    from hwmodel.solve.question.options import is_budget

    language, given = language_of(lang, fmt), stated(options)
    if file is not None or is_budget(given.get("gpus"), own):
        _budget(file, own, fmt, out, quiet, language, source, export, given)
        return
    given = plan_with_launch_file(given, source, quiet=quiet)
    found = plan(**with_model_file(given, quiet=quiet))
    if fmt in ("json", "csv") or out is not None:
        # The report says these itself; here they are for whoever does not see it.
        for line in found.warnings:
            note(f"note: {line}", quiet=quiet)
    text, beside = _written(found, fmt, out, figures, language)
    emit(text, out, beside)
    export_answer(found.to_dict(), export, quiet=quiet)


def _written(found: Plan, fmt: str, out: Path | None, figures: str, language: str) -> tuple[str, dict[Path, bytes]]:
    """The result in its format, and the figures beside its file."""
    from hwmodel import report
    from hwmodel.report.plan import plan_csv, plan_html, plan_markdown

    if fmt == "json":
        return json_text(found.to_dict()), {}
    if fmt == "csv":
        return plan_csv(found), {}
    if fmt == "text":
        return report.plan_card(found, terminal_columns(), language), {}
    with_figures = figures != "none" and (fmt == "html" or (out is not None and not is_special(out)))
    drawn = report.plan_figures(found, out or Path("report"), figures, language) if with_figures else {}
    if fmt == "html":
        return plan_html(found, report.pictures(drawn), language), {}
    names = {name: file.name for name, (file, _) in drawn.items()}
    return plan_markdown(found, names, language), report.figure_files(drawn, figures)


def _budget(
    file: str | None,
    own: bool,
    fmt: str,
    out: Path | None,
    quiet: bool,
    language: str,
    source: Path | None,
    export: str | None,
    given: PlanOptions,
) -> None:
    """Answer a plan file, or one run on accelerators bought, or one on each of several pools."""
    from hwmodel.errors import InputError
    from hwmodel.solve.stages.solver import budget, one_stage

    if source is not None or export is not None:
        raise InputError("a budget of stages has several runs: drop --from and --export, or plan one run by itself")
    given, bought = with_model_file(given, quiet=quiet), {"own": True} if own else {}
    found = budget(Path(file), **given, **bought) if file is not None else one_stage(**given, **bought)
    for line in found.warnings:
        note(f"note: {line}", quiet=quiet)
    emit(_budget_written(found, fmt, language), out)


def _budget_written(found: BudgetPlan, fmt: str, language: str) -> str:
    """The budget in its format."""
    from hwmodel import report

    if fmt == "json":
        return json_text(found.to_dict())
    if fmt == "csv":
        return report.budget_csv(found)
    if fmt == "text":
        return report.budget_card(found, terminal_columns(), language)
    return (report.budget_html if fmt == "html" else report.budget_markdown)(found, language)
