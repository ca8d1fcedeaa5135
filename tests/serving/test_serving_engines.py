"""Engines: what age, family and batch change, and the fit that writes their constants."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.cli.calibrate import command
from hwmodel.errors import InputError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import bulk_prompt_s, decode_terms, mixed_terms
from hwmodel.predict.formats import formats_of
from hwmodel.specs.serving import Engine, ServingLayout, ServingLoad


def _of(model: str, part: str, recipe: str):
    catalog = load_catalog()
    precision = catalog.serving_precision(recipe)
    found = catalog.part(part)
    shape = catalog.model(model)
    m = machine(found, catalog.default_system(found.id), precision, kernel_calibration())
    return shape, m, formats_of(shape, precision)


@pytest.mark.parametrize("model", ["llama-3.1-70b", "gpt-oss-120b", "deepseek-v3"])
def test_prompts_together_cost_less_than_one_after_another(model: str) -> None:
    shape, m, formats = _of(model, "b200", "nvfp4")
    layout, engine = ServingLayout(tp=8.0), Engine()
    for prompt in (512.0, 2048.0, 8192.0):
        load = ServingLoad(prompt_tokens=prompt, output_tokens=500.0)
        alone = float(mixed_terms(shape, m, formats, layout, engine, 16.0, load).total_s)
        bulk = float(bulk_prompt_s(shape, m, formats, layout, engine, 16.0, load))
        assert bulk <= alone * (1.0 + 1e-9)
        assert bulk > 0.1 * alone
        assert (bulk == pytest.approx(alone)) == (prompt == 8192.0)


def test_reading_a_group_again_touches_grouped_heads_alone() -> None:
    for model, grouped in (("llama-3.1-70b", True), ("llama-2-7b", False), ("deepseek-v3", False)):
        shape, m, formats = _of(model, "h100", "fp16")
        at = (shape, m, formats, ServingLayout(tp=8.0))
        plain = decode_terms(*at, Engine(), 64.0, 4096.0).attention_s
        again = decode_terms(*at, Engine(kv_reread=0.2), 64.0, 4096.0).attention_s
        assert (float(again) > 1.1 * float(plain)) == grouped


def test_engines_age_no_further_than_the_runs_reach() -> None:
    c = serving_calibration()
    gaps = [engine_of(c, "vllm", year).kernel_s for year in (2025.2, 2025.9, 2026.2, 2027.0, 2035.0)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] == gaps[-2]
    assert gaps[0] < 2.0 * gaps[1]
    late = [engine_of(c, "vllm", year).stream_steps for year in (2024.5, 2025.9)]
    assert late[1] - late[0] == pytest.approx(1.0)  # schedulers that run a step ahead


def test_an_untuned_family_is_slower_and_catches_up() -> None:
    c = serving_calibration()
    then, now = (
        engine_of(c, "vllm", year, "cdna").level / engine_of(c, "vllm", year).level for year in (2024.5, 2026.0)
    )
    assert then > now > 1.0
    compiled = engine_of(c, family="tpu").kernel_s / engine_of(c).kernel_s
    assert compiled < 0.5


def test_slow_weights_keep_to_the_bandwidth() -> None:
    """Experts whose narrow weights are widened read at most at the peak; many rows reach no more than in 16 bits."""
    shape, m, formats = _of("gpt-oss-120b", "h200", "mxfp4")
    block = shape.blocks[0]
    at = (shape, m, formats, ServingLayout(), engine_of(serving_calibration(), "vllm", recipe="mxfp4"))
    experts = float(decode_terms(*at, 512.0, 1000.0).experts_s)
    weights = sum(b.count * b.n_experts * 3.0 * b.d_ff for b in shape.blocks) * shape.d_model * formats.weight_bytes
    assert block.n_experts == 128
    assert experts > weights / m.memory.hbm_bytes_per_s
    wide = _of("gpt-oss-120b", "h200", "bf16")[1]
    assert m.gemm.group_efficiency <= wide.gemm.group_efficiency


def test_calibrate_serving_is_what_is_shipped(tmp_path) -> None:
    done = CliRunner().invoke(command, ["--serving", "--no-intervals", "--quiet", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["accuracy"]["in_sample"]
    assert found["aggregated_tpot"] == pytest.approx(0.060, rel=0.08)
    assert found["aggregated_ttft"] == pytest.approx(0.137, rel=0.08)
    written = serving_calibration(tmp_path)
    shipped = serving_calibration()
    for name in ("trtllm", "vllm", "sglang"):
        assert written.engines[name]["kernel_s"] == pytest.approx(shipped.engines[name]["kernel_s"], rel=0.1)
    assert list(written.engines["generic"]) == list(shipped.engines["generic"])  # the same bytes in any process
    with pytest.raises(InputError, match="drop --runs"):
        CliRunner().invoke(command, ["--serving", "--runs", "mine.csv"], catch_exceptions=False)
