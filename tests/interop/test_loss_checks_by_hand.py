"""What a file of runs is warned of, at the edges of each rule, worked out in the comments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwmodel.errors import InputError
from hwmodel.interop.loss_checks import check_protocol, check_units
from hwmodel.interop.loss_columns import FoundColumn
from hwmodel.interop.loss_runs import LossRuns

N, D = np.full(20, 1e9), np.full(20, 2e10)


def runs(count: int = 20, others: dict[str, Any] | None = None, **columns: Any) -> LossRuns:
    """Twenty runs of 1e9 on 2e10 unless said otherwise; other columns as text."""
    given = {"params": N[:count], "tokens": np.linspace(2e10, 3e10, count), **columns}
    cells = {name: tuple(str(cell) for cell in column) for name, column in (others or {}).items()}
    return LossRuns(loss=np.full(count, 2.0), notes=(), others=cells, **given)


def named(quantity: str, header: str, unit: str = "") -> FoundColumn:
    return FoundColumn(quantity=quantity, header=header, place=0, unit=unit)


def test_runs_that_stopped_early() -> None:
    # A fiftieth short is rounding: of 1,000 steps 980 are all and 979 are not.
    steps = {"step": [980, 979, 1000], "total_steps": [1000, 1000, 1000]}
    assert check_protocol(runs(3, steps))[-1].startswith("1 runs are unfinished (step below total_steps)")
    assert not check_protocol(runs(3, {**steps, "step": [980, 981, 1000]}))
    # Tokens are a column that was taken.
    taken = (named("tokens", "Tokens"),)
    (said,) = check_protocol(runs(3, {"planned_tokens": [2.5e10] * 3}, taken=taken))
    assert said.startswith("1 runs are unfinished (tokens below planned_tokens)")
    # A status that is none of those of an end.
    (said,) = check_protocol(runs(4, {"state": ["Finished", "crashed", "crashed", "running"]}))
    assert said.startswith("3 runs are unfinished (state = crashed, running)")
    assert not check_protocol(runs(4, {"state": ["Finished", "ok", "", "TRUE"]}))


def test_compute_against_six_n_d() -> None:
    assert check_units(runs(flop=6 * N * D, tokens=D)) == ()
    # 5 % of the runs lie below each end: a ratio of 1.5 between the ends is even, more is not.
    spread = np.repeat([1.0, 1.5], 10)
    assert check_units(runs(flop=spread * 6 * N * D, tokens=D)) == ()
    (said,) = check_units(runs(flop=np.repeat([1.0, 1.6], 10) * 6 * N * D, tokens=D))
    assert said == "column flop is 1.00 to 1.60 times 6 N D: sizes and tokens as counted do not make it"
    (said,) = check_units(runs(budget=np.repeat([1.0, 1.6], 10) * 6 * N * D, tokens=D))
    assert said.endswith("a nominal budget, kept for slices only")
    # One run of twenty that is ten times the others: the end of 95 % lies a twentieth of the way to it, 1 + 0.05 x 9.
    one = np.ones(20)
    one[3] = 10.0
    assert check_units(runs(flop=one * 6 * N * D, tokens=D)) == ()
    one[3] = 12.0
    (said,) = check_units(runs(flop=one * 6 * N * D, tokens=D))
    assert said.startswith("column flop is 1.00 to 1.55 times 6 N D")


@pytest.mark.parametrize(("times", "refused"), [(0.26, False), (3.9, False), (1e-15 / 86400, True), (1e-9, True)])
def test_compute_in_another_unit(times: float, refused: bool) -> None:
    # Within a factor of four of 6 N D it is FLOP; a PF-day is 8.64e19, a GFLOP 1e9.
    given = runs(flop=times * 6 * N * D, tokens=D, taken=(named("flop", "C"),))
    if refused:
        with pytest.raises(InputError, match=r"column C: its values are .* of 6 N D: it looks like (PF-days|GFLOP)"):
            check_units(given)
    else:
        assert check_units(given) == ()


def test_compute_that_no_unit_explains() -> None:
    (said,) = check_units(runs(flop=4.5 * 6 * N * D, tokens=D))
    assert said.startswith("column flop is 4.5 times 6 N D and no unit explains it")


def test_compute_without_tokens_or_sizes() -> None:
    # C / 6 N over N: 20 tokens a parameter are usual, 1e-4 and 3e5 are none.
    for ratio, fine in ((20.0, True), (2e-3, True), (1e5, True), (1e-4, False), (3e5, False)):
        given = runs(tokens=None, flop=6 * N * N * ratio)
        if fine:
            assert check_units(given) == ()
        else:
            with pytest.raises(InputError, match="so not in FLOP"):
                check_units(given)
            assert check_units(runs(tokens=None, flop=6 * N * N * ratio, taken=(named("flop", "C", "FLOP"),))) == ()
    assert check_units(runs(params=None, tokens=None, flop=np.full(20, 1.1e11))) == ()
    with pytest.raises(InputError, match=r"a median of 9e\+10 FLOP trains nothing"):
        check_units(runs(params=None, tokens=None, flop=np.full(20, 9e10)))


def test_counts_that_look_like_millions() -> None:
    for name, least in (("params", 2e4), ("tokens", 1e6), ("unique_tokens", 1e6)):
        other = {"tokens": None} if name == "params" else {"params": None, "tokens": None}
        check_units(runs(**{**other, name: np.full(20, 1.01 * least)}))
        with pytest.raises(InputError, match=f"say --unit {name}=M"):
            check_units(runs(**{**other, name: np.full(20, 0.99 * least)}))
        check_units(runs(**{**other, name: np.full(20, 0.99 * least), "taken": (named(name, name, "tokens"),)}))
    # Tokens a parameter.
    for ratio in (2e-3, 1e5):
        assert check_units(runs(tokens=ratio * N)) == ()
    for ratio in (1e-3 / 1.01, 2e5 * 1.01):
        with pytest.raises(InputError, match="tokens a parameter"):
            check_units(runs(params=np.full(20, 1e12), tokens=ratio * np.full(20, 1e12)))


def test_data_seen_again() -> None:
    # A twentieth more is rounding.
    tokens = np.array([1.04e10, 1.06e10, 4e10])
    (said,) = check_protocol(runs(3, tokens=tokens, unique_tokens=np.full(3, 1e10)))
    assert said.startswith("2 runs repeat their data (up to 4 epochs)")
    assert not check_protocol(runs(3, tokens=np.array([1.01e10, 1.02e10, 1.04e10]), unique_tokens=np.full(3, 1e10)))
    (said,) = check_protocol(runs(3, {"num_epochs": [1, 1.05, 1.2]}))
    assert said.startswith("1 runs repeat their data (up to 1.2 epochs)")


def test_points_of_one_curve() -> None:
    # `a` stands at one size with two token counts, `b` with one twice, `c` at two sizes: one curve.
    (said, pairs) = check_protocol(
        runs(6, {"run": "aabbcc"}, params=np.array([1e9, 1e9, 1e9, 1e9, 2e9, 3e9]),
             tokens=np.array([1e10, 2e10, 3e10, 3e10, 1e10, 2e10]))
    )  # fmt: skip
    assert said.startswith("1 runs stand here with several token counts")
    assert pairs.startswith("1 pairs of N and D have several losses, up to 0.0 % apart")


def test_several_losses_at_one_point() -> None:
    given = runs(5, params=np.array([1e9, 1e9, 2e9, 2e9, 2e9]), tokens=np.array([1e10] * 4 + [2e10]))
    given.loss[:] = [2.0, 2.2, 3.0, 3.03, 9.0]
    (said,) = check_protocol(given)
    assert said.startswith("2 pairs of N and D have several losses, up to 10.0 % apart")


def test_settings_that_vary() -> None:
    # Settings of a protocol as numbers; words where few runs have the same; never what names or measures a run.
    (said,) = check_protocol(runs(4, {"lr": ["1e-3", "1e-3", "1e-3", "2e-3"], "seed": "1234"}))
    assert said.startswith("lr varies (1e-3 in 3, 2e-3 in 1)")
    assert said.endswith("--where lr=1e-3")
    assert not check_protocol(runs(4, {"lr": ["1e-3"] * 4, "depth": "1234"}))
    (said,) = check_protocol(runs(5, {"kind": "aabcd"}))
    assert said.startswith("kind varies (a in 2, b in 1, c in 1 and 1 more)")
    # Nine words of nine runs are free text, eight are settings.
    assert not check_protocol(runs(9, {"kind": "abcdefghi"}))
    assert len(check_protocol(runs(8, {"kind": "abcdefgh"}))) == 1
    # A rate that goes as a power of the size is set by it.
    sizes = np.geomspace(1e8, 1e10, 10)
    tuned = [f"{3e-4 * (n / 1e9) ** -0.25:.6g}" for n in sizes]
    assert not check_protocol(runs(10, {"lr": tuned}, params=sizes))


def test_other_losses_of_a_file() -> None:
    taken = (named("loss", "val_loss"),)
    (said,) = check_protocol(
        runs(2, {"train_loss": "12", "ppl": "34", "loss_kind": "aa", "loss_std": "56"}, taken=taken)
    )
    assert said.startswith("loss is column val_loss; the file has others (train_loss, ppl):")
    many = {f"loss_{name}": "12" for name in "abcde"}
    (said,) = check_protocol(runs(2, many, taken=taken))
    assert "(loss_a, loss_b, loss_c, loss_d ...)" in said
