"""How answers of `hwmodel serve` read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hwmodel.report import sheets
from hwmodel.report.formats import loss_words, score_words
from hwmodel.report.likeness import like_line
from hwmodel.report.tables import record_table
from hwmodel.solve.run.band import Band, Value, value_of
from hwmodel.solve.serve.ask import Served
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import (
    SIZES,
    ApiOffer,
    Bill,
    EngineFound,
    EngineRow,
    FleetFound,
    FleetRow,
    PredictedRow,
    PrefillPool,
    QualityRow,
)
from hwmodel.units import format_duration

COLUMNS = (
    ("part", "part", ""), ("precision", "format", ""), ("tp", "tp", "n"), ("pp", "pp", "n"), ("dp", "dp", "n"),
    ("ep", "ep", "n"), ("batch", "batch", "n"), ("replicas", "replicas", "n"), ("prefill", "prefill pool", "pool"),
    ("accelerators", "accelerators", "n"), ("ttft_tail_s", "TTFT tail", "s"), ("tpot_s", "TPOT", "s"),
    ("tpot_tail_s", "TPOT tail", "s"), ("requests_per_s_per_replica", "req/s a replica", "2"),
    ("usd_per_hour", "$/h", "2"), ("usd_per_million_input", "$/M in", "2"),
    ("usd_per_million_output", "$/M out", "2"), ("joules_per_output_token", "J/token out", "2"),
)  # fmt: skip

PREDICTED = (
    *(c for c in COLUMNS[:8]), ("prefill", "prefill pool", "pool"), ("accelerators", "accelerators", "n"),
    ("ttft_s", "TTFT", "s"), ("tpot_s", "TPOT", "s"), ("requests_per_s", "req/s", "2"),
    ("output_tokens_per_s", "tokens/s out", "n"), ("cache_requests", "requests the cache holds", "held"),
)  # fmt: skip
Found = FleetFound | EngineFound
TERMS = {
    "gemm_s": "dense products", "experts_s": "experts", "attention_s": "attention over the cache",
    "memory_bound_s": "norms and other memory traffic", "logits_s": "logits", "tp_s": "tensor-parallel sums",
    "ep_s": "exchange of experts", "pp_s": "pipeline hops", "kernel_gap_s": "gaps between kernels",
    "host_s": "scheduling and sampling",
}  # fmt: skip


def _number(value: Any, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "pool":
        return f"{value.workers:g} x {value.accelerators / value.workers:g}"
    if unit == "held":
        return _held(value)
    value = _bare(value)
    if unit == "s":
        return format_duration(value)
    if unit == "n":
        return f"{value:,.0f}"
    if unit == "2":
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return str(value)


def _with_ends(value: Value, show: Callable[[float], str]) -> str:
    """A value with the ends of its interval, where it is uncertain."""
    if not isinstance(value, Band):
        return "-" if value is None else show(value)
    return f"{show(value.value)} ({show(value.low)} to {show(value.high)})"


def _seconds(value: Value) -> str:
    return _with_ends(value, format_duration)


def _held(value: Band) -> str:
    """Requests in a cache with their interval: whole ones, or two digits where it holds few."""
    digits = ",.0f" if value.value >= 10.0 else ".2g"
    return _with_ends(value, lambda count: f"{count:{digits}}")


def _usd(value: Value) -> str:
    return _with_ends(value, _dollars)


def _dollars(value: float) -> str:
    return f"${value:,.0f}" if value >= 1000.0 else f"${value:.3g}"


def table(found: Found) -> list[dict[str, str]]:
    """The answer, the cheapest of each other part, format and mode, and the front, as rows."""
    rows = []
    listed = _groups(found)
    columns = PREDICTED if isinstance(found, EngineFound) else COLUMNS
    shown = [c for c in columns if any(_worth(item, c[0]) for _, item in listed)]
    for kind, item in listed:
        rows.append({"": kind, **{label: _number(getattr(item, key), unit) for key, label, unit in shown}})
    return rows


def below(found: Found, form: str) -> str | None:
    """Where the time of a predicted decode step goes, and what the figures rest on (in Markdown)."""
    if form not in ("md", "text"):
        return None
    parts = [_fixed(found, form), _step_table(found, form) if isinstance(found, EngineFound) else ""]
    if form == "md":
        parts.append("\n".join(["What the figures rest on:", "", *(_source_line(s) for s in found.sources)]))
    return "\n\n".join(part for part in parts if part) or None


def _source_line(source: dict[str, str]) -> str:
    place = f", {source['locator']}" if source["locator"] else ""
    return f"- {source['title']}{place}: {source['for']}"


def fixed_table(found: Found) -> list[dict[str, str]]:
    """The same model in each serving recipe: what it loses, what that does to benchmarks, what it saves."""
    if len(found.fixed) < 2:
        return []
    out = []
    for row in found.fixed:
        known = row.status == "ok"
        name = row.precision + ("" if row.measured else " (unmeasured)") + ("" if row.allowed else " (beyond limits)")
        cells = {
            f"served in, on {found.answer.part}": name,
            "loss (nats a token)": loss_words(row.loss_nats),
            "benchmark average kept": score_words(row.retained_score),
        }
        if isinstance(found, FleetFound):
            cells["accelerators"] = f"{row.accelerators:,.0f}" if known else ""
            cells["$/h"] = _number(row.usd_per_hour, "2") if known else ""
        cells["$/M tokens"] = _number(row.usd_per_million_tokens, "2") if known else ""
        cells["saved"] = "-" if row.saving_share is None else f"{100 * row.saving_share:+.0f}%"
        cells["note"] = "released so" if row.native else row.reason
        out.append(cells)
    return out if any(cells["note"] for cells in out) else [{k: v for k, v in c.items() if k != "note"} for c in out]


def _fixed(found: Found, form: str) -> str:
    """The table with what it says, as the report prints it."""
    rows = fixed_table(found)
    if not rows:
        return ""
    kept = "the cheapest fleet for the demand in each" if isinstance(found, FleetFound) else "this configuration"
    said = f"The same model, quantised and not trained further; {kept}. Loss with its 80 % interval."
    return f"{said}\n\n{record_table(rows, 'md' if form == 'md' else 'text')}"


def _step_table(found: EngineFound, form: str) -> str:
    total = sum(found.step.values())
    rows = [
        {
            "where a decode step goes": TERMS[name],
            "time": format_duration(value),
            "share": f"{100 * value / total:.1f} %",
        }
        for name, value in sorted(found.step.items(), key=lambda item: -item[1])
        if value > 1e-3 * total
    ]
    rows.append({"where a decode step goes": "step", "time": format_duration(total), "share": "100 %"})
    return record_table(rows, "md" if form == "md" else "text")


def plain_rows(found: Found) -> list[dict[str, Any]]:
    """The same rows in base units, for CSV: names are those of the JSON."""
    return [{"kind": kind, **_plain(item)} for kind, item in _groups(found)]


def _plain(item: EngineRow) -> dict[str, Any]:
    """A row's figures without their intervals: the engine, its bill, its prefill pool."""
    own = [name for name in item.__struct_fields__ if name not in Bill.__struct_fields__ and name != "prefill"]
    cells = {name: _bare(getattr(item, name)) for name in (*own, *Bill.__struct_fields__)}
    pool = {f"prefill_{name}": getattr(item.prefill, name, None) for name in ("workers", "accelerators", *SIZES)}
    return {**cells, **pool}


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Band) else value


