"""FLOPs of a student and its teacher, worked out in the comments."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodel.laws.distill import Student, given_teacher, least_tokens, supervised_tokens, trained_teacher


def test_flop_of_a_student() -> None:
    # 6 x 1e9 x 2e10 of its own, 2 x 7e9 of the teacher for each of 2e10 tokens, and a teacher that cost 5e20.
    found = Student(params=1e9, tokens=2e10, teacher_params=7e9, teacher_tokens=1e11, teacher_flop=5e20, loss=2.0)
    assert found.student_flop == pytest.approx(1.2e20)
    assert found.logits_flop == pytest.approx(2.8e20)
    assert found.flop == pytest.approx(9e20)


def test_least_tokens_of_a_student() -> None:
    # 1e8 parameters: twenty tokens each are 2e9, fewer than 3e19 / 6e8 = 5e10. 1e9: 3e19 / 6e9 = 5e9, fewer than 2e10.
    assert least_tokens(1e8) == pytest.approx(2e9)
    assert least_tokens(1e9) == pytest.approx(5e9)


def test_tokens_without_a_teacher() -> None:
    # 8 / 4^0.5 = 4 above 1.5: the loss 7.5 leaves (54 / 2)^(2/3) = 9 tokens; 5.5 and less no amount reaches.
    c = {"E": 1.5, "A": 8.0, "alpha": 0.5, "B": 54.0, "beta": 1.5}
    found = supervised_tokens(c, 4.0, np.array([7.5, 5.5, 5.0]))
    assert found[0] == pytest.approx(9.0)
    assert list(found[1:]) == [np.inf, np.inf]


# A student alone loses 1.5 + 400 / N^0.5 + 400 / D^0.5; below it a teacher takes it near its own loss.
C = {
    "E": 1.5, "A": 400.0, "alpha": 0.5, "B": 400.0, "beta": 0.5, "d1": 1.0, "f1": 0.1, "c0": 1.0, "c1": 1.0,
    "A_S": 4e4, "alpha_S": 0.5, "B_S": 4e4, "beta_S": 0.5, "gamma_S": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("asked", [{"flop": 2e20}, {"loss": 2.8}])
def test_the_teacher_that_is_trained_is_the_best_of_all(asked: dict[str, float]) -> None:
    found = trained_teacher(C, 1e9, **asked)
    # Its own training is part of the bill: 6 N D of the teacher, what is left for 6 x 1e9 and 2 N a token.
    assert found.teacher_flop == pytest.approx(6.0 * found.teacher_params * found.teacher_tokens)
    assert found.flop == pytest.approx(
        found.teacher_flop + (6e9 + 2.0 * found.teacher_params) * found.tokens, rel=1e-12
    )
    # No teacher of a grid does better, each trained for what it costs.
    size, ratio = np.meshgrid(1e9 * np.geomspace(0.03, 30.0, 80), np.geomspace(1.0, 3000.0, 80))
    cost = 6.0 * size * size * ratio
    if "flop" in asked:
        assert found.flop == pytest.approx(2e20)
        tried = given_teacher(C, 1e9, size, size * ratio, flop=np.maximum(2e20 - cost, 0.0))
        assert found.loss <= float(np.min(tried.loss)) * (1.0 + 1e-5)
    else:
        assert found.loss <= 2.8 * (1.0 + 1e-6)
        tried = given_teacher(C, 1e9, size, size * ratio, loss=2.8)
        assert found.flop <= float(np.min(tried.flop + cost)) * (1.0 + 1e-3)
