"""What holds of any closed loop, whatever its passes and clients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from hwmodel.physics.serving_queue import closed_loop, stall_share
from hwmodel.specs.serving import ClosedLoad, Engine, EnginePasses, ServiceTerms

ROUNDING = 1e-9


def _log(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(np.log(low), np.log(high)).map(lambda x: float(np.exp(x)))


ENGINES = st.builds(
    Engine, request_s=_log(1e-4, 1.0), stream_steps=_log(0.1, 30.0), prefill_stall=st.floats(0.7, 1.5),
    burst=st.floats(0.0, 3.0), poll_steps_many=st.just(1.0), balance_steps=st.sampled_from([0.0, 60.0]),
)  # fmt: skip
PASSES = st.builds(
    EnginePasses, step_s=_log(1e-4, 1.0), mixed_s=st.just(0.0), first_s=_log(1e-4, 100.0), service_s=_log(1e-5, 100.0)
)
LOADS = st.builds(
    ClosedLoad, clients=_log(1.0, 1e4), places=_log(1.0, 1e5), output_tokens=_log(1.0, 1e4),
    tokens_per_step=st.floats(1.0, 3.0), most_prompts=_log(0.1, 1e4), rounds=_log(1.0, 1e3),
    ranks=st.sampled_from([1.0, 8.0]),
)  # fmt: skip
BULK = _log(1e-5, 100.0)


@settings(max_examples=300, deadline=None)
@given(at=PASSES, bulk=BULK, load=LOADS, engine=ENGINES)
def test_a_closed_loop_keeps_its_laws(at: EnginePasses, bulk: float, load: ClosedLoad, engine: Engine) -> None:
    found = closed_loop(at, bulk, load, engine)
    assert found.requests_per_s * found.request_s == pytest.approx(load.clients)  # Little
    # A token takes a step at least, and a step full of prompts at most.
    stall, gain = stall_share(load.output_tokens, engine) * at.service_s, load.tokens_per_step
    assert (
        at.step_s * (1.0 - ROUNDING)
        <= found.tpot_s * gain
        <= (at.step_s + stall * load.most_prompts) * (1.0 + ROUNDING)
    )
    assert found.ttft_s >= (engine.request_s + at.first_s) * (1.0 - ROUNDING)
    assert found.request_s == pytest.approx(found.ttft_s + max(load.output_tokens - 1.0, 0.0) * found.tpot_s)
    # No more requests than full steps take in, but what the first round finds ready.
    full = at.step_s / load.most_prompts + stall
    assert found.requests_per_s * full * (1.0 - 0.5 / load.rounds) <= 1.0 + ROUNDING


@settings(max_examples=200, deadline=None)
@given(
    at=PASSES, bulk=BULK, load=LOADS, engine=ENGINES, more=st.floats(1.0, 4.0),
    name=st.sampled_from(["step_s", "first_s", "service_s", "bulk_s"]),
)  # fmt: skip
def test_longer_passes_make_no_request_shorter(
    at: EnginePasses, bulk: float, load: ClosedLoad, engine: Engine, more: float, name: str
) -> None:
    longer = at if name == "bulk_s" else replace(at, **{name: getattr(at, name) * more})
    after = closed_loop(longer, bulk * more if name == "bulk_s" else bulk, load, engine)
    assert after.request_s >= closed_loop(at, bulk, load, engine).request_s * (1.0 - ROUNDING)


@settings(max_examples=200, deadline=None)
@given(at=PASSES, bulk=BULK, load=LOADS, engine=ENGINES, more=st.floats(1.0, 4.0))
def test_longer_answers_and_more_clients_make_no_request_shorter(
    at: EnginePasses, bulk: float, load: ClosedLoad, engine: Engine, more: float
) -> None:
    """With the same passes. Left out is what goes the other way: attention-data ranks wait less for each other the more
    clients there are, and what a prompt takes of the engine beside tokens goes by the answer."""
    engine = replace(engine, balance_steps=0.0, prefill_stall=1.0)
    before = closed_loop(at, bulk, load, engine).request_s * (1.0 - ROUNDING)
    for name in ("output_tokens", "clients"):
        assert closed_loop(at, bulk, replace(load, **{name: getattr(load, name) * more}), engine).request_s >= before


@settings(max_examples=50, deadline=None)
@given(at=PASSES, bulk=BULK, loads=st.lists(LOADS, min_size=2, max_size=5), engine=ENGINES)
def test_columns_say_what_numbers_say(at: EnginePasses, bulk: float, loads: list[ClosedLoad], engine: Engine) -> None:
    column = ClosedLoad(**{name: np.array([getattr(x, name) for x in loads]) for name in ClosedLoad.__struct_fields__})
    together: dict[str, Any] = asdict(closed_loop(at, bulk, column, engine))
    for i, load in enumerate(loads):
        one: ServiceTerms = closed_loop(at, bulk, load, engine)
        for name, values in together.items():
            assert (values + np.zeros(len(loads)))[i] == pytest.approx(getattr(one, name), rel=1e-12), name
