"""What fits say against themselves: intervals that cover, runs they hang on, floors and decays that are not fixed."""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hwmodel.catalog.laws import read_law, write_law
from hwmodel.errors import InputError
from hwmodel.interop.fit_runs import Fitted, unbounded
from hwmodel.laws import evaluate
from hwmodel.laws.data import repeated_loss
from hwmodel.laws.fit_beyond import form_miss
from hwmodel.laws.fit_floor import floor_profile, score_scale
from hwmodel.laws.fit_leverage import leverage, said
from hwmodel.laws.fit_loss import _spread, additive_model, fit_additive
from hwmodel.laws.fit_repeats import fit_repeats
from hwmodel.laws.fit_slices import fit_isoflop
from hwmodel.laws.fitting import DELTA, minimise
from hwmodel.report.fit_text import describe, fit_document
from hwmodel.solve.law.fit import Watched, prediction, to_law, watch_pattern

DATA = Path(__file__).parents[1] / "data"
TRUTH = {"E": 1.8, "A": 480.0, "B": 2085.0, "alpha": 0.35, "beta": 0.366}
THETA = np.array([[np.log(480.0), np.log(2085.0), np.log(1.8), 0.35, 0.366]])


def _loss(n, d, c=None):
    c = c or TRUTH
    return c["E"] + c["A"] * n ** -c["alpha"] + c["B"] * d ** -c["beta"]


