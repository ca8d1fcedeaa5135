"""Energy, carbon and water of accelerator time."""

from __future__ import annotations

import msgspec

from hwmodel import ops
from hwmodel.ops import Num
from hwmodel.specs import EnergyFacts, Part, System
from hwmodel.units import JOULES_PER_KWH, JOULES_PER_MWH, KG_PER_TONNE, SECONDS_PER_HOUR

# Used only where the vendor publishes no power figure (TPU v4 and later); always flagged. The span of published
# ratings a dense bf16 FLOP/s: A100 400 W / 312 TFLOP/s = 1.28 pJ, H100 0.71, B200 0.44; their middle, H100's.
FALLBACK_J_PER_FLOP = 0.71e-12


def energy_j(accelerator_hours: Num, watts: Num) -> Num:
    """Energy of so many watts an accelerator over accelerator-hours [J]."""
    return watts * (accelerator_hours * SECONDS_PER_HOUR)


def fleet_w(accelerators: Num, watts: Num) -> Num:
    """Power of so many accelerators, each drawing `watts` [W]: their energy of an hour over the hour."""
    return energy_j(accelerators, watts) / SECONDS_PER_HOUR


def mwh(joules: Num) -> Num:
    """Joules as megawatt-hours."""
    return joules / JOULES_PER_MWH


def at_meter(machines: Num, pue: Num) -> Num:
    """What a site draws for its machines: theirs, and cooling and losses on top (power or energy, in their unit)."""
    return machines * pue


def facility(machines: Num, pue: Num) -> Num:
    """Cooling and losses of the site alone, in the unit of what its machines draw."""
    return machines * (pue - 1.0)


def grid_kg(kwh: Num, kg_co2e_per_kwh: Num) -> Num:
    """Carbon of so much energy from a grid [kg CO2e]."""
    return kwh * kg_co2e_per_kwh


def embodied_kg(accelerator_hours: Num, kg_co2e_per_accelerator_hour: Num) -> Num:
    """Share of what making the hardware cost that so many hours of its life carry [kg CO2e]."""
    return accelerator_hours * kg_co2e_per_accelerator_hour


def tonnes(kg: Num) -> Num:
    """Kilograms as tonnes."""
    return kg / KG_PER_TONNE


class EnergyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Energy by where it is drawn [J], the site's total, carbon [kg CO2e] (grid, location-based; hardware), water [L].

    `market_kg_co2e` is by the contract of the site, `water_l` what its cooling takes: None where the facts say neither.
    """

    chip_j: Num
    server_j: Num
    facility_j: Num
    grid_kg_co2e: Num
    embodied_kg_co2e: Num
    market_kg_co2e: Num | None = None
    water_l: Num | None = None

    @property
    def total_j(self) -> Num:
        return self.chip_j + self.server_j + self.facility_j

    @property
    def total_kwh(self) -> Num:
        return self.total_j / JOULES_PER_KWH

    @property
    def kg_co2e(self) -> Num:
        return self.grid_kg_co2e + self.embodied_kg_co2e


class PowerTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Mean power of one accelerator and of its share of the server [W]; `flag` says where no rating is published."""

    chip_w: Num
    server_w: Num
    flag: str = ""


def draw(facts: EnergyFacts, mfu: Num | None = None) -> Num:
    """Mean power of a server in training over its rating.

    It rises from an idle cluster's draw to the plateau of work that keeps the accelerators busy, and is there from a
    utilisation of 0.4 on: idle + (plateau - idle) (1 - exp(-MFU / scale)). Without an MFU it is the plateau.
    """
    if mfu is None or not facts.draw_mfu_scale:
        return facts.load_fraction
    busy = 1.0 - ops.exp(-mfu / facts.draw_mfu_scale)
    return facts.idle_fraction + (facts.load_fraction - facts.idle_fraction) * busy


