"""Ends of intervals: doubts propagated by their shares, hand-worked; wider for what is stranger."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwmodel.catalog.stacks import interval_calibration
from hwmodel.physics.intervals import around, ends, ratio_ends
from hwmodel.predict.uncertainty import TrainingTraits, shipped_known, step_ends, step_shares
from hwmodel.specs import StepTerms
from hwmodel.specs.intervals import Z80, Ends, Familiarity, IntervalConstants

PLAIN = IntervalConstants(row=0.1, level=0.2, shares={"host": 1.0}, distances={"part": 0.3}, known=0.5)
NEAR = Familiarity(shares={"host": 0.0}, distances={"part": 0.0})


def test_row_and_source_add_in_quadrature() -> None:
    found = ends(NEAR, PLAIN)
    assert found.up == found.down == pytest.approx(Z80 * math.hypot(0.1, 0.2))
    known = ends(msgspec.structs.replace(NEAR, known=1.0), PLAIN)
    assert known.up == pytest.approx(Z80 * math.hypot(0.1, 0.1))  # half of the source's doubt is left


def test_a_doubtful_half_of_a_step_reaches_further_up_than_down() -> None:
    """Host launches that may take e times as long make half a step 0.5 + 0.5 e of itself, or 0.5 + 0.5 / e."""
    c = IntervalConstants(row=0.0, level=0.0, shares={"host": 1.0 / Z80}, distances={})
    found = ends(Familiarity(shares={"host": 0.5}, distances={}), c)
    assert found.up == pytest.approx(math.log(0.5 + 0.5 * math.e))
    assert found.down == pytest.approx(-math.log(0.5 + 0.5 / math.e))
    whole = ends(Familiarity(shares={"host": 1.0}, distances={}), c)
    assert whole.up == pytest.approx(1.0)
    assert whole.down == pytest.approx(1.0)


def test_the_scale_widens_both_ends_and_the_known_have_their_own() -> None:
    c = msgspec.structs.replace(PLAIN, scale=2.0, scale_known=3.0)
    assert ends(NEAR, c).up == pytest.approx(2.0 * ends(NEAR, PLAIN).up)
    known = msgspec.structs.replace(NEAR, known=1.0)
    assert ends(known, c).up == pytest.approx(3.0 * ends(known, PLAIN).up)


def test_ends_of_a_rate_are_those_of_its_time_flipped() -> None:
    low, high = around(100.0, Ends(0.1, 0.3))
    rate_low, rate_high = around(1.0 / 100.0, Ends(0.1, 0.3).flipped)
    assert rate_low == pytest.approx(1.0 / high)
    assert rate_high == pytest.approx(1.0 / low)


SHARES = st.floats(0.0, 1.0)


@given(SHARES, SHARES, st.floats(0.0, 4.0))
def test_more_doubt_is_never_narrower(share: float, other: float, far: float) -> None:
    low, high = sorted((share, other))
    near = ends(Familiarity(shares={"host": low}, distances={"part": 0.0}), PLAIN)
    wide = ends(Familiarity(shares={"host": high}, distances={"part": far}), PLAIN)
    assert wide.up >= near.up - 1e-12
    assert wide.down >= near.down - 1e-12
    assert wide.up >= wide.down - 1e-12


@given(st.lists(st.tuples(SHARES, st.floats(0.0, 3.0), st.sampled_from([0.0, 1.0])), min_size=1, max_size=5))
def test_columns_are_what_numbers_are(rows: list[tuple[float, float, float]]) -> None:
    columns = Familiarity(
        shares={"host": np.array([r[0] for r in rows])}, distances={"part": np.array([r[1] for r in rows])},
        known=np.array([r[2] for r in rows]),
    )  # fmt: skip
    found = ends(columns, PLAIN)
    for i, (share, far, known) in enumerate(rows):
        one = ends(Familiarity(shares={"host": share}, distances={"part": far}, known=known), PLAIN)
        assert float(np.broadcast_to(found.up, len(rows))[i]) == pytest.approx(float(one.up), rel=1e-12)
        assert float(np.broadcast_to(found.down, len(rows))[i]) == pytest.approx(float(one.down), rel=1e-12)


def _step(**terms: float) -> StepTerms:
    return StepTerms(**(dict.fromkeys(StepTerms.__struct_fields__, 0.0) | {"gemm_s": 1.0} | terms))


def _traits(**changes: object) -> TrainingTraits:
    known = shipped_known()
    part, stack, family = next(iter(known.parts)), next(iter(known.stacks)), next(iter(known.families))
    form = next(name.partition("|")[2] for name in known.formats if name.startswith(f"{family}|"))
    usual = TrainingTraits(
        part=part, family=family, stack=stack, number_format=form, mixture=False, accelerators=64.0, blanks=0.0
    )
    return msgspec.structs.replace(usual, **changes)


@pytest.mark.parametrize(
    ("change", "terms"),
    [
        ({"stack": "never"}, {}), ({"family": "never"}, {}), ({"number_format": "never"}, {}), ({"mixture": True}, {}),
        ({"blanks": 2.0}, {}), ({"accelerators": 1e6}, {}), ({}, {"host_s": 0.5}), ({}, {"tp_s": 0.5}),
        ({"accelerators": 512.0}, {"pp_bubble_s": 0.5}),
    ],
)  # fmt: skip
def test_what_was_never_measured_is_wider(change: dict[str, object], terms: dict[str, float]) -> None:
    plain = step_ends(_traits(), step_shares(_step()))
    assert step_ends(_traits(**change), step_shares(_step(**terms))).up > plain.up


def test_a_measurement_of_the_cluster_narrows() -> None:
    step = step_shares(_step(host_s=0.3, tp_s=0.2))
    assert step_ends(_traits(level=True), step).up < step_ends(_traits(), step).up


def test_every_kind_has_intervals_of_a_reasonable_width() -> None:
    for kind, c in interval_calibration().items():
        familiarity = Familiarity(shares=dict.fromkeys(c.shares, 0.1), distances=dict.fromkeys(c.distances, 0.0))
        assert 0.03 < ends(familiarity, c).up < 1.0, kind


def test_of_a_ratio_what_is_common_cancels_and_rows_scatter_twice() -> None:
    c = IntervalConstants(row=0.1, level=5.0, shares={"host": 1.0 / Z80}, distances={"part": 0.3}, scale=2.0)
    alike = Familiarity(shares={"host": 0.4}, distances={"part": 7.0})
    # Neither the source nor the part nor the host's share of both is left: two rows of a tenth, at twice the width.
    twice = 2.0 * Z80 * math.hypot(0.1, 0.1)
    assert ratio_ends(alike, alike, c) == pytest.approx((twice, twice))
    # A host that takes e times as long: half of the first becomes 0.5 + 0.5 e, a tenth of the second 0.9 + 0.1 e.
    still = msgspec.structs.replace(c, row=0.0, scale=1.0)
    half, tenth = (Familiarity(shares={"host": share}, distances={"part": 7.0}) for share in (0.5, 0.1))
    up = math.log((0.5 + 0.5 * math.e) / (0.9 + 0.1 * math.e))
    down = math.log((0.9 + 0.1 / math.e) / (0.5 + 0.5 / math.e))
    assert ratio_ends(half, tenth, still) == pytest.approx((down, up))
    assert ratio_ends(tenth, half, still) == pytest.approx((up, down))  # the inverse, its ends flipped
    # One of them lies a unit of distance further off: three tenths both ways.
    near = Familiarity(shares={"host": 0.4}, distances={"part": 6.0})
    assert ratio_ends(alike, near, still) == pytest.approx((Z80 * 0.3, Z80 * 0.3))
    # Of a known source (its doubts halved) mechanisms differ by half as much, and its own scale holds.
    known = [msgspec.structs.replace(one, known=1.0) for one in (half, tenth)]
    e = math.exp(0.5)
    own = msgspec.structs.replace(still, known=0.5, scale_known=3.0)
    assert ratio_ends(*known, own).up == pytest.approx(3.0 * math.log((0.5 + 0.5 * e) / (0.9 + 0.1 * e)))


@given(SHARES, SHARES, st.floats(0.0, 4.0), st.floats(0.0, 4.0))
def test_a_ratio_is_no_wider_than_its_two_ends_apart(one: float, two: float, far: float, near: float) -> None:
    over, under = (
        Familiarity(shares={"host": share}, distances={"part": off}) for share, off in ((one, far), (two, near))
    )
    found, first, second = ratio_ends(over, under, PLAIN), ends(over, PLAIN), ends(under, PLAIN)
    assert found.up <= math.hypot(first.up, second.down) + 1e-9
    assert found.down <= math.hypot(first.down, second.up) + 1e-9
    assert ratio_ends(under, over, PLAIN) == pytest.approx((found.up, found.down))
