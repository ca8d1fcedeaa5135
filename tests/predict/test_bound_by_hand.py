"""The floors of time and memory of two options on two fleets of the round machine, worked out in the comments."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from round_machine import HELD, LAYER, MACHINE, NORMS, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.predict.bound import SLACK, Grid, likely, memory_floor, time_floor
from hwmodel.predict.layouts import Cases
from hwmodel.predict.policy import policy
from hwmodel.specs import Layout

BF16 = load_catalog().precision("bf16")
STEP_S, LATE = 5e-3, 0.01
WASTELESS = {
    "gradient_bytes": 0.0, "in_flight": 1.0, "activation_overhead": 1.0, "workspace_layers": 0.25, "logits_bytes": 6.0,
    "parameter_buffer_bytes": 0.0, "context_bytes": 1e9, "fragmentation": 0.0,
}  # fmt: skip
HOST = msgspec.structs.replace(STACK, step_s=STEP_S, jitter=LATE, **WASTELESS)
# A micro-batch of one sequence: products of 6 FLOPs a weight and token, attention 3.5 times half of 1,024^2 pairs of 8
# heads, three passes over 10 d + 2 x 4,096 + 2 x 16 x 128 elements; the head's products and 16 bytes a logit. Of two
# sequences all that twice, and once the gradients read and written in 4 bytes.
SEQUENCE = (
    4 * (6 * 1024 * LAYER / 1e14 + 3.5 * 2 * 8 * (1024**2 / 2) * 256 / 1e14 + 3 * 22528 * 1024 * 2 / 1e12)
    + 6 * 1024 * 8000 * 1024 / 1e14 + 1024 * 8000 * 16 / 1e12
)  # fmt: skip
ONCE = 4 * 2 * 4 * (LAYER + NORMS) / 1e12


def two_by_two() -> Grid:
    """Micro-batches of one and of two sequences, on one accelerator (where two do not fit) and on sixteen."""
    cases = Cases(shape=SHAPE, accelerators=np.array([1.0, 16.0]), batch_cap_seqs=np.array([4.0, 64.0]),
                  batch_given=True, seq_len=1024.0)  # fmt: skip
    return Grid(
        cases=cases, policy=policy(HOST, {}), options=Layout(micro_batch=np.array([1.0, 2.0]), zero=1.0),
        kind=np.array([0, 1]), ways=np.array([1.0, 1.0]), micro_batch=np.array([1.0, 2.0]),
        dp=np.array([[1.0, 0.0], [16.0, 16.0]]), batch_seqs=np.array([[4.0, 0.0], [64.0, 64.0]]),
    )  # fmt: skip


def test_the_floor_of_time() -> None:
    found = time_floor(two_by_two(), MACHINE, BF16, HOST)
    stage = np.array([SEQUENCE + ONCE, 2 * SEQUENCE + ONCE])
    assert found.stage_s == pytest.approx(stage, rel=2 * SLACK)
    assert np.all(found.stage_s < stage)
    # Without a pipeline a step takes at least the host's fixed time beside its micro-batches.
    assert found.once_s == pytest.approx(np.full(2, STEP_S), rel=2 * SLACK)
    assert np.all(found.once_s < STEP_S)
    # Four micro-batches for four sequences; where no layout is, no time is enough. Sixteen replicas stand in two
    # domains, a doubling of 1 %: four micro-batches, or two, for 64 sequences.
    assert found.rounds[0, 0] == pytest.approx(1.0)
    assert found.rounds[0, 1] == np.inf
    assert found.rounds[1] == pytest.approx([4 * 1.01 / 64, 2 * 1.01 / 64])
    assert found.share[0, 0] == pytest.approx(1 / 4)
    assert found.share[1] == pytest.approx([1.01 / 64, 1.01 / 64])


def test_options_worth_trying_first() -> None:
    # On the middle one of the cases: the second of two.
    g = two_by_two()
    options, cases = np.array([0, 1]), np.array([0, 1])
    found = likely(g, time_floor(g, MACHINE, BF16, HOST), options, cases)
    one, two = (1.01 / 64 * (seconds + STEP_S) for seconds in (4 * (SEQUENCE + ONCE), 2 * (2 * SEQUENCE + ONCE)))
    assert found == pytest.approx([one, two], rel=1e-8)
    assert likely(g, time_floor(g, MACHINE, BF16, HOST), options, np.array([0]))[1] == np.inf


def test_the_floor_of_memory() -> None:
    # Sixteen replicas share the 12 bytes of states; a layer keeps of a token input and residual, two norms' outputs,
    # queries, keys and values, what attention returns, and 4,096 before and after the activation, 2 bytes each.
    saved = (2 * 2 + 2 * 2 + 2 * 3 + 2) * 1024 + (2 + 2) * 4096
    one = (2 + 4 + 12 / 16) * HELD + 1024 * saved * 4.25 + 1024 * 8000 * 6 + 1e9
    two = (2 + 4 + 12 / 16) * HELD + 2 * (1024 * saved * 4.25 + 1024 * 8000 * 6) + 1e9
    found = memory_floor(two_by_two(), BF16, HOST)
    assert found == pytest.approx([one, two], rel=2 * SLACK)
    assert np.all(found < [one, two])
