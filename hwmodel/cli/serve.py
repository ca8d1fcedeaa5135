"""`hwmodel serve`: predict one serving configuration, or choose a fleet for a demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hwmodel.cli.launch_files import EXPORT, export_answer
from hwmodel.cli.options import RESULT, with_options
from hwmodel.cli.output import emit
from hwmodel.cli.sections import Sectioned
from hwmodel.errors import InputError


@click.command(cls=Sectioned)
@click.option("--model", required=True, help="A model by name (`hwmodel catalog list models`), or a config.json.")
@click.option("--demand", metavar="RATE", help="Mean requests, like '200 req/s': choose a fleet for it.")
@click.option("--concurrency", metavar="N", help="Clients in a closed loop: predict one configuration (with --part).")
@click.option("--input", "prompt", default="1k", show_default=True, metavar="TOKENS", help="Prompt tokens a request.")
@click.option("--output", default="300", show_default=True, metavar="TOKENS", help="Output tokens a request.")
@click.option("--histogram", type=click.Path(path_type=Path), help="CSV prompt_tokens,output_tokens,count instead.")
@click.option("--ttft", metavar="TIME", help="Limit on the time to the first token, like 1s.")
@click.option("--tpot", metavar="TIME", help="Limit on the time per further output token, like 50ms.")
@click.option("--p", "percentile", default=95.0, show_default=True, help="Percent of requests that meet the limits.")
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
@click.option("--gpus", metavar="N", help="Accelerators of a prediction: the best layout on them is searched.")
@click.option("--pools", metavar="P:D", help="Prefill and decode workers of a disaggregated prediction, like 2:3.")
@click.option("--prefill-tp", type=float, help="Tensor-parallel size of its prefill workers (default: --tp).")
@click.option("--prefill", metavar="[N]xPART", help="A prefill pool of its own part, like 4xH200 (with --decode).")
@click.option("--decode", metavar="[N]xPART", help="The decode pool beside it, like 16xH100.")
@click.option("--engine-date", metavar="YYYY-MM", help="Month of the engine's release: older ones have slower hosts.")
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
@click.option("--catalog", "catalogs", multiple=True, type=click.Path(path_type=Path), help="Overlay (repeatable).")
@with_options(RESULT)
@EXPORT
def command(
    model: str,
    demand: str | None,
    concurrency: str | None,
    fmt: str,
    out: Path | None,
    quiet: bool,
    export: str | None,
    **given: Any,
) -> None:
    """Predict or choose how to serve a model.

    TTFT: arrival to first token, waiting included. TPOT: (request - TTFT) / (output tokens - 1). Rates count requests;
    dollars a million tokens split an hour by the time spent on prompts and on output.

    \b
    hwmodel serve --model llama-3.1-70b --demand "200 req/s" --input 1k --output 300 --ttft 1s --tpot 50ms
    hwmodel serve --model deepseek-v3 --demand "100 req/s" --input 4k --output 1k --tpot 30ms --disaggregated
    hwmodel serve --model llama-3.1-70b --part h200 --precision fp8 --tp 8 --concurrency 64
    """
    from hwmodel.cli.tables import render

    if (demand is None) == (concurrency is None):
        raise InputError("say either --demand (choose a fleet) or --concurrency (predict one configuration)")
    if demand is not None and (given["pools"] is not None or given["prefill_tp"] is not None):
        raise InputError("--pools and --prefill-tp belong to --concurrency (a prediction); --demand sizes pools itself")
    if demand is not None and given["gpus"] is not None:
        raise InputError(
            "--gpus belongs to --concurrency (a prediction); --demand finds how many accelerators it takes"
        )
    from hwmodel.cli.models import with_model_file

    given["shape"] = with_model_file({"model": model}).get("shape")
    question = _question(model, demand, given)
    if concurrency is None:
        from hwmodel.catalog import load_catalog
        from hwmodel.solve.serve.choose import choose

        answer = choose(question, load_catalog(given["catalogs"]))
    else:
        from hwmodel.catalog import load_catalog
        from hwmodel.solve.serve.predict import predict
        from hwmodel.units import parse_count

        clients = parse_count(concurrency, "--concurrency")
        gpus = None if given["gpus"] is None else parse_count(given["gpus"], "--gpus")
        pools = _workers(given["pools"])
        answer = predict(question, load_catalog(given["catalogs"]), clients, pools, given["prefill_tp"], gpus)
    from hwmodel.report.serve import below, document, headline, plain_rows, table

    lead = headline(question, answer)
    rows = plain_rows(answer) if fmt == "csv" else table(answer)
    emit(render(rows, document(question, answer), fmt, below(answer, fmt), lead=lead), out)
    export_answer(document(question, answer), export, quiet=quiet)


def _question(model: str, demand: str | None, given: dict[str, Any]) -> Any:
    from hwmodel.solve.question.rates import known_kind, parse_rates
    from hwmodel.solve.serve.question import ServingQuestion, read_date, read_histogram, read_pool
    from hwmodel.units import parse_count, parse_duration_s, parse_fraction

    if given["histogram"] is not None:
        lengths = read_histogram(given["histogram"])
        prompt, output = lengths.prompt_tokens, lengths.output_tokens
    else:
        lengths = None
        prompt, output = parse_count(given["prompt"], "--input"), parse_count(given["output"], "--output")
    limits = {
        f"{name}_s": parse_duration_s(given[name], f"--{name}", "1s or 50ms")
        for name in ("ttft", "tpot")
        if given[name] is not None
    }
    hit = given["prefix_hit"].strip()
    return ServingQuestion(
        model=model,
        shape=given["shape"],
        prompt_tokens=prompt,
        output_tokens=output,
        lengths=lengths,
        rate=_rate(demand) if demand is not None else 1.0,
        percentile=given["percentile"] / 100.0,
        peak_to_mean=given["peak_to_mean"],
        spares=given["spares"],
        max_loss_nats=None if given["max_loss"] is None else _nats(given["max_loss"]),
        min_quality=None if given["min_quality"] is None else parse_fraction(given["min_quality"], "--min-quality"),
        draft_tokens=given["draft_tokens"],
        acceptance=given["acceptance"],
        hit_rate=0.0 if hit in ("0", "0%") else parse_fraction(hit, "--prefix-hit"),
        engine=given["engine"],
        disaggregated=given["disaggregated"],
        engine_year=0.0 if given["engine_date"] is None else read_date(given["engine_date"], "--engine-date"),
        prefill=None if given["prefill"] is None else read_pool(given["prefill"], "--prefill"),
        decode=None if given["decode"] is None else read_pool(given["decode"], "--decode"),
        max_running=None if given["max_running"] is None else parse_count(given["max_running"], "--max-running"),
        step_tokens=None if given["step_tokens"] is None else parse_count(given["step_tokens"], "--step-tokens"),
        api_price=_api_price(given["api_price"]),
        **{name: given[name] for name in ("tp", "pp", "dp", "ep")},
        parts=_names(given["parts"]),
        prices=parse_rates(given["usd_per_hour"]),
        price_kind=known_kind(given["price_kind"]),
        price_file=given["prices"],
        precisions=_names(given["precision"]),
        **limits,
    )


def _workers(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    prefill, _, decode = text.partition(":")
    if not (prefill.isdecimal() and decode.isdecimal() and int(prefill) and int(decode)):
        raise InputError(f"cannot read --pools {text!r}; write it like 2:3 (prefill workers to decode workers)")
    return int(prefill), int(decode)


def _nats(text: str) -> float:
    """Nats a token of --max-loss. Raises InputError."""
    from hwmodel.errors import InputError

    try:
        return float(text)
    except ValueError:
        raise InputError(f"cannot read --max-loss {text!r}; write it like 0.01 (nats a token)") from None


def _api_price(text: str | None) -> tuple[float, float] | None:
    """Dollars a million tokens in and out."""
    from hwmodel.units import parse_usd

    if text is None:
        return None
    prompt, comma, output = text.partition(",")
    if not comma:
        raise InputError(f"cannot read --api-price {text!r}; write dollars a million tokens in and out, like 0.6,2.4")
    return parse_usd(prompt.strip(), "--api-price"), parse_usd(output.strip(), "--api-price")


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _rate(text: str) -> float:
    """Requests a second of `200 req/s`, `5k req/min`, `0.5 req/s` or a bare number a second."""
    from hwmodel.units import parse_positive

    head, _, unit = text.partition("/")
    words = head.lower().replace("requests", "").replace("request", "").replace("req", "").strip()
    seconds = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0}
    scale = {"k": 1e3, "m": 1e6}.get(words[-1:], 1.0)
    try:
        value = parse_positive(words[:-1] if scale > 1.0 else words, "--demand") * scale
    except InputError as error:
        if "above zero" in str(error):
            raise InputError(f"--demand must be above zero, not {text!r}") from error
        raise InputError(f"cannot read --demand {text!r}; write it like '200 req/s' or '5k req/min'") from error
    if unit.strip() not in seconds:
        raise InputError(f"--demand {text!r} counts per {unit.strip()!r}; use s, min, h or day")
    return value / seconds[unit.strip()]
