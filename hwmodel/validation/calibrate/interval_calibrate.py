"""Fits the intervals of every kind of quantity by one estimator and writes intervals.yaml."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.catalog.stacks import interval_calibration
from hwmodel.predict.service import Covered
from hwmodel.specs.intervals import Ends, IntervalConstants
from hwmodel.validation.board.cells import (
    Held,
    cells_of,
    constant_errors,
    held_boards,
    paired,
    refusals,
    shipped_predictions,
    write_cells,
)
from hwmodel.validation.calibrate.interval_score import board_figures, figures
from hwmodel.validation.calibrate.training_residuals import SEARCHED
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.fit.interval_document import Intervals, KindScores, read_intervals
from hwmodel.validation.fit.interval_fit import Residual, fit_intervals, left_out_ends
from hwmodel.validation.rows.tables import Row
from hwmodel.version import __version__

Say = Callable[[str], None]

HEADER = """\
# 80 % intervals by kind of quantity: doubts as standard deviations of natural logs (hwmodel/specs/intervals.py), fitted
# on runs that were predicted without their source. `left_out`: how they hold where a source's own rows had no part in
# them either. Written by `hwmodel calibrate --intervals`.
"""

# Priors. Shares: standard deviations of the seconds (or bytes) of a mechanism; experts' kernels and queues a half, what
# is no product of matrices three tenths, as activations. Distances: in units of the kind's own scatter between sources.
# Those that differ from one were chosen on left-out runs for their interval score: of training the host's 2.5,
# the slowest rank's 1 and the network's 1.2, stages that wait 4, experts 2, a family of parts 2, a search 0.5, a number
# format 0.3; of serving a doubling of
# the size 3, an engine never measured on the part, and a layout, 2 each (a family of parts 6, of which hardly a row
# speaks); of first tokens, which go by how an engine admits requests, the queue's 0.8, the size 2, the part 3, an
# engine on it 6, the layout 4, a doubling of the accelerators that a prompt is cut over 0.8.
_SERVICE = IntervalConstants(
    row=0.1, level=0.1, shares={"experts": 0.5, "other": 0.3, "queue": 0.5}, known=0.5,
    distances={"size": 3.0, "family": 6.0, "part": 1.5, "engine_part": 2.0, "layout": 2.0, "searched": 0.5,
               "strange": 1.0},
)  # fmt: skip
_FIRST = msgspec.structs.replace(
    _SERVICE, shares=_SERVICE.shares | {"queue": 0.8},
    distances=_SERVICE.distances | {"size": 2.0, "part": 3.0, "engine_part": 6.0, "layout": 4.0, "cuts": 0.8},
)  # fmt: skip
TEMPLATES = {
    "training": IntervalConstants(
        row=0.1, level=0.1, shares={"host": 2.5, "network": 1.2, "jitter": 1.0}, known=0.5,
        distances={"stages": 4.0, "stack": 1.0, "family": 2.0, "number_format": 0.3, "mixture": 2.0, "searched": 0.5,
                   "scale": 0.5},
    ),
    "memory": IntervalConstants(
        row=0.1, level=0.1, shares={"activations": 0.3, "reserve": 0.5}, known=0.5,
        distances={"tensor_ranks": 1.5, "micro_batch": 1.5},
    ),
    "tpot": _SERVICE, "ttft": _FIRST, "throughput": _SERVICE,
}  # fmt: skip
# Which measured quantity of a row a residual is of; "" is its headline. Serving residuals name their own.
METRICS = {"training": "", "memory": "peak_mem_gb"}
READ = {"training": ("training", "memory"), "serving": ("tpot", "ttft", "throughput")}


def residuals_of(part: str, say: Say, rows: list[Row] | None = None, keep: Path | None = None) -> list[Residual]:
    """Left-out residuals of training (with memory) or of serving; in the folder `keep` they lie under a name that says
    what constants and runs they came of, and are read from there."""
    file = None if keep is None else keep / f"residuals-{part}-{_digest()}.json"
    if file is not None and file.is_file():
        return msgspec.json.decode(file.read_bytes(), type=list[Residual])
    found = _computed(part, say, rows)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(found))
    return found


def _computed(part: str, say: Say, rows: list[Row] | None) -> list[Residual]:
    if part == "training":
        from hwmodel.validation.board.board import runs_file
        from hwmodel.validation.calibrate.training_residuals import training_residuals
        from hwmodel.validation.rows.tables import read_table

        return training_residuals(rows or read_table(runs_file())[1], say)
    from hwmodel.validation.calibrate.serving_residuals import serving_residuals

    return serving_residuals(say)


def _covered() -> Covered:
    """What the published serving runs cover, engines and kinds in order."""
    from hwmodel.validation.board.serving import Book, shipped_rows

    book = Book(shipped_rows())
    found = book.covered(book.usable())
    return msgspec.structs.replace(found, sizes=dict(sorted(found.sizes.items())))


def _digest() -> str:
    """Of what residuals come of: the code, the fitted constants but intervals.yaml, and the runs."""
    digest = hashlib.blake2b(digest_size=8)
    root = calibrations_dir().parent
    code = Path(__file__).resolve().parents[2]
    folders = (("physics", code), ("predict", code), ("validation", code), ("calibrations", root), ("runs", root))
    for folder, base in folders:
        for path in sorted((base / folder).rglob("*")):
            if path.suffix in (".py", ".yaml", ".csv") and path.name not in ("intervals.yaml", "accuracy.yaml"):
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def calibrate_intervals(
    out: Path, say: Say, parts: Sequence[str] = tuple(READ), rows: list[Row] | None = None, keep: Path | None = None
) -> dict[str, KindScores]:
    """Fit the kinds of `parts`, keep the others as they stand, and write intervals.yaml; the figures of each kind.

    With all parts the board (accuracy.yaml) is written too, and the figures hold every kind on it.
    """
    place = out / "intervals.yaml"
    standing = read_intervals(place if place.is_file() else None)
    kinds, left_out = dict(standing.kinds), dict(standing.left_out)
    kept: list[Held] = []
    for part in parts:
        every = residuals_of(part, say, rows, keep)
        for kind in READ[part]:
            mine = [r for r in every if r.kind == kind]
            say(f"{kind}: {len(mine)} residuals")
            kinds[kind] = fit_intervals(mine, TEMPLATES[kind])
            ends = left_out_ends(mine, TEMPLATES[kind])
            left_out[kind] = figures(mine, ends)
            kept += held_out(mine, ends)
    covered = standing.serving_covered
    if "serving" in parts or covered is None:
        covered = _covered()
    document = Intervals(code_version=__version__, kinds=kinds, serving_covered=covered, left_out=left_out)
    write_document(place, HEADER, document)
    if set(parts) == set(READ):
        # Whole runs are read with the widths just written.
        interval_calibration.cache_clear()
        left_out |= write_board(kept, left_out, out, say)
        write_document(place, HEADER, msgspec.structs.replace(document, left_out=left_out))
    return left_out


def write_board(kept: Sequence[Held], left_out: dict[str, KindScores], out: Path, say: Say) -> dict[str, KindScores]:
    """accuracy.yaml, from all kinds; figures of each kind on new sources, those of known ones as they stand."""
    shipped = shipped_predictions(say)
    pairs = paired([*kept, *held_boards()], (row for rows in shipped.values() for row in rows))
    constant = constant_errors(pairs)
    write_cells(cells_of(pairs, constant, refusals(shipped)), out / "accuracy.yaml")
    found = {}
    for kind in sorted({held.kind for held, _ in pairs}):
        of_kind = [held for held, _ in pairs if held.kind == kind]
        scores = board_figures(of_kind, constant)
        found[kind] = msgspec.structs.replace(left_out.get(kind, KindScores()), new_source=scores)
    return found


def held_out(residuals: Sequence[Residual], ends: Ends) -> list[Held]:
    """The rows whose source was left out, as the board keeps them; errors of throughputs and training in seconds."""
    down, up = np.asarray(ends.down), np.asarray(ends.up)
    return [
        Held(
            kind="searched" if r.id.endswith(SEARCHED) else r.kind, id=r.id.removesuffix(SEARCHED).partition(" ")[0],
            metric=METRICS.get(r.kind, r.id.partition(" ")[2]), left=r.source, log_seconds=r.log_error,
            down=float(down[i]), up=float(up[i]),
        )
        for i, r in enumerate(residuals)
        if not float(r.familiarity.known) > 0
    ]  # fmt: skip
