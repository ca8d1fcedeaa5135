"""What a host launches for a prompt, and which requests a pass over prompts holds up."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import bulk_prompt_s, first_pass_s, first_token_host_s, prefill_s
from hwmodel.physics.serving_launches import PIECES, host_launches, kernels
from hwmodel.predict.formats import formats_of
from hwmodel.predict.service.passes import mixed_s, passes, prompt_s, prompts_together, step_s
from hwmodel.predict.service.regimes import closed
from hwmodel.predict.service.setting import ServiceSetting, Worker
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad

CATALOG = load_catalog()
FUSED = Engine(expert_host=1.0)  # fuses all it can


def setting(engine: Engine, prompt: float, output: float, clients: float, **layout: float) -> ServiceSetting:
    recipe, part = CATALOG.serving_precision("fp8-block"), CATALOG.part("h200")
    shape = CATALOG.model("qwen3-235b-a22b")
    found = machine(part, CATALOG.default_system(part.id), recipe, kernel_calibration())
    worker = Worker(
        machine=found, formats=formats_of(shape, recipe), engine=engine, layout=ServingLayout(**{"tp": 4.0, **layout})
    )
    load = ServingLoad(prompt_tokens=prompt, output_tokens=output)
    return ServiceSetting(shape=shape, worker=worker, load=load, clients=clients)


def test_a_host_launches_what_a_pass_runs() -> None:
    """DeepSeek-V3 by hand: 3 x (4 + 5 + 3) and 58 x (4 + 5 + 9 + 3) kernels and 5; blocks scale 3 x 5 and 58 x 6 more;
    an engine that leaves both norms and two kernels of attention apart 4 more in each of 61 layers."""
    shape = CATALOG.model("deepseek-v3")
    plain = 3 * 12 + 58 * 21 + 5
    assert host_launches(shape, ServingFormats(), FUSED, 8.0) == plain
    assert host_launches(shape, ServingFormats(scaled_blocks=1.0), FUSED, 8.0) == plain + 3 * 5 + 58 * 6
    apart = msgspec.structs.replace(FUSED, norms_apart=1.0, attention_apart=2.0)
    assert host_launches(shape, ServingFormats(), apart, 8.0) == plain + 61 * 4
    # Experts weigh by the copies of a token: eight copies, twice as much each.
    heavy = msgspec.structs.replace(FUSED, expert_host=2.0)
    assert host_launches(shape, ServingFormats(), heavy, 8.0) == plain + 58 * 9
    assert host_launches(shape, ServingFormats(), FUSED, 8.0) == kernels(shape, None, FUSED, 8.0)


def test_captured_graphs_leave_a_few_launches_a_layer() -> None:
    shape, layout = CATALOG.model("gpt-oss-120b"), ServingLayout(tp=8.0)
    engine = Engine(captured_tokens=2048.0, prefill_kernel_s=1e-5)
    at = (shape, ServingFormats(), layout, engine)
    assert first_token_host_s(*at, 2048.0) == pytest.approx(1e-5 * PIECES * 36)
    assert first_token_host_s(*at, 2049.0) == first_token_host_s(*at) > 3.0 * first_token_host_s(*at, 2048.0)
    # In columns alike.
    assert np.asarray(first_token_host_s(*at, np.array([100.0, 4096.0]))).tolist() == [
        first_token_host_s(*at, 100.0), first_token_host_s(*at, 4096.0)
    ]  # fmt: skip
    # Two steps of 8,192 tokens launch twice.
    assert first_pass_s(*at, 1.0, 9000.0) == pytest.approx(1.0 + 0.5 * 2 * first_token_host_s(*at))


def test_launch_recipes_say_what_is_captured() -> None:
    c = serving_calibration()
    assert engine_of(c, "vllm", 0.0, "hopper", "mxfp4").captured_tokens == 2048.0
    assert engine_of(c, "vllm", 0.0, "hopper", "fp8").captured_tokens == 512.0
    assert engine_of(c, "trtllm", 0.0, "hopper", "mxfp4").captured_tokens == 0.0
    assert engine_of(c, "sglang").prefills_apart == 1.0
    assert engine_of(c, "generic").prefills_apart == 0.0


def test_prompts_that_come_together_share_a_step() -> None:
    """Eight clients of four tokens send two prompts a step; where a step takes 8,192 tokens, one of 8,000 alone."""
    short, long = setting(Engine(), 1000.0, 4.0, 8.0), setting(Engine(), 8000.0, 4.0, 8.0)
    assert prompts_together(short, 8.0) == 2.0
    assert prompts_together(long, 8.0) == pytest.approx(8192.0 / 8000.0)
    assert prompts_together(setting(Engine(), 1000.0, 400.0, 8.0), 8.0) == 1.0
    both, one = passes(short, 8.0), passes(setting(Engine(), 1000.0, 400.0, 8.0), 8.0)
    assert both.service_s == pytest.approx((mixed_s(short, 8.0, prompts=2.0) - step_s(short, 8.0)) / 2.0)
    assert both.service_s < one.service_s  # experts that one prompt has read serve the other


def test_passes_of_their_own_cost_a_whole_reading_of_the_weights() -> None:
    """SGLang does not mix chunks of prompts with tokens (`--enable-mixed-chunk` is off by default)."""
    apart = setting(Engine(prefills_apart=1.0), 1000.0, 1000.0, 8.0)
    mixed = setting(Engine(), 1000.0, 1000.0, 8.0)
    alone = prompt_s(apart.shape, apart.worker, apart.load)
    assert passes(apart, 8.0).service_s == pytest.approx(alone)
    assert passes(apart, 8.0).service_s > passes(mixed, 8.0).service_s
    assert passes(apart, 8.0).mixed_s < passes(mixed, 8.0).mixed_s
    # Those that wait share passes of 8,192 tokens, in which nothing decodes.
    w = apart.worker
    at = (apart.shape, w.machine, w.formats, w.layout, w.engine)
    eight = prefill_s(*at, 1000.0, 1000.0, 8.192)
    assert bulk_prompt_s(*at, 64.0, apart.load) == pytest.approx(
        max(eight, first_token_host_s(*at[:1], *at[2:])) / 8.192
    )


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(
    ("clients", "output"), [(256.0, 1.0), (256.0, 8.0), (32.0, 1.0), (64.0, 1000.0), (4096.0, 1.0), (4096.0, 4.0)]
)
def test_a_longer_prompt_is_not_answered_sooner(engine: str, clients: float, output: float) -> None:
    """Polls and streams wait for steps as long as the prompts in them make them, however short these are."""
    c = serving_calibration()
    prompts = np.geomspace(16.0, 30_000.0, 60)
    one = setting(engine_of(c, engine, 0.0, "blackwell", "fp8-block"), 100.0, output, clients)
    s = msgspec.structs.replace(one, load=ServingLoad(prompt_tokens=prompts, output_tokens=output))
    found = np.asarray(closed(s).ttft_s)
    assert (found >= np.maximum.accumulate(found) * (1.0 - 1e-9)).all()
