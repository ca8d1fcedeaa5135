"""From fitted constants to the record of one engine of one year on one family of parts."""

from __future__ import annotations

from typing import Any

from hwmodel.ops import exp
from hwmodel.specs.serving import Engine
from hwmodel.specs.serving_calibration import ServingCalibration

_FIELDS = frozenset(Engine.__struct_fields__)
DRIFT_YEARS = 0.4  # the span of dated runs on either side


def engine_of(
    c: ServingCalibration, name: str = "generic", year: float = 0.0, family: str = "", recipe: str = ""
) -> Engine:
    """Constants of engine `name` (an unknown one is `generic`) as of `year` (0: of today) for serving in `recipe`.

    Engines get faster: host costs and gaps between kernels shrink by `drift` a year, no further than the fitted runs
    reach; those before `old_before` have factors of their own. What they lose on a family of parts that they are not
    tuned for shrinks at the same pace from there on (unconfirmed: no later run on such a part was read).
    """
    values = dict(c.shared) | c.engines["generic"] | c.engines.get(name, {})
    year = year or c.drift_from
    if year < c.old_before:
        old = c.old.get("generic", {}) | c.old.get(name, {})
        values |= {k: v for k, v in old.items() if k in _FIELDS}
        values["kernel_s"] = values["kernel_s"] * old.get("kernel_factor", 1.0)
        # Before schedulers ran a step ahead of the accelerator, a token left when its own step ended.
        values["stream_steps"] = max(values.get("stream_steps", 0.0) - 1.0, 0.0)
    else:
        age = exp(-values.get("drift", 0.0) * min(max(year - c.drift_from, -DRIFT_YEARS), DRIFT_YEARS))
        values["prefill_kernel_s"] = values["prefill_kernel_s"] * age
        values["kernel_s"] = values["kernel_s"] * age
    values |= c.formats.get(recipe, {})
    values |= c.launch.get(name, {}).get(family, {}) | c.launch.get(name, {}).get(recipe, {})
    since = max(min(year, c.drift_from + DRIFT_YEARS) - c.old_before, 0.0)
    late = exp(-values.get("drift", 0.0) * since)
    kin = {k: max(v, 1.0) ** late * min(v, 1.0) for k, v in c.families.get(family, {}).items()}
    values["level"] = values.get("level", 1.0) * kin.get("level", 1.0)
    values["kernel_s"] = values["kernel_s"] * kin.get("kernel_factor", 1.0)
    values["attention_level"] = values.get("attention_level", 1.0) * kin.get("attention_factor", 1.0)
    numbers: dict[str, Any] = {k: v for k, v in values.items() if k in _FIELDS}
    return Engine(id=name, **numbers)
