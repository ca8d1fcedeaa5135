"""Published energy, interruptions and owned costs of whole runs beside ours; `published_page` writes them down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.economics import energy, interruptions_per_hour, owned_usd_per_accelerator_hour, paper_convention_kwh
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.run.result import value_of
from hwmodel.specs import ReliabilityFacts
from hwmodel.validation.rows.tables import read_records

# Fleets whose sources tell hardware from software; RSC's two clusters share one team's software.
TOLD_APART = ("llama-3-16k", "meta-rsc-1", "meta-rsc-2")
NODE_HOURS = 24_000.0  # RSC counts nodes, not jobs: software is of the job
# Accelerators of a run whose source does not say how many: its energy hardly depends on them.
USUAL_FLEET = 512


class EnergyRun(msgspec.Struct, frozen=True, kw_only=True):
    """A row of catalogs/runs/energy.csv: what a source prints of a run's hours, energy and carbon."""

    run: str
    how: str  # metered, or the rating multiplied by hours
    accelerator: str
    rated_w: float
    pue: float
    accelerator_hours: float | None = None
    mfu: float | None = None
    energy_mwh: float | None = None
    t_co2e: float | None = None
    kg_co2e_per_kwh: float | None = None
    model: str = ""
    tokens: str = ""


class EnergyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run's published energy and carbon, and ours: `paper_mwh` by rating x hours x PUE, `ours_mwh` at the meter."""

    run: str
    how: str
    hours: float
    published_mwh: float | None
    published_t: float | None
    paper_mwh: float
    ours_mwh: float
    ours_t: float | None  # at the carbon of the grid that the source used
    predicted_hours: bool


def energy_rows(catalog: Catalog | None = None) -> list[EnergyRow]:
    """Every run of catalogs/runs/energy.csv; hours that a source leaves out are those that `plan` predicts."""
    catalog = catalog or load_catalog()
    path = calibrations_dir().parent / "runs" / "energy.csv"
    return [_energy_row(row, catalog) for row in read_records(path, EnergyRun)]


def _energy_row(row: EnergyRun, catalog: Catalog) -> EnergyRow:
    part = catalog.part(row.accelerator)
    hours, mfu = row.accelerator_hours, row.mfu
    predicted = hours is None
    if hours is None:
        found = plan(gpus=f"{USUAL_FLEET}x{part.id}", model=row.model, tokens=row.tokens).answer
        hours, mfu = value_of(found.gpu_hours), value_of(found.mfu)
    facts = msgspec.structs.replace(catalog.energy(), pue=row.pue)
    ours = float(energy(hours, part, catalog.default_system(part), facts, mfu).total_kwh) / 1e3
    grid, mwh, carbon = row.kg_co2e_per_kwh, row.energy_mwh, row.t_co2e
    grid = grid if grid is not None else (carbon / mwh if carbon and mwh else None)
    return EnergyRow(
        run=row.run, how=row.how, hours=hours, published_mwh=mwh, published_t=carbon,
        paper_mwh=float(paper_convention_kwh(hours, row.rated_w, row.pue)) / 1e3, ours_mwh=ours,
        ours_t=None if grid is None else ours * grid, predicted_hours=predicted,
    )  # fmt: skip


