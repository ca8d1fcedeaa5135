"""Answers of laws as rows and documents."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import asdict

from hwmodel.laws import form
from hwmodel.laws.forms import INPUTS
from hwmodel.plain import JsonObject, JsonValue, Rows
from hwmodel.solve.law.answers import Disagreement, LawAnswer, LifeAnswer, Value
from hwmodel.solve.law.values import LawValues
from hwmodel.specs.law import LawSpec
from hwmodel.units import format_count

_NUMBERS = ("params", "tokens", "tokens_per_param", "flop", "loss_nats")


class WasteBand(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes that waste at most 5 % of the budget."""

    params_low: float | None
    params_high: float | None


class ConvertedCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Total parameters and the tokens of 6 N D at them; None where no conversion is published."""

    params_total: float | None
    tokens: float | None


class LawPage(msgspec.Struct, frozen=True, kw_only=True):
    """A law's answer as JSON: FLOPs, counts and nats a token in its own convention, and converted."""

    law: str
    params: Value
    tokens: Value
    flop: Value
    tokens_per_param: Value
    loss_nats: Value | None
    loss_reason: str | None
    params_convention: str
    decades_outside_fit: float
    status: str
    source: str
    warnings: tuple[str, ...]
    regret_band: WasteBand | None
    converted: ConvertedCounts


class SpreadOfLaws(msgspec.Struct, frozen=True, kw_only=True):
    """What the laws of an ensemble say of one quantity."""

    low: float
    median: float
    high: float


class SizesBeside(msgspec.Struct, frozen=True, kw_only=True):
    """The laws of the ensemble, and the spread of their sizes at one compute."""

    laws: list[str]
    params: SpreadOfLaws


class OptimumPage(LawPage, frozen=True, kw_only=True):
    """A law's optimum; beside one without a band of its own what the others say (None where none of them answers)."""

    ensemble: SizesBeside | None


class EnsembleOfLaws(msgspec.Struct, frozen=True, kw_only=True):
    """The laws of an ensemble, and the spread of the one of both that was asked for."""

    laws: list[str]
    params: SpreadOfLaws | None
    tokens: SpreadOfLaws | None


class LawsBeside(msgspec.Struct, frozen=True, kw_only=True):
    """Laws side by side as JSON; `refused` says of the others why they do not answer."""

    laws: list[LawPage]
    refused: dict[str, str]
    ensemble: EnsembleOfLaws


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


def law_document(spec: LawSpec) -> JsonObject:
    """The JSON of a law: what it says of itself, with the inputs that it takes and what it gives."""
    document: JsonObject = msgspec.to_builtins(spec)
    if not spec.refusal:
        shape = form(spec.form)
        document["inputs"] = {name: INPUTS[name] for name in (*shape.needs, *shape.optional)}
        document["outputs"] = list(shape.gives)
    return {key: value for key, value in document.items() if value not in ("", None, [], {}, ())}


def field_line(value: JsonValue) -> str:
    """A field of a law in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} = {v:.8g}" if isinstance(v, float) else f"{k}: {v}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(field_line(v) if isinstance(v, (list, dict)) else f"{v}" for v in value)
    return str(value)


def values_document(found: LawValues) -> JsonObject:
    """The JSON of a law's outputs, each under its own name."""
    rest = {k: v for k, v in msgspec.to_builtins(found).items() if k not in ("law", "inputs", "outputs")}
    return {"law": found.law, "inputs": found.inputs, **found.outputs, **rest}


def number_rows(found: LawAnswer | LifeAnswer, names: tuple[str, ...] = _NUMBERS) -> Rows:
    """Plain numbers with their bands, for machines."""
    rows = []
    for name in names:
        value = getattr(found, name)
        plain = value is None or isinstance(value, float)
        low, high = (None, None) if plain else (value.low, value.high)
        rows.append({"quantity": name, "value": value if plain else value.value, "low": low, "high": high})
    return rows


def law_page(found: LawAnswer) -> LawPage:
    """An answer with its band and its converted counts as records of their own."""
    low, high = found.regret_params_low, found.regret_params_high
    return LawPage(
        law=found.law, params=found.params, tokens=found.tokens, flop=found.flop,
        tokens_per_param=found.tokens_per_param, loss_nats=found.loss_nats, loss_reason=found.loss_reason or None,
        params_convention=found.params_convention, decades_outside_fit=found.decades_outside_fit,
        status=found.status, source=found.source, warnings=found.warnings,
        regret_band=None if low is None else WasteBand(params_low=low, params_high=high),
        converted=ConvertedCounts(params_total=found.params_total, tokens=found.tokens_converted),
    )  # fmt: skip


def optimum_page(found: LawAnswer, beside: SizesBeside | None) -> OptimumPage:
    """The same, with what other laws say."""
    return OptimumPage(**asdict(law_page(found)), ensemble=beside)


def spread_of(found: Disagreement) -> SpreadOfLaws:
    """What the ensemble says of the quantity asked for."""
    return SpreadOfLaws(low=found.params_low, median=found.params_median, high=found.params_high)


def laws_beside(found: Disagreement, *, tokens: bool) -> LawsBeside:
    """The laws side by side; `tokens`: the ensemble's spread is of tokens, else of parameters."""
    spread = spread_of(found)
    return LawsBeside(
        laws=[law_page(row) for row in found.rows], refused=found.refused,
        ensemble=EnsembleOfLaws(
            laws=[*found.ensemble], params=None if tokens else spread, tokens=spread if tokens else None
        ),
    )  # fmt: skip


def shown(value: Value | None, loss: bool = False) -> str:
    """A value, with its interval where it has one; `none` without a value."""
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
