"""Which form the columns of a file ask for, what a fit of them is warned of, and how much is drawn, at the edges."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwmodel.errors import InputError
from hwmodel.interop import fit_runs as fits
from hwmodel.interop.loss_runs import LossRuns

BASE = {"E": 1.0}


def runs(**columns: Any) -> LossRuns:
    """Four runs of so much loss each."""
    return LossRuns(loss=np.array([2.0, 2.1, 2.2, 2.3]), notes=(), **{k: np.asarray(v) for k, v in columns.items()})


REPEATS = runs(params=[1e9] * 4, tokens=[1e10, 1.05e10, 1.06e10, 4e10], unique_tokens=[1e10] * 4)


@pytest.mark.parametrize(
    ("residuals", "said"),
    [([0.01, 0.02, 0.5], ""), ([0.03, 0.021, -0.5], "lies 2 % above"), ([-0.05, 0.9, -0.06], "lies 5 % below")],
)
def test_a_base_that_lies_beside_the_runs(monkeypatch: pytest.MonkeyPatch, residuals: list[float], said: str) -> None:
    # The median of what is left of the logs: a fiftieth is none.
    found = SimpleNamespace(residuals=np.array(residuals), intervals={"rd_star": (None, 9.0), "rn_star": (1.0, 5.0)})
    drawn: list[int] = []
    monkeypatch.setattr(fits, "fit_repeats", lambda *columns, bootstraps, seed: drawn.append(bootstraps) or found)
    warnings: list[str] = []
    assert fits._repeated(REPEATS, BASE, 4000, 1, warnings) is found  # type: ignore[comparison-overlap]
    assert [one for one in warnings if "base lies" in one] == ([f"the base {said} these runs: the decays absorb a part "
                                                               "of that"] if said else [])  # fmt: skip
    assert warnings[-1] == "rd_star is not identified: the runs leave it open downwards"
    fits._repeated(REPEATS, BASE, 300, 1, [])
    assert drawn == [1000, 300]


def test_a_base_from_the_runs_of_one_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    # A twentieth more than the data is one epoch.
    seen: list[Any] = []

    def additive(params: Any, tokens: Any, loss: Any, **options: Any) -> Any:
        seen.append((tokens.tolist(), loss.tolist()))
        return SimpleNamespace(constants=BASE, warnings=["few"])

    found = SimpleNamespace(residuals=np.zeros(3), intervals={"rn_star": (1.0, None)})
    monkeypatch.setattr(fits, "fit_additive", additive)
    monkeypatch.setattr(fits, "fit_repeats", lambda base, *columns, bootstraps, seed: found if base is BASE else None)
    warnings: list[str] = []
    fits._repeated(REPEATS, None, 100, 1, warnings)
    assert seen == [([1e10, 1.05e10], [2.0, 2.1])]
    assert warnings == [
        "single-epoch base: few", "rn_star is not identified: the runs leave it open upwards",
    ]  # fmt: skip


def test_the_variable_of_a_law_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "fit_power", lambda column, loss, variable, **options: (variable, float(column[0])))

    def said(given: LossRuns) -> tuple[Any, list[str]]:
        warnings: list[str] = []
        return fits._power(given, 100, 1, None, warnings), [one.split(":")[0] for one in warnings]

    one_size = ["a law of tokens alone"]
    best = ["a law of compute holds for runs at the best size of each budget; others lie above it"]
    nominal = ["compute is the nominal budget"]
    assert said(runs(flop=[1e20] * 4)) == (("flop", 1e20), [])
    assert said(runs(params=[1e9] * 4)) == (("params", 1e9), [])
    assert said(runs(tokens=[1e10] * 4)) == (("tokens", 1e10), one_size)
    # Sizes and tokens make compute, 6 N D; a nominal budget stands for it.
    assert said(runs(params=[1e9] * 4, tokens=[1e10] * 4)) == (("flop", 6e19), best)
    assert said(runs(params=[1e9] * 4, flop=[1e20] * 4)) == (("flop", 1e20), best)
    assert said(runs(budget=[1e20] * 4)) == (("flop", 1e20), nominal)


def test_the_form_that_columns_ask_for() -> None:
    column = [1e9] * 4
    assert fits._form(runs(params=column)) == "additive"
    for given in ({"flop": column}, {"budget": column}, {"tokens": column, "flop": column},
                  {"tokens": column, "budget": column}):  # fmt: skip
        assert fits._form(runs(**given)) == "power-floor"
    with pytest.raises(InputError, match="tokens and loss without a size"):
        fits._form(runs(tokens=column))


def test_how_much_may_be_drawn() -> None:
    for count, seed in ((20, 0), (100_000, 2**32 - 1)):
        fits.check_options("auto", count, seed, based=False)
    fits.check_options("repeated", 20, 0, based=True)
    for form, count, seed, based, words in (
        ("auto", 19, 0, False, "--bootstraps"), ("auto", 100_001, 0, False, "--bootstraps"),
        ("auto", 20, -1, False, "--seed"), ("auto", 20, 2**32, False, "--seed"),
        ("tied", 20, 0, True, "--base goes with"), ("fit", 20, 0, False, "form"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            fits.check_options(form, count, seed, based=based)