def _chinchilla(**where):
    with (DATA / "chinchilla_runs.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if all(r[k] == v for k, v in where.items())]
    return [np.array([float(r[c]) for r in rows]) for c in ("n_params", "tokens", "loss_nats")]


def test_scale_of_the_score_is_that_of_normal_and_of_laplace_scatter():
    """V / H against its closed form: density at zero and variance of the sign, for scatter far above delta."""
    rng = np.random.default_rng(0)
    normal = 0.01 * rng.standard_normal(200_000)
    # psi is DELTA times the sign: V = DELTA^2, H = 2 DELTA f(0), f(0) = 1 / (sd sqrt(2 pi))
    assert score_scale(normal, len(normal)) == pytest.approx(DELTA * 0.01 * np.sqrt(2 * np.pi) / 2, rel=0.05)
    laplace = 0.01 * rng.laplace(size=200_000)
    assert score_scale(laplace, len(laplace)) == pytest.approx(DELTA * 0.01, rel=0.12)  # the kernel rounds the peak
    tiny = 1e-5 * rng.standard_normal(20_000)  # all in the quadratic zone: V = sd^2, H = 1
    assert score_scale(tiny, len(tiny)) == pytest.approx(1e-10, rel=0.05)


def test_the_floor_interval_covers_what_it_promises():
    held = []
    for seed in range(40):
        rng = np.random.default_rng([7, seed])
        n, d = np.exp(rng.uniform(np.log(5e7), np.log(2e10), 60)), np.exp(rng.uniform(np.log(1e9), np.log(5e11), 60))
        model = additive_model(n, d, _loss(n, d) * np.exp(0.004 * rng.standard_normal(60)))
        best, least = minimise(model, THETA, tolerance=1e-15)
        span = floor_profile(model, best[0], float(least[0]), 2)
        held.append((span.low or 0.0) <= 1.8 <= (span.high or np.inf))
    assert 0.67 <= np.mean(held) <= 0.93  # 80 % promised, 40 sets: two standard errors


def test_a_floor_that_the_runs_leave_open_is_not_an_interval():
    """Runs far above any floor: the lower end is open, and neither text nor numbers say 0.0000."""
    rng = np.random.default_rng(1)
    n, d = np.exp(rng.uniform(12, 15, 40)), np.exp(rng.uniform(15, 18, 40))
    # a pure power: the loss has no floor
    loss = (480.0 * n**-0.3 + 900.0 * d**-0.3) * np.exp(0.01 * rng.standard_normal(40))
    fit = fit_additive(n, d, loss, bootstraps=50, held_out=False)
    assert fit.floor_interval.low is None
    assert not fit.floor_interval.identified
    assert "not identified" in fit.floor_interval.said()
    assert "0.0000" not in fit.floor_interval.said()
    assert any("floor is not identified" in w for w in fit.warnings)


def test_a_constant_that_resamplings_leaveunbounded_has_no_error_of_its_own():
    """Two draws at the fit and one e^10000 times it, beyond the largest float, as is their ninth decile."""
    rng = np.random.default_rng(5)
    n, d = 10 ** rng.uniform(7, 9.7, 23), 10 ** rng.uniform(9, 11.5, 23)
    fit = fit_additive(n, d, _loss(n, d) * np.exp(0.001 * rng.standard_normal(23)), bootstraps=20)
    row = fit.theta[:5]
    wild = msgspec.structs.replace(fit, draws=np.array([row, row, row + np.array([0, 1e4, 0, 0, 0])]))
    assert wild.standard_errors["B"] is None
    assert wild.standard_errors["A"] == pytest.approx(0.0, abs=1e-9)
    assert wild.intervals["B"] == (pytest.approx(fit.constants["B"]), None)
    assert unbounded(wild) == ["B is not identified: some resamplings of the runs leave it unbounded"]
    assert unbounded(fit) == []
    found = describe(Fitted(fit=wild, form="additive", warnings=(), columns=(), params_convention="total", notes=()))
    assert json.dumps(fit_document(found), allow_nan=False)
    assert next(row["spread"] for row in found.rows if row["quantity"] == "B").endswith("open upwards")


def test_five_runs_of_245_decide_the_exponent_of_data():
    n, d, loss = _chinchilla()
    fit = fit_additive(n, d, loss, bootstraps=50, held_out=False)
    model = additive_model(n, d, loss)
    beta = next(one for one in leverage(model, fit.theta, (2, 3, 4)) if one.name == "beta")
    assert beta.value == pytest.approx(0.453, abs=0.001)
    assert beta.without == pytest.approx(0.367, abs=0.001)
    assert set(beta.runs) == set(np.argsort(loss)[-5:])  # the five that the replication drops: the highest losses
    texts = said([beta], tuple(range(2, 247)))
    assert "beta hangs on 5 runs (lines 2, 3, 4, 5, 6): 0.453 with them, 0.367 without" in texts
    # without them nothing hangs on a few runs by more than a tenth
    n, d, loss = _chinchilla(used_in_replication="1")
    fit = fit_additive(n, d, loss, bootstraps=50, held_out=False)
    assert not said(leverage(additive_model(n, d, loss), fit.theta, (2, 3, 4)))


def test_leverage_is_what_fitting_without_them_gives():
    n, d, loss = _chinchilla(used_in_replication="1")
    fit = fit_additive(n, d, loss, bootstraps=50, held_out=False)
    one = leverage(additive_model(n, d, loss), fit.theta, (3,))[0]
    keep = np.setdiff1d(np.arange(len(n)), one.runs)
    again = fit_additive(n[keep], d[keep], loss[keep], bootstraps=50, held_out=False)
    assert again.constants["alpha"] == pytest.approx(one.without, rel=1e-4)


def _slices(rng, budgets=7, sizes=9):
    c, offset = (g.ravel() for g in np.meshgrid(np.geomspace(1e18, 1e21, budgets), np.geomspace(0.25, 4.0, sizes)))
    share = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
    scale = (TRUTH["alpha"] * TRUTH["A"] / TRUTH["beta"] / TRUTH["B"]) ** (1 / (TRUTH["alpha"] + TRUTH["beta"]))
    n = scale * (c / 6) ** share * offset * np.exp(rng.uniform(-0.2, 0.2, len(c)))
    return n, c, _loss(n, c / 6 / n) * np.exp(0.003 * rng.standard_normal(len(c))), share


@pytest.mark.parametrize("seed", range(8))
def test_the_isoflop_exponent_lies_in_its_own_interval(seed):
    n, c, loss, _ = _slices(np.random.default_rng(seed))
    fit = fit_isoflop(n, c, loss)
    assert fit.a_params_low < fit.a_params < fit.a_params_high
    assert fit.draws[:, 1].mean() == pytest.approx(fit.a_params, abs=0.2 * (fit.a_params_high - fit.a_params_low))
    low, high = np.quantile(fit.draws[:, 1], (0.1, 0.9))
    assert (low, high) == pytest.approx((fit.a_params_low, fit.a_params_high), abs=0.02)


def test_isoflop_intervals_cover():
    held = []
    for seed in range(60):
        n, c, loss, truth = _slices(np.random.default_rng([3, seed]))
        fit = fit_isoflop(n, c, loss)
        held.append(fit.a_params_low <= truth <= fit.a_params_high)
    assert 0.7 <= np.mean(held) <= 0.97


def test_nominal_budgets_make_the_slices():
    """Runs of one budget whose real compute differs by more than 2 % still form one slice."""
    rng = np.random.default_rng(2)
    n, c, loss, _ = _slices(rng)
    real = c * np.exp(rng.uniform(-0.2, 0.2, len(c)))
    torn, whole = fit_isoflop(n, real, loss), fit_isoflop(n, real, loss, budget=c)
    assert (len(whole.optima), whole.slices_dropped) == (7, 0)
    assert len(torn.optima) != 7 or torn.slices_dropped > 0
    assert whole.a_params == pytest.approx(fit_isoflop(n, c, loss).a_params, abs=0.03)


def _repeating(rng, rd, rn, noise):
    n, u, epochs = (g.ravel() for g in np.meshgrid([1e8, 4e8, 2e9], [2e9, 8e9, 3e10], [1.0, 2.0, 4.0, 10.0, 40.0]))
    loss = repeated_loss(TRUTH, {"RD_star": rd, "RN_star": rn}, n, epochs * u, u)["loss_nats"]
    return n, epochs * u, u, loss * np.exp(noise * rng.standard_normal(len(n)))


def test_decays_of_repeats_are_recovered_with_their_intervals(tmp_path):
    n, d, u, loss = _repeating(np.random.default_rng(0), 12.0, 6.0, 0.001)
    fit = fit_repeats(TRUTH, n, d, u, loss, bootstraps=400)
    assert fit.rd_star == pytest.approx(12.0, rel=0.1)
    assert fit.rn_star == pytest.approx(6.0, rel=0.3)
    got = prediction(fit, 0.8, params=2e9, tokens=1e11, unique_tokens=1e10)
    exact = repeated_loss(TRUTH, {"RD_star": 12.0, "RN_star": 6.0}, 2e9, 1e11, 1e10)["loss_nats"]
    assert got.low < exact < got.high
    assert got.loss_nats == pytest.approx(exact, rel=0.002)
    write_law(tmp_path, to_law(fit, "mine"))
    saved = evaluate(read_law([tmp_path], "mine"), params=2e9, tokens=1e11, unique_tokens=1e10)
    assert saved["loss_nats"] == pytest.approx(got.loss_nats, rel=1e-3)
    with pytest.raises(InputError, match="N@D/U"):
        prediction(fit, 0.8, params=2e9, tokens=1e11)


def test_intervals_of_the_decays_cover():
    held = []
    for seed in range(24):
        runs = _repeating(np.random.default_rng(seed), 12.0, 6.0, 0.003)
        fit = fit_repeats(TRUTH, *runs, bootstraps=300)
        spans = fit.intervals
        held += [(spans[name][0] or 0.0) < true < (spans[name][1] or np.inf)
                 for name, true in (("RD_star", 12.0), ("RN_star", 6.0))]  # fmt: skip
    assert 0.6 <= np.mean(held) <= 0.97  # 80 % promised


def test_repeats_that_show_no_decay_leave_it_open():
    n, d, u, loss = _repeating(np.random.default_rng(0), 1e6, 6.0, 0.003)
    keep = d <= 2.0 * u  # one or two epochs: nothing to see
    fit = fit_repeats(TRUTH, n[keep], d[keep], u[keep], loss[keep], bootstraps=200)
    assert fit.intervals["RD_star"][1] is None


@pytest.mark.parametrize(
    ("gaps", "inside", "pattern"),
    [
        ([0.001, -0.001, 0.0], [True, True, True], "inside"),
        ([0.05, 0.05, 0.05], [False, False, False], "level"),
        ([0.10, 0.06, 0.03], [False, False, False], "closing"),
        ([0.03, 0.06, 0.10], [False, False, False], "opening"),
        ([0.0, 0.0, 0.10], [True, True, False], "turned"),
        ([-0.05, -0.05, -0.05], [False, False, False], "level"),
    ],
)
def test_patterns_of_a_running_loss(gaps, inside, pattern):
    points = [
        Watched(tokens=1e9 * (i + 1), measured=2.5 * np.exp(gap), forecast=2.5,
                low=0.0 if ok else 2.5 * np.exp(gap) + 1.0, high=9.0)
        for i, (gap, ok) in enumerate(zip(gaps, inside))
    ]  # fmt: skip
    assert watch_pattern(points) == pattern


def test_a_constant_that_runs_away_in_a_resample_has_no_standard_error():
    """23 runs of which few show the data term: in some resamples B and beta grow without end."""
    inner = random.Random(625663)
    runs = []
    for _ in range(23):
        n, d = 10 ** inner.uniform(7, 9.7), 10 ** inner.uniform(9, 11.5)
        loss = 1.9559073388807242 + 400 / n**0.2641890475436859 + 400 / d**0.44258311501952124
        runs.append((n, d, loss * math.exp(inner.gauss(0, 0.006314295788831046))))
    fit = fit_additive(*np.array(runs).T, bootstraps=40)
    assert fit.draws[:, 1].max() > 709  # B of that resample is no number
    assert fit.standard_errors["B"] is None
    assert all(fit.standard_errors[name] > 0 for name in ("E", "alpha"))
    assert any("B has no standard error" in w for w in fit.warnings)


def test_standard_errors_are_the_spread_of_the_draws_unless_one_makes_it():
    assert _spread("beta", np.array([0.3, 0.5, 0.4])) == pytest.approx(np.std([0.3, 0.5, 0.4]))
    assert _spread("log_B", np.log([300.0, 500.0, 400.0])) == pytest.approx(np.std([300.0, 500.0, 400.0]))
    assert _spread("log_B", np.array([6.0] * 30 + [400.0])) is None  # one of 31 is all of it
    assert _spread("log_B", np.array([6.0] * 30 + [800.0])) is None
    assert _spread("beta", np.zeros(5)) == 0.0
    # hardly above the largest square: two of the same size make half each
    assert _spread("log_B", np.log([1.0, 1.0, 1.0, 9.0, 9.0])) == pytest.approx(np.std([1, 1, 1, 9, 9]))


def test_what_a_form_misses_is_centred_below_and_grows_as_the_root_of_the_distance():
    assert form_miss(0.004, 1.0, 0.0) == pytest.approx(-0.004)  # one residual standard deviation at a decade
    assert form_miss(0.004, 4.0, 0.0) == pytest.approx(-0.008)
    assert form_miss(0.004, 1.0, 2.0) == pytest.approx(0.004 * (-1.0 + 2 * 2.5))
    assert form_miss(0.004, 0.0, 3.0) == 0.0  # nothing inside the runs
