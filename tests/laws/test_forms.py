"""A form of law stands in one module and one line of `forms.py`; what it takes has a meaning and a symbol."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from hwmodel import laws
from hwmodel.errors import InputError
from hwmodel.laws.forms import INPUTS, Form, form, form_names, form_of
from hwmodel.laws.judged import JUDGED, NOT_BOTH, TERMS
from hwmodel.report.law_docs import SYMBOLS


def _defined() -> dict[str, Form]:
    """Every form of every module of the laws."""
    modules = [importlib.import_module(f"hwmodel.laws.{found.name}") for found in pkgutil.iter_modules(laws.__path__)]
    return {name: found for module in modules for name, found in getattr(module, "FORMS", {}).items()}


def test_every_form_of_a_module_is_found_by_its_name_and_none_else():
    defined = _defined()
    assert sorted(defined) == form_names()
    for name, found in defined.items():
        assert form(name) is found
        assert found.name == name


def test_every_input_has_a_meaning_and_a_symbol_for_the_pages():
    for name, found in _defined().items():
        inputs = {*found.needs, *found.optional}
        assert inputs <= set(INPUTS), name
        assert inputs <= set(SYMBOLS), name


def test_a_form_is_made_of_its_function_and_judged_by_nobody_until_it_says():
    def doubled(c, params, tokens=None):
        return {"loss_nats": c["E"] * params}

    made = form_of("doubled", "twice", doubled, gives=("loss_nats",))
    assert (made.needs, made.optional, made.acts) == (("params",), ("tokens",), "unjudged")
    assert not made.loss_of_size_and_data
    assert made.acts not in JUDGED


def test_what_a_form_does_to_another_law_is_judged_ruled_by_its_kind_or_unjudged():
    ruled = {"base", "level", "restates", "unjudged"}
    for name, found in _defined().items():
        assert found.acts in JUDGED or found.acts in ruled, name
    assert set(TERMS) <= set(JUDGED)
    assert all(pair <= set(TERMS) for pair in NOT_BOTH)


def test_an_unknown_form_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="additive"):
        form("aditive")
