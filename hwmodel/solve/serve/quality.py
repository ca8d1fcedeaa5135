"""What a serving recipe costs in quality: nats a token by bits, size and training, benchmarks beside, and how sure."""

from __future__ import annotations

from functools import cache
from statistics import median
from typing import Any

import msgspec
import numpy as np

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.quantised import quantised_constants, quantised_rows
from hwmodel.errors import InputError
from hwmodel.laws.quantised import FULL_BITS, log_half_width, quantised_nats, retained_score
from hwmodel.physics.shape import parameters
from hwmodel.solve.run.result import Band
from hwmodel.solve.serve.records import ModelSpread, Published, QualityRow
from hwmodel.specs import ServingPrecision
from hwmodel.specs.quantised import QuantisedRow, TrainedModel
from hwmodel.specs.shape import Shape

WEIGHT_TOLERANCE_BITS = 0.6  # groups of 32 to per channel, with and without zero points
# Serving recipes that a table of one model holds.
USUAL_RECIPES = ("bf16", "fp16", "bf16-kv8", "fp8", "int8", "w8a16", "w4a16", "w4a8", "nvfp4", "mxfp4-a4")
DEFAULT_TOKENS_PER_PARAM = 300.0  # of a model whose training is not known; the interval is wider there


class Bits(msgspec.Struct, frozen=True, kw_only=True):
    """Bits an element of weights (with scales), activations and cache, and the kind of format."""

    weights: float
    activations: float
    cache: float
    float8: bool = False
    float4: bool = False
    power_of_two: bool = False

    @property
    def full(self) -> bool:
        return min(self.weights, self.activations, self.cache) >= FULL_BITS


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Loss of one recipe at one size. `measured` is False where nothing was published in these bits: then the figure is
    that of the form alone. `native` says that the model was released in these bits and loses nothing by them."""

    recipe: str
    loss_nats: Band
    retained_score: Band  # of a benchmark's average; its hardest tasks lose more
    measured: bool
    native: bool
    tokens_known: bool
    half_width_log: float
    published: Published | None  # medians over models of what was measured in these bits
    sources: list[str]


def bits_of(recipe: ServingPrecision) -> Bits:
    """The bits of a serving recipe, from its bytes and what it multiplies in."""
    activations = 16.0 if recipe.weight_only else float(int(8.0 * recipe.activation_bytes + 1e-9))
    return Bits(
        weights=8.0 * recipe.weight_bytes, activations=min(activations, 16.0), cache=8.0 * recipe.kv_bytes,
        float8=activations == 8.0 and recipe.gemm_format in ("fp8", "mxfp8"),
        float4=activations == 4.0 and recipe.gemm_format in ("nvfp4", "mxfp4", "fp4"),
        power_of_two=recipe.power_of_two_scales,
    )  # fmt: skip


def _same_bits(row: QuantisedRow, bits: Bits) -> bool:
    """Whether a row speaks for a recipe: a cache of eight bits or more is free, so it may differ."""
    if bits.weights >= FULL_BITS and bits.activations >= FULL_BITS:
        return row.weight_bits >= FULL_BITS and row.activation_bits >= FULL_BITS and _near(row.cache_bits, bits.cache)
    return (
        not row.recipe.startswith("gguf")
        and abs(row.weight_bits - bits.weights) <= WEIGHT_TOLERANCE_BITS
        and row.activation_bits == bits.activations
        and (row.cache_bits >= 7.5) == (bits.cache >= 7.5)
        and row.power_of_two == bits.power_of_two
        and (row.activation_bits >= FULL_BITS or (row.float8 == bits.float8 and row.float4 == bits.float4))
    )


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 1.0


def published(recipe: ServingPrecision) -> Published | None:
    """What was measured in a recipe's bits: nats a token and benchmark scores lost, one vote a source and model."""
    bits = bits_of(recipe)
    return None if bits.full else _published(bits)


@cache
def _published(bits: Bits) -> Published | None:
    rows = [row for row in quantised_rows() if not row.why_not_counted and _same_bits(row, bits)]
    losses = _by_model(rows, "nats_per_token")
    kept = _by_model(rows, "recovery")
    if not losses and not kept:
        return None
    return Published(
        sources=sorted({row.source for row in rows}), loss_increase_nats=_spread(losses),
        perplexity_increase=_spread([float(np.expm1(nats)) for nats in losses]),
        accuracy_drop=_spread([1.0 - score for score in kept]),
    )  # fmt: skip


