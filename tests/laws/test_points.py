"""Published test points hold at their printed precision or say why not."""

from __future__ import annotations

from hwmodel.catalog import load_catalog
from hwmodel.laws.forms import form, form_names
from hwmodel.validation.claims.law_points import check_points, printed_tolerance

ROWS = check_points(load_catalog().laws())


def test_every_point_holds_or_carries_a_reason():
    assert len(ROWS) > 200
    assert [r for r in ROWS if r.holds is False] == []
    assert [r.text for r in ROWS if r.holds is None and not r.reason] == []


def test_points_not_held_to_the_printed_digits_carry_a_reason():
    loose = [r for r in ROWS if r.tolerance.endswith(("%", "decade")) and not r.reason]
    assert loose == []


def test_printed_tolerance():
    assert printed_tolerance("2.418e+10") == 5e6
    assert printed_tolerance("349") == 0.5
    assert printed_tolerance("0.0992") == 5e-5


def test_every_law_has_a_form_or_a_refusal():
    for spec in load_catalog().laws():
        if spec.refusal:
            continue
        assert form(spec.form).name == spec.form, spec.id
    assert {s.form for s in load_catalog().laws()} >= set(form_names()) - {"power_of_tokens"}