def _groups(found: Found) -> list[tuple[str, EngineRow]]:
    """The answer, then what else was considered, each under its word."""
    listed: list[tuple[str, EngineRow]] = [("answer", found.answer)]
    if isinstance(found, FleetFound):
        listed += [("alternative", row) for row in found.alternatives] + [("front", row) for row in found.pareto[1:]]
    return listed


def _worth(item: EngineRow, key: str) -> bool:
    """Whether a column says something: parallel sizes of one and absent pools or prices do not."""
    value = getattr(item, key)
    return value is not None and not (key in ("pp", "dp", "ep") and value == 1)


def headline(question: ServingQuestion, found: Found) -> str:
    """What was chosen, with intervals, definitions and doubts: a paragraph each for fleet, reasons and quality."""
    said = _predicted(question, found) if isinstance(found, EngineFound) else _chosen(question, found)
    sure = like_line(found.like)
    if sure:
        said.append(f"How sure: {sure} (each predicted without its model on this engine).")
    if found.notes:
        said.append("Notes: " + "; ".join(found.notes) + ".")
    return "\n\n".join(line for line in said if line)


def _predicted(question: ServingQuestion, found: EngineFound) -> list[str]:
    return [_prediction(question, found.answer)]


def _chosen(question: ServingQuestion, found: FleetFound) -> list[str]:
    """Fleet, offer, reasons, quality, and what was left out."""
    recipe = found.answer.precision
    quality = found.quality.get(recipe)
    unmeasured = quality is not None and not quality.measured
    doubt = f"What {recipe} costs in quality was never published: the figure is of a fit alone. "
    absent = ", ".join(found.left_out)
    return [
        (doubt if unmeasured else "") + _ground(found.rests_on) + _fleet(question, found.answer),
        _offer(found.api),
        *found.why,
        _quality(recipe, quality),
        f"Left out, for no price of them is known (--usd-per-hour gives one): {absent}." if absent else "",
    ]


