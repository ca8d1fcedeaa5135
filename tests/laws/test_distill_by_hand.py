"""FLOPs of a student and its teacher, worked out in the comments."""

from __future__ import annotations

import pytest

from hwmodel.laws.distill import Student, least_tokens


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
