"""Entry point: one lazily imported module a command, and one place where errors become one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Any

import click

from hwmodel.cli.group import CommandGroup
from hwmodel.cli.process import collect_rarely
from hwmodel.errors import HwModelError
from hwmodel.version import __version__

# name -> one-line help, shown without importing the command's module (`hwmodel.cli.<name>`, attribute `command`).
COMMANDS = {
    "plan": "Answer the main question: what to train on this fleet, how, at what cost.",
    "compare": "The same plan in several precisions, side by side.",
    "train": "Predict the step time and memory of one training layout.",
    "serve": "Predict or choose a serving fleet.",
    "ui": "The same questions as a page in the browser, with a JSON API.",
    "sweep": "Every point of a space of questions: rows, winners, a Pareto front.",
    "diff": "What changed between two saved answers, and whether it exceeds their intervals.",
    "explain": "Where a number of a saved answer comes from: formulas, values, sources.",
    "export": "Launch files of a saved answer: trainers, servers, schedulers.",
    "measured": "Your own job's log as the file of plan --measured.",
    "law": "List, show and evaluate scaling laws and their optima.",
    "fit": "Fit a scaling law to your own runs.",
    "claims": "Check widespread claims about scaling.",
    "accuracy": "How right predictions were on measured runs like yours.",
    "validate": "Predict published or own runs and score the predictions.",
    "calibrate": "Fit the physics' constants to kernel tables and runs.",
    "schema": "JSON Schemas of questions and answers.",
    "catalog": "List, show and check the catalogs.",
    "prices": "What an accelerator-hour costs: list the quotes, take in newer ones.",
}

SECTIONS = {
    "Answers": ("plan", "compare", "train", "serve", "sweep", "ui"),
    "Before and after the run": ("diff", "explain", "export", "measured"),
    "Laws": ("law", "fit", "claims"),
    "Accuracy": ("accuracy", "validate", "calibrate"),
    "Facts and prices": ("catalog", "prices", "schema"),
}
VARIABLE = "_HWMODEL_COMPLETE"  # a shell asks for completions


class LazyGroup(CommandGroup):
    """A group that imports a command's module only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a name, its module imported now; with completed values where a shell asks for them."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"hwmodel.cli.{name}").command
        if VARIABLE in os.environ:
            from hwmodel.cli.complete import with_values

            return with_values(command, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name]) for name in names if name in COMMANDS])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hwmodel")
def cli() -> None:
    """Which model to train on the hardware you have, in which precision, laid out how, at what cost, and how sure.

    \b
    hwmodel plan --gpus 1024xA100 --tokens 1.4T
    hwmodel compare --gpus 512xH100 --tokens 2T --precision bf16,fp8
    hwmodel law optimum besiroglu_2024 --flops 5.76e23
    """


def _drop_stdout() -> None:
    """Let what is still buffered go nowhere, so that the interpreter does not complain at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(message: str) -> None:
    """A line on stderr; what it takes is imported when there is one."""
    from hwmodel.cli.output import note

    note(message)


def _plain_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """A library's warning in one line, without the path of the file that it comes from."""
    _tell(f"hwmodel: warning: {category.__name__}: {message}")


def _elsewhere(error: click.exceptions.NoSuchOption) -> str:
    """The refusal of an unknown option, with the commands that have it."""
    own = error.ctx.info_name if error.ctx else None
    loaded = {name: cli.get_command(error.ctx or click.Context(cli), name) for name in COMMANDS if name != own}
    having = [name for name, c in loaded.items() if c and any(error.option_name in p.opts for p in c.params)]
    said = error.format_message()
    return (
        f"{said.rstrip('.')}; {own} has none, {', '.join(having)} {'have' if having[1:] else 'has'}" if having else said
    )


def main(argv: list[str] | None = None) -> Any:
    """Run the command line and exit with the codes of `hwmodel.errors`."""
    warnings.showwarning = _plain_warning
    collect_rarely()
    try:
        cli.main(args=argv, prog_name="hwmodel", standalone_mode=False)
    except HwModelError as error:
        _tell(f"hwmodel: {error}")
        sys.exit(error.exit_code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.exceptions.NoSuchOption as error:
        _tell(f"hwmodel: {_elsewhere(error)}")
        sys.exit(2)
    except click.ClickException as error:
        _tell(f"hwmodel: {error.format_message()}")
        sys.exit(2)
    except click.Abort:
        _tell("hwmodel: interrupted")
        sys.exit(130)
    except BrokenPipeError:
        _drop_stdout()  # the reader of a pipe left early (`| head`)
    except OSError as error:
        _drop_stdout()
        _tell(f"hwmodel: cannot read or write: {error.strerror}")
        sys.exit(2)
    except Exception as error:
        if os.environ.get("HWMODEL_DEBUG"):
            raise
        _tell(f"hwmodel: internal error: {type(error).__name__}: {error} (HWMODEL_DEBUG=1 shows where)")
        sys.exit(1)
