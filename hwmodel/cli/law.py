"""`hwmodel law`: list, show, eval, optimum, gain, disagreement, combine, docs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from hwmodel.cli.group import CommandGroup
from hwmodel.cli.options import CATALOG, TABLE, Command, number, pairs, with_options
from hwmodel.cli.output import emit, table_columns

if TYPE_CHECKING:
    from hwmodel.api.options import BudgetOptions, DrawOptions, EvalOptions, OptimumOptions
    from hwmodel.api.sheet import Sheet

_table = with_options([*TABLE, CATALOG])
_convention = click.option(
    "--convention", help="How --params counts: total, non_embedding, active, flop_per_token (default: the law's own)."
)


def _draws(default: int) -> Callable[[Command], Command]:
    """--draws and --seed."""
    text = "Joint draws of the constants for the bands; 0: none."
    return with_options(
        [
            click.option("--draws", default=default, show_default=True, help=text),
            click.option("--seed", default=0, show_default=True, help="Seed of the draws."),
        ]
    )


def _quantities(*names: str) -> Callable[[Command], Command]:
    """An option for each quantity of these names."""
    return with_options([click.option(f"--{name.replace('_', '-')}", name) for name in names])


def _print(found: Sheet[Any], fmt: str, out: Path | None) -> None:
    """A sheet to where the result goes."""
    emit(found.render(fmt, table_columns()), out)


@click.group(cls=CommandGroup)
def command() -> None:
    """List, show and evaluate scaling laws and their optima."""


@command.command("list")
@click.option("--family", help="Only this family (pretraining, precision, experts ...).")
@click.option("--topic", help="Only the laws of a question of the field, with its answer; `all` lists the topics.")
@_table
def list_laws(family: str | None, topic: str | None, fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """All laws and variants, with their status; a refusal says why a law is listed but not evaluated."""
    from hwmodel.api import law

    _print(law.list(family, topic, catalogs=catalogs), fmt, out)


@command.command()
@click.argument("law_id", metavar="LAW")
@_table
def show(law_id: str, fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """One law: form, constants, convention, fit range, source, caveats, test points."""
    from hwmodel.api import law

    _print(law.show(law_id, catalogs=catalogs), fmt, out)


@command.command("eval")
@click.argument("law_id", metavar="LAW")
@_quantities("params", "tokens", "flops", "unique_tokens", "experts")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other input, see `law show LAW`.")
@_convention
@_table
def evaluate(law_id: str, settings: tuple[str, ...], fmt: str, out: Path | None, **asked: Unpack[EvalOptions]) -> None:
    """The law's outputs (its loss, for most) for the inputs that it takes."""
    from hwmodel.api import law

    found = pairs(settings, "--set", "weight_bits=8")
    numbers = {name: number(value, name) for name, value in found.items()}
    _print(law.eval(law_id, settings=numbers, **asked), fmt, out)


@command.command()
@click.argument("law_id", metavar="LAW")
@_quantities("flops", "tokens", "params", "inference_tokens", "unique_tokens", "experts")
@_convention
@click.option("--loss", type=float, help="Reach this loss [nats/token] as cheaply as possible.")
@_draws(4000)
@_table
def optimum(law_id: str, fmt: str, out: Path | None, **asked: Unpack[OptimumOptions]) -> None:
    """The law's best size and data for a budget (or for given tokens, a given size, or a loss), with 80 % bands.

    With --inference-tokens: the size that is cheapest over training and inference FLOPs at the same loss.
    """
    from hwmodel.api import law

    _print(law.optimum(law_id, **asked), fmt, out)


@command.command()
@click.option("--from", "small", required=True, metavar="10B", help="The smaller size.")
@click.option("--to", "large", required=True, metavar="100B", help="The larger size.")
@click.option("--tokens", help="Train both on these tokens (default: what each law calls best).")
@_draws(1000)
@_table
def gain(small: str, large: str, tokens: str | None, fmt: str, out: Path | None, **asked: Unpack[DrawOptions]) -> None:
    """The loss that a larger model gains, under every law that has a loss, with bands and their span."""
    from hwmodel.api import law

    _print(law.gain(small, large, tokens, **asked), fmt, out)


@command.command()
@_quantities("flops", "tokens", "params")
@_draws(1000)
@_table
def disagreement(fmt: str, out: Path | None, **asked: Unpack[BudgetOptions]) -> None:
    """The laws side by side for one budget, and the spread of the ensemble."""
    from hwmodel.api import law

    _print(law.disagreement(**asked), fmt, out)


@command.command()
@click.argument("base_id", metavar="BASE")
@click.argument("others", metavar="LAW...", nargs=-1, required=True)
@_table
def combine(base_id: str, others: tuple[str, ...], fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """Whether laws may be used on a base law, or together: sound, bound, interval or refused, with the reason."""
    from hwmodel.api import law

    _print(law.combine(base_id, *others, catalogs=catalogs), fmt, out)


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
def docs(folder: Path) -> None:
    """Write the pages about the laws (formulas from their own code) and the table of test points into FOLDER."""
    from hwmodel.catalog import load_catalog
    from hwmodel.cli.output import note, write_texts
    from hwmodel.report.law_docs import documents
    from hwmodel.validation.claims.law_points import check_points, document

    specs = load_catalog().laws()
    pages = {**documents(specs), "test_points.md": document(check_points(specs))}
    write_texts(folder, pages)
    note(f"{len(pages)} pages in {folder}")
