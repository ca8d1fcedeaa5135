"""`validate` on the row that describes a setting prints what `serve` prints for it: values and intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import HwModelError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import decode_step_s
from hwmodel.predict.formats import formats_of
from hwmodel.solve.serve.predict import predict
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.specs.serving import ServingLayout
from hwmodel.validation.board.serving import predict_rows
from hwmodel.validation.predicted.serving_bench import ServingResolver
from hwmodel.validation.rows.serving_rows import serving_setting

CATALOG = load_catalog()
SAME = 1e-12  # of two printed numbers: beyond it they would differ in a printed digit
MIXTURES = ("deepseek-v3", "gpt-oss-120b", "mixtral-8x7b", "qwen3-235b-a22b")
MODELS = ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "qwen3-32b", *MIXTURES)
RECIPES = ("bf16", "fp8", "fp8-kv16", "fp8-block", "w4a16", "w8a16", "int8", "mxfp4", "nvfp4")
LAYOUT = ("tp", "pp", "dp", "ep")


def row_of(ask: dict[str, Any]) -> dict[str, str]:
    """The row of a serving file that describes a question."""
    layout, pre = ask["layout"], ask.get("prefill")
    row = {
        "id": "one", "source": "test", "model": ask["model"], "accelerator": ask["part"], "precision": ask["precision"],
        "gemm_quant_mode": ask["precision"], "backend": ask["engine"], "input_len": f"{ask['input']}",
        "output_len": f"{ask['output']}", "concurrency": f"{ask['clients']}", "mode": "disagg" if pre else "agg",
        "ttft_ms": "1", "tpot_ms": "1",
    }  # fmt: skip
    sizes = {"tp_size": "tp", "pp_size": "pp", "attention_dp_size": "dp", "moe_ep_size": "ep"}
    if layout is None:
        return row | {"n_accel": f"{ask['gpus']}"}
    if pre:
        for prefix, worker, count in (("decode_", layout, ask["decodes"]), ("prefill_", pre, ask["prefills"])):
            row |= {prefix + name: f"{worker[key]}" for name, key in sizes.items()} | {
                f"{prefix}num_workers": f"{count}"
            }
        return row
    total = layout["tp"] * layout["pp"] * layout["dp"]
    return row | {name: f"{layout[key]}" for name, key in sizes.items()} | {"n_accel": f"{total}"}


def served(ask: dict[str, Any]) -> dict[str, dict[str, float]] | None:
    """TTFT and TPOT of `serve` in milliseconds with their ends; None where it refuses.

    Asked in the recipe that the row stands for: so many bits of a model released in as many are those of its release.
    """
    recipe = ServingResolver(CATALOG, kernel_calibration()).released(serving_setting(row_of(ask)))
    sizes = {name: float(ask["layout"][name]) for name in LAYOUT} if ask["layout"] else {}
    question = ServingQuestion(
        model=ask["model"], parts=(ask["part"],), precisions=(recipe,), engine=ask["engine"],
        prompt_tokens=float(ask["input"]), output_tokens=float(ask["output"]), rate=1.0, **sizes,
    )  # fmt: skip
    pools = (ask["prefills"], ask["decodes"]) if ask.get("prefill") else None
    gpus = float(ask["gpus"]) if ask["layout"] is None else None
    try:
        found = predict(
            question, CATALOG, float(ask["clients"]), pools, ask["prefill"]["tp"] if ask.get("prefill") else None, gpus
        )
    except HwModelError:
        return None
    times = {"ttft_ms": found.answer.ttft_s, "tpot_ms": found.answer.tpot_s}
    return {name: {end: 1e3 * getattr(time, end) for end in ("value", "low", "high")} for name, time in times.items()}


def validated(ask: dict[str, Any]) -> dict[str, dict[str, float]] | None:
    """The same of `validate`."""
    out = {}
    for p in predict_rows("serving", [row_of(ask)]):
        if p.predicted is None:
            return None
        out[p.metric] = {"value": p.predicted, "low": p.low, "high": p.high}
    return out


@st.composite
def asks(draw: Any) -> dict[str, Any]:
    """Questions of every kind: stages, thousands of clients, mixtures, pools, searched layouts."""
    model = draw(st.sampled_from(MODELS))
    part = draw(st.sampled_from(("h100", "h200", "b200", "mi300x", "a100-80gb", "l40s")))
    lacks = {"a100-80gb": ("fp8", "fp8-kv16", "fp8-block", "nvfp4"), "b200": ()}.get(part, ("nvfp4",))
    routed = model in MIXTURES
    tp, pp = draw(st.sampled_from((1, 2, 4, 8))), draw(st.sampled_from((1, 2, 4)))
    dp = draw(st.sampled_from((1, 2, 4))) if routed else 1
    layout = {"tp": tp, "pp": pp, "dp": dp, "ep": tp * dp if routed and draw(st.booleans()) else 1}
    if layout["dp"] > 1:
        layout["ep"] = tp * dp
    kind = draw(st.sampled_from(("stated", "stated", "pools", "searched")))
    ask = {
        "model": model, "part": part, "precision": draw(st.sampled_from([r for r in RECIPES if r not in lacks])),
        "engine": draw(st.sampled_from(("generic", "trtllm", "vllm", "sglang"))), "layout": layout,
        "input": draw(st.sampled_from((128, 1024, 4096, 9000, 30000))),
        "output": draw(st.sampled_from((30, 256, 1024))),
        "clients": draw(st.sampled_from((1, 7, 64, 500, 4096, 12000))),
    }  # fmt: skip
    if kind == "searched":
        ask |= {"layout": None, "gpus": draw(st.sampled_from((1, 2, 8, 16)))}
    elif kind == "pools":
        tp = draw(st.sampled_from((1, 2, 4, 8)))
        before = layout | {"tp": tp, "ep": tp * dp if layout["ep"] > 1 else 1}
        ask |= {"prefill": before, "prefills": draw(st.integers(1, 9)), "decodes": draw(st.integers(1, 9))}
    return ask


@settings(deadline=None, max_examples=100)
@given(ask=asks())
def test_validate_prints_what_serve_prints(ask: dict[str, Any]) -> None:
    product, board = served(ask), validated(ask)
    assert (product is None) == (board is None)
    for metric, ends in (product or {}).items():
        assert board is not None
        assert board[metric] == pytest.approx(ends, rel=SAME)


def test_most_random_questions_are_answered() -> None:
    """The property above says something: of a plain sample of its kinds most are answered, not refused alike."""
    asked = [
        {"model": m, "part": "h200", "precision": "fp8", "engine": "vllm", "input": 1024, "output": 256, "clients": n,
         "layout": {"tp": 8, "pp": 1, "dp": 1, "ep": 1}}
        for m in MODELS for n in (1, 500)
    ]  # fmt: skip
    assert sum(served(ask) is not None for ask in asked) == len(asked)


def _ask(**changes: Any) -> dict[str, Any]:
    base = {
        "model": "llama-3.1-70b", "part": "h200", "precision": "fp8", "engine": "generic", "input": 4096, "output": 512,
        "clients": 128, "layout": {"tp": 2, "pp": 4, "dp": 1, "ep": 1},
    }  # fmt: skip
    return base | changes


def test_a_prompt_holds_each_stage_for_its_share() -> None:
    """70B, TP 2 x PP 4: the stages take other prompts on while one passes: a prompt costs the others a quarter of its
    pass. Undivided, as the board once had it, TPOT came out at 2.5 times as much."""
    board = validated(_ask())
    assert board is not None
    assert board["tpot_ms"]["value"] == pytest.approx(served(_ask())["tpot_ms"]["value"], rel=SAME)
    assert 25.0 < board["tpot_ms"]["value"] < 45.0


def test_one_ceiling_of_running_requests() -> None:
    """4,096 clients of an 8B model on one B200: half of them wait for a place, whoever asks."""
    ask = _ask(model="llama-3.1-8b", part="b200", clients=4096, input=128, output=128,
               layout={"tp": 1, "pp": 1, "dp": 1, "ep": 1})  # fmt: skip
    product, board = served(ask), validated(ask)
    assert board == {k: pytest.approx(v, rel=SAME) for k, v in product.items()}
    half = served(ask | {"clients": 2048})
    assert product["tpot_ms"]["value"] == pytest.approx(half["tpot_ms"]["value"], rel=SAME)
    assert product["ttft_ms"]["value"] > 5.0 * half["ttft_ms"]["value"]


def test_intervals_know_engine_and_format() -> None:
    """DeepSeek-V3 on 8 x H200: `serve` once took the width of any mixture in a closed loop."""
    widths = {}
    for engine in ("vllm", "sglang", "trtllm", "generic"):
        ask = _ask(model="deepseek-v3", engine=engine, clients=64, input=1024, output=1024,
                   layout={"tp": 8, "pp": 1, "dp": 1, "ep": 1})  # fmt: skip
        product, board = served(ask), validated(ask)
        assert board == {k: pytest.approx(v, rel=SAME) for k, v in product.items()}
        widths[engine] = float(np.log(product["tpot_ms"]["high"] / product["tpot_ms"]["value"]))
    assert len(set(widths.values())) >= 3
    assert widths["generic"] > min(widths.values())


def test_lengths_are_what_they_say() -> None:
    """A row's lengths are those of its requests: one client's token takes the decode step over prompt + output / 2."""
    board = validated(_ask(layout={"tp": 8, "pp": 1, "dp": 1, "ep": 1}, clients=1))
    part, recipe = CATALOG.part("h200"), CATALOG.serving_precision("fp8")
    m, shape = machine(part, CATALOG.default_system(part.id), recipe, kernel_calibration()), CATALOG.model(MODELS[1])
    engine = engine_of(serving_calibration(), "generic", family=part.family, recipe="fp8")
    at = (shape, m, formats_of(shape, recipe), ServingLayout(tp=8.0), engine)
    assert board is not None
    assert board["tpot_ms"]["value"] == pytest.approx(1e3 * decode_step_s(*at, 1.0, 4096.0 + 256.0), rel=SAME)
