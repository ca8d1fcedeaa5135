"""`--help` in sections: which option stands under which heading."""

from __future__ import annotations

import click

SECTIONS: dict[str, tuple[str, ...]] = {
    "Hardware, time and money": (
        "gpus", "parts", "system", "nic_gbit_s", "time", "deadline", "start", "budget", "confidence", "spares",
    ),
    "Model, tokens and loss": (
        "model", "params", "tokens", "unique_tokens", "flops", "loss", "loss_like", "loss_factor", "law", "task",
        "rank", "base", "optimizer", "gradient_dtype",
    ),
    "Demand and its limits": (
        "demand", "concurrency", "prompt", "output", "histogram", "ttft", "tpot", "percentile", "peak_to_mean",
        "prefix_hit", "draft_tokens", "acceptance", "max_loss", "min_quality",
    ),
    "Use after training": (
        "inference_tokens", "serve", "lifetime_budget", "prompt_output", "serving_precision", "samples", "moe",
        "distill", "objective",
    ),
    "Layout and batch": (
        "precision", "seq_len", "global_batch", "global_batch_tokens", "micro_batch", "tp", "plain", "cp", "pp", "vpp",
        "dp", "ep", "etp", "zero", "recompute", "offload", "disaggregated", "prefill", "decode", "pools", "prefill_tp",
        "max_running", "step_tokens",
    ),
    "Software and your own measurements": (
        "stack", "engine", "engine_date", "year", "mfu", "flop_convention", "measured", "reliability", "skip", "seed",
        "catalogs",
    ),
    "Prices and place": ("usd_per_hour", "api_price", "price_kind", "prices", "region", "pue"),
    "Files in and out": ("source", "form", "out", "figures", "export", "quiet"),
}  # fmt: skip
OTHER = "Options"


def section_of(name: str) -> str:
    """The heading of an option."""
    return next((title for title, names in SECTIONS.items() if name in names), OTHER)


class Sectioned(click.Command):
    """A command whose help shows its options under the headings of `SECTIONS`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them, each heading's in the order of the table."""
        parameters = {str(p.name): p for p in self.get_params(ctx)}
        ordered = [name for names in SECTIONS.values() for name in names if name in parameters]
        rows: dict[str, list[tuple[str, str]]] = {}
        for name in (*ordered, *(n for n in parameters if n not in ordered)):
            record = parameters[name].get_help_record(ctx)
            if record is not None:
                rows.setdefault(section_of(name), []).append(record)
        for title, records in rows.items():
            with formatter.section(title):
                formatter.write_dl(records)