def _ground(rests_on: dict[str, list[str]]) -> str:
    """The first sentence of a choice that rests on little."""
    lines = [f"The choice of {part} rests on {' and on '.join(found)}. " for part, found in rests_on.items()]
    return "".join(lines)


def _offer(api: ApiOffer | None) -> str:
    """Against an offer by the token: what it costs, and the demand from which a fleet of one's own costs less."""
    if not api:
        return ""
    offer = f"The offer asks ${api.api_usd_per_hour:,.2f} an hour ({_dollars(api.api_usd_per_million_tokens)} a "
    offer += "million tokens, in and out)"
    if api.requests_per_s is None:
        return f"{offer}, less than a full fleet of this kind at any demand."
    return f"{offer}; a fleet of this kind costs less from {_rate(api.requests_per_s)} on."


def _lengths(question: ServingQuestion) -> str:
    name = question.shape.name if question.shape else question.model
    text = f"{name}, {question.prompt_tokens:,.0f} tokens in, {question.output_tokens:,.0f} out"
    if question.lengths is None:
        return text
    p = f"p{100 * question.percentile:g}"
    return (
        f"{text} on average ({p} of prompts {question.prompt_tail_tokens:,.0f}, longest {question.longest_tokens:,.0f})"
    )


def _prediction(question: ServingQuestion, r: PredictedRow) -> str:
    at = f"{_accelerators(r)} in {r.precision}"
    p = r.prefill
    if p is not None:
        at += (
            f" ({_some(p.workers, 'prefill worker')} of {p.accelerators / p.workers:g}{_elsewhere(r)}, "
            f"{_some(r.replicas, 'decode worker')} of {r.tp * r.pp * r.dp:g})"
        )
    clients = f"{r.clients:,.0f} client{'' if r.clients == 1 else 's'}"
    return (
        f"{_lengths(question)}, {clients} in a closed loop on {at}: TTFT {_seconds(r.ttft_s)}, "
        f"TPOT {_seconds(r.tpot_s)}; {r.output_tokens_per_s:,.0f} output tokens/s, "
        f"{r.total_tokens_per_s:,.0f} in and out; {_spent(r)}. The cache of a worker holds "
        f"{_held(r.cache_requests)} requests. Means; 80 % intervals in brackets." + _limits(question, r)
    )


def _spent(r: PredictedRow) -> str:
    """Energy and money of a prediction."""
    drawn = f"{r.watts / 1e3:,.3g} kW, {r.joules_per_output_token:.3g} J a token out"
    if r.usd_per_hour is None:
        return f"{drawn}, no price of this part is known"
    return (
        f"{drawn}; ${r.usd_per_hour:,.2f} an hour, {_usd(r.usd_per_million_tokens)} a million tokens, "
        f"{_usd(r.usd_per_million_output)} out"
    )


def _limits(question: ServingQuestion, r: PredictedRow) -> str:
    """Whether the means of a prediction keep the limits that were given."""
    said = ""
    for name in ("ttft", "tpot"):
        limit, value = getattr(question, f"{name}_s"), value_of(getattr(r, f"{name}_s"))
        if limit < float("inf"):
            word = "keeps" if value <= limit else "misses"
            said += f" The mean {word} the {name.upper()} limit of {format_duration(limit)}."
    return said


def _some(count: float, what: str) -> str:
    return f"{count:,.0f} {what}{'' if count == 1 else 's'}"


def _rate(per_second: float) -> str:
    """Requests in the unit that shows them as a number of some digits."""
    if per_second < 0.01:
        return f"{per_second * 86400.0:,.3g} requests/day"
    return f"{per_second:,.0f} requests/s" if per_second >= 1000 else f"{per_second:.3g} requests/s"


