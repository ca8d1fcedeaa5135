"""A student beside a model trained outright, on the law 1 + 2,000 / N^0.5 + 1,000 / D^0.5 and round costs.

The plan: 4e8 parameters on 1e8 tokens, a loss of 1.2 and 2.4e17 FLOP. Training costs N D / 1e16, a token served
N / 1e9.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.solve.life import distilled
from hwmodel.solve.life.distilled import _Study, check_distillation
from hwmodel.solve.life.objective import Costs
from hwmodel.solve.run.sizing import Sized

LAW = msgspec.structs.replace(
    load_catalog().law("besiroglu_2024"), constants={"E": 1.0, "A": 2000.0, "B": 1000.0, "alpha": 0.5, "beta": 0.5},
    params_convention="non_embedding",
)  # fmt: skip
TEACHING = load_catalog().law(distilled.DISTILLATION_LAW)
COSTS = Costs(
    train=lambda n, d: n * d / 1e16, serve=lambda n: n / 1e9, answers=lambda k: lambda n: n, objective="usd", note=""
)
SIZED = Sized(params=4e8, tokens=1e8, loss=1.2, solved={})


def study(**request: Any) -> _Study:
    usual = {"inference_tokens": None, "teacher": None, "params": None, "model": None, "shape": None}
    setting: Any = SimpleNamespace(request=SimpleNamespace(**{**usual, **request}))
    return _Study(setting, LAW, TEACHING, COSTS, SIZED)


def test_a_plan_and_its_sizes() -> None:
    one = study()
    assert (one.flop, one.loss, len(one.sizes)) == (2.4e17, 1.2, 27)
    assert (one.sizes[0], one.sizes[-1]) == pytest.approx((4e7, 8e8))
    for fixed in ({"params": 4e8}, {"model": "m"}, {"shape": SimpleNamespace()}):
        assert study(**fixed).sizes == [4e8]


def test_the_row_of_a_model_without_a_teacher() -> None:
    row = study()._row("outright", 4e8, 1e8, None, 1e8)
    assert (row.way, row.params, row.tokens, row.teacher_params, row.teacher_share) == ("outright", 4e8, 1e8, None, 0.0)
    assert (row.train_flop, row.train_cost, row.lifetime_cost) == (2.4e17, 4.0, None)
    assert row.loss_nats == pytest.approx(1.2)
    # A million tokens served at 0.4 each beside the training.
    served = study(inference_tokens=1e6)._row("outright", 4e8, 1e8, None, 1e8)
    assert served.lifetime_cost == pytest.approx(4.0 + 4e5)
    assert study().cost_of(row) == 4.0
    assert study().cost_of(served) == pytest.approx(4.0 + 4e5)


def test_the_row_of_a_student() -> None:
    # A quarter of the FLOPs is the teacher's, 6 of logits and 4 of training of 40: three quarters train the student.
    student: Any = SimpleNamespace(teacher_params=1e9, teacher_tokens=3e9, logits_flop=6.0, teacher_flop=4.0, flop=40.0)
    row = study()._row("trained", 4e8, 1e8, student, 4e8)
    assert (row.teacher_params, row.teacher_tokens, row.teacher_share) == (1e9, 3e9, 0.25)
    assert row.train_flop == pytest.approx(2.4e17 / 0.75)
    assert row.train_cost == pytest.approx(4.0 / 0.75)
    # Four times the tokens without a teacher: a loss of 1.15.
    assert (row.supervised_tokens, row.loss_nats) == (4e8, pytest.approx(1.15))
    # A teacher that is given is named as it was.
    given = study(teacher=(7e9, 2e12))._row("given", 4e8, 1e8, student, 4e8)
    assert (given.teacher_params, given.teacher_tokens) == (7e9, 2e12)
    trained = study(teacher=(7e9, 2e12))._row("trained", 4e8, 1e8, student, 4e8)
    assert (trained.teacher_params, trained.teacher_tokens) == (1e9, 3e9)


def test_outright_is_the_best_of_the_sizes() -> None:
    # At the compute of the plan the law's optimum is the plan itself; at its loss its cost is least there too.
    for by in ("flop", "loss"):
        best = study().best("outright", by)
        assert best is not None
        assert (best.params, best.tokens) == pytest.approx((4e8, 1e8))
    # With much to serve a smaller model of the same loss is cheaper; of 2.4e17 FLOP the loss alone counts.
    small = study(inference_tokens=1e9).best("outright", "loss")
    assert small is not None
    assert small.params < 3e8
    assert small.loss_nats == pytest.approx(1.2)
    assert small.tokens == pytest.approx((1000 / (0.2 - 2000 / small.params**0.5)) ** 2)
    same = study(inference_tokens=1e9).best("outright", "flop")
    assert same is not None
    assert same.params == 4e8


def test_the_best_student(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: _Study, way: str, size: float, by: str) -> Any:
        if size < 1e8:
            return None
        return SimpleNamespace(params=size, loss_nats=1.0 + abs(size - 2e8) / 1e9, train_cost=size, lifetime_cost=None)

    monkeypatch.setattr(_Study, "_run", run)
    by_loss, by_cost = study().best("given", "flop"), study().best("given", "loss")
    assert by_loss is not None
    assert by_cost is not None
    assert by_loss.params == pytest.approx(2e8, rel=0.06)
    assert 1e8 <= by_cost.params < 1.2e8
    monkeypatch.setattr(_Study, "_run", lambda *_: None)
    assert study().best("given", "loss") is None


def test_counts_of_two_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (study()._counted(4e8), study()._named(4e8)) == (4e8, 4e8)
    total = study()
    total.base = msgspec.structs.replace(LAW, params_convention="total")
    assert total._counted(4e8) < 4e8
    assert total._named(total._counted(4e8)) == pytest.approx(4e8, rel=1e-6)
    # The student's law is asked for the size as it counts it, on the tokens that the plan's law needs for 1.2.
    monkeypatch.setattr(distilled.additive, "loss", lambda constants, n, d: n * d)
    assert study()._target(4e8, 3e8) == pytest.approx(3e8 * 1e8)
    assert study()._target(9e7, 9e7) == math.inf


def test_what_no_student_was_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distilled, "require_sound", lambda law, others: None)

    def asked(shape: Any = None, **request: Any) -> Any:
        usual = {"unique_tokens": None, "experts": ()}
        catalog = SimpleNamespace(law=lambda name: name)
        return SimpleNamespace(
            request=SimpleNamespace(**{**usual, **request}), shape=lambda: shape, catalog=catalog, law=LAW
        )  # fmt: skip

    assert check_distillation(asked()) == distilled.DISTILLATION_LAW
    dense = SimpleNamespace(blocks=[SimpleNamespace(n_experts=0.0)])
    assert check_distillation(asked(dense)) == distilled.DISTILLATION_LAW
    for wrong, said in (
        (asked(unique_tokens=1e9), "drop one of them"), (asked(experts=(8.0,)), "asked one at a time"),
        (asked(SimpleNamespace(blocks=[*dense.blocks, SimpleNamespace(n_experts=8.0)])), "take a dense --model"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            check_distillation(wrong)
