"""How wide a prediction's interval is: wider for parts, formats, kinds and scales that no measured run reached."""

from __future__ import annotations

import math

import msgspec

from hwmodel.catalog.stacks import TrainingCalibration, interval_calibration, training_calibration
from hwmodel.physics.intervals import log_half_width
from hwmodel.specs import Shape
from hwmodel.specs.intervals import Familiarity, IntervalConstants

# Settings whose blanks make a prediction one of a search; the batch and a shape known by its size alone count too.
COUNTED = ("micro_batch", "tp", "pp")
MOST_BLANKS = 2.0  # blanks from which on the search is as open as it gets
MEMORY_HALF_WIDTH = 0.30  # natural logs; of the memory model over rows of sources left out


class Known(msgspec.Struct, kw_only=True):
    """What the rows of a fit covered: the yardstick of familiarity."""

    stacks: frozenset[str]
    families: frozenset[str]
    parts: frozenset[str]
    formats: frozenset[str]  # family|format
    kinds: frozenset[str]  # stack|dense or stack|moe
    accelerators: float


class TrainingTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What of a training run decides how familiar it is. `seen`: runs of its source or cluster stand in the fit;
    `level`: a measurement of the same cluster corrects it."""

    part: str
    family: str
    stack: str
    number_format: str
    mixture: bool
    accelerators: float
    blanks: float
    seen: bool = False
    level: bool = False

    @property
    def format_key(self) -> str:
        """Family and format of the products, as `Known.formats` has them."""
        return f"{self.family}|{self.number_format}"

    @property
    def kind_key(self) -> str:
        """Stack and kind of model, as `Known.kinds` has them."""
        return f"{self.stack}|{'moe' if self.mixture else 'dense'}"


def shipped_known(calibration: TrainingCalibration | None = None) -> Known:
    """What the shipped fit covered."""
    seen = (calibration or training_calibration()).known
    return Known(
        stacks=frozenset(seen.get("stacks", ())),
        families=frozenset(seen.get("families", ())),
        parts=frozenset(seen.get("parts", ())),
        formats=frozenset(seen.get("formats", ())),
        kinds=frozenset(seen.get("kinds", ())),
        accelerators=float(seen.get("accelerators", 1.0)),
    )


def is_mixture(shape: Shape) -> bool:
    """Whether any layer has experts."""
    return any(float(block.n_experts) > 0 for block in shape.blocks)


def blanks(stated: frozenset[str], *, batch: bool, shape: bool) -> float:
    """How many of the settings that decide a run nobody stated."""
    return float(sum(name not in stated for name in COUNTED) + (not batch) + (not shape))


def training_familiarity(traits: TrainingTraits, known: Known) -> Familiarity:
    """How far a run lies from what `known` covers."""
    return Familiarity(
        source=float(not traits.seen),
        stack=float(traits.stack not in known.stacks),
        family=float(traits.family not in known.families),
        part=float(traits.part not in known.parts),
        number_format=float(traits.format_key not in known.formats),
        kind=float(traits.mixture) * (1.0 + 0.5 * float(traits.kind_key not in known.kinds)),
        # The fastest of many predicted layouts is likelier than another to be predicted too fast.
        settings=min(1.0, traits.blanks / MOST_BLANKS),
        scale=max(0.0, math.log(traits.accelerators / known.accelerators)),
        level=float(traits.level and not traits.seen),
    )


def step_log_half_width(
    traits: TrainingTraits, known: Known | None = None, widths: IntervalConstants | None = None
) -> float:
    """Half-width of the 80 % interval of log step time, from residuals of sources left out of the fit."""
    familiarity = training_familiarity(traits, known or shipped_known())
    return float(log_half_width(familiarity, widths or interval_calibration()))