def power(part: Part, system: System, facts: EnergyFacts, mfu: Num | None = None) -> PowerTerms:
    """Mean power of one accelerator and its share of the server in training.

    The server's rating times `draw`. Of it the parts beside the accelerators take what they took in a metered node,
    `server_load_fraction` of their share of the rating; the accelerators, near their own rating, the rest.
    Where no rating is published: a measured fleet average, else a guess from the peak, flagged.
    """
    if not part.tdp_w:
        chip_w, flag = _unrated(part, facts)
        return PowerTerms(chip_w=chip_w, server_w=chip_w * facts.server_overhead_fraction, flag=flag)
    rated = _rated(part.tdp_w, system, facts)
    total_w = rated * draw(facts, mfu)
    rest = facts.server_load_fraction or facts.load_fraction
    server_share = min(rest * (rated - part.tdp_w) / (facts.load_fraction * rated), 1.0)
    server_w = ops.maximum(total_w * server_share, total_w - part.tdp_w)
    return PowerTerms(chip_w=total_w - server_w, server_w=server_w)


def _rated(tdp_w: float, system: System, facts: EnergyFacts) -> float:
    """Rating of a server, or what its parts are usually rated, for one of its accelerators [W]."""
    rated = system.node_power_w / system.accelerators_per_node if system.node_power_w else 0.0
    return rated if rated > tdp_w else tdp_w * (1.0 + facts.server_overhead_fraction)


def rated_w(part: Part, system: System, facts: EnergyFacts) -> float:
    """What an accelerator and its share of the server may draw at most [W]: the rating of the server, or, where no
    rating is published, the mean draw over its usual share of one."""
    if part.tdp_w:
        return _rated(part.tdp_w, system, facts)
    mean = power(part, system, facts)
    return float(mean.chip_w + mean.server_w) / facts.load_fraction


def _unrated(part: Part, facts: EnergyFacts) -> tuple[float, str]:
    """Mean power of an accelerator without a published rating, and the flag that says what stands in for it."""
    if part.average_power_w:
        watts = part.average_power_w
        return watts, f"no published power rating of {part.id}: its measured fleet average, {watts:.0f} W, is used"
    peak = part.peak_dense_flop_per_s.get("bf16") or part.peak_dense_flop_per_s.get("fp16") or 0.0
    watts = peak * FALLBACK_J_PER_FLOP * facts.load_fraction
    return watts, f"no published power of {part.id}: {watts:.0f} W assumed from its peak (unconfirmed)"


def energy(
    accelerator_hours: Num, part: Part, system: System, facts: EnergyFacts, mfu: Num | None = None
) -> EnergyTerms:
    """Energy, carbon and water of `accelerator_hours` of training at an MFU (6 N D over the peak of the format)."""
    drawn = power(part, system, facts, mfu)
    chip_j, server_j = energy_j(accelerator_hours, drawn.chip_w), energy_j(accelerator_hours, drawn.server_w)
    it_kwh = (chip_j + server_j) / JOULES_PER_KWH
    total_kwh = at_meter(it_kwh, facts.pue)
    market, water = facts.market_kg_co2e_per_kwh, facts.water_l_per_kwh
    return EnergyTerms(
        chip_j=chip_j,
        server_j=server_j,
        facility_j=facility(chip_j + server_j, facts.pue),
        grid_kg_co2e=grid_kg(total_kwh, facts.grid_kg_co2e_per_kwh),
        embodied_kg_co2e=embodied_kg(accelerator_hours, facts.embodied_kg_co2e_per_accelerator_hour),
        market_kg_co2e=None if market is None else grid_kg(total_kwh, market),
        water_l=None if water is None else it_kwh * water,
    )


def paper_convention_kwh(accelerator_hours: Num, rated_w: Num, pue: Num = 1.0) -> Num:
    """Energy as most papers and model cards state it: the accelerator's rating times hours (times PUE) [kWh].

    Neither the server nor the real draw enters, so it compares with published figures and with no meter.
    """
    return accelerator_hours * rated_w / 1e3 * pue
