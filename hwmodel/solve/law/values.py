"""What a law gives for stated inputs: its loss, for most, and how far that lies outside its fit."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hwmodel import laws
from hwmodel.errors import InputError
from hwmodel.laws import form
from hwmodel.specs.law import LawSpec


class LawValues(msgspec.Struct, frozen=True, kw_only=True):
    """Outputs of a law by name, for inputs in the law's own convention."""

    law: str
    inputs: dict[str, float]
    outputs: dict[str, float]
    params_convention: str
    decades_outside_fit: float
    status: str
    source: str
    warnings: tuple[str, ...]


def values(spec: LawSpec, inputs: Mapping[str, float]) -> LawValues:
    """The outputs. Raises InputError for an input that the law does not take or lacks, or that would only split."""
    if not spec.refusal and "tokens" in inputs and "params" in inputs and form(spec.form).splits:
        raise InputError(f"law {spec.id} has no loss: it splits compute only; ask `hwmodel law optimum {spec.id}`")
    got = {name: float(value) for name, value in laws.evaluate(spec, **inputs).items()}
    outside, notes = _beyond(spec, inputs)
    return LawValues(
        law=spec.id, inputs=dict(inputs), outputs=got, params_convention=spec.params_convention,
        decades_outside_fit=outside, status=spec.status, source=spec.source, warnings=notes,
    )  # fmt: skip


def _beyond(spec: LawSpec, inputs: Mapping[str, float]) -> tuple[float, tuple[str, ...]]:
    """Decades that a point lies outside the fit of a law, and what is to be said of it."""
    near = {name: inputs.get(name) for name in ("params", "tokens", "flop")}
    if near["flop"] is None and near["params"] and near["tokens"]:
        near["flop"] = 6.0 * near["params"] * near["tokens"]
    outside = laws.decades_outside(spec, **near)
    notes = (f"{outside:.1f} decades outside the law's fit range",) if outside > 0 else ()
    return outside, notes + ((spec.caveats,) if spec.caveats else ())
