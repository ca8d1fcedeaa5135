"""The published pairs of the catalog beside a question: gaps by kind of recipe, speeds, and laws against them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import speedups_in_pairs
from hwmodel.errors import InputError
from hwmodel.laws.evidence import Gap
from hwmodel.laws.precision import PrecisionPenalty, training_penalty
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.format_records import PublishedSpeed, Scenario
from hwmodel.solve.run.sizing import Sized
from hwmodel.specs import Precision
from hwmodel.specs.evidence import SPEED_METRIC, PrecisionPair
from hwmodel.specs.law import LawSpec

KUMAR, SUN = "kumar_2024", "sun_2025"
KINDS = ("fp8", "nvfp4-part", "nvfp4-full", "mxfp4", "mxfp4-backward")  # kinds of recipe that a band is given for
FULL_STATE_BYTES = (4.0, 8.0)  # FP32 weights, both FP32 moments
# The recipe of the catalog that a pair's format means, where its name is another.
RECIPE_OF = {"fp8-tensor-current": "fp8", "fp8-tensor-delayed": "fp8-delayed", "fp8-optimizer-too": "fp8-states"}


def evidence_kind(precision: Precision) -> str:
    """The kind of published pairs that speak for a recipe: `16-bit` for the reference, empty where none does."""
    weights, moments = FULL_STATE_BYTES
    full = max(precision.weight_bytes, precision.master_bytes) >= weights and precision.moment_bytes >= moments
    if not full:
        return ""
    if not precision.quantised:
        return "16-bit"
    if precision.gemm_format in ("fp8", "mxfp8"):
        return "fp8"
    if precision.gemm_format in ("nvfp4", "fp4"):
        return "nvfp4-part" if precision.bf16_layers > 0 else "nvfp4-full"
    return "mxfp4" if precision.gemm_format == "mxfp4" else ""


def loss_gaps(pairs: Iterable[PrecisionPair]) -> Mapping[str, list[Gap]]:
    """Measured gaps of the loss by kind of recipe, clean pairs only; an upper bound is the interval from 0 to it."""
    found: dict[str, list[Gap]] = {kind: [] for kind in KINDS}
    for pair in pairs:
        if pair.of_loss and pair.counted and pair.group in found:
            low = 0.0 if pair.bound == "upper_bound" else pair.change
            found[pair.group].append(
                Gap(source=pair.publication, low=low, high=pair.change, params=pair.params, tokens=pair.tokens)
            )
    return found


def published_speed(pairs: Iterable[PrecisionPair], precision: Precision) -> PublishedSpeed | None:
    """Measured end-to-end speed-ups of a recipe over 16 bits: number of pairs and sources, median and range, and the
    median that is predicted in the settings of those pairs whose setting is known."""
    own = [
        pair for pair in pairs
        if pair.metric == SPEED_METRIC and pair.baseline == "bf16" and _recipe_of(pair) == precision.id
    ]  # fmt: skip
    if not own:
        return None
    values = [1.0 + pair.change for pair in own]
    return PublishedSpeed(
        pairs=len(own), sources=len({pair.publication for pair in own}), median=median(values), low=min(values),
        high=max(values), predicted=speedups_in_pairs().get(precision.id),
    )  # fmt: skip


def _recipe_of(pair: PrecisionPair) -> str:
    return RECIPE_OF.get(pair.format, pair.format)


def scenarios(setting: Fleeted, precision: Precision, sized: Sized) -> dict[str, Scenario]:
    """What the precision laws say of the gap, as shares of the loss, each with what it was fitted on and its
    ratio to the pairs of as many bits; they stand beside the verdict and never enter it. None on data that repeat:
    nobody has judged the laws of both together."""
    unique = setting.request.unique_tokens
    if not precision.quantised or sized.loss is None or (unique is not None and sized.d > unique):
        return {}
    catalog, kind = setting.catalog, evidence_kind(precision)
    found = _penalty(catalog, setting.law, precision, sized.n, sized.d)
    if found is None:
        return {}
    loss = sized.loss if isinstance(sized.loss, float) else sized.loss.value
    own, base = float(found.kumar_own) / loss, float(found.factor_in_base) / loss
    out = {KUMAR: _scenario(catalog, KUMAR, kind, Band(base, min(own, base), max(own, base)))}
    if found.sun is not None:
        sun = float(found.sun) / loss
        out[SUN] = _scenario(catalog, SUN, kind, Band(sun, sun, sun))
    return out


def _penalty(
    catalog: Catalog, base: LawSpec, precision: Precision, params: float, tokens: float
) -> PrecisionPenalty | None:
    """Both laws for one recipe; None where the base law cannot carry Kumar's factor."""
    try:
        return training_penalty(
            base, catalog.law(KUMAR), catalog.law(SUN), params, tokens, exponent_bits=precision.exponent_bits,
            mantissa_bits=precision.mantissa_bits, scale_block=precision.scale_block,
        )  # fmt: skip
    except InputError:
        return None


# Pairs that a law is held against: recipes of as many bits.
FOUR_BITS = ("nvfp4-part", "nvfp4-full", "mxfp4")
SAME_BITS = {"fp8": ("fp8",), **dict.fromkeys(FOUR_BITS, FOUR_BITS)}


def _scenario(catalog: Catalog, law: str, kind: str, share: Band) -> Scenario:
    """A law's gap with the range of its own runs, and the median of the law over measured pairs of a kind inside that
    range (else anywhere)."""
    spec = catalog.law(law)
    inside: list[float] = []
    outside: list[float] = []
    for pair in catalog.precision_pairs():
        ratio = _ratio(catalog, law, pair) if pair.group in SAME_BITS.get(kind, ()) else None
        if ratio is None or pair.params is None:
            continue
        own = _within(spec.fit_params, pair.params) and (pair.tokens is None or _within(spec.fit_tokens, pair.tokens))
        (inside if own else outside).append(ratio)
    kept = inside or outside
    return Scenario(
        value=share.value, low=share.low, high=share.high, fit_params=spec.fit_params, fit_tokens=spec.fit_tokens,
        ratio_to_pairs=median(kept) if kept else None, pairs=len(kept), pairs_inside_fit=bool(inside),
    )  # fmt: skip


def _within(span: tuple[float, float] | None, value: float) -> bool:
    # Sizes are named by their rounded counts: a fifth beyond an end is still the run that the end was read from.
    return span is not None and span[0] / 1.2 <= value <= span[1] * 1.2


def _ratio(catalog: Catalog, law: str, pair: PrecisionPair) -> float | None:
    """Nats of a law over those measured, for a clean pair whose gap was read in nats."""
    if not (pair.of_loss and pair.counted and pair.delta_nats and pair.delta_nats > 0.0 and pair.params):
        return None
    if pair.bound == "upper_bound" or (law == SUN and pair.tokens is None):
        return None
    recipe = catalog.precision(_recipe_of(pair))
    found = _penalty(catalog, catalog.law("besiroglu_2024"), recipe, pair.params, pair.tokens or 1.0)
    if found is None:
        return None
    nats = found.kumar_own if law == KUMAR else found.sun
    return None if nats is None else float(nats) / pair.delta_nats
