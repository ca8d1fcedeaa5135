"""Writes docs/published.md: `python -m hwmodel.validation.board.published_page`."""

from __future__ import annotations

import math

import msgspec

from hwmodel.catalog import load_catalog
from hwmodel.economics import goodput
from hwmodel.report.tables import table
from hwmodel.units import format_usd
from hwmodel.validation.board.published import (
    COUNTS,
    energy_rows,
    interruptions_without,
    owned_rows,
    place_rows,
    written_to,
)

FAST_RESTARTS = 10.87  # warm standbys over cold restarts, as ByteRobust measures
HOWS = {"metered": "metered", "multiplied": "rating x hours"}


def page() -> str:
    """The page."""
    return "\n\n".join((
        "# Published runs beside ours: energy, interruptions, owned cost",
        "Written by `python -m hwmodel.validation.board.published_page`; rows and sources stand in `catalogs/runs/`.",
        "## Energy and carbon",
        "Most published energies are no measurement: they are the rating of the accelerator times hours (times PUE). "
        "The paper convention gives them again; our own figure is what a meter at the site would read, servers and the "
        "draw of training counted, so it lies above. Metered runs are told apart: GPT-3's figure holds its share of "
        "the server; the hours of OLMo 2 are predicted by `plan`, for its table of measured power prints none. Carbon "
        "is at the grid of the source.",
        _energy(), "## One run in three places (Qwen3-32B on 1T tokens, 512 H100)", _places(),
        "## Interruptions, each fleet predicted from the others", _interruptions(), _byte_robust(),
        "## Software that stops jobs, by team and year", _software_words(), _software(),
        "## Owned cost by the components of arXiv 2405.21015", _owned_words(), _owned(),
    )) + "\n"  # fmt: skip


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _energy() -> str:
    rows = [
        [r.run, HOWS[r.how], f"{r.hours:,.0f}" + (" predicted" if r.predicted_hours else ""), _shown(r.published_mwh),
         _shown(r.published_t), f"{r.paper_mwh:,.0f}", f"{r.ours_mwh:,.0f}", _shown(r.ours_t)]
        for r in energy_rows()
    ]  # fmt: skip
    head = ["run", "published by", "accelerator-hours", "published MWh", "published t CO2e", "paper convention MWh",
            "ours MWh", "ours t CO2e"]  # fmt: skip
    return table(head, rows)


def _places() -> str:
    rows = [[r.place, r.grid, f"{r.g_per_kwh:.0f}", f"{r.mwh:,.0f}", f"{r.t:,.1f}"] for r in place_rows()]
    return table(["place", "grid", "g CO2e/kWh", "MWh", "t CO2e"], rows)


def _interruptions() -> str:
    width = load_catalog().reliability().rate_log_half_width
    rows = []
    for count in COUNTS:
        found = interruptions_without(count)
        low, high = found * math.exp(-width), found * math.exp(width)
        rows.append([count.name, f"{count.counted:g}", f"{found:.3g}", f"{low:.3g} to {high:.3g}"])
    return table(["fleet", "counted", "predicted without it", "80 % interval"], rows)


def _byte_robust() -> str:
    """The published share of time of ByteRobust beside ours with its restarts."""
    facts = load_catalog().reliability()
    fast = msgspec.structs.replace(facts, restart_s=facts.restart_s / FAST_RESTARTS)
    slow, quick = (float(goodput(9600.0, 175e9, one).goodput) for one in (facts, fast))
    return (
        f"ByteRobust (arXiv 2509.16293) publishes no count but 97 % of the time at work on 9,600 accelerators, with "
        f"restarts {FAST_RESTARTS:g} times as fast as before: ours is {100 * quick:.1f} % with such restarts, "
        f"{100 * slow:.1f} % with the default ones (175B parameters)."
    )


def _software_words() -> str:
    return (
        "A job of any size stops for software; parts fail with their number. Two sources tell the two apart, and they "
        "are of two teams and two years: the default is their middle. `--reliability` takes another fleet, an overlay "
        "your own team's rate. A trend by year is not fitted: two points give none."
    )


def _software() -> str:
    catalog = load_catalog()
    rows = []
    for name in ("meta-rsc-1", "llama-3-16k", "published-fleets", "opt-175b", "crusoe-h200"):
        facts = catalog.reliability(name)
        software, parts = facts.software_interruptions_per_hour, facts.interruptions_per_accelerator_hour
        rows.append([name, facts.team, facts.year, f"{24 * software:.2g}" if software else "within the other",
                     f"{24e3 * parts:.2f}"])  # fmt: skip
    head = ["fleet", "team", "year", "software stops of a job a day", "failures a 1,000 accelerator-days"]
    return table(head, rows)


def _owned_words() -> str:
    return (
        "The paper charges a run the value that its cluster has at the start: 0.14 orders of magnitude a year below "
        "the price at release. A100s of $15,000 (the middle of the band of 2022) give its figures again by the year of "
        "the run; charged as new, a run of 2022 comes out 40 % and one of 2023 twice too dear: that was the excess on "
        "the A100 runs. Runs on V100 and TPU are left out: no purchase price of them was found."
    )


def _owned() -> str:
    rows = [
        [r.run, f"{r.hours:,.0f}", format_usd(r.published_usd), format_usd(r.ours_usd),
         f"{100 * (r.ours_usd / r.published_usd - 1):+.0f} %", format_usd(r.as_new_usd)]
        for r in owned_rows()
    ]  # fmt: skip
    return table(["run", "A100-hours", "published", "ours", "off", "charged as new"], rows)


def main() -> None:
    """Write the page into the checkout."""
    written_to().write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
