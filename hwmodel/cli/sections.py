"""`--help` in sections: which option stands under which heading."""

from __future__ import annotations

import click

from hwmodel.specs.layout import NAMES, SIZES

SECTIONS: dict[str, tuple[str, ...]] = {
    "Hardware, time and money": (
        "gpus", "parts", "system", "nic_gbit_s", "time", "deadline", "start", "budget", "own", "power", "confidence",
        "spares",
    ),
    "Model, tokens and loss": (
        "model", "params", "tokens", "unique_tokens", "flops", "loss", "loss_like", "loss_factor", "law", "task",
        "rank", "base", "optimizer", "gradient_dtype",
    ),
    "Demand and its limits": (
        "demand", "concurrency", "input", "output", "histogram", "ttft", "tpot", "p", "peak_to_mean",
        "prefix_hit", "rounds", "draft_tokens", "acceptance", "max_loss", "min_quality",
    ),
    "Use after training": (
        "inference_tokens", "serve", "lifetime_budget", "prompt_output", "serving_precision", "samples", "task_family",
        "moe", "distill", "sparsity", "objective",
    ),
    "Layout and batch": (
        "precision", "seq_len", "global_batch", "global_batch_tokens", *NAMES, "plain", "searched", "recompute",
        "offload", "schedule", "disaggregated", "prefill", "decode", "pools",
        "prefill_tp", "max_running", "step_tokens",
    ),
    "Software and your own measurements": (
        "stack", "engine", "engine_date", "year", "mfu", "flop_convention", "measured", "reliability", "skip", "seed",
        "catalogs",
    ),
    "Prices and place": ("usd_per_hour", "api_price", "price_kind", "prices", "region", "pue"),
    "Files in and out": ("source", "fmt", "out", "lang", "figures", "export", "quiet"),
}  # fmt: skip
OTHER = "Options"
# What only refines: shown by --help-all, and better kept in a plan file than typed.
RARE = frozenset((
    "nic_gbit_s", "start", "pue", "year", "seed", "reliability", "flop_convention", "gradient_dtype", "loss_factor",
    "samples", "task_family", "distill", "sparsity", "prompt_output",
    *(size.name for size in SIZES if size.refines), "offload", "schedule", "global_batch",
    "quiet", "figures", "price_kind", "prices", "objective", "measured", "own", "lang",
    "rounds", "acceptance",
))  # fmt: skip
SHOWN = 40  # options; a command with more keeps the rare ones for --help-all
ALL = "hwmodel.help_all"


def section_of(name: str) -> str:
    """The heading of an option."""
    return next((title for title, names in SECTIONS.items() if name in names), OTHER)


class Sectioned(click.Command):
    """A command whose help shows its options under the headings of `SECTIONS`."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its parameters, and --help-all where some of them are not shown by --help."""
        found = super().get_params(ctx)
        if len(found) <= SHOWN:
            return found
        more = click.Option(["--help-all"], is_flag=True, is_eager=True, expose_value=False, callback=_show_all,
                            help="Every option, the rare ones too.")  # fmt: skip
        return [*found, more]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them, each heading's in the order of the table."""
        parameters = {str(p.name): p for p in self.get_params(ctx)}
        if len(parameters) > SHOWN and not ctx.meta.get(ALL):
            parameters = {name: one for name, one in parameters.items() if name not in RARE}
        ordered = [name for names in SECTIONS.values() for name in names if name in parameters]
        rows: dict[str, list[tuple[str, str]]] = {}
        for name in (*ordered, *(n for n in parameters if n not in ordered)):
            record = parameters[name].get_help_record(ctx)
            if record is not None:
                rows.setdefault(section_of(name), []).append(record)
        for title, records in rows.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _show_all(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Print the help with every option, and stop."""
    if value and not ctx.resilient_parsing:
        ctx.meta[ALL] = True
        click.echo(ctx.get_help())
        ctx.exit()
