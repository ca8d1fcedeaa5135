"""Options that commands share; names are those of the Python API and of the JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from hwmodel.cli.output import FORMATS, check_writable, form_of
from hwmodel.errors import InputError
from hwmodel.specs.layout import ASKED, SIZES

if TYPE_CHECKING:
    from hwmodel.solve.question.options import CompareOptions, PlanOptions, ServeQuestion, TrainOptions

Command = Callable[..., Any]
Asked = TypeVar("Asked", "PlanOptions", "CompareOptions", "TrainOptions", "ServeQuestion[str]")


def stated(given: Asked) -> Asked:
    """The options that were given: click hands over None, or an empty tuple, for the others."""
    return cast("Asked", {name: value for name, value in given.items() if value is not None and value != ()})


def _checked(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """The path of --out, refused before any work is done if it could not be written."""
    check_writable(path)
    return path


FORMAT_HELP = "Default: by the suffix of --out; else text on a terminal, md in a pipe or a file."
FORMAT = click.option("--format", "fmt", type=click.Choice(FORMATS), help=FORMAT_HELP)
LANGUAGE = click.option("--lang", metavar="LANG", help="Language of the report's words: en or zh (default en).")
OUT = click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), callback=_checked,
    help="Write here instead of to stdout; figures go beside it.",
)  # fmt: skip
QUIET = click.option("--quiet", is_flag=True, help="No notes on stderr.")
CATALOG = click.option(
    "--catalog",
    "catalogs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Catalog overlay (repeatable).",
)
# Of commands that answer with a report, and of those that answer with a table.
RESULT = [FORMAT, OUT, QUIET]
TABLE = [FORMAT, OUT]
REPORT = [FORMAT, OUT, QUIET, LANGUAGE]

QUESTION = [
    click.option(
        "--gpus", metavar="FLEET", help="Accelerators, like 1024xA100 or H100:8; a bare part solves the count."
    ),
    click.option("--system", help="Node and network, like dgx-a100-80gb or aws-p4d (`hwmodel catalog list systems`)."),
    click.option("--nic-gbit-s", metavar="GBIT/S", help="Scale-out network per accelerator and direction."),
    click.option("--time", metavar="DURATION", help="Elapsed time allowed, like 30d."),
    click.option("--deadline", metavar="DATE", help="Day by which it must have ended, like 2027-03-01, or 45d."),
    click.option("--start", metavar="DATE", help="Day on which it starts (default: today, where a date needs one)."),
    click.option(
        "--power", metavar="POWER", help="Power of the site, like 10MW: what it carries at its rating and PUE."
    ),
    click.option("--budget", metavar="USD", help="Money allowed, like $5M."),
    click.option(
        "--confidence",
        metavar="SHARE",
        help="How sure --time, --deadline, --budget and the figures are (default 50%: doubts at their medians).",
    ),
    click.option("--year", metavar="YEAR", help="Year of the training software, like 2023 (default: today's)."),
    click.option("--flops", metavar="FLOP", help="Training compute (6 N D), like 5.76e23."),
    click.option("--tokens", metavar="COUNT", help="Training tokens, like 1.4T."),
    click.option("--unique-tokens", metavar="COUNT", help="Distinct tokens; what lies beyond them is repeated."),
    click.option("--params", metavar="COUNT", help="Model size, like 70B; a buildable shape is found near it."),
    click.option("--model", help="A model by name (`hwmodel catalog list models`), or a config.json."),
    click.option("--loss", metavar="NATS", help="Loss to reach [nats/token]."),
    click.option("--loss-like", metavar="N@D", help="The loss of that size on that data, like 70B@1.4T."),
    click.option("--loss-factor", metavar="X", help="Factor on the loss target."),
    click.option("--inference-tokens", metavar="COUNT", help="Tokens served over the model's life."),
    click.option("--lifetime-budget", metavar="USD", help="Least loss for these dollars of training and serving."),
    click.option("--serve", metavar="TEXT", help="The same in words: '200 req/s, 1k in, 300 out, 2 years, tpot 40ms'."),
    click.option("--samples", metavar="K", help="Answers drawn for each prompt (test-time compute), or any (chosen)."),
    click.option("--task-family", help="What the samples solve: code, maths or proofs (default: a table for each)."),
    click.option(
        "--moe",
        is_flag=False,
        flag_value="all",
        metavar="[E,E]",
        help="Also mixtures of experts for the same loss and demand (numbers of experts; bare: 2 to 32).",
    ),
    click.option(
        "--distill",
        is_flag=False,
        flag_value="any",
        metavar="[N@D]",
        help="Also a student of a teacher that is there, like 70B@15T, or trained for it (bare: the best of both).",
    ),
    click.option("--sparsity", metavar="SHARE", help="Also a model with this share of zero weights, like 75%."),
    click.option("--prompt-output", metavar="P:O", help="Prompt to output tokens when served (default 3:1)."),
    click.option("--serving-precision", help="Serving recipe (default bf16)."),
    click.option("--seq-len", metavar="TOKENS", help="Sequence length (default 4096)."),
    click.option("--global-batch", metavar="SEQS", help="Sequences a step (default: up to the critical batch)."),
    click.option("--global-batch-tokens", metavar="TOKENS", help="The same in tokens."),
    *(click.option(f"--{s.name.replace('_', '-')}", s.name, help=f"{s.meaning}.") for s in SIZES if s.asked),
    click.option("--recompute", help="none, selective, full, 50% (of the layers), or modules (layernorm,moe_act)."),
    click.option(
        "--offload", help="To host memory: activations, optimizer, both with a comma, or any (searched; default none)."
    ),
    click.option("--schedule", help="Of a pipeline: 1f1b, zb-h1, zb-h2, dualpipe or dualpipev, one or several."),
    click.option("--optimizer", help="adam (default), adam8bit, adam-bf16 (pure), muon or sgd."),
    click.option("--gradient-dtype", help="Format that gradients are accumulated in: fp32 or bf16."),
    click.option("--mfu", metavar="SHARE", help="Use this MFU instead of predicting it, like 45%."),
    click.option("--flop-convention", help="FLOPs that MFU counts (default 6nd)."),
    click.option("--law", help="Scaling law (default besiroglu_2024; `hwmodel law list`)."),
    click.option("--objective", help="Lifetime cost in usd, flops, kwh or co2e."),
    click.option("--stack", help="Training software (default: the usual one of the part)."),
    click.option(
        "--usd-per-hour",
        metavar="USD",
        help="Price of an accelerator-hour instead of the catalog's quotes; of several parts h100=2.5,b200=8.",
    ),
    click.option("--price-kind", help="Kind of quote: on_demand, spot, reserved_1y ..."),
    click.option("--prices", metavar="FILE", help="Your own quotes (CSV)."),
    click.option("--pue", metavar="RATIO", help="Power of the site over that of its machines, like 1.2."),
    click.option("--region", help="Region of grid and prices: a country, a cloud region, a place like Oregon."),
    click.option("--reliability", metavar="FLEET", help="Failures as on this fleet (`hwmodel catalog list fleets`)."),
    click.option("--measured", metavar="FILE", help="A measured run of yours that sets the level of the prediction."),
    CATALOG,
    click.option("--seed", type=int, help="Seed of the draws (default 0)."),
]


def _name(option: Callable[[Command], Command]) -> str:
    """Parameter name of a click option decorator."""
    holder: Any = option(lambda: None)
    return str(holder.__click_params__[0].name)


# Those that describe one run: its hardware, model, layout and software.
_RUN = (
    "gpus", "system", "nic_gbit_s", "params", "model", "seq_len", "global_batch", "global_batch_tokens", *ASKED,
    "recompute", "offload", "schedule", "optimizer", "gradient_dtype", "flop_convention", "stack", "year", "catalogs",
)  # fmt: skip
RUN = [option for option in QUESTION if _name(option) in _RUN]


def with_options(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    """Decorate a command with options, in their order; a result's format is settled before the command runs."""

    def decorate(function: Command) -> Command:
        """The command with all of them."""
        if FORMAT in options:
            function = _formatted(function)
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _formatted(function: Command) -> Command:
    """The command called with the format that --format, --out and the terminal come to."""

    @functools.wraps(function)
    def formatted(*args: Any, fmt: str | None, out: Path | None, **given: Any) -> Any:
        """The command itself."""
        return function(*args, fmt=form_of(fmt, out), out=out, **given)

    return formatted


def pairs(settings: Sequence[str], flag: str, example: str) -> dict[str, str]:
    """What NAME=VALUE options set, repeated ones the last time. InputError for one without `=`."""
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{flag} {setting!r}: write NAME=VALUE, like {flag} {example}")
        found[name.strip()] = value.strip()
    return found


def number(text: str, what: str) -> float:
    """A plain number of any sign, or a count such as 1.4T."""
    from hwmodel.units import parse_count

    try:
        value = float(text)
    except ValueError:
        return parse_count(text, what)
    if value - value != 0.0:
        raise InputError(f"{what} must be a finite number, not {text}")
    return value
