"""Records of the compiled catalog that only the catalog speaks in."""

from __future__ import annotations

import msgspec

from hwmodel.specs.economics import ReliabilityFacts
from hwmodel.specs.shape import Shape


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One named model. `shape` is None where `not_modelled` says why."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    source: str = ""
    locator: str = ""
    status: str = "secondary"
    shape: Shape | None = None
    not_modelled: str = ""
    public_params: float | None = None
    public_active_params: float | None = None
    params_note: str = ""
    notes: str = ""


class FleetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A published fleet and its failure facts."""

    id: str
    name: str
    facts: ReliabilityFacts
    default: bool = False


class Facility(msgspec.Struct, frozen=True, kw_only=True):
    """Power and carbon facts of a kind of installation, without the grid."""

    id: str
    name: str
    pue: float
    load_fraction: float
    server_overhead_fraction: float
    embodied_kg_co2e_per_accelerator_hour: float
    usd_per_kwh: float
    idle_fraction: float = 0.0
    draw_mfu_scale: float = 0.0
    server_load_fraction: float = 0.0
    water_l_per_kwh: float | None = None
    families: tuple[str, ...] = ()
    default: bool = False


class Region(msgspec.Struct, frozen=True):
    """Carbon intensity of a country's or cloud region's grid."""

    id: str
    name: str
    kind: str
    kg_co2e_per_kwh: float
    year: str = ""
    source: str = ""
    note: str = ""
    places: tuple[str, ...] = ()  # cities and states that the region stands in


class Box(msgspec.Struct, frozen=True):
    """What a maker's or a cloud's name counts: an instance, a node, a rack, or a slice of a pod.

    `accelerators` in one of it; of a slice, in one unit of the number that its name ends with (`v4-8`: 8 x 0.5 chips).
    """

    id: str
    kind: str  # instance | node | rack | slice
    part: str
    system: str  # id; empty: the default system of the part
    accelerators: float
    source: str = ""
    note: str = ""
