"""The published pairs of the catalog as the gaps that `laws.evidence` reduces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hwmodel.laws.evidence import Gap
from hwmodel.specs.evidence import PrecisionPair

KINDS = ("fp8", "nvfp4-part", "nvfp4-full", "mxfp4", "mxfp4-backward")  # kinds of recipe that a band is given for


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
