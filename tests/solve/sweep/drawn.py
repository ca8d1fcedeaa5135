"""Spaces drawn from a seed, their rows against the answers of single questions, and what is kept against all rows."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import hwmodel as hm
from hwmodel.errors import HwModelError, InfeasibleError
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import Band
from hwmodel.solve.sweep.answers import known_columns
from hwmodel.solve.sweep.space import read_space

Row = dict[str, Any]
SAME = 1e-12
PARTS = ("A100", "H100", "H200", "B200", "GB200", "MI300X", "MI355X", "MI250X", "TPU-v5p", "TPU-v6e", "V100", "L40S")
COUNTS = (4, 8, 12, 16, 60, 64, 96, 128, 200, 256, 512, 1000, 2048)
# What each kind of question gives; one of each is drawn into the base or an axis.
KINDS = (
    ("gpus", "params", "tokens"), ("gpus", "tokens"), ("gpus", "flops"), ("gpus", "params", "time"),
    ("gpus", "params", "budget"), ("gpus", "params", "time", "budget"), ("gpus", "model", "tokens"),
    ("gpus", "model", "time"), ("gpus", "time"), ("gpus", "budget"), ("gpus", "loss"), ("gpus", "params", "flops"),
    ("gpus", "tokens", "inference_tokens"), ("gpus", "loss", "inference_tokens"), ("gpus", "loss_like"),
    ("part", "params", "tokens", "time"), ("part", "power", "params", "tokens"), ("tokens",),
    ("gpus", "tokens", "serve"), ("gpus", "inference_tokens", "lifetime_budget"),
    ("gpus", "loss", "inference_tokens", "samples"),
)  # fmt: skip
VALUES: dict[str, tuple[Any, ...]] = {
    "params": ("350M", "1.3B", "7B", "8B", "20B", "70B", "180B", 5e6),
    "tokens": ("20B", "300B", "1.4T", "6T", "15T"),
    "flops": (3e21, "5.76e23", 2e25),
    "time": ("3d", "36h", "30d", "120d"),
    "budget": ("20k", "500k", "$5M"),
    "model": ("llama-3.1-8b", "mixtral-8x7b", "deepseek-v3", "gpt-oss-20b"),
    "loss": (2.4, 2.05, "1.9", 1.7),
    "loss_like": ("7B@1T", "70B@1.4T"),
    "inference_tokens": ("100B", "1T", "10T"),
    "serve": ("200 req/s, 1k in, 300 out, 2 years, tpot 40ms", "10 req/s, 4k in, 1k out, 1 year"),
    "lifetime_budget": ("2M", "10M"),
    "power": ("1MW", "3MW"),
    "samples": ("4", "any"),
}
# What refines a question, some of it at odds with others: then rows say so as a plan does.
REFINED: dict[str, tuple[Any, ...]] = {
    "precision": ("bf16", "fp8", "fp16", "mxfp8"), "confidence": ("80%", "0.65", "99%"), "tp": ("1", "2", 8),
    "stack": ("torchtitan", "fsdp", "megatron-bridge", "hai-llm", "jax"), "optimizer": ("adam8bit", "muon", "sgd"),
    "region": ("USA", "france", "us-east-1"), "price_kind": ("on_demand", "spot", "reserved_1y"), "pp": ("1", "4"),
    "usd_per_hour": ("2.5", "h100=2.5,b200=4,a100=1.1", 3.25), "mfu": ("40%", "0.5"), "ep": ("1", "4"),
    "recompute": ("none", "selective", "full", "50%"), "offload": ("any", "none", "activations"), "zero": ("0", 1, "3"),
    "schedule": ("1f1b", "zb-h1", "dualpipe", "dualpipev"), "micro_batch": ("1", "4"), "seq_len": ("8k", 32768),
    "global_batch": ("256", "2048"), "global_batch_tokens": ("4M", "1M"), "gradient_dtype": ("bf16", "fp32"),
    "law": ("besiroglu_2024", "chinchilla_2022/approach1", "kaplan_2020/L_ND", "gadre_2024/c4"), "pue": ("1.1", 1.4),
    "flop_convention": ("palm", "causal"), "reliability": ("llama-3-16k", "opt-175b"), "unique_tokens": ("50B", "1T"),
    "year": ("2022", 2025), "nic_gbit_s": ("100", 800), "system": ("dgx-h100", "aws-p4d"),
    "serving_precision": ("fp8", "w4a16"),    "objective": ("flops", "kwh", "co2e"), "loss_factor": ("1.01", "0.98"),
}  # fmt: skip


def drawn_space(seed: int) -> dict[str, Any]:
    """A space of a few points that keeps every answer."""
    draw = random.Random(f"space {seed}")
    base: dict[str, Any] = {}
    axes: dict[str, Any] = {}

    def put(name: str, value: Callable[[], Any]) -> None:
        if draw.random() < 0.6:
            axes[name] = list(dict.fromkeys(value() for _ in range(draw.choice((1, 2, 3)))))
        else:
            base[name] = value()

    for name in draw.choice(KINDS):
        if name == "part":
            put("gpus", partial(draw.choice, PARTS))
        elif name == "gpus":
            put("gpus", lambda: f"{draw.choice(COUNTS)}x{draw.choice(PARTS)}")
        else:
            put(name, partial(draw.choice, VALUES[name]))
    for name in draw.sample(sorted(REFINED), draw.choice((0, 1, 1, 2, 3))):
        put(name, partial(draw.choice, REFINED[name]))
    if {"samples"} & {*base, *axes}:
        base["task_family"] = draw.choice(("code", "maths"))
    if not axes:
        axes["seed"] = [0]
    return {"base": base, "axes": axes, "draws": 400, "keep": {"columns": list(known_columns("plan"))}}


def differences(row: Row, question: dict[str, Any]) -> list[str]:
    """What a row and the plan of its question do not agree in."""
    try:
        plan = hm.plan(**question)
    except HwModelError as error:
        return _refusal(row, error)
    if row["status"] != "ok":
        return [f"the row is {row['status']}: {row['reason']}, the plan answers"]
    return [
        f"{name}: {row[name]!r}, {theirs!r}" for name, theirs in _figures(plan).items() if not _same(row[name], theirs)
    ]


def _refusal(row: Row, error: HwModelError) -> list[str]:
    """A plan without an answer: the row has its kind, what binds, and its words but for what would mend it."""
    kind = "infeasible" if isinstance(error, InfeasibleError) else "refused"
    binding = getattr(error, "binding", "") or None
    if (row["status"], row["binding"]) != (kind, binding):
        return [f"the row is {row['status']} ({row['binding']}): {row['reason']}, the plan {kind} ({binding}): {error}"]
    if kind == "infeasible" and not str(error).startswith(row["reason"].split(",")[0]):
        return [f"the row says {row['reason']}, the plan {error}"]
    return []


def _figures(plan: Plan) -> Row:
    """The answers of a plan by the columns of rows."""
    found: Row = {"step_s": None if plan.step is None else plan.step["total_s"]}
    for name in known_columns("plan"):
        stem, _, end = name.rpartition("_")
        if end in ("low", "high"):
            band = getattr(plan.answer, stem)
            found[name] = getattr(band, end) if isinstance(band, Band) else None
        elif hasattr(plan.answer, name):
            value = getattr(plan.answer, name)
            found[name] = value.value if isinstance(value, Band) else value
        elif plan.layout is not None and hasattr(plan.layout, name):
            found[name] = getattr(plan.layout, name)
    return {**found, "accelerator": plan.resolved.accelerator, "system": plan.resolved.system}


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(theirs, float) and math.isnan(theirs):
        return mine is None
    if mine is None or theirs is None or isinstance(theirs, str):
        return bool(mine == theirs)
    return math.isclose(mine, theirs, rel_tol=SAME)


def disagreements(given: dict[str, Any], most: int) -> list[str]:
    """Of some points of a space: each whose row is not the answer of a plan. One line of a space that is refused, which
    no plan answers either."""
    try:
        found = hm.sweep(given)
    except HwModelError as error:
        return ["two lines: " + str(error)] if "\n" in str(error) else []
    space, rows = read_space(given), found.to_table().to_pylist()
    draw = random.Random(str(given))
    said = []
    for row in draw.sample(rows, min(most, len(rows))):
        question = space.plan_at(space.places_of(row["point"]))
        said += [f"{question}: {one}" for one in differences(row, question)]
    return said
