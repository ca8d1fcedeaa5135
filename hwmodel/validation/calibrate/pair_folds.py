"""Published speed-ups whose source no fit has seen: neither that of the training step nor that of the casts."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.validation.board.board import Trainer, runs_file
from hwmodel.validation.board.folds import folds_of
from hwmodel.validation.fit.cast_fit import fit, pairs_under, speed_pairs
from hwmodel.validation.fit.pair_residuals import speed_residuals
from hwmodel.validation.rows.tables import read_table

FOLDS = 5


def left_out_of_all(say: Callable[[str], None], folds: int = FOLDS) -> dict[str, list[float]]:
    """ln(measured over predicted speed-up) of each source of pairs, left out of both fits with those of its fold."""
    trainer = Trainer(read_table(runs_file())[1], fitting=True, pool_only=True)
    names = [pair.source for pair in speed_pairs()]
    out: dict[str, list[float]] = {}
    for number, fold in enumerate(folds_of(names, folds, 0)):
        say(f"pairs left out, {number + 1} of {folds}")
        _, calibration = trainer.fit(trainer.usable, speed_residuals().without(fold))
        pairs = pairs_under(calibration)
        constants = fit([pair for pair in pairs if pair.source not in fold])
        for pair in pairs:
            if pair.source in fold:
                out.setdefault(pair.source, []).append(pair.error(constants[pair.kind]))
    return out
