"""A saved answer of `serve` as a serving launch."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.interop.export.answer import config_shape
from hwmodel.interop.export.launch import Header, LaunchPool, Serving
from hwmodel.solve.run.result import value_of
from hwmodel.solve.saved import SavedEngine, SavedService, ServeRequest
from hwmodel.solve.serve.records import SIZES, EngineRow, PrefillPool
from hwmodel.specs import Shape
from hwmodel.units import format_duration, format_usd

# Fields of the question and the options that they were; those at their defaults are left out.
OPTIONS = {
    "ttft_s": "--ttft", "tpot_s": "--tpot", "percentile": "--p", "engine": "--engine", "hit_rate": "--prefix-hit",
    "draft_tokens": "--draft-tokens", "peak_to_mean": "--peak-to-mean", "spares": "--spares",
    "tp": "--tp", "pp": "--pp", "dp": "--dp", "ep": "--ep",
}  # fmt: skip
USUAL = ServeRequest(model="", prompt_tokens=0.0, output_tokens=0.0)


def serving_launch(served: SavedService) -> Serving:
    """The launch of an answer of `serve`."""
    answer, request = served.answer, served.request
    catalog = load_catalog(())
    pools = [_decode(answer)]
    if answer.prefill:
        pools.insert(0, _prefill(answer.prefill, request.prompt_tokens))
    longest = request.longest_tokens or request.prompt_tokens + request.output_tokens
    return Serving(
        model=Path(request.model).stem if Path(request.model).exists() else request.model,
        hub_name=_hub_name(request.model, catalog), shape=_shape(request.model, catalog),
        part=catalog.part(answer.part), system=catalog.system(answer.system), engine=served.resolved.engine,
        precision=answer.precision, pools=tuple(pools), prompt_tokens=math.ceil(request.prompt_tokens),
        output_tokens=math.ceil(request.output_tokens), longest_tokens=math.ceil(longest),
        prefix_cache=request.hit_rate > 0, draft_tokens=int(request.draft_tokens),
        header=Header(command=_command(served), answer=tuple(_summary(answer, pools))),
    )  # fmt: skip


def _shape(name: str, catalog: Catalog) -> Shape:
    return config_shape(Path(name)) if name.endswith(".json") or Path(name).exists() else catalog.model(name)


def _hub_name(name: str, catalog: Catalog) -> str | None:
    """OWNER/NAME of the model's hub: typed so, or the catalog's first alias of that form."""
    if Path(name).exists():
        return None
    if name.count("/") == 1:
        return name
    return next((alias for alias in catalog.model_entry(name).aliases if alias.count("/") == 1), None)


def _decode(answer: EngineRow) -> LaunchPool:
    return LaunchPool(
        role="decode" if answer.prefill else "all", workers=answer.replicas,  # spares among them
        batch=max(1, math.ceil(answer.batch)), **_sizes(answer),
    )  # fmt: skip


def _prefill(pool: PrefillPool, prompt_tokens: float) -> LaunchPool:
    """Workers for prompts; they compute one batch of prompts at a time."""
    return LaunchPool(
        role="prefill", workers=pool.workers, batch=max(1, math.ceil(8192 / prompt_tokens)), **_sizes(pool)
    )


def _sizes(pool: EngineRow | PrefillPool) -> dict[str, int]:
    """Ranks of one worker, by kind of parallelism."""
    return {name: int(getattr(pool, name)) for name in SIZES}


def _command(served: SavedService) -> str:
    """The command that asked this, from the question that the answer holds."""
    request = served.request
    words = ["hwmodel", "serve", "--model", shlex.quote(request.model)]
    if isinstance(served, SavedEngine):
        words += ["--concurrency", f"{served.answer.clients:g}"]
    else:
        words += ["--demand", f"'{request.rate:g} req/s'"]
    words += ["--input", f"{request.prompt_tokens:g}", "--output", f"{request.output_tokens:g}"]
    for field, option in OPTIONS.items():
        value = getattr(request, field)
        if value != getattr(USUAL, field):
            words += [option, _typed(field, value)]
    for names, option in ((request.parts, "--parts"), (request.precisions, "--precision")):
        if names:
            words += [option, ",".join(names)]
    return " ".join(words)


def _typed(field: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if field in ("ttft_s", "tpot_s"):
        return format_duration(value)
    if field == "percentile":
        return f"{100 * value:g}"
    return f"{100 * value:g}%" if field == "hit_rate" else f"{value:g}"


def _summary(answer: EngineRow, pools: list[LaunchPool]) -> list[str]:
    """The fleet, and what it does, in two lines."""
    fleet = ", ".join(f"{p.workers} x {p.ranks} {'workers' if p.role == 'all' else 'for ' + p.role}" for p in pools)
    cost = f", {format_usd(answer.usd_per_hour.value)} an hour" if answer.usd_per_hour else ""
    return [
        f"Answer: {answer.accelerators:g} x {answer.part} in {answer.precision} ({fleet}){cost}",
        f"Predicted: first token after {format_duration(value_of(answer.ttft_s))}, "
        f"{format_duration(value_of(answer.tpot_s))} for each further one",
    ]
