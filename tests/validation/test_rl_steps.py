"""Published steps of reinforcement learning: what rows state, and how well they are predicted, source left out."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import median

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration, rl_calibration
from hwmodel.predict.rl import rl_ends
from hwmodel.specs.rl import RlTerms
from hwmodel.validation.board.files import own_rows, validate_file
from hwmodel.validation.board.rl_steps import predict_rows, runs_file
from hwmodel.validation.fit.rl_fit import WIDTHS, Corpus, fit
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.rl_rows import lag_of, layout_of, mean_length, pools_of, read_row, scored_passes, seconds
from hwmodel.validation.rows.tables import Row

ROW: Row = {
    "framework": "verl", "model": "Qwen3-8B", "gpus": "32", "part": "H100 (8-GPU nodes)", "pools": "colocated",
    "prompts_per_step": "64", "samples_per_prompt": "8", "response_len_mean": "2000", "response_len_limit": "8192",
    "engine": "vLLM + Megatron, GRPO", "train_precision": "bf16", "seconds_per_step": "100", "source": "s",
    "locator": "a/b c", "status": "primary", "id": "r1",
}  # fmt: skip


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    return Resolver(load_catalog(), kernel_calibration())


@pytest.mark.parametrize(
    ("pools", "framework", "lag"),
    [
        ("colocated on-policy", "", 0.0), ("split, 1-step off-policy async", "", 1.0), ("split 8:8", "", 0.0),
        ("split, 8-step off-policy async", "", 8.0), ("split 64:64 stream, staleness 0.3", "", 0.3),
        ("split 16:16 fully async", "verl", 4.0), ("split async", "AReaL v0.3", 4.0), ("split async", "verl", 1.0),
        ("split rollout 4 + train 12 (printed), one-step async", "verl", 1.0),
    ],
)  # fmt: skip
def test_lag(pools: str, framework: str, lag: float) -> None:
    assert lag_of(pools, framework) == lag


@pytest.mark.parametrize(
    ("pools", "note", "expected"),
    [
        ("colocated", "", (32.0, 32.0)), ("split async", "", (16.0, 16.0)), ("split 16:16", "", (16.0, 16.0)),
        ("split 24 rollout : 8 train, async", "", (24.0, 8.0)), ("split rollout 4 + train 12", "", (8.0, 24.0)),
        ("split, 8-step async", "x; 16 train + 8 rollout nodes", (32.0 / 3.0, 64.0 / 3.0)),
    ],
)  # fmt: skip
def test_pools(pools: str, note: str, expected: tuple[float, float]) -> None:
    assert pools_of({"pools": pools, "note": note}, 32.0) == pytest.approx(expected)


def test_layouts_and_passes() -> None:
    assert layout_of("[TP,CP,EP,PP] = 2,1,8,4") == {"tp": 2.0, "cp": 1.0, "ep": 8.0, "pp": 4.0}
    assert layout_of("TP8 PP12 EP8") == {"tp": 8.0, "pp": 12.0, "ep": 8.0}
    assert layout_of("[TP,CP,EP,PP] = 1,1,1,1-2 (printed 1,1,1,1,1,2)") == {}
    assert (scored_passes("vLLM, GRPO"), scored_passes("vLLM + FSDP2, DAPO")) == (2.0, 1.0)
    assert seconds({"x": "3.9-4.9"}, "x") == pytest.approx(4.4)
    assert seconds({"x": "?"}, "x") is None


def test_a_blank_mean_takes_a_share_of_what_the_model_can_write() -> None:
    shape = load_catalog().model("qwen2.5-math-7b")
    row = ROW | {"response_len_mean": "", "response_len_limit": "28672"}
    assert mean_length(row, shape, 0.2) == (pytest.approx(0.2 * 4096), False)
    assert mean_length(row | {"response_len_limit": "2048"}, shape, 0.2) == (pytest.approx(0.2 * 2048), False)


def test_results_are_never_read_by_a_prediction(resolver: Resolver) -> None:
    one = predict_rows([ROW], resolver)[0]
    other = predict_rows([ROW | {"seconds_per_step": "7", "rollout_s": "3", "source": "t"}], resolver)[0]
    assert one.predicted == other.predicted


def test_blank_settings_are_refused_and_reports_not_scored(resolver: Resolver) -> None:
    blank = predict_rows([ROW | {"gpus": ""}], resolver)[0]
    assert (blank.status, blank.reason, blank.scored) == ("refused", "gpus is blank", False)
    thread = predict_rows([ROW | {"locator": "a/b#385"}], resolver)[0]
    assert thread.predicted is not None
    assert not thread.scored
    misfit = predict_rows([ROW | {"model": "DeepSeek-V3", "gpus": "8"}], resolver)[0]
    assert misfit.status == "refused"
    assert misfit.scored


def test_a_phase_that_makes_up_more_of_a_step_makes_it_wider() -> None:
    """By hand: 1.2816 x sqrt(row^2 + level^2) and ln(1 + share (e^(1.2816 x 0.3) - 1)) in quadrature."""
    c = msgspec.structs.replace(rl_calibration(), widths=msgspec.structs.replace(WIDTHS, row=0.1, level=0.2))
    terms = RlTerms(rollout_s=60.0, verifier_s=0.0, logprob_s=10.0, update_s=20.0, sync_s=5.0, switch_s=5.0,
                    other_s=0.0, hidden_s=0.0)  # fmt: skip
    z = 1.2815515655446008
    grown = [math.log(1.0 + share * (math.exp(z * 0.3) - 1.0)) for share in (0.6, 0.3, 0.1)]
    plain = (z * 0.1) ** 2 + (z * 0.2) ** 2
    assert rl_ends(terms, c).up == pytest.approx(math.sqrt(plain + sum(g * g for g in grown)))
    unstated = math.sqrt(plain + z * z + sum(g * g for g in grown))  # WIDTHS: a length not stated is one whole log
    assert rl_ends(terms, c, length_stated=False).up == pytest.approx(unstated)
    hidden = msgspec.structs.replace(terms, hidden_s=30.0)  # of pools that overlap either may turn out the longer
    assert rl_ends(hidden, c).up > rl_ends(terms, c).up


def test_published_steps_with_their_source_left_out() -> None:
    """The median error stays below 30 % and the intervals hold, over sources and over rows."""
    board = validate_file(runs_file(), hold="source")
    assert board.overall.mean_of_source_medians < 0.30
    assert 0.7 <= board.overall.coverage_80 <= 0.95
    steps = [r for r in board.rows if r.metric == "seconds_per_step" and r.scored]
    assert len(steps) == 49
    assert median(abs((r.predicted or 0.0) / r.measured - 1.0) for r in steps) < 0.30


def test_constants_are_those_of_the_shipped_rows(resolver: Resolver) -> None:
    rows = own_rows(runs_file())[1]
    found, shipped = fit(Corpus(rows, resolver), [True] * len(rows)).constants, rl_calibration()
    for name in ("rollout_level", "update_level", "step_s", "sync_bytes_per_s", "switch_bytes_per_s", "length_share"):
        assert getattr(found, name) == pytest.approx(getattr(shipped, name), rel=1e-3), name


def test_levels_are_recovered_from_steps_made_with_them(resolver: Resolver) -> None:
    """Steps whose seconds our own model made with other levels give those levels back."""
    from hwmodel.predict.rl import phases, step_terms
    from hwmodel.validation.fit.rl_fit import prior_constants

    true = msgspec.structs.replace(prior_constants(), rollout_level=1.6, update_level=0.8, length_log_sd=1.0)
    rows: list[Row] = []
    for i, (gpus, mean) in enumerate([("16", "500"), ("32", "1000"), ("32", "4000"), ("64", "1500"), ("64", "6000")]):
        row = ROW | {"gpus": gpus, "response_len_mean": mean, "source": f"s{i}", "id": f"r{i}"}
        terms = step_terms(phases(read_row(row, resolver, true).setting), true)
        rows.append(row | {"seconds_per_step": f"{terms.total_s}", "rollout_s": f"{terms.rollout_s}",
                           "update_s": f"{terms.update_s}"})  # fmt: skip
    found = fit(Corpus(rows, resolver), [True] * len(rows)).constants
    assert math.log(found.rollout_level / 1.6) == pytest.approx(0.0, abs=0.1)
    assert math.log(found.update_level / 0.8) == pytest.approx(0.0, abs=0.1)


def test_the_file_is_told_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(",".join(ROW) + "\n" + ",".join(f'"{v}"' for v in ROW.values()) + "\n", encoding="utf-8")
    assert own_rows(path)[0] == "rl"
