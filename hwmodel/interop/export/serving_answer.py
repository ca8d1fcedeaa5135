"""A saved answer of `serve` as a serving launch. Keys are those of the JSON contract."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.errors import InputError
from hwmodel.interop.export.answer import config_shape
from hwmodel.interop.export.launch import Header, LaunchPool, Serving
from hwmodel.specs import Shape
from hwmodel.units import format_duration, format_usd

# Fields of the question and the options that they were; those at their defaults are left out.
OPTIONS: dict[str, tuple[str, Any]] = {
    "ttft_s": ("--ttft", None), "tpot_s": ("--tpot", None), "percentile": ("--p", 0.95),
    "engine": ("--engine", "generic"),
    "hit_rate": ("--prefix-hit", 0.0), "draft_tokens": ("--draft-tokens", 0.0), "peak_to_mean": ("--peak-to-mean", 1.0),
    "spares": ("--spares", 1), "tp": ("--tp", None), "pp": ("--pp", None), "dp": ("--dp", None), "ep": ("--ep", None),
}  # fmt: skip


def serving_launch(data: Mapping[str, Any], where: str) -> Serving:
    """The launch of an answer of `serve`. InputError for one without a fleet."""
    answer, request = data.get("answer"), data.get("request")
    if not isinstance(answer, dict) or not isinstance(request, dict):
        raise InputError(f"{where}: the answer has no serving fleet; ask with --demand or --concurrency")
    catalog = load_catalog(())
    name = str(request["model"])
    pools = [_decode(answer)]
    lengths = (float(request["prompt_tokens"]), float(request["output_tokens"]))
    if answer.get("prefill"):
        pools.insert(0, _prefill(answer["prefill"], float(request["prompt_tokens"])))
    return Serving(
        model=Path(name).stem if Path(name).exists() else name, hub_name=_hub_name(name, catalog),
        shape=_shape(name, catalog), part=catalog.part(answer["part"]), system=catalog.system(answer["system"]),
        engine=str(request.get("engine", "generic")), precision=str(answer["precision"]), pools=tuple(pools),
        prompt_tokens=math.ceil(float(request["prompt_tokens"])),
        output_tokens=math.ceil(float(request["output_tokens"])),
        longest_tokens=math.ceil(float(request.get("longest_tokens") or sum(lengths))),
        prefix_cache=float(request.get("hit_rate", 0.0)) > 0, draft_tokens=int(request.get("draft_tokens", 0)),
        header=Header(command=_command(request, answer), answer=tuple(_summary(answer, pools))),
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


def _decode(answer: Mapping[str, Any]) -> LaunchPool:
    workers = int(answer.get("replicas", 1))  # spares among them
    role = "decode" if answer.get("prefill") else "all"
    sizes = {name: int(answer[name]) for name in ("tp", "pp", "dp", "ep")}
    return LaunchPool(role=role, workers=workers, batch=max(1, math.ceil(float(answer["batch"]))), **sizes)


def _prefill(pool: Mapping[str, Any], prompt_tokens: float) -> LaunchPool:
    """Workers for prompts; they compute one batch of prompts at a time."""
    sizes = {name: int(pool[name]) for name in ("tp", "pp", "dp", "ep")}
    return LaunchPool(
        role="prefill", workers=int(pool["workers"]), batch=max(1, math.ceil(8192 / prompt_tokens)), **sizes
    )


def _command(request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """The command that asked this, from the question that the answer holds."""
    clients = answer.get("clients")
    words = ["hwmodel", "serve", "--model", shlex.quote(str(request["model"]))]
    words += ["--concurrency", f"{clients:g}"] if clients else ["--demand", f"'{request['rate']:g} req/s'"]
    words += ["--input", f"{request['prompt_tokens']:g}", "--output", f"{request['output_tokens']:g}"]
    for field, (option, usual) in OPTIONS.items():
        value = request.get(field, usual)
        if value != usual:
            words += [option, _typed(field, value)]
    for field, option in (("parts", "--parts"), ("precisions", "--precision")):
        if request.get(field):
            words += [option, ",".join(request[field])]
    return " ".join(words)


def _typed(field: str, value: Any) -> str:
    if field in ("ttft_s", "tpot_s"):
        return format_duration(float(value))
    if field == "percentile":
        return f"{100 * float(value):g}"
    return f"{100 * float(value):g}%" if field == "hit_rate" else (value if isinstance(value, str) else f"{value:g}")


def _value(item: Any) -> float:
    return float(item["value"] if isinstance(item, dict) else item)


def _summary(answer: Mapping[str, Any], pools: list[LaunchPool]) -> list[str]:
    """The fleet, and what it does, in two lines."""
    fleet = ", ".join(f"{p.workers} x {p.ranks} {'workers' if p.role == 'all' else 'for ' + p.role}" for p in pools)
    cost = f", {format_usd(float(answer['usd_per_hour']))} an hour" if answer.get("usd_per_hour") else ""
    return [
        f"Answer: {answer['accelerators']:g} x {answer['part']} in {answer['precision']} ({fleet}){cost}",
        f"Predicted: first token after {format_duration(_value(answer['ttft_s']))}, "
        f"{format_duration(_value(answer['tpot_s']))} for each further one",
    ]
