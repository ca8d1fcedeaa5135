"""intervals.yaml as a record: widths by kind of quantity, what the serving runs cover, and how the widths hold."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.catalog.yamlfile import parse_yaml
from hwmodel.predict.service import Covered
from hwmodel.specs.intervals import IntervalConstants


class Scores(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How intervals hold: means over sources, and by rows beside them; beside those of one width for all and, on the
    board, of the constant's errors with one width (on the rows that have a constant)."""

    rows: int
    sources: int
    coverage: float
    coverage_by_rows: float
    interval_score: float
    interval_score_by_rows: float
    median_half_width: float
    rank_correlation: float
    one_width_coverage: float | None = None
    one_width_interval_score: float | None = None
    one_width_interval_score_by_rows: float | None = None
    constant_coverage: float | None = None
    constant_interval_score: float | None = None
    constant_interval_score_by_rows: float | None = None
    constant_rows: int | None = None


class KindScores(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the widths of one kind hold on sources left out of all fits, and on rows whose source was known."""

    new_source: Scores | None = None
    known_source: Scores | None = None


class Intervals(msgspec.Struct, frozen=True, kw_only=True):
    """The content of intervals.yaml."""

    code_version: str = ""
    kinds: dict[str, IntervalConstants] = {}
    serving_covered: Covered | None = None
    left_out: dict[str, KindScores] = {}


def read_intervals(path: Path | None = None) -> Intervals:
    """What a file holds (default: the shipped one); nothing where there is none. CatalogError for a broken one."""
    place = path or calibrations_dir() / "intervals.yaml"
    if not place.is_file():
        return Intervals()
    return msgspec.convert(parse_yaml(place.read_text(encoding="utf-8"), place), Intervals)
