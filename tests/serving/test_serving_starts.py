"""How a benchmark starts and what launch recipes make prompts wait for; formats of release."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine, takes_mixed
from hwmodel.physics.serving import bulk_prompt_s, decode_terms, mixed_terms, weights_bytes
from hwmodel.physics.serving_products import padded_sides
from hwmodel.physics.serving_queue import balance_wait_steps, closed_loop, delay_steps
from hwmodel.physics.serving_step import Pass, attention_core_s, captured, sum_s
from hwmodel.predict.formats import formats_of
from hwmodel.solve.serve.predict import predict
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.specs.serving import ClosedLoad, Engine, EnginePasses, ServingFormats, ServingLayout, ServingLoad
from hwmodel.validation.board.serving import Book, predict_rows
from hwmodel.validation.fit.serving_fit import fit
from hwmodel.validation.predicted.serving_bench import ServingResolver
from hwmodel.validation.rows.serving_rows import serving_setting
from hwmodel.validation.rows.tables import read_table

CATALOG = load_catalog()
QUIET = Engine(prefill_stall=1.0, request_s=0.0, stream_steps=0.0)
ROWS = read_table(calibrations_dir().parent / "runs" / "serving.csv")[1]


def loop(clients: float, rounds: float, engine: Engine = QUIET, ranks: float = 1.0):
    """Steps of 10 ms, prompts of 100 ms that cost 20 ms each where many wait, long answers."""
    at = EnginePasses(step_s=0.01, mixed_s=0.03, first_s=0.1, service_s=0.02)
    load = ClosedLoad(clients=clients, places=1e9, output_tokens=1e5, rounds=rounds, ranks=ranks)
    return closed_loop(at, 0.02, load, engine)


def test_one_round_waits_for_half_of_the_others() -> None:
    """By hand: one of 11 clients that start together finds five prompts of 20 ms before it; of ten rounds the first."""
    once, ten, endless = loop(11.0, 1.0), loop(11.0, 10.0), loop(11.0, 1e9)
    assert once.ttft_s == pytest.approx(0.1 + 5.0 * 0.02, rel=1e-3)
    assert ten.ttft_s == pytest.approx(0.1 + 0.5 * 0.02, rel=1e-2)
    assert endless.ttft_s == pytest.approx(0.1, rel=1e-2)
    assert once.tpot_s == pytest.approx(ten.tpot_s, rel=1e-6) == pytest.approx(endless.tpot_s, rel=1e-6)
    for s in (once, ten, endless):
        assert s.requests_per_s * s.request_s == pytest.approx(11.0)


def test_polled_and_delayed_prompts_wait_in_steps() -> None:
    """Polls every 11 steps cost five on average, every 31 from sixteen clients on fifteen; a batching wait is whole."""
    polled = msgspec.structs.replace(QUIET, poll_steps=11.0, poll_steps_many=31.0)
    assert delay_steps(4.0, polled) == 5.0
    assert delay_steps(16.0, polled) == 15.0
    waits = msgspec.structs.replace(QUIET, batch_wait_steps=20.0, stream_steps=2.0)
    assert delay_steps(4.0, waits) == 22.0
    assert loop(4.0, 1e9, waits).ttft_s - loop(4.0, 1e9).ttft_s == pytest.approx(22.0 * 0.01, rel=1e-3)


def test_ranks_wait_for_each_other() -> None:
    balanced = msgspec.structs.replace(QUIET, balance_steps=60.0)
    assert balance_wait_steps(1.0, 1.0, balanced) == 0.0
    assert balance_wait_steps(1.0, 8.0, QUIET) == 0.0
    # Hardly anyone comes: the first prompt waits out the limit alone.
    assert balance_wait_steps(1e-9, 8.0, balanced) == pytest.approx(60.0)
    # Two arrivals a step on four ranks: 4 (ln 4 + 0.577) / 2 steps, seven or eight others come and wait half of them.
    steps = 4.0 * (math.log(4.0) + 0.577) / 2.0
    assert balance_wait_steps(2.0, 4.0, balanced) == pytest.approx(steps * (1.0 + steps) / (1.0 + 2.0 * steps))


def test_launch_recipes_by_engine_and_family() -> None:
    c = serving_calibration()
    sglang = engine_of(c, "sglang", family="blackwell")
    assert (sglang.poll_steps, sglang.poll_steps_many) == (10.0, 30.0)
    assert engine_of(c, "sglang", family="hopper").poll_steps == 1.0
    assert engine_of(c, "trtllm").balance_steps == 60.0
    assert engine_of(c, "vllm", family="blackwell").poll_steps == 1.0


def _row(**cells: str) -> dict[str, str]:
    """A row of Llama-70B on TensorRT-LLM, its settings blank but for `cells`."""
    row = next(r for r in ROWS if r["backend"] == "trtllm" and "70B" in r["model"] and r["tp_size"] == "8.0")
    return row | {"rounds": "", "step_tokens": "", "batch_wait_steps": ""} | cells


def _ttft(row: dict[str, str]) -> float:
    return next(p.predicted for p in predict_rows("serving", [row]) if p.metric == "ttft_ms")


def test_rows_state_their_start_and_settings() -> None:
    setting = serving_setting(_row(rounds="1", step_tokens="1152", batch_wait_steps="20"))
    assert setting.load.rounds == 1.0
    assert setting.settings == {"step_tokens": 1152.0, "batch_wait_steps": 20.0, "whole_prompt_tokens": 0.0}
    plain = _ttft(_row())
    assert _ttft(_row(rounds="10")) == plain
    assert _ttft(_row(rounds="1")) > plain
    assert _ttft(_row(batch_wait_steps="20")) > plain
    assert _ttft(_row(step_tokens="1152")) > plain


def test_bits_of_a_release_are_its_format() -> None:
    resolver = ServingResolver(CATALOG, kernel_calibration())

    def recipe(model: str, part: str, bits: str, engine: str = "trtllm") -> str:
        cells = {"model": model, "accelerator": part, "gemm_quant_mode": bits, "precision": "", "backend": engine}
        return resolver.released(serving_setting(_row(**cells)))

    assert recipe("openai/gpt-oss-120b", "b200", "nvfp4") == "mxfp4-a8"
    assert recipe("openai/gpt-oss-120b", "h200", "nvfp4") == "mxfp4"
    assert recipe("openai/gpt-oss-120b", "b200", "fp8") == "fp8"
    # Launch recipes of TensorRT-LLM keep the cache of an 8-bit model in 8 bits, those of SGLang on Blackwell alone.
    assert recipe("deepseek-ai/DeepSeek-V3", "h200", "fp8") == "fp8-block-kv8"
    assert recipe("deepseek-ai/DeepSeek-V3", "h200", "fp8", "sglang") == "fp8-block"
    assert recipe("deepseek-ai/DeepSeek-V3", "b200", "fp8", "sglang") == "fp8-block-kv8"
    assert recipe("deepseek-ai/DeepSeek-V3", "b200", "fp8", "vllm") == "fp8-block"
    assert recipe("deepseek-ai/DeepSeek-V3", "b200", "nvfp4") == "nvfp4"
    assert recipe("meta-llama/Llama-3.1-70B", "b200", "nvfp4") == "nvfp4"
    # A row that states no format runs the model as it was released.
    assert recipe("meta-llama/Llama-3.1-70B", "b200", "") == "bf16"
    assert recipe("deepseek-ai/DeepSeek-V3", "h200", "") == "fp8-block-kv8"


def test_a_format_that_is_assumed_widens() -> None:
    stated, blank = (
        next(p for p in predict_rows("serving", [_row(precision=f, gemm_quant_mode=f)]) if p.metric == "tpot_ms")
        for f in ("bf16", "")
    )
    assert blank.predicted == stated.predicted
    assert blank.high > stated.high
    assert "no format is stated" in blank.reason


def test_matrix_units_that_mix_widths_widen_nothing() -> None:
    recipe, mxfp4 = CATALOG.serving_precision("mxfp4-a8"), CATALOG.serving_precision("mxfp4")
    b200, h200 = CATALOG.part("b200"), CATALOG.part("h200")
    assert takes_mixed(b200, recipe)
    assert not takes_mixed(h200, recipe)
    assert not takes_mixed(b200, mxfp4)  # 16-bit activations
    of = {p.id: machine(p, CATALOG.default_system(p.id), recipe, kernel_calibration()).gemm for p in (b200, h200)}
    plain = machine(b200, CATALOG.default_system(b200.id), CATALOG.serving_precision("fp8"), kernel_calibration()).gemm
    assert of[b200.id].group_efficiency == plain.group_efficiency
    assert of[h200.id].group_efficiency < plain.group_efficiency


def test_experts_are_multiplied_as_they_are_padded() -> None:
    """gpt-oss-120b on eight ranks: 2,880 becomes 3,072 and 360 becomes 384."""
    shape = CATALOG.model("gpt-oss-120b")
    padded = ServingFormats(padded_hidden=256.0, padded_inner=128.0)
    assert padded_sides(shape.d_model, 720.0, 2880.0, padded) == (768.0, 3072.0)
    assert padded_sides(shape.d_model, 2880.0, 360.0, padded) == (3072.0, 384.0)
    assert padded_sides(shape.d_model, 720.0, 2880.0, ServingFormats()) == (720.0, 2880.0)


def test_feed_forward_alone_in_eight_bits() -> None:
    """Llama 3.1 70B, by hand: attention keeps two bytes, networks take one; time lies between the two whole recipes."""
    shape, h100 = CATALOG.model("llama-3.1-70b"), CATALOG.part("h100")
    ids = ("fp8", "fp8-ffn", "bf16")
    recipes = [CATALOG.serving_precision(i) for i in ids]
    formats = [formats_of(shape, r) for r in recipes]
    held = [float(weights_bytes(shape, f, ServingLayout())) for f in formats]
    b = shape.blocks[0]
    attention = b.count * shape.d_model * b.head_dim * (2.0 * b.n_heads + 2.0 * b.n_kv_heads)
    assert held[1] - held[0] == pytest.approx(attention)
    network = b.count * 3.0 * shape.d_model * b.d_ff
    assert held[2] - held[1] == pytest.approx(network)
    at = (8.0, 2000.0)
    times = [
        float(decode_terms(shape, machine(h100, CATALOG.default_system(h100.id), r, kernel_calibration()), f,
                           ServingLayout(tp=8.0), Engine(), *at).gemm_s)
        for r, f in zip(recipes, formats, strict=True)
    ]  # fmt: skip
    assert times[0] < times[1] < times[2]


def test_norms_over_all_heads_cost_a_sum_a_layer() -> None:
    shape, h200 = CATALOG.model("minimax-m2.5"), CATALOG.part("h200")
    by_head = msgspec.structs.replace(
        shape, blocks=tuple(msgspec.structs.replace(b, whole_qk_norm=0.0) for b in shape.blocks)
    )
    recipe = CATALOG.serving_precision("fp8-block")
    m = machine(h200, CATALOG.default_system(h200.id), recipe, kernel_calibration())
    for tp, sums in ((1.0, 0.0), (4.0, 62.0)):
        whole, plain = (
            decode_terms(s, m, formats_of(s, recipe), ServingLayout(tp=tp), Engine(), 4.0, 1000.0).tp_s
            for s in (shape, by_head)
        )
        one = sum_s(8.0 * 4.0, tp, Engine(), captured(m))
        assert float(whole - plain) == pytest.approx(sums * float(one))


def test_experts_are_copied_until_they_divide() -> None:
    """DeepSeek-V3 over 72 ranks: 256 experts take four places on each, 288 in all."""
    shape, recipe = CATALOG.model("deepseek-v3"), CATALOG.serving_precision("fp8")
    formats = formats_of(shape, recipe)
    held = [float(weights_bytes(shape, formats, ServingLayout(dp=n, ep=n))) for n in (64.0, 72.0)]
    experts = 58.0 * 3.0 * 7168.0 * 2048.0
    assert held[0] - held[1] == pytest.approx(experts * (256.0 / 64.0 - 288.0 / 72.0), abs=1.0)
    odd = next(r for r in ROWS if r["mode"] == "disagg" and "DeepSeek" in r["model"])
    odd |= {f"decode_{k}": v for k, v in {"tp_size": "72", "moe_tp_size": "1", "moe_ep_size": "72"}.items()}
    assert all(p.predicted for p in predict_rows("serving", [odd]))


def test_rows_that_do_not_say_whether_they_draft() -> None:
    """Between both modes, weighed by how many such runs draft; as stated before recipes drafted at all."""
    row = next(r for r in ROWS if "DeepSeek-V3" in r["model"] and r["backend"] == "trtllm" and r["mode"] == "agg")

    def times(**cells: str) -> dict[str, Any]:
        return {p.metric: p for p in predict_rows("serving", [row | cells])}

    dated = {"measured_on": "2026-02-06"}
    plain, drafted, open_ = times(**dated), times(**dated, draft_tokens="3"), times(**dated, mtp_known="False")
    assert drafted["tpot_ms"].predicted < open_["tpot_ms"].predicted < plain["tpot_ms"].predicted
    assert open_["tpot_ms"].low < drafted["tpot_ms"].predicted
    assert open_["tpot_ms"].high > plain["tpot_ms"].predicted
    assert "not stated" in open_["tpot_ms"].reason
    early = {"measured_on": "2025-06-01"}
    assert times(**early, mtp_known="False")["tpot_ms"].predicted == times(**early)["tpot_ms"].predicted


def test_verified_tokens_of_a_sequence_share_its_cache() -> None:
    """Two tokens of a sequence that pass together read its cache once; two sequences read two."""
    shape, recipe = CATALOG.model("deepseek-v3"), CATALOG.serving_precision("fp8-block")
    part = CATALOG.part("h200")
    at = machine(part, CATALOG.default_system(part.id), recipe, kernel_calibration())
    block = shape.blocks[-1]

    def core(sequences: float, verified: float) -> float:
        p = Pass(sequences, 65536.0, 0.0, 0.0, 0.0, verified)
        return float(attention_core_s(block, p, ServingLayout(tp=8.0), 2.0, at))

    assert core(32.0, 2.0) == pytest.approx(core(32.0, 1.0), rel=0.1)
    assert core(64.0, 1.0) > 1.6 * core(32.0, 2.0)


def test_a_prompt_of_many_steps_is_read_beside_others() -> None:
    """Ranks that step together take short prompts at the root of their number, long ones side by side."""
    shape, recipe = CATALOG.model("deepseek-v3"), CATALOG.serving_precision("fp8-block")
    part = CATALOG.part("h200")
    at = machine(part, CATALOG.default_system(part.id), recipe, kernel_calibration())
    engine = Engine()

    def gained(prompt: float) -> float:
        load = ServingLoad(prompt_tokens=prompt, output_tokens=100.0)
        wide = ServingLayout(dp=4.0, ep=4.0)
        whole = mixed_terms(shape, at, formats_of(shape, recipe), wide, engine, 4.0, load, max(8192.0 / prompt, 1.0))
        each = float(whole.total_s) / max(8192.0 / prompt, 1.0)
        return each / float(bulk_prompt_s(shape, at, formats_of(shape, recipe), wide, engine, 4.0, load))

    assert gained(8192.0) == pytest.approx(2.0)
    assert gained(81920.0) == pytest.approx(4.0 / 1.1)


def test_names_and_sources_move_nothing() -> None:
    """The same runs under other ids, groups and sources, of models under names of their own: the same predictions,
    and the same constants fitted on them."""
    known = [r for r in ROWS if r["mode"] == "agg"][::40]
    renamed = [
        r | {"id": f"run {i}", "source": "someone", "measured_by": "", "group": f"group {i % 3}", "notes": ""}
        for i, r in enumerate(known)
    ]
    assert len({r["model"] for r in known}) >= 3
    one, other = predict_rows("serving", known), predict_rows("serving", renamed)
    assert [(p.metric, p.predicted, p.low, p.high) for p in one] == [
        (p.metric, p.predicted, p.low, p.high) for p in other
    ]
    fitted = []
    for rows in (known, renamed):
        book = Book([("serving", r) for r in rows])
        fitted.append(fit(book.questions, book.measured, book.usable(), iterations=2).tolist())
    assert fitted[0] == fitted[1]


def test_a_model_by_another_name_is_served_alike() -> None:
    """A shape at hand is served as the model of that shape: nothing hangs on what it is called."""
    known = ServingQuestion(
        model="llama-3.1-70b", parts=("h200",), precisions=("fp8",), engine="vllm", prompt_tokens=1024.0,
        output_tokens=1024.0, rate=1.0, tp=4.0,
    )  # fmt: skip
    shape = msgspec.structs.replace(CATALOG.model("llama-3.1-70b"), name="a model of their own")
    named, own = (predict(q, CATALOG, 16.0) for q in (known, msgspec.structs.replace(known, model="", shape=shape)))
    assert own.answer.tpot_s.value == named.answer.tpot_s.value
    assert own.answer.ttft_s.value == named.answer.ttft_s.value
