"""One measured run of the user's own: how much slower or faster their cluster is than the prediction of the same run.

The file is YAML: the options of `plan` that describe the run (gpus, model or params, precision, seq_len, global_batch,
tp, pp, ...) and what was measured, `tokens_per_s` (all accelerators together) or `step_time` (like 6.1s). A model that
the catalog lacks stands in it as `shape`, the fields of `Shape`; `hwmodel measured` writes both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from hwmodel import units
from hwmodel.catalog.reading import text_of
from hwmodel.catalog.yamlfile import parse_yaml
from hwmodel.errors import InputError
from hwmodel.solve.question.options import PlanOptions
from hwmodel.solve.question.setting import Setting
from hwmodel.specs import Shape

MEASURED_KEYS = ("tokens_per_s", "step_time")


def _tokens_per_s(text: str) -> float:
    """A rate, which need not be a whole number: `36562.5`, or as counts are written, `700k`."""
    plain = text.replace(".", "", 1).isdigit()
    return units.parse_positive(text, "tokens_per_s") if plain else units.parse_count(text, "tokens_per_s")


def read_run(path: Path) -> tuple[PlanOptions, float | None, float | None]:
    """The run's options, measured tokens a second and measured step seconds. InputError for anything amiss."""
    data = parse_yaml(text_of(path, "--measured"), path)
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
    tokens = _tokens_per_s(str(rate)) if rate is not None else None
    return cast("PlanOptions", options), tokens, seconds  # names and values are checked by who reads the request


def _shape(fields: Any, path: Path) -> Shape:
    try:
        return msgspec.convert(fields, Shape)
    except msgspec.ValidationError as error:
        raise InputError(f"--measured {path}: shape: {error}") from error


MOST_FACTOR = 3.0  # measured over predicted: beyond it the file describes another run than the one it measured


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """What is predicted of the run that a file describes. `peak_share` is 6 N D over the dense peak."""

    setting: Setting
    tokens_per_s: float
    step_s: float
    peak_share: float


def with_level(setting: Setting, path: Path, predict: Callable[[PlanOptions], Predicted]) -> Setting:
    """The setting scaled by measured over predicted seconds of the run in `path`, with a note on what that run was.

    `predict` takes plan options. Raises InputError for a run of another part, one faster than the hardware's peak, and
    one so far from its prediction that the file cannot describe it.
    """
    options, tokens, seconds = read_run(path)
    predicted = predict(options)
    level = predicted.tokens_per_s / tokens if tokens is not None else (seconds or 0.0) / predicted.step_s
    _check_level(path, level, predicted)
    notes = [f"your measured run is {level:.2f} times the predicted time; every prediction is scaled by it"]
    notes += _differences(path, options, predicted.setting, setting)
    return msgspec.structs.replace(setting, measured_level=level, notes=(*setting.notes, *notes))


def _check_level(path: Path, level: float, predicted: Predicted) -> None:
    share = predicted.peak_share / level
    if share > 1.0:
        raise InputError(
            f"--measured {path}: the run would reach {100.0 * share:.0f} % of the peak of its accelerators; check the "
            "unit of tokens_per_s (all accelerators together), step_time, gpus and global_batch"
        )
    if not 1.0 / MOST_FACTOR <= level <= MOST_FACTOR:
        raise InputError(
            f"--measured {path}: the run took {level:.3g} times its predicted time; beyond a factor of {MOST_FACTOR:g} "
            "the file does not describe the run: check tokens_per_s (of all accelerators), gpus, model and precision"
        )


def _differences(path: Path, options: PlanOptions, run: Setting, setting: Setting) -> list[str]:
    """Where the measured run was another than the one asked about. InputError for another part."""
    notes = []
    if run.part is not None and setting.part is not None and run.part.id != setting.part.id:
        raise InputError(
            f"--measured {path}: the run was on {run.part.id}, the question is about {setting.part.id}; the level of "
            "one part says nothing about another"
        )
    if options.get("precision") is None:
        notes.append(f"{path} names no precision: its run is read as {run.precision.id}")
    pairs = {
        "system": (run.system.id if run.system else "", setting.system.id if setting.system else ""),
        "precision": (run.precision.id, setting.precision.id),
        "model": (run.request.model or "", setting.request.model or ""),
    }
    notes += [
        f"the measured run had another {what}: {theirs}, not {ours}; its level is carried over"
        for what, (theirs, ours) in pairs.items()
        if theirs and ours and theirs != ours
    ]
    return notes
