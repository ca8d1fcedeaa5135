"""What fits starts: cases that ran or did not, the probability of fitting, kinds of memory, software by part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwmodel.catalog.stacks import memory_calibration, training_calibration, training_stack
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.train import train
from hwmodel.specs.intervals import FitConstants, fits_probability
from hwmodel.validation.board.board import runs_file
from hwmodel.validation.fit.memory_fit import fit_probability, outcomes, reliability
from hwmodel.validation.rows.tables import read_table
from hwmodel.validation.rows.training_rows import case_of

GIB = 2.0**30


def test_a_mixture_of_235b_ran_with_its_norms_and_experts_computed_again() -> None:
    asked = {"model": "qwen3-235b-a22b", "gpus": "256xH100", "seq_len": 16384, "tp": 4, "pp": 8, "vpp": 4, "ep": 8}
    assert train(**asked, micro_batch=1, recompute="layernorm,moe").fits
    assert not train(**asked, micro_batch=1, recompute="none", cp=1).fits


def test_a_7b_trains_on_four_tpus_with_the_software_of_the_part() -> None:
    found = train(model="llama-2-7b", gpus="4xTPUv4")
    assert found.setting.stack.id == "jax"
    assert found.fits
    assert found.prediction.layout.zero == 3.0


@pytest.mark.parametrize("stack", ["generic", "torchtitan"])
def test_a_16b_mixture_whose_eager_loss_fills_the_card(stack: str) -> None:
    asked: dict[str, Any] = {
        "stack": stack,
        "model": "deepseek-v2-lite",
        "gpus": "8xH100",
        "seq_len": 4096,
        "ep": 8,
        "recompute": "full",
    }
    found = train(**asked, tp=1, pp=1, zero=3, micro_batch=8, global_batch=64)
    assert not found.fits
    assert found.prediction.fits_probability < 0.5
    assert train(**asked, tp=1, pp=1, zero=3, micro_batch=2, global_batch=64).fits


def test_an_8b_with_a_distributed_optimizer_takes_79_gib() -> None:
    """Llama-8B on 256 GH200, micro-batch 1, 8,192 tokens, TP 1: 79 GiB were measured."""
    found = train(
        model="llama-3.1-8b", gpus="256xGH200", seq_len=8192, tp=1, cp=1, pp=1, zero=1, micro_batch=1, recompute="none",
        global_batch=256,
    )  # fmt: skip
    assert found.prediction.footprint.allocated_bytes / GIB == pytest.approx(79.0, rel=0.12)


def test_fully_sharded_stages_stay_whole() -> None:
    asked: dict[str, Any] = {"model": "llama-3.1-70b", "gpus": "64xH100", "tp": 1, "zero": 3, "recompute": "full"}
    one = train(**asked, pp=1, micro_batch=1).memory["first"]
    four = train(**asked, pp=4, vpp=1, micro_batch=1).memory["first"]
    # A quarter of 70e9 parameters in 16 bits, and their gradients, against two layers of 80.
    assert float(four.buffers_bytes) > 4.0 * 17e9 * 0.9
    assert float(one.buffers_bytes) < 6e9


@pytest.mark.parametrize(
    ("family", "stack"), [("tpu", "jax"), ("gaudi", "gaudi"), ("hopper", "generic"), ("", "generic")]
)
def test_software_follows_the_part(family: str, stack: str) -> None:
    assert training_stack("", family).id == stack
    assert training_stack("generic", family).id == "generic"


def test_kinds_of_memory() -> None:
    found = train(model="llama-3.1-8b", gpus="8xH100").to_dict()
    allocated, reserved = (found[f"{kind}_memory_bytes"]["value"] for kind in ("allocated", "reserved"))
    assert allocated < reserved < found["peak_memory_bytes"]["value"]
    assert float(training_stack("torchtitan").logs_reserved) == 1.0
    with pytest.raises(Exception, match="peak_mem_kind 'pinned' is none of"):
        case_of({"peak_mem_kind": "pinned", "accelerator": "H100", "n_accel": "8", "seq_len": "4096", "d_model": "4096",
                 "n_layers": "32"})  # fmt: skip


def test_probability_falls_with_the_fill() -> None:
    c = memory_calibration()
    full = np.array([0.5, c.most_full, c.middle, 1.2])
    p = fits_probability(full, c)
    assert p[0] > 0.99
    assert p[1] == pytest.approx(c.least)
    assert p[2] == pytest.approx(0.5)
    assert p[3] < 0.1


def test_the_shipped_probability_is_that_of_the_runs() -> None:
    full, ran = outcomes(read_table(runs_file())[1])
    found = fit_probability(full, ran)
    shipped = memory_calibration()
    assert (found.middle, found.width) == pytest.approx((shipped.middle, shipped.width), rel=0.01)
    for one in reliability(full, ran, shipped):
        # A binomial of so many layouts, three standard errors and what a curve of two constants cannot follow.
        slack = 3.0 * (max(one.said * (1 - one.said), 0.01) / one.layouts) ** 0.5
        assert one.ran == pytest.approx(one.said, abs=slack + 0.03)


def test_a_plan_would_propose_nine_in_ten_of_the_layouts_that_ran() -> None:
    full, ran = outcomes(read_table(runs_file())[1])
    started = full[ran > 0.5]
    assert np.mean(started <= memory_calibration().most_full) >= 0.9
    assert np.mean(full[ran < 0.5] <= 1.0) < 0.25


def test_the_fit_finds_a_curve_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    truth = FitConstants(middle=1.1, width=0.15, other=0.2)
    full = np.exp(rng.uniform(-2.0, 1.0, 6000))
    ran = (rng.random(6000) < (1.0 - truth.other) * fits_probability(full, truth)).astype(float)
    found = fit_probability(full, ran)
    assert found.middle == pytest.approx(truth.middle, rel=0.05)
    assert found.width == pytest.approx(truth.width, rel=0.2)
    assert found.other == pytest.approx(truth.other, abs=0.03)


def test_plans_keep_the_margin_of_the_fit() -> None:
    found = plan(gpus="64xH100", params="30B", tokens="100B")
    assert found.answer.peak_memory_bytes is not None
    assert found.answer.peak_memory_bytes.value <= memory_calibration().most_full * 80.0 * GIB
    assert training_calibration().stacks
