"""Which pipeline schedules a search tries, and with how many stages and virtual stages each runs."""

from __future__ import annotations

import math
import re

from hwmodel.errors import unknown
from hwmodel.specs.layout import DUALPIPE, DUALPIPE_V, ONE_F_ONE_B, SCHEDULES, ZB_H1, ZB_H2

Values = tuple[float, ...]
_FOLDED_CHUNKS = 2.0  # virtual stages a rank of a schedule that is folded in two


def schedules_of(word: str) -> Values:
    """The places in SCHEDULES of the words of `--schedule`, one or several with commas. InputError for other words."""
    names = [name for name in re.split(r"[\s,+]+", word.strip().lower()) if name]
    strange = next((name for name in names if name not in SCHEDULES), "" if names else word)
    if strange or not names:
        raise unknown("pipeline schedule", strange or word, SCHEDULES, "--schedule")
    return tuple(sorted({float(SCHEDULES.index(name)) for name in names}))


def virtual_stages(schedules: Values, usual: Values) -> Values:
    """Virtual stages a rank to try: the usual ones, and the two of a folded schedule."""
    return tuple(sorted({*usual, _FOLDED_CHUNKS})) if DUALPIPE_V in schedules else usual


def of_pipeline(schedules: Values, stages: float, virtual: float, usual: Values) -> Values:
    """The schedules that run on so many stages and virtual stages a rank; without a pipeline there is none to choose.

    `usual`: virtual stages of schedules that interleave. DualPipe pairs its ranks; ZB-H2 has no interleaved form.
    """
    if stages == 1.0:
        return (ONE_F_ONE_B,)
    found = []
    for schedule in schedules:
        runs = {
            ONE_F_ONE_B: virtual in usual, ZB_H1: virtual in usual, ZB_H2: virtual == 1.0,
            DUALPIPE: virtual == 1.0 and stages % 2.0 == 0.0, DUALPIPE_V: virtual == _FOLDED_CHUNKS,
        }  # fmt: skip
        if runs[schedule]:
            found.append(schedule)
    return tuple(found)


# Layers missing from the last virtual stages (first and last often carry one less), as a share of all layers.
UNEVEN_SHARE = 0.05


def interleaves(layers: float, chunks: float) -> bool:
    """Whether so many virtual stages of equal depth hold the layers, but for a few missing at the ends."""
    return chunks <= layers and math.ceil(layers / chunks) * chunks - layers <= UNEVEN_SHARE * layers
