"""Runs as `plan` sees them: layout blank, searched; a test of the choice and of its optimism at once."""

from __future__ import annotations

from collections import Counter

import numpy as np

from hwmodel.validation.board import Trainer
from hwmodel.validation.run_fit import measured_sequence_s
from hwmodel.validation.tables import Row
from hwmodel.validation.training import predicted, sequence_s, stacks_of

LAYOUT = (
    "tp", "pp", "vpp", "cp", "ep", "dp", "micro_batch", "zero_stage_or_fsdp", "recompute", "sequence_parallel",
    "etp", "offload",
)  # fmt: skip
_SAME = ("source", "model", "accelerator", "n_accel", "seq_len", "precision", "global_batch_seqs", "framework")
GRID = 4  # layouts of the same work from which on a source is a grid, whose layouts nobody chose


def tuned(rows: list[Row]) -> list[Row]:
    """Scored rows of the sources that print what they ran, not a grid of layouts."""
    scored = [row for row in rows if row["score"].lower() != "no"]
    layouts = Counter(tuple(row[name] for name in _SAME) for row in scored)
    grids = {key[0] for key, count in layouts.items() if count >= GRID}
    return [row for row in scored if row["source"] not in grids]


def _log_errors(rows: list[Row]) -> np.ndarray:
    trainer = Trainer(rows, fitting=False)
    seconds = sequence_s(predicted(trainer.prepared, stacks_of(trainer.prepared, trainer.base)))
    return np.asarray(np.log(measured_sequence_s(trainer.prepared) / seconds))


def searched_layouts(rows: list[Row]) -> list[dict[str, str | float]]:
    """By source: median error (predicted over measured rate, less one) as printed and with the layout searched."""
    mine = tuned(rows)
    known = _log_errors(mine)
    blank = _log_errors([row | dict.fromkeys(LAYOUT, "") for row in mine])
    sources = np.array([row["source"] for row in mine])
    out: list[dict[str, str | float]] = []
    for source in sorted(set(sources)):
        here = (sources == source) & np.isfinite(known) & np.isfinite(blank)
        out.append(
            {
                "source": str(source),
                "rows": float(here.sum()),
                "printed": float(np.median(np.expm1(known[here]))),
                "searched": float(np.median(np.expm1(blank[here]))),
                "searched_abs": float(np.median(np.abs(np.expm1(blank[here])))),
            }
        )
    return out
