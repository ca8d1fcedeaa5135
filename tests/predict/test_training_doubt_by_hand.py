"""What the intervals of training predictions go by, on round terms worked out in the comments."""

from __future__ import annotations

import math

import msgspec
import pytest
from round_machine import BLOCK, SHAPE

from hwmodel.predict import uncertainty
from hwmodel.predict.uncertainty import (
    StepShares,
    TrainingTraits,
    blanks,
    is_mixture,
    memory_ends,
    memory_familiarity,
    step_ends,
    step_familiarity,
    step_shares,
)
from hwmodel.specs import Layout, MemoryTerms, StepTerms
from hwmodel.specs.intervals import Z80, IntervalConstants
from hwmodel.specs.training_calibration import Known

NEAR = TrainingTraits(
    part="p", family="f", stack="s", number_format="bf16", mixture=False, accelerators=64.0, blanks=0.0
)
KNOWN = Known(
    stacks=frozenset({"s"}), families=frozenset({"f"}), formats=frozenset({"f|bf16"}), kinds=frozenset({"s|dense"}),
    accelerators=64.0,
)  # fmt: skip


def step(**seconds: float) -> StepTerms:
    return StepTerms(**(dict.fromkeys(StepTerms.__struct_fields__, 0.0) | seconds))


def test_shares_of_a_step() -> None:
    # A step of 100 s: 1 + 2 + 3 + 4 + 5 of traffic, 8 + 4 of stages.
    found = step_shares(step(
        tp_s=1.0, cp_s=2.0, ep_s=3.0, pp_transfer_s=4.0, dp_exposed_s=5.0, host_s=6.0, jitter_s=7.0, pp_bubble_s=8.0,
        gemm_s=64.0,
    ))  # fmt: skip
    assert (found.host, found.network, found.jitter, found.stages) == pytest.approx((0.06, 0.15, 0.07, 0.12))


def test_blanks_are_counted() -> None:
    # Micro-batch, tensor ranks and stages, the batch and the shape.
    assert blanks(frozenset(), batch=False, shape=False) == 5.0
    assert blanks(frozenset({"tp", "dp"}), batch=True, shape=False) == 3.0
    assert blanks(frozenset({"tp", "pp", "micro_batch"}), batch=False, shape=True) == 1.0
    assert blanks(frozenset({"tp", "pp", "micro_batch"}), batch=True, shape=True) == 0.0


def test_how_far_a_run_lies_from_what_was_measured() -> None:
    parts = StepShares(host=0.1, network=0.2, jitter=0.3, stages=0.25)
    near = step_familiarity(NEAR, KNOWN, parts)
    assert near.known == 0.0
    assert near.shares == {"host": 0.1, "network": 0.2, "jitter": 0.3}
    # Eight domains of eight: three doublings, a quarter of the step.
    assert near.distances == {
        "stages": 0.75, "stack": 0.0, "family": 0.0, "number_format": 0.0, "mixture": 0.0, "searched": 0.0, "scale": 0.0
    }  # fmt: skip
    # Nothing of it was seen: 512 is three doublings of 64 and five of a domain of 16; one of two blanks.
    new = TrainingTraits(
        part="p", family="g", stack="t", number_format="fp8", mixture=True, accelerators=512.0, blanks=1.0, domain=16.0
    )
    assert step_familiarity(new, KNOWN, parts).distances == {
        "stages": 1.25, "stack": 1.0, "family": 1.0, "number_format": 1.0, "mixture": 1.5, "searched": 0.5, "scale": 3.0
    }  # fmt: skip
    # The format of another family is not the format of this; a mixture on a stack that had one counts once.
    other = msgspec.structs.replace(NEAR, number_format="fp8", mixture=True, blanks=3.0, accelerators=4.0)
    seen = msgspec.structs.replace(KNOWN, kinds=frozenset({"s|moe"}), formats=frozenset({"g|fp8"}))
    found = step_familiarity(other, seen, parts).distances
    assert (found["number_format"], found["mixture"], found["searched"]) == (1.0, 1.0, 1.0)
    # Below a domain and below the largest measured there is no distance.
    assert (found["stages"], found["scale"]) == (0.0, 0.0)


def test_what_stands_behind_a_prediction() -> None:
    for seen, level, known in ((False, False, 0.0), (True, False, 1.0), (False, True, 1.0)):
        traits = msgspec.structs.replace(NEAR, seen=seen, level=level)
        assert step_familiarity(traits, KNOWN, StepShares()).known == known


def test_mixtures_are_told_by_any_layer() -> None:
    experts = msgspec.structs.replace(BLOCK, n_experts=4.0)
    assert not is_mixture(SHAPE)
    assert is_mixture(msgspec.structs.replace(SHAPE, blocks=(BLOCK, experts)))


# 100 bytes: 15 + 5 of activations, 18 + 12 of buffers and reserve.
MEMORY = MemoryTerms(
    weights_bytes=20.0, gradients_bytes=10.0, optimizer_bytes=20.0, activations_bytes=15.0, logits_bytes=5.0,
    buffers_bytes=18.0, reserve_bytes=12.0,
)  # fmt: skip


def test_parts_of_memory() -> None:
    # Eight tensor ranks and four sequences: three and two doublings of the fifth that activations are.
    found = memory_familiarity(Layout(tp=8.0, micro_batch=4.0), MEMORY, 0.5)
    assert found.known == 0.5
    assert found.shares == pytest.approx({"activations": 0.2, "reserve": 0.3})
    assert found.distances == pytest.approx({"tensor_ranks": 0.6, "micro_batch": 0.4})
    # Half a sequence of uneven replicas is none halved.
    assert memory_familiarity(Layout(micro_batch=0.5), MEMORY).distances == {"tensor_ranks": 0.0, "micro_batch": 0.0}


def test_ends_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts whose launches may take e times as long; buffers and reserve that may take e times as much."""
    kinds = {
        "training": IntervalConstants(row=0.1, level=0.0, shares={"host": 1 / Z80}, distances={"stack": 0.5}),
        "memory": IntervalConstants(row=0.0, level=0.2, shares={"reserve": 1 / Z80}, distances={}),
    }
    monkeypatch.setattr(uncertainty, "interval_calibration", lambda: kinds)
    half = StepShares(host=0.5)
    grown = math.log(0.5 + 0.5 * math.e)
    assert step_ends(NEAR, half, KNOWN).up == pytest.approx(math.hypot(Z80 * 0.1, grown))
    # A stack that was not seen adds its own; of a fit that saw nothing, too.
    assert step_ends(NEAR, half, Known()).up == pytest.approx(math.hypot(Z80 * 0.1, Z80 * 0.5, grown))
    monkeypatch.setattr(uncertainty, "shipped_known", lambda: Known())
    assert step_ends(NEAR, half).up == pytest.approx(math.hypot(Z80 * 0.1, Z80 * 0.5, grown))
    widths = msgspec.structs.replace(kinds["training"], row=0.3)
    assert step_ends(NEAR, half, KNOWN, widths).up == pytest.approx(math.hypot(Z80 * 0.3, grown))
    up = math.log(0.7 + 0.3 * math.e)
    assert memory_ends(Layout(), MEMORY).up == pytest.approx(math.hypot(Z80 * 0.2, up))
    # Half of what its source adds is left where it is known, of shares too: sqrt e.
    known = memory_ends(Layout(), MEMORY, 1.0)
    assert known.up == pytest.approx(math.hypot(Z80 * 0.1, math.log(0.7 + 0.3 * math.e**0.5)))
