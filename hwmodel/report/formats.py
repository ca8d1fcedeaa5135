"""Tables of number formats: in training, in service at the same loss, and in service at the same size."""

from __future__ import annotations

from typing import Any

from hwmodel.report import words
from hwmodel.report.words import table
from hwmodel.solve.result import Band, Plan


def precision_table(rows: list[dict[str, Any]]) -> str:
    """Formats side by side."""
    out = []
    for row in rows:
        if row["status"] != "ok":
            out.append([row["precision"], row["status"], "", "", "", "", "", row["reason"]])
            continue
        days: Band = row["train_days"]
        out.append(
            [
                row["precision"], words.days(days), f"{row['speedup']:.2f}x", words.percent(row["mfu"]),
                words.memory(row["peak_memory_bytes"]), words.usd(row["cost_usd"]), penalty_words(row),
                break_even_words(row) + row["verdict"],
            ]
        )  # fmt: skip
    header = ["precision", "time", "speed-up", "MFU (own peak)", "memory", "rent", "loss penalty (nats)", "verdict"]
    return table(header, out)


def penalty_words(row: dict[str, Any]) -> str:
    """`0.0017 to 0.0074 (Kumar), 0.0006 (Sun)`."""
    penalty = row["loss_penalty_nats"]
    if penalty is None:
        return "unknown"
    if penalty["high"] == 0.0:
        return "0"
    sun = f"; {penalty['sun']:.4f} (Sun)" if penalty["sun"] is not None else ""
    return f"{penalty['low']:.4f} to {penalty['high']:.4f} (Kumar){sun}"


def break_even_words(row: dict[str, Any]) -> str:
    """`needs 1.02x to 1.34x: `, or nothing for the reference."""
    needed = row.get("break_even_speedup")
    if not needed or row["verdict"] == "reference":
        return ""
    ends = [f"{x:.2f}x" if x is not None else "no speed-up pays" for x in (needed["low"], needed["high"])]
    return f"needs {ends[0]} to {ends[1]}: "


def serving_table(plan: Plan) -> str:
    """Serving formats side by side, each with the size and the tokens that suit it."""
    kept = [row for row in plan.serving_formats if not row["reason"]]
    rows = []
    for row in kept:
        more = row["lifetime_cost"] / kept[0]["lifetime_cost"] - 1.0
        costs = [_life(plan, row[name]) for name in ("train_cost", "serve_cost", "lifetime_cost")]
        sizes = [words.count(row["params"]), words.count(row["tokens"])]
        change = f"{100 * more:+.1f}%" if row is not kept[0] else words.DASH
        rows.append([row["serving_precision"], *sizes, f"{row['loss_paid_nats']:.4f}", *costs, change])
    header = ["served in", "parameters", "tokens", "loss to train away (nats)", "training", "serving", "whole life", ""]
    return table(header, rows) if len(rows) > 1 else ""


def fixed_table(plan: Plan) -> str:
    """The same model served in each format: what it loses, what that does to benchmarks, what it saves."""
    rows = []
    for row in plan.serving_formats:
        if "fixed" not in row:
            continue
        one = row["fixed"]
        saved = words.DASH if one.saving_share is None else f"{100 * one.saving_share:+.0f}%"
        name = row["serving_precision"] + ("" if one.measured else " (unmeasured)")
        rows.append(
            [name, loss_words(one.loss_nats), score_words(one.retained_score), _life(plan, one.serve_cost), saved]
        )
    header = ["served in", "loss (nats a token)", "benchmark average kept", "serving", "saved"]
    return table(header, rows) if len(rows) > 1 else ""


def loss_words(loss: Band) -> str:
    """`0.053 (0.023 to 0.12)`, or `0`."""
    return "0" if loss.high == 0.0 else f"{loss.value:.2g} ({loss.low:.2g} to {loss.high:.2g})"


def score_words(score: Band) -> str:
    """`98.9% (97.4% to 99.5%)`."""
    if score.low == score.high:
        return "100%"
    return f"{100 * score.value:.1f}% ({100 * score.low:.1f}% to {100 * score.high:.1f}%)"


def _life(plan: Plan, cost: float | None) -> str:
    return words.cost(cost, plan.saving["unit"] if plan.saving else "")
