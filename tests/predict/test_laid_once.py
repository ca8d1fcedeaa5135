"""Layouts and their bytes, laid out once, serve every machine of a question; and they change no answer."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.predict.search import evaluate
from tests.predict.fleets import QUESTIONS


@pytest.mark.parametrize("asked", QUESTIONS[2:4], ids=lambda q: q.model)
def test_layouts_serve_a_machine_with_less_memory(asked) -> None:
    setting = asked.setting
    cases, rest = asked.cases(setting, [256.0, 24.0]), (setting.precision, setting.stack, asked.policy)
    first = evaluate(cases, setting.machine, *rest)
    other = msgspec.structs.replace(setting.machine, hbm_bytes=0.7 * setting.machine.hbm_bytes)
    anew, again = (evaluate(cases, other, *rest, laid=laid) for laid in (None, first.laid))
    assert np.array_equal(anew.step_s, again.step_s)
    assert np.array_equal(anew.memory_bytes, again.memory_bytes)
    assert np.array_equal(anew.best, again.best)
    assert np.isinf(anew.step_s).sum() > np.isinf(first.step_s).sum()


def test_a_domain_of_another_size_is_laid_out_anew() -> None:
    """Tensor-parallel groups stay inside a domain: with half of it there are fewer layouts."""
    asked = QUESTIONS[0]
    setting = asked.setting
    cases, rest = asked.cases(setting, [256.0]), (setting.precision, setting.stack, asked.policy)
    first = evaluate(cases, setting.machine, *rest)
    half = msgspec.structs.replace(setting.machine.network, domain=0.5 * setting.machine.network.domain)
    smaller = msgspec.structs.replace(setting.machine, network=half)
    assert evaluate(cases, smaller, *rest, laid=first.laid).space.count < first.space.count
