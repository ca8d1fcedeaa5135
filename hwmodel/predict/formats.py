"""From a serving recipe to bytes by tensor class."""

from __future__ import annotations

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.catalog.engines import keeps_eight_bit_cache
from hwmodel.errors import HwModelError, unknown
from hwmodel.physics.columns import anywhere
from hwmodel.specs.formats import ELEMENT_BYTES
from hwmodel.specs.hardware import Part
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import ServingFormats
from hwmodel.specs.shape import Shape

# Recipes whose weights take less keep the attention and shared layers of a mixture of experts in 16 bits.
FOUR_BIT_BYTES = 0.9

# Recipes that are called by their bits, by the recipe of so many bits that a model may have been released in.
SAME_BITS = {"mxfp4": ("nvfp4", "mxfp4-a4"), "fp8-block": ("fp8",)}
# Recipes whose cache has 16 bits, by the same with 8 bits.
EIGHT_BIT_CACHE = {"fp8-block": "fp8-block-kv8"}

__all__ = ["ELEMENT_BYTES", "as_released", "element_bytes", "formats_of", "release_of", "with_cache"]


def element_bytes(name: str) -> float:
    """Bytes of one element of a format by its name or a usual spelling of it (`float16`, `fp8_e4m3`).

    Raises InputError with the nearest names for one unknown.
    """
    low = name.strip().lower().replace("-", "_").replace("bfloat", "bf").replace("float", "fp")
    for spelling in (low, low.split("_e")[0]):
        if spelling in ELEMENT_BYTES:
            return ELEMENT_BYTES[spelling]
    raise unknown("format", name, tuple(ELEMENT_BYTES))


def formats_of(shape: Shape, recipe: ServingPrecision) -> ServingFormats:
    """Bytes by tensor class; four-bit recipes of mixtures of experts keep attention and shared layers in 16 bits."""
    routed = any(anywhere(block.n_experts > 0) for block in shape.blocks)
    return ServingFormats(
        weight_bytes=recipe.weight_bytes,
        activation_bytes=recipe.activation_bytes,
        kv_bytes=recipe.kv_bytes,
        experts_only=1.0 if routed and recipe.weight_bytes < FOUR_BIT_BYTES else 0.0,
        padded_hidden=recipe.padded_hidden,
        padded_inner=recipe.padded_inner,
        network_only=1.0 if recipe.network_only else 0.0,
        scaled_blocks=1.0 if recipe.scaled_blocks else 0.0,
    )


def with_cache(recipe: ServingPrecision, cache_format: str) -> ServingPrecision:
    """The recipe with its key-value cache in another format (empty: its own)."""
    return msgspec.structs.replace(recipe, kv_bytes=element_bytes(cache_format)) if cache_format else recipe


def release_of(catalog: Catalog, model: str) -> str:
    """The recipe that a named model was released in; empty where it is 16 bits, or nothing is known of the model."""
    try:
        trained = catalog.trained(model)
    except HwModelError:
        return ""
    return trained.released_in if trained is not None else ""


def as_released(recipe: str, release: str, part: Part | None = None, engine: str = "") -> str:
    """The recipe that `recipe` stands for with a model released in `release`: so many bits of a model that was released
    in as many are those of its release (FP8 of DeepSeek-V3 is FP8 in blocks).

    Four-bit weights of such a release meet 8-bit activations where the matrix units of `part` take both; an `engine`
    whose launch recipes keep the cache in 8 bits on such a part keeps it so.
    """
    if recipe not in SAME_BITS.get(release, ()):
        return recipe
    if release == "mxfp4" and part and part.peak_dense_flop_per_s.get("mxfp4"):
        return "mxfp4-a8"
    kept = keeps_eight_bit_cache(engine, part.family if part is not None else "")
    return EIGHT_BIT_CACHE.get(release, release) if kept else release