class FleetCount(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted on how many accelerators in how many hours; `without`: the fleets that it is left out of."""

    name: str
    without: tuple[str, ...]
    accelerators: float
    hours: float
    counted: float


COUNTS = (
    FleetCount(name="Llama 3, 16,384 H100, 54 days", without=("llama-3-16k",), accelerators=16384, hours=1296.0,
          counted=419.0),
    FleetCount(name="OPT-175B, 992 A100, 61 days", without=(), accelerators=992, hours=1464.0, counted=105.0),
    FleetCount(name="Crusoe, 1,600 H200, about four months", without=(), accelerators=1600, hours=2870.0,
               counted=205.0),
    FleetCount(name="RSC jobs of 1,024 A100, one mean time to failure", without=("meta-rsc-1", "meta-rsc-2"),
          accelerators=1024, hours=7.9, counted=1.0),
    FleetCount(name="RSC-1 nodes of 8 A100, 1,000 node-days", without=("meta-rsc-1",), accelerators=8, hours=NODE_HOURS,
          counted=6.5),
    FleetCount(name="RSC-2 nodes of 8 A100, 1,000 node-days", without=("meta-rsc-2",), accelerators=8, hours=NODE_HOURS,
          counted=2.34),
)  # fmt: skip


def _middle(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def pooled(without: tuple[str, ...] = (), catalog: Catalog | None = None) -> ReliabilityFacts:
    """The default facts with the rates of the other fleets."""
    catalog = catalog or load_catalog()
    kept = [catalog.reliability(name) for name in TOLD_APART if name not in without]
    software = [f.software_interruptions_per_hour for f in kept if f.fleet != "meta-rsc-2" or "meta-rsc-1" in without]
    return msgspec.structs.replace(
        catalog.reliability(),
        interruptions_per_accelerator_hour=_middle([f.interruptions_per_accelerator_hour for f in kept]),
        software_interruptions_per_hour=_middle(software),
    )


def interruptions_without(count: FleetCount, catalog: Catalog | None = None) -> float:
    """Interruptions of a published fleet by the rates of the others."""
    facts = pooled(count.without, catalog)
    if count.hours == NODE_HOURS:
        facts = msgspec.structs.replace(facts, software_interruptions_per_hour=0.0)
    return float(interruptions_per_hour(count.accelerators, facts)) * count.hours


# Middle of the band of 2022 in catalogs/prices/quotes.csv (10,000 to 20,000); the part came out in spring 2020, and the
# paper charges a run the value at its start, 90 days after delivery.
A100_USD, A100_YEAR = 15_000.0, 2020.8
# Server over accelerator and load of the paper's code (hardware.md of its repository), its price of power of 2023.
A100_W, PAPER_USD_PER_KWH = 400.0 * 2.03 * 0.75 * 1.1, 0.0806


class CostedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A row of catalogs/runs/whole.csv as far as an owned cost takes it; `cost_usd` in words where it is none."""

    model: str
    gpu: str = ""
    year: float | None = None
    gpu_hours: float | None = None
    cost_usd: str = ""


class OwnedRow(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of a run on owned A100s by arXiv 2405.21015, ours with the value they had, and ours charged as new."""

    run: str
    hours: float
    published_usd: float
    ours_usd: float
    as_new_usd: float


def owned_rows() -> list[OwnedRow]:
    """The runs of catalogs/runs/whole.csv on A100s whose cost the paper's data print."""
    path = calibrations_dir().parent / "runs" / "whole.csv"
    rows = read_records(path, CostedRun)
    return [_owned_row(row) for row in rows if row.cost_usd.startswith("$") and "A100" in row.gpu]


def _owned_row(row: CostedRun) -> OwnedRow:
    assert row.gpu_hours is not None
    assert row.year is not None
    hours, age_years = row.gpu_hours, row.year - A100_YEAR
    power_usd = A100_W / 1e3 * PAPER_USD_PER_KWH

    def cost(age_years: float) -> float:
        return hours * float(owned_usd_per_accelerator_hour(A100_USD, power_usd, age_years))

    return OwnedRow(
        run=row.model, hours=hours, published_usd=float(row.cost_usd.lstrip("$")), ours_usd=cost(age_years),
        as_new_usd=cost(0.0),
    )  # fmt: skip


PLACES = ("France", "Oregon", "Poland")


class PlaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run in one place: its grid and the carbon of it, energy and carbon of the run."""

    place: str
    grid: str
    g_per_kwh: float
    mwh: float
    t: float


def place_rows() -> list[PlaceRow]:
    """One run in three places: the same energy, other carbon."""
    out = []
    for place in PLACES:
        found = plan(gpus="512xH100", model="Qwen3-32B", tokens="1T", region=place)
        assert found.money is not None
        used = found.money.energy
        out.append(
            PlaceRow(
                place=place, grid=used.grid_region, mwh=value_of(found.answer.energy_mwh),
                t=value_of(found.answer.co2e_t), g_per_kwh=1e3 * used.grid_kg_co2e_per_kwh,
            )
        )  # fmt: skip
    return out


def written_to() -> Path:
    """The page in a checkout."""
    return calibrations_dir().parents[1] / "docs" / "published.md"
