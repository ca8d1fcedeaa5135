"""`hwmodel serve`: predict one serving configuration, or choose a fleet for a demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from hwmodel.cli.launch_files import EXPORT, export_answer
from hwmodel.cli.options import REPORT, stated, with_options
from hwmodel.cli.output import emit, note, terminal_columns
from hwmodel.cli.process import keep_freed_memory, start_no_algebra
from hwmodel.cli.sections import Sectioned

if TYPE_CHECKING:
    from hwmodel.solve.question.options import ServeQuestion


@click.command(cls=Sectioned)
@click.option("--model", required=True, help="A model by name (`hwmodel catalog list models`), or a config.json.")
@click.option("--demand", metavar="RATE", help="Mean requests, like '200 req/s': choose a fleet for it.")
@click.option("--concurrency", metavar="N", help="Clients in a closed loop: predict one configuration (with --part).")
@click.option("--input", default="1k", show_default=True, metavar="TOKENS", help="Prompt tokens a request.")
@click.option("--output", default="300", show_default=True, metavar="TOKENS", help="Output tokens a request.")
@click.option("--histogram", type=click.Path(path_type=Path), help="CSV prompt_tokens,output_tokens,count instead.")
@click.option("--ttft", metavar="TIME", help="Limit on the time to the first token, like 1s.")
@click.option("--tpot", metavar="TIME", help="Limit on the time per further output token, like 50ms.")
@click.option("--p", default=95.0, show_default=True, help="Percent of requests that meet the limits.")
@click.option("--parts", "--part", "parts", metavar="A,B", help="Accelerators allowed, or all (default: a few).")
@click.option("--precision", metavar="A,B", help="Serving recipes allowed (default bf16,fp8,nvfp4,w4a16).")
@click.option("--engine", default="generic", show_default=True, help="generic, trtllm, vllm or sglang.")
@click.option("--tp", type=float, help="Tensor-parallel size (default: chosen; 1 in a prediction).")
@click.option("--pp", type=float, help="Pipeline stages; 1 forbids them (default: chosen; 1 in a prediction).")
@click.option("--dp", type=float, help="Attention-data-parallel size of a mixture of experts (the same defaults).")
@click.option("--ep", type=float, help="Expert-parallel size (the same defaults).")
@click.option(
    "--disaggregated/--aggregated",
    default=None,
    help="Only separate pools for prefill and decode, or none (default: whichever is cheaper).",
)
@click.option(
    "--gpus", metavar="[N]xPART", help="Accelerators of a prediction, like 8xH100; the best layout is searched."
)
@click.option("--pools", metavar="P:D", help="Prefill and decode workers of a disaggregated prediction, like 2:3.")
@click.option("--prefill-tp", type=float, help="Tensor-parallel size of its prefill workers (default: --tp).")
@click.option("--prefill", metavar="[N]xPART", help="A prefill pool of its own part, like 4xH200 (with --decode).")
@click.option("--decode", metavar="[N]xPART", help="The decode pool beside it, like 16xH100.")
@click.option("--engine-date", metavar="YYYY-MM", help="Month of the engine's release: older ones have slower hosts.")
@click.option(
    "--rounds", metavar="N", help="Requests that each client sends, all clients at once at first (default 10)."
)
@click.option("--max-running", metavar="N", help="Requests that one rank runs at once (default: the engine's, 2,048).")
@click.option("--step-tokens", metavar="N", help="Prompt tokens that a step takes in (default: the engine's, 8,192).")
@click.option("--api-price", metavar="IN,OUT", help="Dollars a million tokens of an offer: when does it pay?")
@click.option("--prefix-hit", default="0%", show_default=True, help="Share of prompt tokens found in a prefix cache.")
@click.option("--draft-tokens", default=0.0, show_default=True, help="Speculative tokens a step (1: MTP).")
@click.option(
    "--acceptance", default=0.7, show_default=True, help="Chance that a draft is accepted after its forerunner."
)
@click.option("--peak-to-mean", default=1.0, show_default=True, help="Peak demand over the mean; the fleet carries it.")
@click.option("--max-loss", metavar="NATS", help="Nats a token that a serving format may lose at most.")
@click.option("--min-quality", metavar="SHARE", help="Share of a benchmark's average that it must keep, like 99%.")
@click.option("--spares", default=1, show_default=True, help="Replicas beyond the need (N+1).")
@click.option(
    "--usd-per-hour",
    metavar="USD",
    help="Price of an accelerator-hour instead of the catalog's quotes: one for all parts, or h100=2.5,gb200=8.",
)
@click.option("--price-kind", help="Kind of quote: on_demand, spot, reserved_1y ...")
@click.option("--prices", metavar="FILE", help="Your own quotes (CSV).")
@click.option("--region", metavar="PLACE", help="Country, state or cloud region: quotes of its continent count.")
@click.option("--catalog", "catalogs", multiple=True, type=click.Path(path_type=Path), help="Overlay (repeatable).")
@with_options(REPORT)
@EXPORT
def command(
    model: str,
    fmt: str,
    out: Path | None,
    quiet: bool,
    lang: str | None,
    export: str | None,
    **options: Unpack[ServeQuestion[str]],
) -> None:
    """Predict or choose how to serve a model.

    TTFT: arrival to first token, waiting included. TPOT: (request - TTFT) / (output tokens - 1). Rates count requests;
    dollars a million tokens split an hour by the time spent on prompts and on output.

    \b
    hwmodel serve --model llama-3.1-70b --demand "200 req/s" --input 1k --output 300 --ttft 1s --tpot 50ms
    hwmodel serve --model deepseek-v3 --demand "100 req/s" --input 4k --output 1k --tpot 30ms --disaggregated
    hwmodel serve --model llama-3.1-70b --part h200 --precision fp8 --tp 8 --concurrency 64
    """
    start_no_algebra()
    from hwmodel.interop.model_files import model_file
    from hwmodel.report.phrases import language_of
    from hwmodel.solve.serve.ask import serve

    keep_freed_memory()
    language, given = language_of(lang, fmt), stated(options)
    described = model_file(model)
    if described is not None:
        for line in described.notes:
            note(f"note: {model}: {line}", quiet=quiet)
        given["shape"] = described.shape
    found = serve(model=model, **given)
    from hwmodel.report import serve_card
    from hwmodel.report.serve import served_text

    card = fmt == "text"
    emit(serve_card(found, terminal_columns(), language) if card else served_text(found, fmt, language), out)
    export_answer(found.to_dict(), export, quiet=quiet)