def _headroom(share: float) -> str:
    return f"{100 * share:.0f} % headroom" if share < 5.0 else f"carries {1.0 + share:,.0f} times the demand"


def _layout(r: EngineRow | PrefillPool, accelerators: float) -> str:
    """Accelerators of one worker and how they are used."""
    sizes = ", ".join(f"{name} {getattr(r, name):g}" for name in SIZES if getattr(r, name) > 1)
    return f"{accelerators:g} ({sizes})" if sizes else f"{accelerators:g}"


def _accelerators(r: EngineRow) -> str:
    """How many of which part, of both where the pools have one each."""
    p = r.prefill
    if p is None or p.part == r.part:
        return f"{r.accelerators:,.0f} x {r.part}"
    return f"{p.accelerators:,.0f} x {p.part} and {r.accelerators - p.accelerators:,.0f} x {r.part}"


def _elsewhere(r: EngineRow) -> str:
    """The part of the prefill pool where it is another."""
    return "" if r.prefill is None or r.prefill.part == r.part else f" {r.prefill.part}"


def _workers(r: FleetRow) -> str:
    """Replicas, or the two pools."""
    p = r.prefill
    if p is None:
        spare = f" ({r.spare_replicas} spare)" if r.spare_replicas else ""
        return f"{_some(r.replicas, 'replica')}{spare} of {_layout(r, r.accelerators_per_replica)}"
    spare = f", {p.spare_workers} spare in each" if p.spare_workers else ""
    return (
        f"{_some(p.workers, 'prefill worker')} of {_layout(p, p.accelerators_per_worker)}{_elsewhere(r)} "
        f"and {_some(r.replicas, 'decode worker')} of "
        f"{_layout(r, r.accelerators_per_replica)}{spare}, a prompt's cache moves in "
        f"{format_duration(p.cache_transfer_s)}"
    )


def _fleet(question: ServingQuestion, r: FleetRow) -> str:
    p = f"p{100 * question.percentile:g}"
    return (
        f"{_lengths(question)}, {_rate(question.rate)} (Poisson): "
        f"{_accelerators(r)} in {r.precision}, {_workers(r)}; {_headroom(r.headroom)}. "
        f"Mean TTFT {_seconds(r.ttft_s)}, TPOT {_seconds(r.tpot_s)}; {p} TTFT {_seconds(r.ttft_tail_s)}, "
        f"TPOT {_seconds(r.tpot_tail_s)}. {_money(question, r)} {r.joules_per_output_token:.3g} J a token out. "
        "80 % intervals in brackets."
    )


def _money(question: ServingQuestion, r: FleetRow) -> str:
    if r.usd_per_hour is None:
        return "No price of this part is known (--usd-per-hour gives one): the fewest accelerators."
    quoted = "as given" if r.price_kind == "given" else f"quotes of {r.price_dates}"
    cached = r.usd_per_million_cached_input
    found = "" if cached is None else f", {_dollars(cached)} where cached"
    return (
        f"${r.usd_per_hour:,.2f} an hour at ${r.usd_per_accelerator_hour:.2f} an accelerator-hour ({quoted}); "
        f"{_usd(r.usd_per_million_tokens)} a million tokens, {_usd(r.usd_per_million_input)} in{found}, "
        f"{_usd(r.usd_per_million_output)} out."
    )


def _quality(recipe: str, found: QualityRow | None) -> str:
    if found is None:
        return ""
    loss, kept = found.loss_nats, found.retained_score
    parts = [
        "released in these bits, nothing is lost"
        if found.native
        else f"{loss.value:.2g} nats a token ({loss.low:.2g} to {loss.high:.2g}), "
        f"{100 * kept.value:.1f} % of a benchmark's average kept (its hardest tasks lose several times more)"
    ]
    for v, what in ((found.perplexity_increase, "perplexity"), (found.accuracy_drop, "task accuracy lost")):
        if v is not None:
            parts.append(f"{what} {100 * v.value:+.1f} % ({100 * v.low:+.1f} to {100 * v.high:+.1f}, n {v.n:g})")
    return f"Quality of {recipe} against its baseline: {'; '.join(parts)}."


def served_text(served: Served, form: str) -> str:
    """An answer of `serve` as Markdown, CSV or JSON."""
    rows = plain_rows(served.found) if form == "csv" else table(served.found)
    lead = headline(served.question, served.found)
    return sheets.render(rows, served.to_dict(), form, below(served.found, form), lead)
