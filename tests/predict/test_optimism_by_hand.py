"""What a searched layout adds to a step, worked out in the comments."""

from __future__ import annotations

import math

import pytest

from hwmodel.predict.optimism import open_share, search_factor_of, with_search
from hwmodel.predict.policy import Policy
from hwmodel.specs import StepTerms


def test_a_searched_layout_is_slower_than_it_looks() -> None:
    # ln 1.21 where all settings are left open: half of them sqrt 1.21 = 1.1; a tenth of the step of 10 s is added.
    factor = search_factor_of(math.log(1.21), 0.5)
    assert factor == pytest.approx(1.1, rel=1e-12)
    zeros = dict.fromkeys(StepTerms.__struct_fields__, 0.0)
    found = with_search(StepTerms(**{**zeros, "gemm_s": 8.0, "host_s": 2.0}), factor)
    assert found.search_s == pytest.approx(1.0, rel=1e-12)
    assert found.total_s == pytest.approx(11.0, rel=1e-12)


def test_the_share_of_settings_that_were_searched() -> None:
    # Of tensor ranks, stages and micro-batches: all, one of them stated, and one of two stated taken from a search.
    assert open_share(Policy()) == 1.0
    assert open_share(Policy(fixed=(("tp", (2.0,)), ("dp", (4.0,))))) == pytest.approx(2 / 3)
    both = (("tp", (2.0,)), ("pp", (4.0,)))
    assert open_share(Policy(fixed=both)) == pytest.approx(1 / 3)
    assert open_share(Policy(fixed=both, searched=("pp",))) == pytest.approx(2 / 3)
