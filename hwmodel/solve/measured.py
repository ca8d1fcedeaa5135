"""One measured run of the user's own: how much slower or faster their cluster is than the prediction of the same run.

The file is YAML: the options of `plan` that describe the run (gpus, model or params, precision, seq_len, global_batch,
tp, pp, ...) and what was measured, `tokens_per_s` (all accelerators together) or `step_time` (like 6.1s). A model that
the catalog lacks stands in it as `shape`, the fields of `Shape`; `hwmodel measured` writes both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hwmodel import units
from hwmodel.catalog.yamlfile import parse_yaml, read_text
from hwmodel.errors import InputError
from hwmodel.specs import Shape

MEASURED_KEYS = ("tokens_per_s", "step_time")


def read_run(path: Path) -> tuple[dict[str, Any], float | None, float | None]:
    """The run's options, measured tokens a second and measured step seconds. InputError for anything amiss."""
    if not path.is_file():
        raise InputError(f"--measured {path}: no such file")
    data = parse_yaml(read_text(path), path)
    if not isinstance(data, dict):
        raise InputError(f"--measured {path}: expected a mapping of plan options and one of {', '.join(MEASURED_KEYS)}")
    options = {str(key).replace("-", "_"): value for key, value in data.items()}
    if "shape" in options:
        options["shape"] = _shape(options["shape"], path)
    rate, step = (options.pop(key, None) for key in MEASURED_KEYS)
    if (rate is None) == (step is None):
        raise InputError(f"--measured {path}: give tokens_per_s (all accelerators) or step_time, one of them")
    if "gpus" not in options or not ("model" in options or "params" in options):
        raise InputError(f"--measured {path}: say which run it was: gpus, and model or params")
    seconds = units.parse_duration_s(str(step), "step_time") if step is not None else None
    tokens = units.parse_count(str(rate), "tokens_per_s") if rate is not None else None
    return options, tokens, seconds


def _shape(fields: Any, path: Path) -> Shape:
    try:
        return msgspec.convert(fields, Shape)
    except msgspec.ValidationError as error:
        raise InputError(f"--measured {path}: shape: {error}") from error


def measured_level(path: Path, predict: Callable[..., tuple[float, float]]) -> float:
    """Measured over predicted seconds of the run in `path`.

    `predict` takes plan options and returns the predicted tokens a second and step seconds of that run.
    """
    options, tokens, seconds = read_run(path)
    predicted_tokens_per_s, predicted_step_s = predict(**options)
    if tokens is not None:
        return predicted_tokens_per_s / tokens
    assert seconds is not None
    return seconds / predicted_step_s
