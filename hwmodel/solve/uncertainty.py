"""How wide the interval of a predicted step is: wider for parts, formats, kinds and scales that no run reached."""

from __future__ import annotations

import math

from hwmodel.catalog.stacks import interval_calibration, training_calibration
from hwmodel.physics.intervals import log_half_width
from hwmodel.solve.setting import Setting
from hwmodel.specs import Precision, Shape
from hwmodel.specs.intervals import Familiarity

SEARCHED = ("tp", "pp", "micro_batch")  # settings whose absence makes a prediction one of a search


def familiarity(setting: Setting, precision: Precision, shape: Shape, accelerators: int) -> Familiarity:
    """How far a plan lies from the runs that the training constants were fitted on."""
    assert setting.part is not None
    known = training_calibration().known
    family, stack = setting.part.family, setting.stack.id
    mixture = any(float(block.n_experts) > 0 for block in shape.blocks)
    # The fastest of many predicted layouts is likelier than another to be predicted too fast.
    searched = sum(name not in setting.request.layout for name in SEARCHED)
    return Familiarity(
        source=1.0,
        stack=float(stack not in known.get("stacks", ())),
        family=float(family not in known.get("families", ())),
        part=float(setting.part.id not in known.get("parts", ())),
        number_format=float(f"{family}|{precision.gemm_format}" not in known.get("formats", ())),
        kind=float(mixture),
        settings=min(1.0, searched / 2.0),
        scale=max(0.0, math.log(accelerators / float(known.get("accelerators", 1.0)))),
        level=float(setting.measured_level is not None),
    )


def step_log_half_width(setting: Setting, precision: Precision, shape: Shape, accelerators: int) -> float:
    """Half-width of the 80 % interval of log step time, from residuals of sources left out of the fit."""
    return float(log_half_width(familiarity(setting, precision, shape, accelerators), interval_calibration()))
