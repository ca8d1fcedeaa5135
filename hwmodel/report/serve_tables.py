"""The tables of an answer of `serve`: its figures, other fleets, other formats, a decode step; and its rows for CSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hwmodel.plain import JsonObject, Rows
from hwmodel.report.blocks import Table
from hwmodel.report.losses import loss_words, score_words
from hwmodel.report.phrases import heard, say
from hwmodel.report.serve_words import Found, dollars
from hwmodel.report.words import SERVING_TERM_WORDS, plain
from hwmodel.solve.run.band import Band, value_of
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import (
    SIZES,
    EngineFound,
    EngineRow,
    FixedRow,
    FleetFound,
    FleetRow,
    ServingBill,
)
from hwmodel.units import format_duration

# key of the answer -> kind of number
COLUMNS = (
    ("part", ""), ("precision", ""), ("tp", "n"), ("pp", "n"), ("dp", "n"), ("ep", "n"), ("batch", "n"),
    ("replicas", "n"), ("prefill", "pool"), ("accelerators", "n"), ("ttft_tail_s", "s"), ("tpot_s", "s"),
    ("tpot_tail_s", "s"), ("requests_per_s_per_replica", "2"), ("usd_per_hour", "2"), ("usd_per_million_input", "2"),
    ("usd_per_million_output", "2"), ("joules_per_output_token", "2"),
)  # fmt: skip
LABELS = {
    "part": "part", "precision": "format", "tp": "tp", "pp": "pp", "dp": "dp", "ep": "ep", "batch": "batch",
    "replicas": "replicas", "prefill": "prefill pool", "accelerators": "accelerators", "ttft_tail_s": "TTFT tail",
    "tpot_s": "TPOT", "tpot_tail_s": "TPOT tail", "requests_per_s_per_replica": "req/s a replica",
    "usd_per_hour": "$/h", "usd_per_million_input": "$/M in", "usd_per_million_output": "$/M out",
    "joules_per_output_token": "J/token out",
}  # fmt: skip
KINDS = {"answer": "answer", "alternative": "alternative", "front": "front"}
FIGURES = (
    ("TTFT (to the first token), mean", "ttft_s", "s"), ("TTFT, p{p}", "ttft_tail_s", "s"),
    ("TPOT (each further token), mean", "tpot_s", "s"), ("TPOT, p{p}", "tpot_tail_s", "s"),
    ("requests a second", "requests_per_s", "2"), ("output tokens a second", "output_tokens_per_s", "2"),
    ("requests that the cache of a worker holds", "cache_requests", "held"),
    ("dollars an hour", "usd_per_hour", "usd"), ("dollars a million tokens", "usd_per_million_tokens", "usd"),
    ("a million tokens in", "usd_per_million_input", "usd"),
    ("a million tokens in, where cached", "usd_per_million_cached_input", "usd"),
    ("a million tokens out", "usd_per_million_output", "usd"),
    ("energy a token out", "joules_per_output_token", "J"), ("power", "watts", "W"),
)  # fmt: skip


def figure_rows(question: ServingQuestion, r: EngineRow) -> list[tuple[str, str, str]]:
    """Label, value and interval of what the answer states."""
    p = f"{100 * question.percentile:g}"
    rows = []
    for label, name, unit in FIGURES:
        value = getattr(r, name, None)
        if value is None or (name == "usd_per_hour" and isinstance(r, FleetRow)):
            continue
        show, ends = SHOWN[unit], "-"
        if isinstance(value, Band) and value.low != value.high:
            ends = say("{low} to {high}", low=show(value.low), high=show(value.high))
        rows.append((say(label, p=p) if "{p}" in label else say(label), show(value_of(value)), ends))
    return rows


def _held(value: float) -> str:
    """Requests in a cache: whole ones, or two digits where it holds few."""
    return f"{value:,.0f}" if value >= 10.0 else f"{value:.2g}"


SHOWN: dict[str, Callable[[float], str]] = {
    "s": format_duration, "2": plain, "held": _held, "usd": dollars, "J": lambda v: f"{plain(v)} J",
    "W": lambda v: f"{plain(v / 1e3)} kW",
}  # fmt: skip


def _number(value: Any, unit: str) -> str:
    """A cell."""
    if value is None:
        return "-"
    if unit == "pool":
        return f"{value.workers:g} x {value.accelerators / value.workers:g}"
    value = value_of(value) if isinstance(value, Band) else value
    if unit == "s":
        return format_duration(value)
    if unit == "n":
        return f"{value:,.0f}"
    return (f"{value:,.0f}" if value >= 1000 else f"{value:.3g}") if unit == "2" else str(value)


def fleets_table(found: Found) -> Table:
    """The answer, the cheapest of each other part, format and mode, and the front; no rows where there is no other."""
    if isinstance(found, EngineFound):
        return Table([], [])
    listed = _groups(found)
    parts = {item.part for _, item in listed}
    shown = [
        column for column in COLUMNS
        if any(_worth(item, column[0]) for _, item in listed) and (column[0] != "part" or len(parts) > 1)
    ]  # fmt: skip
    rows = [[say(KINDS[kind]), *(_number(getattr(item, key), unit) for key, unit in shown)] for kind, item in listed]
    return Table(["", *(say(LABELS[key]) for key, _ in shown)], rows)


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


def fixed_table(found: Found) -> Table:
    """The same model in each serving recipe: what it loses, what that does to benchmarks, what it saves."""
    fleets = isinstance(found, FleetFound)
    header = [
        say("served in, on {part}", part=found.answer.part), say("added loss (nats a token)"),
        say("benchmark average kept"), *((say("accelerators"), say("$/h")) if fleets else ()), say("$/M tokens"),
        say("saved"), say("note"),
    ]  # fmt: skip
    cells = [_fixed_cells(row, fleets) for row in found.fixed]
    if not any(row[-1] for row in cells):
        header, cells = header[:-1], [row[:-1] for row in cells]
    return Table(header, cells if len(cells) > 1 else [])


def _fixed_cells(row: FixedRow, fleets: bool) -> list[str]:
    known = row.status == "ok"
    name = row.precision + ("" if row.measured else say(" (unmeasured)"))
    name += "" if row.allowed else say(" (beyond limits)")
    money = (_number(row.usd_per_hour, "2"),) if known else ("",)
    count = ((f"{row.accelerators:,.0f}" if known else "", *money)) if fleets else ()
    saved = "-" if row.saving_share is None else f"{100 * row.saving_share.value:+.0f}%"
    each = _number(row.usd_per_million_tokens, "2") if known else ""
    note = say("no fewer bits than released") if row.native else heard(row.reason)
    return [name, loss_words(row.loss_nats), score_words(row.retained_score), *count, each, saved, note]


def step_table(found: Found) -> Table:
    """Terms of a predicted decode step."""
    terms = found.step if isinstance(found, EngineFound) else {}
    total = sum(terms.values())
    rows = [
        [say(SERVING_TERM_WORDS[name]), format_duration(value), f"{100 * value / total:.1f} %"]
        for name, value in sorted(terms.items(), key=lambda item: -item[1])
        if value > 1e-3 * total
    ]
    if rows:
        rows.append([f"**{say('step')}**", format_duration(total), "100 %"])
    return Table([say("term"), say("time"), say("share")], rows)


def plain_rows(found: Found) -> Rows:
    """The fleets in base units, for CSV: names are those of the JSON."""
    return [{"kind": kind, **_plain(item)} for kind, item in _groups(found)]


def _plain(item: EngineRow) -> JsonObject:
    """A row's figures without their intervals: the engine, its bill, its prefill pool."""
    own = [name for name in item.__struct_fields__ if name not in ServingBill.__struct_fields__ and name != "prefill"]
    cells = {name: _bare(getattr(item, name)) for name in (*own, *ServingBill.__struct_fields__)}
    pool = {f"prefill_{name}": getattr(item.prefill, name, None) for name in ("workers", "accelerators", *SIZES)}
    return {**cells, **pool}


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Band) else value
