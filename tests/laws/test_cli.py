"""`hwmodel law` by its contracts: keys, bands, refusals, exit codes."""

from __future__ import annotations

import csv
import io
import json

import pytest

from hwmodel.cli.main import main


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def call(*arguments):
        try:
            main(list(arguments))
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_eval_gives_loss_nats(run):
    code, out, _ = run("law", "eval", "besiroglu_2024", "--params", "70B", "--tokens", "1.4T", "--format", "json")
    document = json.loads(out)
    assert code == 0
    assert document["loss_nats"] == pytest.approx(1.9734, abs=5e-5)
    assert document["decades_outside_fit"] > 1
    assert any("outside the law's fit range" in w for w in document["warnings"])


def test_optimum_gives_bands_where_the_law_has_a_covariance(run):
    code, out, _ = run("law", "optimum", "besiroglu_2024", "--flops", "5.76e23", "--format", "json")
    document = json.loads(out)
    assert code == 0
    for key in ("params", "tokens", "loss_nats"):
        band = document[key]
        assert band["low"] < band["value"] < band["high"]
    assert document["params"]["value"] / 1e9 == pytest.approx(72.4, abs=0.05)
    assert document["regret_band"]["params_low"] < 72.4e9 < document["regret_band"]["params_high"]


def test_a_law_without_loss_gives_null_and_says_why(run):
    _, out, _ = run("law", "optimum", "chinchilla_2022/approach2", "--flops", "5.76e23", "--format", "json")
    document = json.loads(out)
    assert document["loss_nats"] is None
    assert "no loss" in document["loss_reason"]
    assert document["params"] / 1e9 == pytest.approx(63.4, abs=0.05)


def test_kaplan_answers_in_its_own_convention_and_converted(run):
    _, out, _ = run("law", "optimum", "kaplan_2020/L_ND", "--flops", "5.76e23", "--format", "json")
    document = json.loads(out)
    assert document["params_convention"] == "non_embedding"
    assert document["params"] / 1e9 == pytest.approx(804, abs=0.5)
    assert document["converted"]["params_total"] > document["params"]
    assert document["regret_band"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("eval", "chinchilla_2022/approach1", "--params", "70B", "--tokens", "1.4T"), 2, "has no loss"),
        (("eval", "besiroglu_2023", "--params", "70B"), 2, "nearest: besiroglu_2024"),
        (("eval", "gpt4_loss", "--flops", "1e24"), 2, "listed but not evaluated"),
        (("eval", "besiroglu_2024", "--params", "70B"), 2, "needs tokens"),
        (("eval", "kaplan_2020/B_crit", "--set", "loss=1e-200"), 2, "has no value at loss = 1e-200"),
        (("eval", "abnar_2025", "--params", "1B", "--tokens", "1T", "--set", "sparsity=1"), 2, "has no value at"),
        (("eval", "besiroglu_2024", "--params", "70B", "--tokens", "1.4"), 2, "did you mean 1.4B or 1.4T"),
        (("optimum", "besiroglu_2024", "--loss", "1.776"), 3, "its floor is 1.817"),
        (("optimum", "besiroglu_2024", "--flops", "-3"), 2, "--flops must be above zero"),
        (("optimum", "besiroglu_2024"), 2, "exactly one of"),
        (
            ("optimum", "besiroglu_2024", "--params", "7B", "--convention", "non_embedding"),
            2,
            "counts total parameters",
        ),
        (("eval", "kaplan_2020", "--params", "7B", "--tokens", "1T", "--convention", "total"), 2, "convert first"),
        (("eval", "kaplan_2020", "--params", "7B", "--tokens", "1T", "--convention", "nonemb"), 2, "unknown parameter"),
        (("optimum", "besiroglu_2024", "--loss", "nan"), 2, "must be a positive number"),
        (("optimum", "besiroglu_2024", "--flops", "1e22", "--seed", "-1"), 2, "not negative"),
        (("optimum", "kaplan_2020", "--tokens", "1e300"), 2, "at most 1e+30"),
        (("optimum", "ludziejewski_2025", "--flops", "1e21", "--experts", "0"), 2, "above zero"),
        (("eval", "devries_2023", "--set", "size_factor=0.01"), 3, "no amount of data holds the loss"),
        (("optimum", "gadre_2024", "--flops", "1e22"), 2, "not for allocation"),
        (("optimum", "besiroglu_2024", "--flops", "1e22", "--out", "conftest.py/x.json"), 2, "cannot write"),
    ],
)
def test_errors_are_one_clear_line(run, arguments, code, message):
    got, out, err = run("law", *arguments)
    assert got == code
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_disagreement_stands_side_by_side(run):
    _, out, _ = run("law", "disagreement", "--flops", "5.76e23", "--format", "json")
    document = json.loads(out)
    assert len(document["laws"]) >= 9
    spread = document["ensemble"]["params"]
    assert spread["low"] < spread["median"] < spread["high"]
    assert "kaplan_2020/L_ND" not in document["ensemble"]["laws"]
    assert all("decades_outside_fit" in row for row in document["laws"])


