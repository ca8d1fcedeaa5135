"""A comparison of formats as Markdown, text and CSV."""

from __future__ import annotations

import csv
import io

from hwmodel.report import words
from hwmodel.report.formats import break_even_words, penalty_words, precision_table
from hwmodel.report.plan import command
from hwmodel.solve.result import Plan


def compare_markdown(plan: Plan) -> str:
    """Formats side by side, each with its own best layout, and which wins."""
    return words.render(
        "compare.md.j2",
        plan=plan,
        precision_table=precision_table(plan.precisions),
        verdict=winner(plan),
        command=command(plan, "compare", [row["precision"] for row in plan.precisions]),
    )


def winner(plan: Plan) -> str:
    """Which format wins, in a sentence."""
    rows = [row for row in plan.precisions if row["status"] == "ok"]
    if not rows:
        return "No format fits."
    sure = [row for row in rows if row["verdict"].startswith("wins under every")]
    if sure:
        best = max(sure, key=lambda row: row["speedup"])
        return (
            f"{best['precision']} wins: {best['speedup']:.2f}x faster, more than its loss can cost under any law shown."
        )
    maybe = [row for row in rows if row["verdict"].startswith("wins only")]
    if maybe:
        best = max(maybe, key=lambda row: row["speedup"])
        return (
            f"Undecided: {best['precision']} is {best['speedup']:.2f}x faster, which pays for its loss only in the "
            "lower part of the laws' band."
        )
    reference = next((row for row in rows if row["verdict"] == "reference"), rows[0])
    if len(rows) == 1:
        return f"Only {reference['precision']} can be run: nothing to compare it with."
    return f"{reference['precision']} wins: no other format's speed-up pays for its loss."


def compare_text(plan: Plan) -> str:
    """The verdict and a line a format."""
    lines = [winner(plan), ""]
    for row in plan.precisions:
        if row["status"] == "ok":
            lines.append(
                f"  {row['precision']:<12}{words.days(row['train_days']):>12}{row['speedup']:>8.2f}x  "
                f"{words.percent(row['mfu']):>7} MFU  {words.memory(row['peak_memory_bytes']):>10}  "
                f"penalty {penalty_words(row)}; {break_even_words(row)}{row['verdict']}"
            )
        else:
            lines.append(f"  {row['precision']:<12}{row['status']}: {row['reason']}")
    return "\n".join(lines) + "\n"


def compare_csv(plan: Plan) -> str:
    """A row a format."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    numbers = ["train_days", "speedup", "mfu", "peak_memory_bytes", "cost_usd"]
    penalties = ["low", "high", "sun"]
    writer.writerow(["precision", "status", *numbers, *(f"penalty_{name}" for name in penalties), "verdict"])
    for row in plan.precisions:
        if row["status"] != "ok":
            writer.writerow([row["precision"], row["status"], *[""] * 8, row["reason"]])
            continue
        penalty = row["loss_penalty_nats"] or {}
        cells = [words.number(row[name]) for name in numbers] + [penalty.get(name) for name in penalties]
        shown = ["" if cell is None else repr(cell) for cell in cells]
        writer.writerow([row["precision"], "ok", *shown, row["verdict"]])
    return out.getvalue()
