"""The serving board: reading damaged rows, predictions blind to results, pinned accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration
from hwmodel.predict.service import AT_ONCE, OPEN
from hwmodel.validation.board.serving import predict_rows
from hwmodel.validation.predicted.serving_bench import ServingResolver
from hwmodel.validation.rows.serving_rows import (
    aggregated_layout,
    family,
    serving_setting,
)
from hwmodel.validation.rows.tables import CellError, read_table
from hwmodel.validation.rows.throughput_rows import throughput_setting

RUNS = calibrations_dir().parent / "runs"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return read_table(RUNS / "serving.csv")[1]


@pytest.fixture(scope="module")
def predictions(rows):
    return predict_rows("serving", rows)


def _apes(predictions, metric: str, mode: str) -> np.ndarray:
    mine = [p for p in predictions if p.metric == metric and p.group.endswith(mode)]
    return np.array([abs(p.predicted / p.measured - 1.0) if p.predicted else 1.0 for p in mine])


def test_accuracy_of_the_shipped_constants(predictions) -> None:
    assert np.median(_apes(predictions, "tpot_ms", "agg")) < 0.08
    assert np.median(_apes(predictions, "ttft_ms", "agg")) < 0.20
    assert np.median(_apes(predictions, "tpot_ms", "disagg")) < 0.13
    refused = sum(p.predicted is None for p in predictions)
    assert refused <= 0.02 * len(predictions)
    inside = [p.low <= p.measured <= p.high for p in predictions if p.predicted]
    assert 0.7 < np.mean(inside) < 0.95


def test_accuracy_of_throughput() -> None:
    found = predict_rows("throughput", read_table(RUNS / "throughput.csv")[1])
    apes = {True: [], False: []}
    for p in found:
        if p.metric.startswith("tokens/s"):
            apes[p.family == "cdna"].append(abs(p.predicted / p.measured - 1.0) if p.predicted else 1.0)
    assert np.median(apes[False]) < 0.075
    assert np.median(apes[True]) < 0.20


def test_drafts_that_a_row_states_go_the_way_of_serve(rows) -> None:
    """Stated drafts are predicted as `serve --draft-tokens` does; a row that does not say lies between both modes."""
    row = next(
        r for r in rows if r["model"].endswith("DeepSeek-V3") and r["mode"] == "agg" and r["backend"] == "trtllm"
    )
    found = {}
    for name, change in {
        "none": {"draft_tokens": "0"}, "three": {"draft_tokens": "3"}, "open": {"mtp_known": "False"}, "plain": {},
    }.items():  # fmt: skip
        found[name] = {p.metric: p.predicted for p in predict_rows("serving", [row | change])}
    assert found["none"] == found["plain"]
    assert found["three"]["tpot_ms"] < 0.75 * found["none"]["tpot_ms"]
    late = row | {"measured_on": "2026-02-06"}
    for name, change in {"none": {}, "three": {"draft_tokens": "3"}, "open": {"mtp_known": "False"}}.items():
        found[name] = {p.metric: p.predicted for p in predict_rows("serving", [late | change])}
    assert found["three"]["tpot_ms"] < found["open"]["tpot_ms"] < found["none"]["tpot_ms"]
    late = row | {"measured_on": "2026-02-06"}
    for name, change in {"none": {}, "three": {"draft_tokens": "3"}, "open": {"mtp_known": "False"}}.items():
        found[name] = {p.metric: p.predicted for p in predict_rows("serving", [late | change])}
    assert found["three"]["tpot_ms"] < found["open"]["tpot_ms"] < found["none"]["tpot_ms"]


def test_a_prediction_never_reads_the_result(rows) -> None:
    some = rows[::40]
    changed = [r | {"ttft_ms": "7", "tpot_ms": "3"} for r in some]
    before, after = predict_rows("serving", some), predict_rows("serving", changed)
    assert [p.predicted for p in before] == [p.predicted for p in after]
    assert {p.measured for p in after} == {7.0, 3.0}


def test_damaged_layouts() -> None:
    row = {"tp_size": "64", "moe_tp_size": "8", "moe_ep_size": "8", "attention_dp_size": "1", "pp_size": "1"}
    for given in (row, row | {"n_accel": "8"}):
        layout = aggregated_layout(given)
        assert (layout.tp, layout.dp, layout.ep, layout.accelerators) == (8.0, 1.0, 8.0, 8.0)
    four = {"tp_size": "1", "moe_tp_size": "4", "moe_ep_size": "4", "attention_dp_size": "16", "n_accel": "4"}
    assert (aggregated_layout(four).tp, aggregated_layout(four).dp) == (1.0, 4.0)
    with pytest.raises(CellError, match="divide"):
        aggregated_layout({"tp_size": "3", "n_accel": "8"})


def test_unknown_names_and_settings(rows) -> None:
    row = next(r for r in rows if r["mode"] == "agg" and "Llama" in r["model"])
    found = predict_rows("serving", [row | {"backend": "an-engine-of-2027", "model": "someone/New-30B"}])
    assert all(p.predicted and p.engine == "generic" and "usual shape" in p.reason for p in found)
    lost = predict_rows("serving", [row | {"model": "someone/thing"}])
    assert all(p.predicted is None and "not in the catalog" in p.reason for p in lost)
    heavy = predict_rows("serving", [row | {"model": "meta-llama/Llama-3.1-405B", "n_accel": "1", "tp_size": "1"}])
    assert all(p.predicted is None and "cannot hold the weights" in p.reason for p in heavy)
    both = predict_rows("serving", [row | {"mtp_known": "False"}])
    tpot = next(p for p in both if p.metric == "tpot_ms")
    assert "speculative decoding is not stated" in tpot.reason
    assert tpot.low < 0.7 * tpot.predicted


def test_formats_by_another_name(rows) -> None:
    """A format that no table names falls back to the row's coarser one; four bits on AMD multiply in four bits."""
    row = next(r for r in rows if r["mode"] == "agg" and "Llama" in r["model"] and r["precision"] == "fp8")
    plain = predict_rows("serving", [row])
    same = predict_rows("serving", [row | {"gemm_quant_mode": "fp8_of_2027"}])
    assert [p.predicted for p in same] == [p.predicted for p in plain]
    resolver = ServingResolver(load_catalog(), kernel_calibration())
    assert resolver.machine("mi355x", "nvfp4")[1].id == "mxfp4-a4"
    assert resolver.machine("h200", "nvfp4")[1].id == "mxfp4"


