"""What each term is worth: removed, everything else fitted again, scored the same way."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from hwmodel.specs import Stack
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.board.board import Trainer
from hwmodel.validation.fit.run_fit import fit_runs, measured_sequence_s
from hwmodel.validation.fit.run_parameters import PARAMETERS, with_values
from hwmodel.validation.predicted import training
from hwmodel.validation.rows.tables import Row

# Fields of the stack that switch a term off, for every stack alike.
REMOVED: dict[str, dict[str, float]] = {
    "nothing": {},
    "stack levels": {"level": 1.0},
    "host": {"host_op_s": 0.0, "step_s": 0.0},
    "fleet jitter": {"jitter": 0.0},
    "memory-bound operations": {"memory_passes": 0.0},
    "gradient accumulation": {"accumulate_passes": 0.0},
    "pipeline bubble": {"bubble": 0.0},
    "tensor-parallel communication": {"tp_overlap": 1.0},
    "data-parallel overlap": {"dp_overlap": 0.0, "fsdp_overlap": 0.0, "zero_overlap": -1.0},
    "expert-parallel communication": {"ep_always": 1.0, "ep_overlap": 1e3},
    "expert imbalance": {"imbalance": 1.0},
    "products of experts as in training": {"grouped": 0.0},
    "launches of collectives, mixed host and device": {"launches_tensor": 0.0, "host_mixed": 0.0},
    "attention of older kernels": {"attention_old": 1.0, "attention_backward": 1.0},
    "sustained products": {"sustained": 1.0, "sustained_four": 1.0, "sustained_high": 1.0},
    "network of the cluster": {"network_fraction": 1.0, "contention": 0.0},
}


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """A term, and the mean over sources of the median error without it."""

    name: str
    mean: float


def ablate(rows: list[Row], progress: Callable[[str], None]) -> list[Removed]:
    """Mean over sources of the in-sample median error with each term removed; the whole model first."""
    out = []
    trainer = Trainer(rows, fitting=True, pool_only=True)
    for name, fields in REMOVED.items():
        progress(f"without {name}")
        out.append(Removed(name=name, mean=_mean_without(trainer, fields)))
    return out


def _mean_without(trainer: Trainer, fields: dict[str, float]) -> float:
    plain = training.stacks_of
    kept = [p for p in PARAMETERS if p.field not in fields]

    def without(
        prepared: training.PreparedRows, calibration: TrainingCalibration, unknown: frozenset[str] = frozenset()
    ) -> list[Stack]:
        return [msgspec.structs.replace(stack, **fields) for stack in plain(prepared, calibration, unknown)]

    fit = fit_runs(trainer.prepared, trainer.base, trainer.usable, kept, stacks=without)
    calibration = with_values(trainer.base, fit.values)
    seconds = training.sequence_s(training.predicted(trainer.prepared, without(trainer.prepared, calibration)))
    errors = np.abs(measured_sequence_s(trainer.prepared) / seconds - 1.0)
    sources = np.array([case.source if case is not None else "" for case in trainer.prepared.cases])
    names = sorted(set(sources[trainer.usable]))
    return float(np.mean([np.median(errors[trainer.usable & (sources == name)]) for name in names]))
