"""Files of runs: which column is what, in which unit, and what is said before a wrong thing is fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hwmodel.cli.fit import command
from hwmodel.errors import InputError
from hwmodel.interop.fit_runs import fit_runs
from hwmodel.interop.loss_checks import check_protocol, check_units
from hwmodel.interop.loss_columns import find_columns
from hwmodel.interop.loss_runs import read_runs

DATA = Path(__file__).parents[1] / "data"
N = np.repeat(np.geomspace(5e7, 5e9, 6), 5)
D = N * np.tile(np.geomspace(5, 300, 5), 6)
LOSS = (1.8 + 480 * N**-0.35 + 2085 * D**-0.366) * np.exp(0.002 * np.random.default_rng(0).standard_normal(30))


def _file(path, header, *columns):
    rows = [",".join(header), *(",".join(str(v) for v in row) for row in zip(*columns))]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("header", "want", "convention"),
    [
        ("N,D,loss", {"params": ("N", ""), "tokens": ("D", ""), "loss": ("loss", "")}, "total"),
        ("n_params_nonemb,tokens,final_loss", {"params": ("n_params_nonemb", "")}, "non_embedding"),
        ("N_ne,D,L", {"params": ("N_ne", "")}, "non_embedding"),
        ("params_active,params_total,tokens,loss", {"params": ("params_total", "")}, "total"),
        ("active_params,tokens,loss", {"params": ("active_params", "")}, "active"),
        ("params_M,tokens (B),val_loss", {"params": ("params_M", "M"), "tokens": ("tokens (B)", "B")}, "total"),
        ("Params [M],Tokens in billions,loss", {"tokens": ("Tokens in billions", "billions")}, "total"),
        ("Params [M],D,loss_bits", {"params": ("Params [M]", "M"), "loss": ("loss_bits", "bits")}, "total"),
        ("N,C_pfdays,loss", {"flop": ("C_pfdays", "PF-days")}, "total"),
        ("N,train_pf_days,loss", {"flop": ("train_pf_days", "PF-days")}, "total"),
        ("GFLOPs,loss", {"flop": ("GFLOPs", "GFLOP")}, "total"),
        ("N,budget,loss", {"budget": ("budget", "")}, "total"),
        ("N,D,perplexity", {"loss": ("perplexity", "perplexity")}, "total"),
    ],
)  # fmt: skip
def test_columns_by_their_names(header, want, convention):
    found, counted = find_columns(header.split(","), {}, {}, None, "runs.csv")
    assert {q: (found[q].header, found[q].unit) for q in want} == want
    assert counted == convention


@pytest.mark.parametrize("header", ["d_model,n_layers,d,n", "tokens_per_param,d_ff,dim", "lr,layers,heads"])
def test_what_is_no_quantity_is_not_taken(header):
    assert find_columns(header.split(","), {}, {}, None, "runs.csv")[0] == {}


def test_units_reach_si(tmp_path):
    path = _file(tmp_path / "r.csv", ["params_M", "tokens_B", "C_pf_days", "loss_bits"],
                 N / 1e6, D / 1e9, 6 * N * D / 8.64e19, LOSS / np.log(2))  # fmt: skip
    runs = read_runs(path)
    assert runs.params == pytest.approx(N)
    assert runs.tokens == pytest.approx(D)
    assert runs.flop == pytest.approx(6 * N * D)
    assert runs.loss == pytest.approx(LOSS)
    assert check_units(runs) == ()
    assert read_runs(_file(tmp_path / "p.csv", ["N", "D", "ppl"], N, D, np.exp(LOSS))).loss == pytest.approx(LOSS)


def test_a_unit_may_be_said(tmp_path):
    path = _file(tmp_path / "r.csv", ["N", "D", "C", "loss"], N, D, 6 * N * D / 1e12, LOSS)
    assert read_runs(path, units={"flop": "TFLOPs"}).flop == pytest.approx(6 * N * D)
    with pytest.raises(InputError, match="one of FLOP, MFLOP"):
        read_runs(path, units={"flop": "furlongs"})
    with pytest.raises(InputError, match=r"unknown quantity 'flopz'.*nearest: flop"):
        read_runs(path, units={"flopz": "GFLOP"})


@pytest.mark.parametrize(
    ("header", "scale", "message"),
    [
        ("N,D,compute,loss", (1, 1, 1e-9), "looks like GFLOP.*--unit flop=GFLOP"),
        ("N,D,C,loss", (1, 1, 1 / 8.64e19), "looks like PF-days"),
        ("N,D,budget,loss", (1, 1, 1e-18), "looks like EFLOP.*--unit budget=EFLOP"),
        ("N,D,C,loss", (1e-6, 1, 1), "median of .* is no count of params.*--unit params=M"),
        ("N,D,C,loss", (1, 1e-9, 1), "is no count of tokens"),
    ],
)
def test_units_that_cannot_be_are_refused(tmp_path, header, scale, message):
    n, d, c = (column * s for column, s in zip((N, D, 6 * N * D), scale))
    with pytest.raises(InputError, match=message):
        check_units(read_runs(_file(tmp_path / "r.csv", header.split(","), n, d, c, LOSS)))


def test_compute_alone_in_another_unit_is_refused(tmp_path):
    with pytest.raises(InputError, match="trains nothing; say in which unit"):
        check_units(read_runs(_file(tmp_path / "r.csv", ["C", "loss"], 6 * N * D / 8.64e19, LOSS)))
    with pytest.raises(InputError, match="tokens a parameter, so not in FLOP"):
        check_units(read_runs(_file(tmp_path / "r.csv", ["N", "C", "loss"], N, 6 * N * D / 8.64e19, LOSS)))


def test_compute_within_the_usual_of_6nd_passes_and_a_strange_one_is_said(tmp_path):
    near = read_runs(_file(tmp_path / "a.csv", ["N", "D", "C", "loss"], N, D, 7.5 * N * D, LOSS))
    assert check_units(near) == ()
    odd = read_runs(_file(tmp_path / "b.csv", ["N", "D", "C", "loss"], N, D, 6 * 30 * N * D, LOSS))
    assert "30 times 6 N D" in check_units(odd)[0]
    uneven = read_runs(
        _file(tmp_path / "c.csv", ["N", "D", "C", "loss"], N, D, 6 * N * D * np.linspace(0.5, 2, 30), LOSS)
    )
    assert "sizes and tokens as counted do not make it" in check_units(uneven)[0]


def test_tokens_and_loss_without_a_size(tmp_path):
    path = _file(tmp_path / "r.csv", ["tokens", "d_model", "loss"], D, N, LOSS)
    with pytest.raises(InputError, match=r"without a size.*--column params=HEADER.*--form power-floor"):
        fit_runs(read_runs(path))
    said = fit_runs(read_runs(path), "power-floor", bootstraps=50)
    assert any("it holds for one size only" in w for w in said.warnings)
    sized = fit_runs(read_runs(path, {"params": "d_model"}), bootstraps=50)
    assert sized.form == "additive"


def test_a_non_embedding_count_is_a_size_and_is_saved_as_one(tmp_path):
    path = _file(tmp_path / "r.csv", ["n_params_nonemb", "tokens", "final_loss"], N, D, LOSS)
    arguments = [
        str(path),
        "--bootstraps",
        "20",
        "--format",
        "json",
        "--quiet",
        "--save",
        "mine",
        "--save-in",
        str(tmp_path),
    ]
    document = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).stdout)
    assert document["params_convention"] == "non_embedding"
    assert {"quantity": "params", "header": "n_params_nonemb", "unit": None} in document["columns"]
    assert "params_convention: non_embedding" in (tmp_path / "laws" / "mine.yaml").read_text()
    assert "columns taken" in CliRunner().invoke(command, [str(path), "--bootstraps", "20", "--quiet"]).stdout


def _warned(tmp_path, header, *columns):
    return " | ".join(check_protocol(read_runs(_file(tmp_path / "r.csv", header, *columns))))


def test_protocols_that_vary(tmp_path):
    teams = ["cosine"] * 15 + ["wsd"] * 15
    assert "schedule varies (cosine in 15, wsd in 15)" in _warned(
        tmp_path, ["N", "D", "loss", "schedule"], N, D, LOSS, teams
    )
    swept = np.tile([1e-3, 3e-3], 15)
    assert "lr varies" in _warned(tmp_path, ["N", "D", "loss", "lr"], N, D, LOSS, swept)
    # a learning rate set by the size, a run's name and a loss's error are no protocols that vary
    quiet = _warned(
        tmp_path, ["N", "D", "loss", "lr", "name", "loss_std"], N, D, LOSS, 100 * N**-0.3, range(30), LOSS / 99
    )
    assert quiet == ""


def test_epochs(tmp_path):
    said = _warned(tmp_path, ["N", "D", "loss", "unique_tokens"], N, D, LOSS, D / np.tile([1, 1, 4, 1, 1], 6))
    assert "6 runs repeat their data (up to 4 epochs)" in said
    assert "30 runs repeat" in _warned(tmp_path, ["N", "D", "loss", "epochs"], N, D, LOSS, [3] * 30)
    assert _warned(tmp_path, ["N", "D", "loss", "epochs"], N, D, LOSS, [1] * 30) == ""


def test_unfinished_runs(tmp_path):
    status = ["done"] * 28 + ["crashed"] * 2
    assert "2 runs are unfinished (status = crashed)" in _warned(
        tmp_path, ["N", "D", "loss", "status"], N, D, LOSS, status
    )
    steps = [100] * 27 + [60] * 3
    assert "3 runs are unfinished (step below total_steps)" in _warned(
        tmp_path, ["N", "D", "loss", "step", "total_steps"], N, D, LOSS, steps, [100] * 30
    )
    names = np.repeat([f"run{i}" for i in range(6)], 5)  # five token counts of each
    assert "6 runs stand here with several token counts" in _warned(
        tmp_path, ["N", "D", "loss", "run"], N, D, LOSS, names
    )


def test_several_losses_at_one_point_and_rival_columns(tmp_path):
    n, d, loss = np.tile(N, 2), np.tile(D, 2), np.concatenate([LOSS, 1.05 * LOSS])
    assert "30 pairs of N and D have several losses, up to 5.0 % apart" in _warned(
        tmp_path, ["N", "D", "loss"], n, d, loss
    )
    said = _warned(tmp_path, ["N", "D", "val_loss", "train_loss"], N, D, LOSS, LOSS)
    assert "loss is column val_loss; the file has others (train_loss)" in said


def test_repeats_from_the_runs_of_one_epoch_and_from_a_published_base():
    arguments = [str(DATA / "data_constrained_runs.csv"), "--where", "in_outlier_removed_set=1", "--form", "repeated",
                 "--bootstraps", "100", "--format", "json", "--quiet"]  # fmt: skip
    document = json.loads(
        CliRunner()
        .invoke(command, [*arguments, "--base", "muennighoff_2023", "--at", "7B@200B/20B"], catch_exceptions=False)
        .stdout
    )
    low, high = document["intervals"]["RD_star"]["low"], document["intervals"]["RD_star"]["high"]
    assert low < 15.39 < (high or np.inf)  # the paper's, whose base this is
    prediction = document["predictions"][0]
    assert prediction["low"] < prediction["loss_nats"] < prediction["high"]
    own = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).stdout)
    assert own["constants"]["E"] != document["constants"]["E"]
    with pytest.raises(InputError, match="--base goes with --form repeated"):
        CliRunner().invoke(command, [*arguments[:1], "--base", "muennighoff_2023"], catch_exceptions=False)
