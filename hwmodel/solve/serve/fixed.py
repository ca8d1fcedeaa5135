"""The model as it is in each serving recipe on the part of an answer: what it loses, and what that saves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.errors import HwModelError
from hwmodel.solve.run.band import Band
from hwmodel.solve.serve.choose import Chosen, cheapest_on, offer_of
from hwmodel.solve.serve.doubt import cost_familiarity, saving
from hwmodel.solve.serve.predict import Workers, predict
from hwmodel.solve.serve.quality import USUAL_RECIPES, Quality, bits_of, shape_quality, within
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import SIZES, EngineFound, EngineRow, FixedRow
from hwmodel.specs.intervals import Familiarity
from hwmodel.specs.precision import ServingPrecision


def chosen_rows(question: ServingQuestion, chosen: Chosen, catalog: Catalog) -> list[FixedRow]:
    """The cheapest fleet for the same demand and limits in each recipe, on the part of the answer."""
    first = chosen.found.answer

    def fleets(recipes: Sequence[ServingPrecision]) -> Mapping[str, EngineRow | HwModelError]:
        return cheapest_on(question, first, recipes, catalog, chosen.every)

    return _rows(question, first, catalog, fleets, question.precisions)


def predicted_rows(
    question: ServingQuestion, answer: EngineFound, catalog: Catalog, clients: float, workers: Workers | None,
    prefill_tp: float | None, accelerators: float | None,
) -> list[FixedRow]:  # fmt: skip
    """The same configuration and clients in each recipe."""
    first = answer.answer
    sizes = {} if first.prefill else {name: getattr(first, name) for name in SIZES}

    def engine(recipe: ServingPrecision) -> EngineRow | HwModelError:
        """The configuration in one recipe, or why it cannot be."""
        asked = msgspec.structs.replace(question, precisions=(recipe.id,), **sizes)
        try:
            return predict(asked, catalog, clients, workers, prefill_tp, accelerators).answer
        except HwModelError as error:
            return error

    return _rows(question, first, catalog, lambda recipes: {r.id: engine(r) for r in recipes}, ())


def _rows(
    question: ServingQuestion,
    first: EngineRow,
    catalog: Catalog,
    run: Callable[[Sequence[ServingPrecision]], Mapping[str, EngineRow | HwModelError]],
    named: tuple[str, ...],
) -> list[FixedRow]:
    """A row for each recipe `named`, or each usual one that the part computes in; `run` answers in the others than that
    of the answer, or says why it cannot."""
    shape = question.shape or catalog.model(question.model)
    model = "" if question.shape is not None else question.model
    part, recipes = catalog.part(first.part), _recipes(named, first, catalog)
    native = [r for r in recipes if part.peak_dense_flop_per_s.get(r.gemm_format)]
    answers = {first.precision: first, **run([r for r in native if r.id != first.precision])}
    rows = []
    for recipe in recipes if named else native:
        one, found = shape_quality(catalog, recipe, model, shape), answers.get(recipe.id)
        if found is None:
            rows.append(_row(question, one, "lacking", f"{part.id} has no {recipe.gemm_format}"))
        elif isinstance(found, HwModelError):
            rows.append(_row(question, one, "unfit", str(found)))
        else:
            rows.append(msgspec.structs.replace(
                _row(question, one, "ok"), accelerators=found.accelerators, usd_per_hour=found.usd_per_hour,
                usd_per_million_tokens=found.usd_per_million_tokens,
            ))  # fmt: skip
    return _with_savings(question, rows, answers, catalog)


def _recipes(named: tuple[str, ...], first: EngineRow, catalog: Catalog) -> list[ServingPrecision]:
    """Sixteen bits first, as what the others are measured against; then those asked for, or the usual ones."""
    has_bf16 = catalog.part(first.part).peak_dense_flop_per_s.get("bf16")
    plain = "bf16" if has_bf16 else "fp16"
    others = named or tuple(name for name in USUAL_RECIPES if name not in ("bf16", "fp16"))
    names = dict.fromkeys(catalog.serving_precision(name).id for name in (plain, *others, first.precision))
    return [catalog.serving_precision(name) for name in names]


def _row(question: ServingQuestion, one: Quality, status: str, reason: str = "") -> FixedRow:
    return FixedRow(
        precision=one.recipe, status=status, loss_nats=one.loss_nats, retained_score=one.retained_score,
        measured=one.measured, native=one.native, tokens_known=one.tokens_known,
        allowed=within(one, question.max_loss_nats, question.min_quality), reason=reason,
    )  # fmt: skip


def _with_savings(
    question: ServingQuestion, rows: list[FixedRow], answers: Mapping[str, EngineRow | HwModelError], catalog: Catalog
) -> list[FixedRow]:
    """The rows with what each saves over the first in 16 bits; without one that fits, none says."""
    base = next((r for r in rows if r.status == "ok" and bits_of(catalog.serving_precision(r.precision)).full), None)
    if base is None:
        return rows
    whole, shape = _cost(base), question.shape or catalog.model(question.model)

    def known(r: FixedRow) -> Familiarity:
        """What the error of its cost goes by."""
        found = answers[r.precision]
        assert not isinstance(found, HwModelError)
        recipe = catalog.serving_precision(r.precision)
        return cost_familiarity(found, question, offer_of(question, shape, catalog.part(found.part), recipe, catalog))

    def saved(r: FixedRow) -> Band:
        """Nothing over itself."""
        return Band(0.0, 0.0, 0.0) if r is base else saving(_cost(r), whole, known(r), under)

    if math.isnan(whole):
        return rows
    under = known(base)
    return [r if r.status != "ok" else msgspec.structs.replace(r, saving_share=saved(r)) for r in rows]


def _cost(row: FixedRow) -> float:
    """Dollars a million tokens; accelerators for the same demand where no price is known."""
    if row.usd_per_million_tokens is not None:
        return row.usd_per_million_tokens.value
    return row.accelerators if row.accelerators is not None else math.nan