def _by_model(rows: list[QuantisedRow], field: str) -> list[float]:
    grouped: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        value = getattr(row, field)
        if value is not None:
            grouped.setdefault((row.source, row.model), []).append(value)
    return [median(values) for values in grouped.values()]


def _spread(values: list[float]) -> ModelSpread | None:
    if not values:
        return None
    return ModelSpread(value=median(values), low=min(values), high=max(values), n=float(len(values)))


def measured_quality(recipe: str, catalog: Catalog | None = None) -> Published | None:
    """`published` of a recipe by its id; None for 16 bits, for what nobody published and for names that are no
    recipe.
    """
    try:
        return published((catalog or load_catalog()).serving_precision(recipe))
    except InputError:
        return None


def loss_of(recipe: ServingPrecision, params: Any, tokens: Any, *, mixture: bool = False) -> Any:
    """Middle of the nats a token that a recipe loses at a size and training; works on arrays."""
    bits = bits_of(recipe)
    return _loss(bits, params, tokens, mixture)


def _loss(bits: Bits, params: Any, tokens: Any, mixture: bool) -> Any:
    return quantised_nats(
        quantised_constants(), bits.weights, bits.activations, bits.cache, params, tokens,
        power_of_two=bits.power_of_two, mixture=mixture, float8=bits.float8,
    )  # fmt: skip


def quality(
    recipe: ServingPrecision, params: float, tokens: float | None, *, mixture: bool = False,
    released_in: ServingPrecision | None = None,
) -> Quality:  # fmt: skip
    """Loss of serving a model of `params` parameters, trained on `tokens`, in a recipe; `released_in` is the recipe of
    a model that was released in fewer bits than sixteen."""
    c = quantised_constants()
    bits, native = _beyond_release(bits_of(recipe), released_in)
    nats = float(_loss(bits, params, tokens or DEFAULT_TOKENS_PER_PARAM * params, mixture))
    width = log_half_width(c, params, mixture=mixture, tokens_known=tokens is not None)
    found = published(recipe)
    loss = Band.around(nats, width) if nats > 0.0 else Band(0.0, 0.0, 0.0)
    kept = [float(retained_score(c, end)) for end in (loss.value, loss.high, loss.low)]
    return Quality(
        recipe=recipe.id, loss_nats=loss, retained_score=Band(*kept), measured=bits.full or found is not None,
        native=native, tokens_known=tokens is not None, half_width_log=width, published=found,
        sources=found.sources if found else [],
    )  # fmt: skip


def _beyond_release(bits: Bits, released_in: ServingPrecision | None) -> tuple[Bits, bool]:
    """The bits that a recipe takes away from a release: tensors that it keeps as released lose nothing."""
    if released_in is None:
        return bits, False
    own = bits_of(released_in)
    left = msgspec.structs.replace(
        bits,
        weights=16.0 if bits.weights >= own.weights - WEIGHT_TOLERANCE_BITS else bits.weights,
        activations=16.0 if bits.activations >= own.activations else bits.activations,
    )
    return left, left.weights >= FULL_BITS and left.activations >= FULL_BITS


def model_quality(catalog: Catalog, recipe: ServingPrecision, model: str, params: float, mixture: bool) -> Quality:
    """The same for a model of the catalog by name (empty: one from a file), with its training tokens and release."""
    known = catalog.trained(model) if model else None
    return quality(
        recipe, params, known.tokens if known else None, mixture=mixture, released_in=_release(catalog, known)
    )


def _release(catalog: Catalog, known: TrainedModel | None) -> ServingPrecision | None:
    return catalog.serving_precision(known.released_in) if known is not None and known.released_in else None


def shape_quality(catalog: Catalog, recipe: ServingPrecision, model: str, shape: Shape) -> Quality:
    """The same for a model at hand; `model` empty for one from a file, whose training is not known."""
    mixture = any(float(block.n_experts) > 0 for block in shape.blocks)
    return model_quality(catalog, recipe, model, float(parameters(shape).total), mixture)


def within(found: Quality, max_loss_nats: float | None, min_score: float | None) -> bool:
    """Whether the middle of a recipe's loss and score lies within the limits asked."""
    loses = max_loss_nats is not None and found.loss_nats.value > max_loss_nats
    return not loses and (min_score is None or found.retained_score.value >= min_score)


def quality_row(found: Quality) -> QualityRow:
    """What was published in a recipe's bits, with the loss and score of this model beside it."""
    return QualityRow(
        **msgspec.structs.asdict(found.published or Published()), loss_nats=found.loss_nats,
        retained_score=found.retained_score, measured=found.measured, native=found.native,
        tokens_known=found.tokens_known,
    )  # fmt: skip
