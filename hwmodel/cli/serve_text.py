"""How answers of `hwmodel serve` read."""

from __future__ import annotations

from typing import Any

COLUMNS = (
    ("part", "part", ""), ("precision", "format", ""), ("tp", "tp", "n"), ("dp", "dp", "n"), ("ep", "ep", "n"),
    ("batch", "batch", "n"), ("replicas", "replicas", "n"), ("accelerators", "accelerators", "n"),
    ("ttft_tail_s", "TTFT tail", "ms"), ("tpot_s", "TPOT", "ms"), ("tpot_tail_s", "TPOT tail", "ms"),
    ("requests_per_s_per_replica", "req/s a replica", "2"), ("usd_per_hour", "$/h", "2"),
    ("usd_per_million_input", "$/M in", "2"), ("usd_per_million_output", "$/M out", "2"),
    ("joules_per_output_token", "J/token out", "2"),
)  # fmt: skip


def _number(value: Any, unit: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        value = value["value"]
    if unit == "ms":
        return f"{1e3 * value:.3g} ms"
    if unit == "n":
        return f"{value:,.0f}"
    return f"{value:.3g}" if unit == "2" else str(value)


def _interval(value: Any, scale: float, unit: str) -> str:
    if not isinstance(value, dict):
        return "-" if value is None else f"{scale * value:.3g}{unit}"
    return f"{scale * value['value']:.3g}{unit} ({scale * value['low']:.3g}-{scale * value['high']:.3g})"


def table(answer: dict[str, Any]) -> list[dict[str, str]]:
    """The answer, the cheapest of each other part and format, and the front, as rows."""
    rows = []
    for kind, items in (("answer", [answer["answer"]]), ("alternative", answer.get("alternatives", [])),
                        ("front", answer.get("pareto", [])[1:])):  # fmt: skip
        for item in items:
            cells = {label: _number(item.get(key), unit) for key, label, unit in COLUMNS if key in item}
            rows.append({"": kind, **cells})
    return rows


def headline(question: Any, answer: dict[str, Any]) -> str:
    """One paragraph above the table: what was chosen, with intervals, definitions and doubts."""
    r = answer["answer"]
    p = f"p{100 * question.percentile:g}"
    lengths = f"{question.prompt_tokens:,.0f} tokens in, {question.output_tokens:,.0f} out"
    times = f"TTFT {_interval(r['ttft_s'], 1e3, ' ms')}, TPOT {_interval(r['tpot_s'], 1e3, ' ms')}"
    if "replicas" not in r:
        return (
            f"{question.model}, {lengths}, {r['clients']:,.0f} clients in a closed loop on {r['accelerators']:g} x "
            f"{r['part']} in {r['precision']}: {times}; {r['output_tokens_per_s']:,.0f} output tokens/s, "
            f"{r['total_tokens_per_s']:,.0f} in and out. Means; 80 % intervals in brackets."
        )
    money = "" if r["usd_per_hour"] is None else (
        f" ${r['usd_per_hour']:,.2f} an hour at ${r['usd_per_accelerator_hour']:.2f} an accelerator-hour"
        f" ({r['price_dates']}); ${_interval(r['usd_per_million_input'], 1.0, '')} a million tokens in,"
        f" ${_interval(r['usd_per_million_output'], 1.0, '')} out."
    )  # fmt: skip
    return (
        f"{question.model}, {lengths}, {question.rate:g} requests/s (Poisson): {r['accelerators']:,.0f} x "
        f"{r['part']} in {r['precision']}, {r['replicas']} replicas of {r['accelerators_per_replica']:g} "
        f"({r['spare_replicas']} spare), "
        f"{100 * r['headroom']:.0f} % headroom. Mean {times}; {p} TTFT {_interval(r['ttft_tail_s'], 1e3, ' ms')}, "
        f"TPOT {_interval(r['tpot_tail_s'], 1e3, ' ms')}.{money} {r['joules_per_output_token']:.3g} J a token out. "
        "80 % intervals in brackets."
    ) + _quality(answer.get("quality", {}).get(r["precision"]))


def _quality(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    parts = []
    for key, words in (("perplexity_increase", "perplexity"), ("accuracy_drop", "task accuracy lost")):
        if key in found:
            v = found[key]
            parts.append(
                f"{words} {100 * v['value']:+.1f} % ({100 * v['low']:+.1f} to {100 * v['high']:+.1f}, n {v['n']:g})"
            )
    return f" Measured quality of the format against its baseline: {'; '.join(parts)}."


def document(question: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """The JSON document: request, resolved names, answer."""
    asked = {
        f: getattr(question, f) for f in question.__struct_fields__ if getattr(question, f) not in (float("inf"), ())
    }
    r = answer["answer"]
    resolved = {"accelerator": r["part"], "system": r["system"], "model": question.model, "engine": question.engine}
    return {
        "request": {k: list(v) if isinstance(v, tuple) else v for k, v in asked.items()},
        "resolved": resolved,
        **answer,
    }
