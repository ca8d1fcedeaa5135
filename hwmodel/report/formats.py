"""Tables of number formats: in training, in service at the same loss, and in service at the same size."""

from __future__ import annotations

from typing import Any

from hwmodel.report import words
from hwmodel.report.tables import table
from hwmodel.solve.run.result import Band, Plan

VERDICTS = {
    "reference": "reference",
    "pays": "pays",
    "pays_unless_at_the_top": "pays, unless its loss is at the top of the band",
    "within_noise": "undecided: the band holds both answers",
    "does_not_pay": "does not pay",
    "unknown": "unknown",
}
KIND_WORDS = {
    "fp8": "FP8 and MXFP8",
    "nvfp4-part": "NVFP4 with some layers in 16 bits",
    "nvfp4-full": "NVFP4 in every linear",
    "mxfp4": "MXFP4",
}
LAW_WORDS = {"kumar_2024": "Kumar et al. 2024", "sun_2025": "Sun et al. 2025"}


def precision_table(rows: list[dict[str, Any]]) -> str:
    """Formats side by side: speed, loss, what pays."""
    header = ["precision", "time", "speed-up", "rent", "measured loss gap", "pays up to", "P(wins)", "verdict"]
    return table(header, [_precision_cells(row) for row in rows])


def _precision_cells(row: dict[str, Any]) -> list[str]:
    if row["status"] != "ok":
        return [row["precision"], row["status"], "", "", "", "", "", row["reason"]]
    chance = row["probability_wins"]
    return [
        row["precision"], words.days(row["train_days"]), speedup_words(row["speedup"]), words.usd(row["cost_usd"]),
        share_words(row["loss_gap_share"]), paid_words(row), words.DASH if chance is None else f"{100 * chance:.0f} %",
        verdict_words(row),
    ]  # fmt: skip


def machine_table(rows: list[dict[str, Any]]) -> str:
    """What each format does to the machine: rate, utilisation, memory, layout, energy."""
    header = ["precision", "tokens/s", "MFU (16-bit peak)", "MFU (own peak)", "memory", "energy", "layout"]
    cells = [
        [
            row["precision"], words.count(row["tokens_per_s"]), words.percent(row["mfu_of_16_bit_peak"]),
            words.percent(row["mfu"]), words.memory(row["peak_memory_bytes"]), f"{words.plain(row['energy_mwh'])} MWh",
            words.layout_words(row["layout"]),
        ]
        for row in rows if row["status"] == "ok"
    ]  # fmt: skip
    return table(header, cells)


def evidence_table(rows: list[dict[str, Any]]) -> str:
    """What the loss gap of each format rests on, with the laws beside it."""
    cells = []
    for row in rows:
        if row["status"] != "ok" or row["verdict"] == "reference":
            continue
        found, speed = row["evidence"], row["speedup_published"]
        pairs = words.DASH
        if found is not None:
            most = f"up to {words.count(found['largest_params'])} and {words.count(found['largest_tokens'])} tokens"
            beyond = "; this run lies beyond" if found["beyond"] else ""
            pairs = f"{KIND_WORDS[found['kind']]}: {found['pairs']} pairs, {found['sources']} sources, {most}{beyond}"
        timed = words.DASH
        if speed is not None:
            timed = f"{speed['median']:.2f}x ({speed['low']:.2f} to {speed['high']:.2f}, {speed['pairs']} pairs)"
        cells.append([row["precision"], pairs, timed, scenario_words(row["scenarios"]), served_words(row)])
    header = ["precision", "published pairs of loss", "published speed-ups", "laws, as scenarios", "served afterwards"]
    return table(header, cells) if cells else ""


def scenario_words(found: dict[str, Any]) -> str:
    """`Kumar et al. 2024: 0.24 to 0.55 % (7.0 times 16 measured pairs)`."""
    said = []
    for law, one in found.items():
        span = (
            f"{100 * one['low']:.2f}"
            if one["low"] == one["high"]
            else f"{100 * one['low']:.2f} to {100 * one['high']:.2f}"
        )
        ratio = one["ratio_to_pairs"]
        where = "in its range" if one["pairs_inside_fit"] else "outside its range"
        checked = f" ({ratio:.2g} times the median of {one['pairs']} pairs {where})" if ratio is not None else ""
        said.append(f"{LAW_WORDS[law]}: {span} %{checked}")
    return "; ".join(said) or words.DASH


def served_words(row: dict[str, Any]) -> str:
    """What serving in the same format loses, against quantising a model trained in 16 bits."""
    found = row["served_in"]
    if found is None:
        return words.DASH
    after = loss_words(found["quantising_loss_nats"])
    return f"{found['serving_precision']}: no further loss (quantised from 16 bits: {after})"


def verdict_words(row: dict[str, Any]) -> str:
    """The verdict at the size asked, and with size and tokens free where that differs."""
    said = VERDICTS[row["verdict"]]
    if row["verdict"] == "unknown" and row["verdict_reason"]:
        return f"unknown: {row['verdict_reason']}"
    if row["verdict_free"] not in (row["verdict"], "unknown"):
        said += f"; with size and tokens free {VERDICTS[row['verdict_free']]}"
    return said


def speedup_words(speedup: Band) -> str:
    """`1.27x (1.15 to 1.41)`."""
    if speedup.low == speedup.high:
        return f"{speedup.value:.2f}x"
    return f"{speedup.value:.2f}x ({speedup.low:.2f} to {speedup.high:.2f})"


def share_words(share: Band | None) -> str:
    """`0.13 % (-0.07 to 0.49)`."""
    if share is None:
        return "unknown"
    if share.low == share.high:
        return "0"
    return f"{100 * share.value:.2f} % ({100 * share.low:.2f} to {100 * share.high:.2f})"


def paid_words(row: dict[str, Any]) -> str:
    """`0.13 %; 0.43 % with size and tokens free`."""
    paid, free = row["pays_up_to_share"], row["pays_up_to_share_free"]
    if paid is None:
        return words.DASH
    more = "" if free is None else f"; {100 * free.value:.2f} % free"
    return f"{100 * paid.value:.2f} %{more}"


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
