"""`--offload any` searches what waits on the host; without it a plan says where that would help, and takes nothing."""

from __future__ import annotations

import pytest

from hwmodel.errors import InfeasibleError, InputError
from hwmodel.predict.recompute import EVERY_OFFLOAD, offload_words
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.run.result import value_of

LARGE = {"gpus": "8xH100", "params": "70B", "tokens": "10B"}


def test_the_words() -> None:
    assert offload_words(None) == ("none",)
    assert offload_words("Any") == EVERY_OFFLOAD == ("none", "activations", "optimizer", "activations,optimizer")
    assert offload_words("optimizer") == ("optimizer",)
    with pytest.raises(InputError, match="known: activations, any, none, optimizer"):
        plan(**LARGE, offload="all")


def test_a_refusal_names_the_offload_that_fits_and_that_offload_does() -> None:
    with pytest.raises(InfeasibleError, match=r"or --offload ([a-z,]+): the fastest layout") as refused:
        plan(**LARGE)
    word = refused.value.remedy.rsplit(" ", 1)[1]
    given, searched = plan(**LARGE, offload=word), plan(**LARGE, offload="any")
    assert searched.layout is not None
    assert given.layout is not None
    assert searched.layout.offload == word == given.layout.offload
    assert value_of(searched.answer.tokens_per_s) == pytest.approx(value_of(given.answer.tokens_per_s))
    with pytest.raises(InfeasibleError) as again:
        plan(**LARGE, offload="none")
    assert "--offload" not in again.value.remedy


def test_a_search_moves_nothing_where_that_is_no_faster() -> None:
    asked = {"gpus": "64xH100", "params": "8B", "tokens": "100B"}
    searched, usual = plan(**asked, offload="any"), plan(**asked)
    assert value_of(searched.answer.tokens_per_s) >= value_of(usual.answer.tokens_per_s) * (1.0 - 1e-9)
