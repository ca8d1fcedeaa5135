"""How answers of `hwmodel serve` read."""

from __future__ import annotations

from typing import Any

from hwmodel.units import format_duration

COLUMNS = (
    ("part", "part", ""), ("precision", "format", ""), ("tp", "tp", "n"), ("pp", "pp", "n"), ("dp", "dp", "n"),
    ("ep", "ep", "n"), ("batch", "batch", "n"), ("replicas", "replicas", "n"), ("prefill", "prefill pool", "pool"),
    ("accelerators", "accelerators", "n"), ("ttft_tail_s", "TTFT tail", "s"), ("tpot_s", "TPOT", "s"),
    ("tpot_tail_s", "TPOT tail", "s"), ("requests_per_s_per_replica", "req/s a replica", "2"),
    ("usd_per_hour", "$/h", "usd"), ("usd_per_million_input", "$/M in", "2"),
    ("usd_per_million_output", "$/M out", "2"), ("joules_per_output_token", "J/token out", "2"),
)  # fmt: skip


def _number(value: Any, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "pool":
        return f"{value['workers']:g} x {value['accelerators'] / value['workers']:g}"
    if isinstance(value, dict):
        value = value["value"]
    if unit == "s":
        return format_duration(value)
    if unit == "usd":
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    if unit == "n":
        return f"{value:,.0f}"
    return f"{value:.3g}" if unit == "2" else str(value)


def _seconds(value: Any) -> str:
    if not isinstance(value, dict):
        return format_duration(value)
    return f"{format_duration(value['value'])} ({format_duration(value['low'])} to {format_duration(value['high'])})"


def _usd(value: Any) -> str:
    if not isinstance(value, dict):
        return "-" if value is None else f"${value:.3g}"
    return f"${value['value']:.3g} (${value['low']:.3g} to ${value['high']:.3g})"


def table(answer: dict[str, Any]) -> list[dict[str, str]]:
    """The answer, the cheapest of each other part, format and mode, and the front, as rows."""
    rows = []
    listed = (("answer", [answer["answer"]]), ("alternative", answer.get("alternatives", [])),
              ("front", answer.get("pareto", [])[1:]))  # fmt: skip
    items = [item for _, group in listed for item in group]
    shown = [c for c in COLUMNS if any(_worth(item, c[0]) for item in items)]
    for kind, group in listed:
        for item in group:
            cells = {label: _number(item.get(key), unit) for key, label, unit in shown if key in item}
            rows.append({"": kind, **cells})
    return rows


def _worth(item: dict[str, Any], key: str) -> bool:
    """Whether a column says something: parallel sizes of one and absent pools or prices do not."""
    value = item.get(key)
    return value is not None and not (key in ("pp", "dp", "ep") and value == 1)


def headline(question: Any, answer: dict[str, Any]) -> str:
    """What was chosen, with intervals, definitions and doubts: a paragraph each for fleet, reasons and quality."""
    r = answer["answer"]
    text = _prediction(question, r) if "clients" in r else _fleet(question, r)
    said = [text, *answer.get("why", []), _quality(r["precision"], answer.get("quality", {}).get(r["precision"]))]
    if answer.get("left_out"):
        said.append(f"Left out, for no price of them is known (ask with --parts): {', '.join(answer['left_out'])}.")
    return "\n\n".join(line for line in said if line)


def _lengths(question: Any) -> str:
    return f"{question.model}, {question.prompt_tokens:,.0f} tokens in, {question.output_tokens:,.0f} out"


def _prediction(question: Any, r: dict[str, Any]) -> str:
    at = f"{r['accelerators']:g} x {r['part']} in {r['precision']}"
    if r["prefill"] is not None:
        p = r["prefill"]
        at += (
            f" ({p['workers']} prefill workers of {p['accelerators'] / p['workers']:g}, {r['replicas']} decode workers "
            f"of {r['tp'] * r['pp'] * r['dp']:g})"
        )
    return (
        f"{_lengths(question)}, {r['clients']:,.0f} clients in a closed loop on {at}: TTFT {_seconds(r['ttft_s'])}, "
        f"TPOT {_seconds(r['tpot_s'])}; {r['output_tokens_per_s']:,.0f} output tokens/s, "
        f"{r['total_tokens_per_s']:,.0f} in and out. Means; 80 % intervals in brackets."
    )


def _layout(r: dict[str, Any], accelerators: float) -> str:
    """Accelerators of one worker and how they are used."""
    sizes = ", ".join(f"{name} {r[name]:g}" for name in ("tp", "pp", "dp", "ep") if r[name] > 1)
    return f"{accelerators:g} ({sizes})" if sizes else f"{accelerators:g}"


def _workers(r: dict[str, Any]) -> str:
    """Replicas, or the two pools."""
    if r["prefill"] is None:
        spare = f" ({r['spare_replicas']} spare)" if r["spare_replicas"] else ""
        one = _layout(r, r["accelerators_per_replica"])
        return f"{r['replicas']} replica{'s' if r['replicas'] > 1 else ''} of {one}{spare}"
    p = r["prefill"]
    spare = f" ({p['spare_workers']} spare in each)" if p["spare_workers"] else ""
    return (
        f"{p['workers']} prefill worker{'s' if p['workers'] > 1 else ''} of {_layout(p, p['accelerators_per_worker'])} "
        f"and {r['replicas']} decode worker{'s' if r['replicas'] > 1 else ''} of "
        f"{_layout(r, r['accelerators_per_replica'])}{spare}; a prompt's cache moves in "
        f"{format_duration(p['cache_transfer_s'])}"
    )


def _fleet(question: Any, r: dict[str, Any]) -> str:
    p = f"p{100 * question.percentile:g}"
    money = " No price of it is known: the fewest accelerators." if r["usd_per_hour"] is None else (
        f" ${r['usd_per_hour']:,.2f} an hour at ${r['usd_per_accelerator_hour']:.2f} an accelerator-hour"
        f" (quotes of {r['price_dates']}); {_usd(r['usd_per_million_input'])} a million tokens in,"
        f" {_usd(r['usd_per_million_output'])} out."
    )  # fmt: skip
    return (
        f"{_lengths(question)}, {question.rate:g} requests/s (Poisson): {r['accelerators']:,.0f} x "
        f"{r['part']} in {r['precision']}, {_workers(r)}, {100 * r['headroom']:.0f} % headroom. "
        f"Mean TTFT {_seconds(r['ttft_s'])}, TPOT {_seconds(r['tpot_s'])}; {p} TTFT {_seconds(r['ttft_tail_s'])}, "
        f"TPOT {_seconds(r['tpot_tail_s'])}.{money} {r['joules_per_output_token']:.3g} J a token out. "
        "80 % intervals in brackets."
    )


def _quality(recipe: str, found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    parts = []
    for key, words in (("perplexity_increase", "perplexity"), ("accuracy_drop", "task accuracy lost")):
        if key in found:
            v = found[key]
            parts.append(
                f"{words} {100 * v['value']:+.1f} % ({100 * v['low']:+.1f} to {100 * v['high']:+.1f}, n {v['n']:g})"
            )
    return f"Measured quality of {recipe} against its baseline: {'; '.join(parts)}."


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
