"""Writes the tables of docs/kernels.md from the residuals: `python -m hwmodel.validation.kernels.docs`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.report.tables import table
from hwmodel.validation.kernels.reports import (
    CollectivesDocument,
    LargeProducts,
    LinkScores,
    ResidualsDocument,
    Score,
    Scores,
    TaskScores,
)

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
TITLES = {
    "gemm": "Products",
    "grouped": "Expert layers (grouped products, permutation, activation)",
    "attention": "Attention of prompts",
    "decode": "Attention of one new token",
    "mla_decode": "Latent attention of one new token",
    "memory": "Kernels that only move bytes",
    "weight_only": "Products over 8- and 4-bit weights in 16-bit arithmetic",
}


def _pair(found: Score | None) -> str:
    return f"{found.median_ape:.1f} / {found.p90_ape:.0f}" if found else ""


def _task(report: Mapping[str, TaskScores]) -> str:
    body = []
    for key, entry in sorted(report.items()):
        number_format = key.split()[1]
        left = entry.parts_left_out or {}
        for label, found in sorted(entry.shapes.items()):
            part, engine = label.split()
            body.append([part, number_format, engine, str(found.n), _pair(found), _pair(left.get(part))])
    return table(["part", "format", "engine", "rows", "shapes held out", "part left out (all engines)"], body)


def _large(report: Mapping[str, LargeProducts]) -> str:
    body = []
    for key, entry in sorted(report.items()):
        for part, found in sorted(entry.shipped.items()):
            body.append([part, key.split()[1], _pair(found), _pair(entry.five_constants.get(part))])
    return table(["part", "format", "shipped law", "five constants, fitted on these rows alone"], body)


def _flat(report: Mapping[str, Scores]) -> str:
    body = [[label, _pair(found)] for entry in report.values() for label, found in sorted(entry.items())]
    return table(["part and kernel", "error"], body)


def _collectives(report: Mapping[str, LinkScores]) -> str:
    body = []
    for key, entry in sorted(report.items()):
        groups = {"sizes held out": entry.sizes, "part left out": entry.parts_left_out, "in sample": entry.in_sample}
        for kind, group in groups.items():
            scored = sorted((group or {}).items())
            body += [[key, label, kind, str(found.n), _pair(found)] for label, found in scored]
    return table(["fit", "part and collective", "rows scored", "rows", "error"], body)


def tables() -> str:
    """All tables as Markdown. Errors read `median / 90th percentile` of the absolute error in percent."""
    place = calibrations_dir()
    residuals = read_calibration(place / "kernels_residuals.yaml", ResidualsDocument).residuals
    links = read_calibration(place / "collectives.yaml", CollectivesDocument).residuals
    out = [f"### {title}\n\n{_task(getattr(residuals, name))}" for name, title in TITLES.items()]
    checks = residuals.checks
    out.append(f"### Products of 512 rows and more\n\n{_large(checks.large_products)}")
    out.append(f"### Engine that the fit did not read (its cast alone fitted)\n\n{_flat(checks.other_engine)}")
    latent = _flat(checks.latent_prefill)
    out.append(f"### Prompts of latent attention, by the constants of plain attention\n\n{latent}")
    out.append(f"### Collectives\n\n{_collectives(links)}")
    return "\n\n".join(out)


def rewrite(page: Path) -> None:
    """Replaces the tables of the page between its markers."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    rewrite(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/kernels.md"))