@pytest.mark.parametrize("question", [("--params", "10B"), ("--params", "100B"), ("--tokens", "1T")])
def test_the_planning_questions_answer_through_the_ensemble(run, question):
    code, out, _ = run("law", "disagreement", *question, "--format", "json")
    document = json.loads(out)
    assert code == 0
    kind = "tokens" if question[0] == "--params" else "params"
    assert document["ensemble"][kind]["low"] < document["ensemble"][kind]["high"]
    refit = next(r for r in document["laws"] if r["law"] == "besiroglu_2024")
    assert refit[kind]["low"] < refit[kind]["value"] < refit[kind]["high"]


def test_formats(run):
    _, out, _ = run("law", "optimum", "besiroglu_2024", "--flops", "1e22", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert float(rows[0]["value"]) / 1e9 == pytest.approx(9.06, abs=0.005)
    assert float(rows[0]["low"]) < 9.06e9
    _, out, _ = run("law", "list", "--format", "md")
    assert out.startswith("| law | family |")
    _, out, _ = run("law", "show", "sun_2025", "--format", "json")
    assert json.loads(out)["inputs"]["exponent_bits"].startswith("exponent bits")


def test_the_same_question_gives_the_same_bytes(run):
    question = ("law", "optimum", "besiroglu_2024", "--flops", "1e23", "--format", "json")
    assert run(*question) == run(*question)


def test_a_broken_law_of_ones_own_is_named(run, tmp_path):
    folder = tmp_path / "own" / "laws"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("id: mine\ntitle: x\nform: additive\nsource: own-runs\nstatus: derived\nfoo: 1\n")
    code, _, err = run("law", "show", "mine", "--catalog", str(tmp_path / "own"))
    assert code == 4
    assert "unknown field 'foo'" in err
    (folder / "mine.yaml").write_text("id: mine\nextends: besiroglu_2024\nconstants: {E: 1.7}\ntitle: Mine\n")
    code, out, _ = run("law", "show", "mine", "--catalog", str(tmp_path / "own"), "--format", "json")
    assert code == 0
    document = json.loads(out)
    assert document["constants"]["E"] == 1.7
    assert document["constants"]["A"] == 482.00572
    assert "covariance" not in document  # other constants: the parent's covariance is not theirs


def test_inference_aware_sizing_under_any_law(run):
    _, out, _ = run("law", "optimum", "sardana_2024", "--loss", "1.947", "--inference-tokens", "2T", "--format", "json")
    document = json.loads(out)
    assert document["params"] == pytest.approx(2.418e10, rel=2e-4)
    assert document["tokens"] == pytest.approx(2.657e12, rel=2e-4)
    assert 1 - document["saved_fraction"] == pytest.approx(0.9522, abs=5e-5)
    _, out, _ = run(
        "law", "optimum", "besiroglu_2024", "--params", "13B", "--inference-tokens", "2T", "--format", "json"
    )
    saved = json.loads(out)["saved_fraction"]
    assert saved["value"] == pytest.approx(0.29, abs=0.005)
    assert saved["low"] == pytest.approx(0.23, abs=0.01)
    assert saved["high"] == pytest.approx(0.34, abs=0.012)
    code, _, err = run("law", "optimum", "llama3_2024", "--flops", "1e22", "--inference-tokens", "2T")
    assert code == 2
    assert "has no loss" in err


def test_few_distinct_tokens(run):
    arguments = ("--flops", "9.2e21", "--unique-tokens", "25B", "--format", "json")
    _, out, _ = run("law", "optimum", "muennighoff_2023", *arguments)
    document = json.loads(out)
    assert document["tokens"] > 2e11
    assert document["loss_nats"] == pytest.approx(2.2256, abs=2e-4)
    code, _, err = run("law", "optimum", "besiroglu_2024", *arguments)
    assert code == 2
    assert "law of repeated data" in err


def test_constants_of_ones_own_open_a_law_that_refuses(run, tmp_path):
    folder = tmp_path / "own" / "laws"
    folder.mkdir(parents=True)
    start = "id: mine\nextends: aghajanyan_2023\nrefusal: ''\ntitle: Mine\n"
    (folder / "mine.yaml").write_text(start + "constants: {A: 200.0, alpha: 0.3, B: 1000.0, beta: 0.3, C: 0.2}\n")
    asked = (
        "law", "eval", "mine", "--params", "1B", "--tokens", "100B", "--set", "tokens_second=5e10", "--set", "loss=2.4",
        "--set", "loss_second=3.0", "--catalog", str(tmp_path / "own"), "--format", "json",
    )  # fmt: skip
    code, out, _ = run(*asked)
    assert code == 0
    assert json.loads(out)["loss_nats"] == pytest.approx(2.7 - 0.2 + 200.0 / 1e9**0.3 + 1000.0 / 1.5e11**0.3)
    (folder / "mine.yaml").write_text(start + "constants: {C: 2.5}\n")
    code, _, err = run(*asked)
    assert code == 4
    assert "lacks the constant" in err


def test_draws_that_cannot_reach_a_loss_are_left_out_and_said(run):
    _, out, _ = run("law", "optimum", "besiroglu_2024", "--loss", "1.82", "--format", "json")
    document = json.loads(out)
    assert any("of the draws cannot reach this loss" in w for w in document["warnings"])
    assert document["params"]["low"] < document["params"]["high"]
