"""The pages about laws are generated from the laws' own code, and the committed ones are current."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.catalog.laws import read_laws
from hwmodel.catalog.places import catalog_root
from hwmodel.laws.forms import evaluate, form
from hwmodel.report.law_docs import FAMILIES, _symbolic, documents
from hwmodel.validation.claims.law_points import check_points, document

SPECS = read_laws([catalog_root()])
DOCS = Path(__file__).parents[2] / "docs" / "laws"
PLAUSIBLE = {"params": 1e9, "tokens": 3e10, "flop": 1e20, "loss": 2.5, "unique_tokens": 1e10, "experts": 8.0,
             "granularity": 4.0, "sparsity": 0.5, "weight_bits": 8.0, "activation_bits": 7.0, "kv_bits": 6.0,
             "post_bits": 4.0, "exponent_bits": 4.0, "mantissa_bits": 3.0, "scale_block": 128.0, "steps": 1e5,
             "size_factor": 0.6, "days": 50.0, "elo": 1000.0, "start_reward": 0.25, "teacher_loss": 2.1}  # fmt: skip


def test_committed_pages_are_current():
    pages = documents(SPECS)
    for name, text in {**pages, "test_points.md": document(check_points(SPECS))}.items():
        assert (DOCS / name).read_text() == text, f"docs/laws/{name} is stale: run `hwmodel law docs docs/laws`"
    assert {p.name for p in DOCS.glob("*.md")} == {*pages, "test_points.md"}


def test_every_family_has_a_title():
    assert {s.family for s in SPECS} <= set(FAMILIES)


@pytest.mark.parametrize("name", sorted({s.form for s in SPECS if not s.refusal} - {"thresholds"}))
def test_formula_and_code_give_the_same_number(name):
    from hwmodel.report.law_docs import SYMBOLS

    spec = next(s for s in SPECS if s.form == name and not s.refusal)
    shape = form(name)
    inputs = {n: PLAUSIBLE.get(n, 3.0) for n in (*shape.needs, *shape.optional)}
    if name == "critical_batch":
        inputs.pop("tokens", None)
    plain = evaluate(spec, **inputs)
    values = {**spec.constants, **{SYMBOLS[n]: v for n, v in inputs.items()}}
    for output, expression in _symbolic(spec, name != "critical_batch").items():
        got = expression.subs({s: values[s.name] for s in expression.free_symbols})
        assert float(got) == pytest.approx(float(plain[output]), rel=1e-9), output
