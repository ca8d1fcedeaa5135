"""How fast published training runs were, as the table of measured runs says."""

from __future__ import annotations

import csv
from functools import cache
from operator import itemgetter

from hwmodel.catalog.cache import parsed_once
from hwmodel.catalog.places import catalog_root

TABLE = "runs/training.csv"
COLUMNS = (
    "source", "model", "accelerator", "n_accel", "params_active", "tokens_per_s_per_accel", "precision", "score",
)  # fmt: skip
KEPT_AS = "speeds-" + "-".join(COLUMNS)
Rows = list[tuple[str, ...]]


@cache
def published_speeds() -> Rows:
    """COLUMNS of every published training run; taken from its table of a megabyte once a content."""
    content = (catalog_root() / TABLE).read_bytes()
    return parsed_once(KEPT_AS, content, Rows, lambda: columns_of(content))


def columns_of(content: bytes) -> Rows:
    """COLUMNS of a table of runs, as text."""
    rows = csv.reader(content.decode("utf-8").splitlines(keepends=True))
    places = {name: place for place, name in enumerate(next(rows))}
    wanted = itemgetter(*(places[name] for name in COLUMNS))
    return [wanted(row) for row in rows if row]
