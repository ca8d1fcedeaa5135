"""Answers of laws as rows and documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwmodel.plain import Document, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwmodel.solve.law.answers import LawAnswer, LifeAnswer
    from hwmodel.solve.law.values import LawValues
    from hwmodel.specs.law import LawSpec

_NUMBERS = ("params", "tokens", "tokens_per_param", "flop", "loss_nats")


def law_rows(specs: Sequence[LawSpec]) -> Rows:
    """Laws, a row each."""
    return [
        {
            "law": s.id,
            "family": s.family,
            "form": s.form,
            "status": "refuses" if s.refusal else s.status,
            "params_convention": s.params_convention,
            "title": s.title,
        }
        for s in specs
    ]


def law_document(spec: LawSpec) -> Document:
    """The JSON of a law: what it says of itself, with the inputs that it takes and what it gives."""
    import msgspec

    from hwmodel.laws import form
    from hwmodel.laws.forms import INPUTS

    document: Document = msgspec.to_builtins(spec)
    if not spec.refusal:
        shape = form(spec.form)
        document["inputs"] = {name: INPUTS[name] for name in (*shape.needs, *shape.optional)}
        document["outputs"] = list(shape.gives)
    return {key: value for key, value in document.items() if value not in ("", None, [], {}, ())}


def field_line(value: object) -> str:
    """A field of a law in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} = {v:.8g}" if isinstance(v, float) else f"{k}: {v}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(field_line(v) if isinstance(v, (list, dict)) else f"{v}" for v in value)
    return str(value)


def values_document(found: LawValues) -> Document:
    """The JSON of a law's outputs, each under its own name."""
    import msgspec

    fields: Document = msgspec.to_builtins(found)
    outputs = fields.pop("outputs")
    return {"law": fields.pop("law"), "inputs": fields.pop("inputs"), **outputs, **fields}


def number_rows(found: LawAnswer | LifeAnswer, names: tuple[str, ...] = _NUMBERS) -> Rows:
    """Plain numbers with their bands, for machines."""
    rows = []
    for name in names:
        value = getattr(found, name)
        plain = value is None or isinstance(value, float)
        low, high = (None, None) if plain else (value.low, value.high)
        rows.append({"quantity": name, "value": value if plain else value.value, "low": low, "high": high})
    return rows


def answer_document(found: LawAnswer) -> Document:
    """The JSON of an answer: band and converted counts as mappings of their own."""
    import msgspec

    fields: Document = msgspec.to_builtins(found)
    low, high = fields.pop("regret_params_low"), fields.pop("regret_params_high")
    fields["regret_band"] = None if low is None else {"params_low": low, "params_high": high}
    fields["converted"] = {
        "params_total": fields.pop("params_total"),
        "tokens": fields.pop("tokens_converted"),
    }
    fields["loss_reason"] = fields["loss_reason"] or None
    return fields


def shown(value: Any, loss: bool = False) -> str:
    """A value, with its interval where it has one; `none` without a value."""
    from hwmodel.units import format_count

    one = (lambda v: f"{v:.4f}") if loss else format_count
    if value is None:
        return "none"
    if isinstance(value, float):
        return one(value)
    return f"{one(value.value)} ({one(value.low)} to {one(value.high)})"


def answer_rows(found: LawAnswer) -> Rows:
    """The rows of an answer for people: quantity and value in words."""
    rows = [
        {"quantity": f"parameters ({found.params_convention.replace('_', '-')})", "value": shown(found.params)},
        {"quantity": "tokens", "value": shown(found.tokens)},
        {"quantity": "tokens a parameter", "value": shown(found.tokens_per_param)},
        {"quantity": "training FLOP", "value": shown(found.flop)},
        {"quantity": "loss [nats/token]", "value": shown(found.loss_nats, loss=True) + _why(found)},
    ]
    if found.params_convention != "total" and found.params_total is not None:
        rows.append({"quantity": "converted: total parameters", "value": shown(found.params_total)})
        rows.append({"quantity": "converted: tokens at 6 N D", "value": shown(found.tokens_converted)})
    if found.regret_params_low is not None:
        band = f"{shown(found.regret_params_low)} to {shown(found.regret_params_high)}"
        rows.append({"quantity": "sizes that waste at most 5 %", "value": band})
    rows += [{"quantity": "note", "value": note} for note in found.warnings]
    rows.append({"quantity": "source", "value": f"{found.source} ({found.status})"})
    return rows


def _why(found: LawAnswer) -> str:
    return f": {found.loss_reason}" if found.loss_nats is None else ""
