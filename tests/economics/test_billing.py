"""Hours billed, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwmodel.economics import Z80, elapsed_over_productive, quantile_z, share_below, whole_run_log_factor
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.run.result import Band
from hwmodel.specs.economics import WholeRunConstants
from hwmodel.validation.fit.whole_fit import Steady, constants, fit_factor, left_out

C = WholeRunConstants(
    log_factor=0.2, per_year=0.1, per_doubling=-0.05, log_spread=0.3, year=2025.0, accelerators=1024.0
)


def test_quantiles_of_the_normal() -> None:
    assert quantile_z(0.5) == pytest.approx(0.0, abs=1e-15)
    assert quantile_z(0.8) == pytest.approx(0.8416, abs=1e-4)
    assert quantile_z(0.9) == pytest.approx(1.2816, abs=1e-4)
    assert quantile_z(0.9) == Z80
    assert share_below(quantile_z(0.63)) == pytest.approx(0.63)


def test_the_factor_of_a_fleet_and_a_year() -> None:
    """4,096 accelerators are two doublings: 0.2 - 2 x 0.05; of 2022: 3 x 0.1 more; later years as the last."""
    assert whole_run_log_factor(4096.0, 2025.0, C) == pytest.approx(0.1)
    assert whole_run_log_factor(4096.0, 2022.0, C) == pytest.approx(0.4)
    assert whole_run_log_factor(1024.0, 2030.0, C) == pytest.approx(0.2)
    both = whole_run_log_factor(np.array([1024.0, 4096.0]), np.array([2025.0, 2022.0]), C)
    assert both == pytest.approx([0.2, 0.4])


def test_elapsed_time_at_a_certainty() -> None:
    """Goodput 0.8, factor e^0.2, one standard deviation of 0.3 up: e^0.5 / 0.8."""
    assert elapsed_over_productive(0.8, 0.2, 1.0, 0.3) == pytest.approx(math.exp(0.5) / 0.8)
    assert elapsed_over_productive(0.8, 0.2, 0.0, 0.3) == pytest.approx(math.exp(0.2) / 0.8)


def test_a_band_at_a_quantile_uses_its_side() -> None:
    """Upper half-width ln 2 and lower ln 4: at z = Z80 twice, at -Z80 a quarter; the ends follow beyond."""
    band = Band(8.0, 2.0, 16.0)
    assert band.at(Z80).value == pytest.approx(16.0)
    assert band.at(-Z80).value == pytest.approx(2.0)
    beyond = band.at(2 * Z80)
    assert (beyond.value, beyond.high) == (pytest.approx(32.0), pytest.approx(32.0))


def test_the_parts_of_a_plan_multiply_to_the_hours_billed() -> None:
    a = plan(gpus="512xH100", tokens="1T").answer
    billed = a.train_days.value / a.goodput * a.whole_run_factor.value
    assert a.elapsed_days.value == pytest.approx(billed)
    assert a.gpu_hours.value == pytest.approx(24.0 * 512 * billed)
    assert a.quantiles["p50"]["gpu_hours"] == pytest.approx(a.gpu_hours.value)
    assert a.quantiles["p90"]["elapsed_days"] == pytest.approx(a.elapsed_days.high)
    assert a.quantiles["p50"]["cost_usd"] < a.quantiles["p80"]["cost_usd"] < a.quantiles["p90"]["cost_usd"]


@pytest.mark.parametrize("confidence", ["50%", "80%", "95%"])
def test_limits_bind_at_the_certainty_asked(confidence: str) -> None:
    a = plan(gpus="512xH100", time="30d", confidence=confidence).answer
    assert a.elapsed_days.value == pytest.approx(30.0, rel=3e-3)
    assert a.elapsed_days.low <= a.elapsed_days.value <= a.elapsed_days.high


def test_surer_takes_more_accelerators() -> None:
    fleets = [plan(gpus="H100", params="8B", tokens="1T", time="20d", confidence=c).answer.accelerators
              for c in ("50%", "80%", "90%")]  # fmt: skip
    assert fleets == sorted(fleets)
    assert fleets[0] < fleets[-1]


def _runs(level: float, per_year: float) -> list[Steady]:
    rng = np.random.default_rng(0)
    return [
        Steady(
            id=f"{s}-{k}", source=f"s{s}", year=float(year), accelerators=1024.0, step_log_sd=0.1,
            log_ratio=level + per_year * (2025 - year) + float(rng.normal(0.0, 0.1)),
        )
        for s in range(12) for k, year in enumerate((2021, 2023, 2025))
    ]  # fmt: skip


def test_a_fit_recovers_its_factor() -> None:
    """Twelve sources of three runs, scatter 0.1: level and year come back, errors left out are the scatter."""
    runs = _runs(0.25, 0.08)
    level, per_year, per_doubling = fit_factor(runs)
    assert level == pytest.approx(0.25, abs=0.05)
    assert per_year == pytest.approx(0.08, abs=0.02)
    assert per_doubling == pytest.approx(0.0, abs=1e-6)  # no fleet differs, so the prior stands
    assert float(np.std(left_out(runs))) == pytest.approx(0.1, abs=0.03)
    assert constants(runs).log_spread < 0.12


def test_a_wild_run_moves_little() -> None:
    runs = _runs(0.25, 0.08)
    wild = [*runs, Steady(id="w", source="w", log_ratio=5.0, accelerators=1024.0, year=2025.0, step_log_sd=0.1)]
    assert fit_factor(wild)[0] == pytest.approx(fit_factor(runs)[0], abs=0.05)
