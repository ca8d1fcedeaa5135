"""Fits reproduce published ones, refuse what cannot be fitted, and become laws that plans can use."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hwmodel import laws
from hwmodel.catalog.laws import read_law, write_law
from hwmodel.catalog.places import catalog_root
from hwmodel.cli.fit import command
from hwmodel.errors import InputError
from hwmodel.interop.loss_runs import read_runs
from hwmodel.laws.data import repeated_loss
from hwmodel.laws.fit_loss import (
    additive_model,
    additive_starts,
    fit_additive,
    fit_power,
    predict,
    predict_the_dearest,
)
from hwmodel.laws.fit_repeats import fit_repeats
from hwmodel.laws.fit_slices import fit_envelope, fit_isoflop
from hwmodel.laws.fitting import DELTA, LogSum, gradient, minimise, objective
from hwmodel.solve.law.fit import prediction, to_law, watch
from hwmodel.validation.claims.law_points import check_points

DATA = Path(__file__).parents[1] / "data"


def _columns(name, *columns, **where):
    with (DATA / name).open() as stream:
        rows = [r for r in csv.DictReader(stream) if all(r[k] == v for k, v in where.items())]
    return [np.array([float(r[c]) for r in rows]) for c in columns]


@pytest.fixture(scope="module")
def chinchilla():
    return _columns("chinchilla_runs.csv", "n_params", "tokens", "loss_nats", used_in_replication="1")


@pytest.fixture(scope="module")
def refit(chinchilla):
    return fit_additive(*chinchilla)


def test_the_exact_minimiser_of_the_replication(refit):
    want = {"E": 1.8172181, "A": 477.82587, "B": 2143.41736, "alpha": 0.3473105, "beta": 0.36717243}
    for name, value in want.items():
        assert refit.constants[name] == pytest.approx(value, rel=1e-6), name
    assert refit.objective == pytest.approx(0.00101827402, rel=1e-8)
    assert refit.starts == 4500
    assert refit.minima > 1000


def test_its_standard_errors_and_joint_covariance(refit, law):
    published = {"A": 124.522, "B": 1293.284, "E": 0.02566, "alpha": 0.01540, "beta": 0.02060}
    for name, value in published.items():
        assert refit.standard_errors[name] == pytest.approx(value, rel=0.02), name
    spec = law("besiroglu_2024")
    assert refit.names == spec.covariance_of
    assert refit.covariance == pytest.approx(np.array(spec.covariance), rel=1e-4)
    assert refit.draws.mean(axis=0) == pytest.approx(np.array(spec.covariance_mean), rel=1e-5)


def test_the_published_points_of_the_refit_hold(refit, law):
    errors = {f"se_{k}": v for k, v in refit.standard_errors.items()}
    numbers = {**refit.constants, **errors, "objective": refit.objective}
    rows = check_points([law("besiroglu_2024")], extra={"refit": lambda: numbers})
    assert len([r for r in rows if r.want.startswith("se_")]) == 5
    assert all(r.holds for r in rows)


def test_profile_of_the_floor_holds_the_floor(refit):
    span = refit.floor_interval
    assert span.identified
    assert 1.78 < span.low < refit.constants["E"] < span.high < 1.85


def test_gradient_is_the_derivative(chinchilla):
    model = additive_model(*chinchilla)
    theta = np.array([[6.5, 7.0, 0.5, 0.36, 0.33]])
    exact = gradient(model, theta)[0]
    for i in range(5):
        step = np.zeros((1, 5))
        step[0, i] = 1e-6
        slope = (objective(model, theta + step) - objective(model, theta - step))[0] / 2e-6
        assert exact[i] == pytest.approx(slope, rel=1e-6)


def test_no_start_of_a_plain_solver_beats_the_batched_one(chinchilla, refit):
    from scipy.optimize import minimize

    model = additive_model(*chinchilla)
    rng = np.random.default_rng(0)
    for start in additive_starts()[rng.choice(4500, 25, replace=False)]:
        found = minimize(
            lambda t: 1e3 * objective(model, t[None])[0], start, jac=lambda t: 1e3 * gradient(model, t[None])[0]
        )
        assert found.fun / 1e3 >= refit.objective * (1 - 1e-9)


def test_truth_is_recovered_and_covered():
    rng = np.random.default_rng(3)
    n, d = np.exp(rng.uniform(np.log(5e7), np.log(2e10), 150)), np.exp(rng.uniform(np.log(1e9), np.log(5e11), 150))
    truth = {"E": 1.7, "A": 400.0, "B": 1500.0, "alpha": 0.34, "beta": 0.36}
    loss = truth["E"] + truth["A"] * n ** -truth["alpha"] + truth["B"] * d ** -truth["beta"]
    fit = fit_additive(n, d, loss * np.exp(rng.normal(0, 0.003, 150)), bootstraps=300)
    for name, value in truth.items():
        assert abs(fit.constants[name] - value) < 4 * fit.standard_errors[name], name
    got = prediction(fit, 0.95, params=7e10, tokens=2e12)
    exact = truth["E"] + truth["A"] * 7e10 ** -truth["alpha"] + truth["B"] * 2e12 ** -truth["beta"]
    assert got.low < exact < got.high
    assert got.decades_outside_fit > 0.5


def test_runs_that_fix_nothing_are_refused():
    n = np.geomspace(1e8, 3e9, 6)
    with pytest.raises(InputError, match="one line in log N and log D"):
        fit_additive(n, 20 * n, 2 + 400 * n**-0.34)
    with pytest.raises(InputError, match="2 distinct runs"):
        fit_additive(n[:2], n[:2] * 9, np.array([3.0, 2.9]))
    with pytest.raises(InputError, match="at least 4 distinct"):
        fit_power(n[:3], np.array([3.0, 2.8, 2.7]), "flop")
    with pytest.raises(InputError, match="does not fall"):
        fit_power(np.geomspace(1e18, 1e21, 8), np.linspace(2.0, 3.0, 8), "flop", bootstraps=20)


def test_over_training_runs_of_open_licence():
    n, d, loss = _columns("overtraining_runs.csv", "n_params", "tokens", "loss_c4_eval", train_data="c4_original")
    fit = fit_additive(n, d, loss, tied=True, bootstraps=200)
    # arXiv 2403.08540 ties the exponents: eta = alpha / 2 = 0.121, E = 1.51, from five points of these 34
    assert fit.constants["alpha"] == fit.constants["beta"]
    assert fit.constants["alpha"] / 2 == pytest.approx(0.121, abs=0.012)
    assert abs(fit.constants["E"] - 1.508) < 2 * fit.standard_errors["E"]
    assert fit.residual_sd < 0.02


def test_over_trained_runs_are_predicted_by_the_published_law(law):
    n, d, loss, error = _columns("overtraining_runs.csv", "n_params", "tokens", "loss_c4_eval", "avg_error_17_tasks",
                                 train_data="c4_original")  # fmt: skip
    far = (d / n > 250) & (n > 1e8)
    got = laws.evaluate(law("gadre_2024"), params=n[far], tokens=d[far])
    assert far.sum() >= 3
    assert np.abs(got["loss_nats"] / loss[far] - 1).max() < 0.04
    assert np.abs(got["error"] / error[far] - 1).max() < 0.05


def test_own_runs_of_sardana_give_the_constants_of_their_table():
    n, d, loss = _columns("beyond_chinchilla_runs.csv", "n_params", "tokens", "loss_smoothed")
    fit = fit_additive(n, d, loss, bootstraps=100)
    assert fit.constants["alpha"] == pytest.approx(0.18, abs=0.01)
    assert fit.constants["beta"] == pytest.approx(0.24, abs=0.01)
    assert fit.constants["E"] == pytest.approx(1.45, abs=0.03)
    assert fit.warnings  # and they are weakly identified


def test_repeated_data_decay(law):
    n, d, u, loss = _columns("data_constrained_runs.csv", "n_params", "tokens", "unique_tokens", "val_loss_nats",
                             in_outlier_removed_set="1")  # fmt: skip
    base = law("muennighoff_2023").constants
    assert len(n) == 182
    fit = fit_repeats(base, n, d, u, loss)

    def value(rd, rn):
        size = np.abs(np.log(repeated_loss(base, {"RD_star": rd, "RN_star": rn}, n, d, u)["loss_nats"]) - np.log(loss))
        return np.where(size < 1e-3, 0.5 * size**2, 1e-3 * (size - 0.5e-3)).sum()

    # the objective is flat here (the base's level is off): the published pair lies within 1 % of the best,
    # and repeats that never lose worth are twice as far off
    assert value(fit.rd_star, fit.rn_star) == pytest.approx(fit.objective)
    assert fit.objective <= value(base["RD_star"], base["RN_star"]) <= 1.01 * fit.objective
    assert value(1e9, 1e9) > 2 * fit.objective
    with pytest.raises(InputError, match="no run repeats"):
        fit_repeats(base, n, d, d, loss)


def test_isoflop_slices_walk_from_kaplan_to_chinchilla():
    keys = ("train_data", "hparams", "warmup", "decay", "param_count", "loss_kind")
    with (DATA / "isoflop_optima.csv").open() as stream:
        published = {tuple(r[k] for k in keys): float(r["fit_n_exponent"]) for r in csv.DictReader(stream)
                     if r["fit_n_exponent"]}  # fmt: skip
    off = []
    for key, exponent in published.items():
        n, c, loss = _columns("isoflop_runs.csv", "n_params", "flop", "loss", **dict(zip(keys, key)))
        off.append(fit_isoflop(n, c, loss, draws=2).a_params - exponent)
    assert len(off) == 15
    assert np.abs(off).mean() < 0.015  # their interpolation is another; parabolas agree to the second digit
    assert np.abs(off).max() < 0.035
    n, c, loss = _columns("isoflop_runs.csv", "n_params", "flop", "loss", train_data="rw", hparams="tuned",
                          param_count="standard")  # fmt: skip
    fit = fit_isoflop(n, c, loss)
    assert fit.a_params_low < 0.497 < fit.a_params_high


def test_envelope(chinchilla):
    n, d, loss = chinchilla
    fit = fit_envelope(n, 6 * n * d, loss)
    assert fit.a_params == pytest.approx(0.50, abs=0.05)


def test_a_saved_law_is_used_and_shows_bands(refit, tmp_path):
    write_law(tmp_path, to_law(refit, "mine"))
    spec = read_law([catalog_root(), tmp_path], "mine")
    assert spec.constants == refit.constants
    best = laws.optimum_for_flop(laws.draws(spec), 5.76e23).params
    low, high = laws.band(best)
    assert low < 73.2e9 < high
    with pytest.raises(InputError, match="letters, digits"):
        write_law(tmp_path, to_law(refit, "../mine"))


def test_a_saved_power_law_evaluates_as_fitted(chinchilla, tmp_path):
    n, d, loss = chinchilla
    fit = fit_power(6 * n * d, loss, "flop", bootstraps=100)
    spec = to_law(fit, "by_compute")
    write_law(tmp_path, spec)
    again = read_law([tmp_path], "by_compute")
    assert laws.evaluate(again, flop=1e22)["loss_nats"] == pytest.approx(float(predict(fit, flop=1e22)[0][0]))


def test_watch_says_when_a_loss_leaves_its_band(refit):
    tokens = np.array([1e11, 2e11, 3e11])
    steady = laws.loss(to_law(refit, "mine"), 7e9, tokens)
    assert all(p.inside for p in watch(refit, np.full(3, 7e9), tokens, steady))
    gone = watch(refit, np.full(3, 7e9), tokens, steady * np.array([1.0, 1.0, 1.1]))
    assert [p.inside for p in gone] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("N,D,loss\n1e9,,3\n", "line 2, column tokens: empty"),
        ("N,D,loss\n1e9,x,3\n", "'x' is not a number"),
        ("N,D,loss\n1e9,-4,3\n", "must be a positive number"),
        ("N,D,loss\n1e9,nan,3\n", "must be a positive number"),
        ("N,D\n1e9,2e10\n", "no column for loss"),
        ("", "empty"),
        ("N,D,loss\n", "no runs left"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "runs.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_runs(path)


def test_duplicates_are_said(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("N,D,loss\n1e9,2e10,3\n1e9,2e10,3\n1e9,2e10,3.01\n")
    table = read_runs(path)
    assert len(table.loss) == 2
    assert table.notes == ("1 exact duplicates of earlier rows left out",)


def test_command_line(tmp_path, monkeypatch):
    import json

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    running = tmp_path / "running.csv"
    running.write_text("params,tokens,loss\n7e9,1e11,2.2\n7e9,2e11,2.6\n")
    result = CliRunner().invoke(
        command,
        [str(DATA / "chinchilla_runs.csv"), "--where", "used_in_replication=1", "--bootstraps", "100", "--save", "mine",
         "--at", "70B@1.4T", "--plot", str(tmp_path / "fit.svg"), "--format", "json", "--quiet",
         "--watch", str(running)],
        catch_exceptions=False,
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert document["constants"]["E"] == pytest.approx(1.8172181, rel=1e-6)
    assert document["predictions"][0]["low"] < 1.9734 < document["predictions"][0]["high"]
    assert document["watch"]["left_band_at_tokens"] == 2e11
    assert (tmp_path / "fit.svg").read_text().count("<svg") == 1
    assert read_law([tmp_path / "hwmodel" / "catalogs"], "mine").form == "additive"


def test_rows_are_fitted_independently_of_their_neighbours(chinchilla):
    model = additive_model(*chinchilla)
    starts = additive_starts()[::300]
    together = minimise(model, starts.copy())[1]
    alone = np.array([minimise(model, s[None].copy())[1][0] for s in starts])
    assert together == pytest.approx(alone, rel=1e-9)


def test_rows_that_the_file_switches_off_are_left_out_and_said():
    table = read_runs(DATA / "chinchilla_runs.csv")
    assert len(table.loss) == 240
    assert "5 rows left out: used_in_replication says so" in table.notes[0]
    assert len(read_runs(DATA / "chinchilla_runs.csv", all_rows=True).loss) == 245


def test_losses_without_scatter_are_fitted_and_doubted():
    rng = np.random.default_rng(5)
    n, d = np.exp(rng.uniform(18, 23, 8)), np.exp(rng.uniform(21, 27, 8))
    fit = fit_additive(n, d, 1.8 + 480 * n**-0.35 + 2085 * d**-0.366, bootstraps=50)
    assert fit.constants["E"] == pytest.approx(1.8, abs=1e-6)
    assert any("8 runs for 5 constants" in w for w in fit.warnings)


def log_likelihood(model: LogSum, theta: np.ndarray) -> float:
    """Log likelihood of constants under the Huber density, its scale at the best value (arXiv 2404.10102)."""
    residual = np.abs(model.shares(theta[None, :])[1][0])
    core = math.sqrt(2.0 * math.pi) * math.erf(DELTA / math.sqrt(2.0))
    norm = math.log(core + 2.0 * math.exp(-0.5 * DELTA**2) / DELTA)
    scales = np.geomspace(1e-9, 10.0, 6001)[:, None]
    size = residual / scales
    huber = np.where(size <= DELTA, 0.5 * size * size, DELTA * (size - 0.5 * DELTA))
    return float((-huber - norm - np.log(scales)).sum(axis=1).max())


def test_likelihoods_of_the_replication(chinchilla, law):
    from scipy.stats import chi2

    model = additive_model(*chinchilla)
    got = {}
    for name in ("chinchilla_2022/approach3-rounded", "chinchilla_2022/approach3", "besiroglu_2024"):
        c = law(name).constants
        got[name] = log_likelihood(
            model, np.array([np.log(c["A"]), np.log(c["B"]), np.log(c["E"]), c["alpha"], c["beta"]])
        )
    assert got["chinchilla_2022/approach3-rounded"] == pytest.approx(562.25, abs=0.01)
    assert got["chinchilla_2022/approach3"] == pytest.approx(837.78, abs=0.01)
    assert got["besiroglu_2024"] == pytest.approx(879.77, abs=0.01)
    ratio = 2 * (got["besiroglu_2024"] - got["chinchilla_2022/approach3"])
    assert ratio == pytest.approx(84.00, abs=0.02)
    assert chi2.sf(ratio, 5) == pytest.approx(1.22e-16, rel=0.02)


def test_intervals_widen_beyond_the_runs_where_the_bootstrap_alone_fails(chinchilla):
    n, d, loss = chinchilla
    order = np.argsort(n * d)
    known, later = order[:168], order[168:]  # the dearest 72 runs are held out, up to 1.7 decades beyond
    fit = fit_additive(n[known], d[known], loss[known], bootstraps=300, held_out=False)
    middle, low, high = predict(fit, 0.8, params=n[later], tokens=d[later])
    cover = np.mean((low <= loss[later]) & (loss[later] <= high))
    drawn = additive_model(n[later], d[later], np.ones(72)).shares(fit.draws)[1]
    alone = np.quantile(drawn, (0.1, 0.9), axis=0) - np.log(middle)
    bare = np.mean(np.abs(np.log(loss[later] / middle)) <= alone[1])
    assert cover > bare + 0.2
    assert cover > 0.55
    # inside the runs nothing is added: an interval there is that of the draws and the scatter
    inside = predict(fit, 0.8, params=n[known], tokens=d[known])
    assert np.median(np.log(inside[2] / inside[0])) < 3 * fit.residual_sd


def test_what_the_docs_say_of_the_dearest_runs(chinchilla):
    held = predict_the_dearest(*chinchilla)
    assert held.runs == 72
    assert 0.65 < held.covered < 0.9  # measured: 74 %
    assert 0.005 < held.median_error < 0.015  # the cheaper runs predict too high a loss
    assert 0.7 < predict_the_dearest(*chinchilla, share=0.4).covered < 0.9  # the dearest 40 %: 78 %
    n, d, loss = _columns("beyond_chinchilla_runs.csv", "n_params", "tokens", "loss_smoothed")
    for share in (0.4, 0.3, 0.2):  # 89, 86 and 78 %
        assert 0.7 < predict_the_dearest(n, d, loss, share=share).covered < 0.95
    for data in ("c4_original", "rpj", "rw_original"):
        n, d, loss = _columns("overtraining_runs.csv", "n_params", "tokens", "loss_c4_eval", train_data=data)
        assert predict_the_dearest(n, d, loss, tied=True).covered >= 0.8


def test_saving_twice_needs_force(tmp_path):
    """A law of that id is not overwritten unawares; the refusal comes before the fit."""
    runs = [str(DATA / "chinchilla_runs.csv"), "--where", "used_in_replication=1", "--bootstraps", "20", "--quiet"]
    args = [*runs, "--save", "mine", "--save-in", str(tmp_path)]
    (tmp_path / "laws").mkdir()
    target = tmp_path / "laws" / "mine.yaml"
    target.write_text("my own words")
    with pytest.raises(InputError, match="--force"):
        CliRunner().invoke(command, args, catch_exceptions=False)
    assert target.read_text() == "my own words"
