"""What in a file of runs would make a fit answer another question: units, sizes, protocols, epochs, unfinished runs."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hwmodel.errors import InputError
from hwmodel.interop.loss_columns import UNITS
from hwmodel.interop.loss_runs import Array, LossRuns

# Medians of runs below these are no counts but millions or billions of them.
LEAST_COUNT = {"params": 2e4, "tokens": 1e6, "unique_tokens": 1e6}
NO_UNIT = {"params": "parameters", "tokens": "tokens"}
LEAST_RATIO, MOST_RATIO = 1e-3, 2e5  # tokens a parameter, the median of the runs
LEAST_FLOP = 1e11
NEAR_6ND = 4.0  # compute within this factor of 6 N D is FLOP (embeddings, attention and padding make the rest)
SPREAD_6ND = 1.5  # and should not vary among runs by more than this factor
DONE = ("done", "finished", "complete", "completed", "success", "succeeded", "converged", "ok", "yes", "true", "1", "")
# (how far a run came, how far it was to go), by their headers
PROGRESS = (("step", "total_steps"), ("step", "max_steps"), ("steps", "total_steps"), ("steps", "planned_steps"),
            ("iteration", "max_iterations"), ("tokens_seen", "total_tokens"), ("tokens_seen", "planned_tokens"),
            ("tokens", "planned_tokens"))  # fmt: skip
PROTOCOL = re.compile(
    r"(peak_|max_|min_)?(lr|learning_rate)|warmup.*|.*decay.*|batch.*|.*seq(uence)?_len.*|context.*|.*vocab.*|dropout|"
    r".*schedule.*|beta_?[12]|optimi[sz]er|precision|dtype|tokeni[sz]er|dataset|data|corpus|.*hparams.*", re.IGNORECASE
)  # fmt: skip
NAMES = re.compile(
    r"(run|id|name|row|index|model|arch.*|url|notes?|source|comment|date|seed|.*_id|.*_name)", re.IGNORECASE
)
STATUS = re.compile(r"status|state|finished|done|completed?|converged", re.IGNORECASE)
RUN_NAMES = re.compile(r"(run|run_?id|run_?name|experiment|exp|name|id)", re.IGNORECASE)


def check_units(runs: LossRuns) -> tuple[str, ...]:
    """Warnings of compute that is not quite 6 N D. InputError where a column is in another unit than it is read in."""
    for name, least in LEAST_COUNT.items():
        column = getattr(runs, name)
        if column is not None and not _unit(runs, name) and np.median(column) < least:
            what = name.split("_")[-1]
            raise InputError(
                f"column {_header(runs, name)}: a median of {np.median(column):.3g} is no count of {what}; it looks "
                f"like millions or billions: say --unit {name}=M, or B, or T (or {name}={NO_UNIT[what]} if it is right)"
            )
    if runs.params is not None and runs.tokens is not None and not _unit(runs, "params") and not _unit(runs, "tokens"):
        ratio = float(np.median(runs.tokens / runs.params))
        if not LEAST_RATIO < ratio < MOST_RATIO:
            raise InputError(
                f"columns {_header(runs, 'tokens')} and {_header(runs, 'params')}: {ratio:.3g} tokens a parameter; one "
                "of them is in another unit: say --unit params=M or --unit tokens=B (or tokens=tokens if it is right)"
            )
    warnings = []
    for name in ("flop", "budget"):
        column = getattr(runs, name)
        if column is not None:
            warnings += _check_compute(runs, name, column)
    return tuple(warnings)


def _check_compute(runs: LossRuns, name: str, column: Array) -> list[str]:
    """Compute against 6 N D where both are known, else against the least that a training run takes."""
    header = _header(runs, name)
    if runs.params is None or runs.tokens is None:
        if runs.params is not None:
            per_param = float(np.median(column / (6.0 * runs.params**2)))
            if not LEAST_RATIO < per_param < MOST_RATIO and not _unit(runs, name):
                raise InputError(f"column {header}: C / 6N gives {per_param:.2g} tokens a parameter, so not in FLOP "
                                 f"(or N is no count); say --unit {name}=PF-days, or GFLOP, TFLOP ..., or "
                                 "--unit params=M")  # fmt: skip
        elif np.median(column) < LEAST_FLOP:
            raise InputError(f"column {header}: a median of {np.median(column):.3g} FLOP trains nothing; say in which "
                             f"unit it is: --unit {name}={'|'.join(UNITS[name])}")  # fmt: skip
        return []
    ratio = column / (6.0 * runs.params * runs.tokens)
    middle = float(np.median(ratio))
    if 1.0 / NEAR_6ND <= middle <= NEAR_6ND:
        return _uneven(header, name, ratio)
    unit, left = min(((u, abs(math.log10(middle * f))) for u, f in UNITS[name].items()), key=lambda pair: pair[1])
    if left < math.log10(NEAR_6ND):
        raise InputError(f"column {header}: its values are {middle:.2g} of 6 N D: it looks like {unit}, not FLOP; "
                         f"say --unit {name}={unit}")  # fmt: skip
    return [f"column {header} is {middle:.3g} times 6 N D and no unit explains it: look at what N, D and it count"]


def _uneven(header: str, name: str, ratio: Array) -> list[str]:
    """A warning where compute is not one multiple of 6 N D."""
    low, high = np.quantile(ratio, (0.05, 0.95))
    if high / low <= SPREAD_6ND:
        return []
    kind = (
        "a nominal budget, kept for slices only" if name == "budget" else "sizes and tokens as counted do not make it"
    )
    return [f"column {header} is {low:.2f} to {high:.2f} times 6 N D: {kind}"]


def check_protocol(runs: LossRuns) -> tuple[str, ...]:
    """Warnings of runs that differ in more than size and data: settings, repeats, unfinished ones, rival losses."""
    return (*_settings(runs), *_epochs(runs), *_unfinished(runs), *_checkpoints(runs), *_rivals(runs), *_several(runs))


def _settings(runs: LossRuns) -> list[str]:
    """Columns that say how runs were trained, and vary where size and data do not force them to."""
    warnings = []
    for name, cells in runs.others.items():
        counts = Counter(cell for cell in cells if cell)
        if len(counts) < 2 or NAMES.fullmatch(name) or STATUS.fullmatch(name) or "loss" in name.lower():
            continue
        numeric = all(_is_number(cell) for cell in counts)
        if numeric and not PROTOCOL.fullmatch(name):
            continue
        if not numeric and len(counts) > max(8, len(cells) // 4):
            continue  # free text
        if numeric and _follows(cells, runs.params, runs.tokens):
            continue  # set by the size or the data, as a learning rate should be
        some = ", ".join(f"{value} in {n}" for value, n in counts.most_common(3))
        more = f" and {len(counts) - 3} more" if len(counts) > 3 else ""
        example = counts.most_common(1)[0][0]
        warnings.append(f"{name} varies ({some}{more}): runs of several protocols are fitted as one; "
                        f"keep one with --where {name}={example}")  # fmt: skip
    return warnings


def _follows(cells: Sequence[str], params: Array | None, tokens: Array | None) -> bool:
    """Whether a setting is settled by the size or by the data, or goes as powers of both (a tuned learning rate)."""
    scales = [column for column in (params, tokens) if column is not None]
    if any(len(set(scale.tolist())) == len(set(zip(scale.tolist(), cells))) < len(cells) for scale in scales):
        return True
    values = np.array([float(cell) if cell else np.nan for cell in cells])
    known = np.isfinite(values) & (values > 0.0)
    if known.sum() < 8:
        return False
    design = np.stack([np.ones(known.sum()), *(np.log(scale[known]) for scale in scales)], axis=1)
    logs = np.log(values[known])
    off = logs - design @ np.linalg.lstsq(design, logs, rcond=None)[0]
    return float(off @ off) < 0.2 * float(np.sum((logs - logs.mean()) ** 2))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _epochs(runs: LossRuns) -> list[str]:
    """Data seen more than once."""
    epochs: Array | None = None
    if runs.unique_tokens is not None and (runs.tokens is not None or runs.flop is not None):
        epochs = runs.need("tokens") / runs.unique_tokens
    else:
        cells = next(
            (c for name, c in runs.others.items() if re.fullmatch(r"(n_|num_)?epochs?", name, re.IGNORECASE)), ()
        )
        if cells and all(_is_number(cell) for cell in cells):
            epochs = np.array([float(cell) for cell in cells])
    if epochs is None or not np.any(epochs > 1.05):
        return []
    return [f"{int((epochs > 1.05).sum())} runs repeat their data (up to {epochs.max():.3g} epochs), which this form "
            "counts as fresh; --form repeated fits what repeats are worth"]  # fmt: skip


def _unfinished(runs: LossRuns) -> list[str]:
    """Runs that their own columns call unfinished."""
    above = "a loss before the learning rate has decayed lies above the law; leave them out with --where"
    warnings = []
    for name, cells in runs.others.items():
        if STATUS.fullmatch(name):
            open_ones = Counter(cell for cell in cells if cell.lower() not in DONE)
            if open_ones:
                values = ", ".join(value for value, _ in open_ones.most_common(3))
                warnings.append(f"{sum(open_ones.values())} runs are unfinished ({name} = {values}): {above}")
    for reached, planned in PROGRESS:
        a, b = _numbers(runs, reached), _numbers(runs, planned)
        if a is not None and b is not None and (short := int((a < 0.98 * b).sum())):
            warnings.append(f"{short} runs are unfinished ({reached} below {planned}): {above}")
    return warnings


def _numbers(runs: LossRuns, header: str) -> Array | None:
    """A column as numbers, whether it was taken as a quantity or not."""
    taken = next((c.quantity for c in runs.taken if c.header.lower() == header), None)
    if taken is not None:
        column: Array | None = getattr(runs, taken)
        return column
    cells = next((cells for name, cells in runs.others.items() if name.lower() == header), None)
    return np.array([float(c) for c in cells]) if cells and all(map(_is_number, cells)) else None


def _checkpoints(runs: LossRuns) -> list[str]:
    """Several token counts under one name of a run: points of one learning curve."""
    names = next((cells for name, cells in runs.others.items() if RUN_NAMES.fullmatch(name)), None)
    if names is None or runs.tokens is None:
        return []
    size = np.zeros(len(runs.loss)) if runs.params is None else runs.params
    ends = {(name, n, d) for name, n, d in zip(names, size.tolist(), runs.tokens.tolist()) if name}
    curves = sum(count > 1 for count in Counter((name, n) for name, n, _ in ends).values())
    if not curves:
        return []
    return [f"{curves} runs stand here with several token counts: points within a run are right for a constant "
            "learning rate or decayed checkpoints only (stopping a long cosine early is Kaplan's bias)"]  # fmt: skip


def _rivals(runs: LossRuns) -> list[str]:
    """Other columns of losses than the one taken."""
    rivals = [name for name in runs.others if re.search(r"loss|perplexity|(^|_)ppl", name, re.IGNORECASE)
              and not re.search(r"kind|type|_(lo|hi|low|high)\d*$|std|err", name, re.IGNORECASE)]  # fmt: skip
    if not rivals:
        return []
    some = ", ".join(rivals[:4]) + (" ..." if len(rivals) > 4 else "")
    return [f"loss is column {_header(runs, 'loss')}; the file has others ({some}): --column loss=HEADER takes one"]


def _several(runs: LossRuns) -> list[str]:
    """Several losses at one size and data: the best of a sweep, or scatter?"""
    if runs.params is None or (runs.tokens is None and runs.flop is None):
        return []
    columns = [runs.params, runs.need("tokens"), *([] if runs.unique_tokens is None else [runs.unique_tokens])]
    points = np.log(np.stack(columns, axis=1)).round(6)
    order = np.lexsort(points.T)
    cuts = [0, *(np.flatnonzero(np.any(np.diff(points[order], axis=0) != 0, axis=1)) + 1).tolist(), len(order)]
    spreads = [np.ptp(np.log(runs.loss[order[a:b]])) for a, b in pairwise(cuts) if b - a > 1]
    if not spreads:
        return []
    return [f"{len(spreads)} pairs of N and D have several losses, up to {100 * np.expm1(max(spreads)):.1f} % apart: "
            "if they are sweeps of settings, keep the best of each, else the fit is of the middling run"]  # fmt: skip


def _unit(runs: LossRuns, name: str) -> str:
    """The unit that the file or the user named; '' where none was."""
    return next((c.unit for c in runs.taken if c.quantity == name), "")


def _header(runs: LossRuns, name: str) -> str:
    """The header that gave a quantity."""
    return next((c.header for c in runs.taken if c.quantity == name), name)