def test_measured_runs_move_a_group(rows) -> None:
    group = [r for r in rows if r["group"].startswith("Qwen/Qwen3-235B-A22B-FP8 | h200-sxm-141gb | vllm")]
    plain = predict_rows("serving", group[3:])
    one = predict_rows("serving", group[3:], own=group[:1])
    three = predict_rows("serving", group[3:], own=group[:3])
    errors = [float(np.median(_apes(p, "tpot_ms", "agg"))) for p in (plain, one, three)]
    assert errors[1] < 0.9 * errors[0]
    assert errors[2] < 0.75 * errors[0]


def test_units_of_throughput_rows() -> None:
    rows = read_table(RUNS / "throughput.csv")[1]
    argonne = throughput_setting(next(r for r in rows if r["source"].startswith("Argonne")))
    other = throughput_setting(next(r for r in rows if r["source"].startswith("TensorRT-LLM v0.17")))
    assert (argonne.asked[0].kind, other.asked[0].kind) == ("total_rate", "output_rate")
    mlperf = throughput_setting(next(r for r in rows if r["source"].startswith("MLPerf")))
    assert mlperf.load.output_tokens == pytest.approx(294.45)
    assert mlperf.searched
    mine = [r for r in rows if r["source"].startswith(("MLPerf", "TensorRT-LLM v0.14"))]
    settings = {r["batch_or_concurrency"]: throughput_setting(r) for r in mine if r["accelerator_id"][:1] == "h"}
    assert (settings["Server"].limited, settings["Offline"].limited) == (1.0, 0.0)
    assert (settings["qps=INF"].regime, settings["qps=INF"].concurrency) == (AT_ONCE, 500.0)
    assert settings["qps=2"].regime == OPEN


def test_families_join_what_is_one_model() -> None:
    assert family("deepseek-ai/DeepSeek-R1") == family("nvidia/DeepSeek-V3.1-NVFP4") == "deepseek-v3"
    assert family("nvidia/Llama-3.1-8B-Instruct-FP8") == family("Llama-3-8B") == "llama-3-8b"


def test_settings_of_a_serving_row(rows) -> None:
    setting = serving_setting(next(r for r in rows if r["mode"] == "disagg"))
    assert setting.decode_workers >= 1
    assert setting.prefill_workers >= 1
    assert setting.accelerators > setting.layout.accelerators
