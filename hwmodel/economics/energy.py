"""Energy and carbon of accelerator time."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num
from hwmodel.specs import EnergyFacts, Part, System
from hwmodel.units import JOULES_PER_KWH

# Used only where the vendor publishes no power figure (TPU v4 and later); always flagged. The span of published
# ratings a dense bf16 FLOP/s: A100 400 W / 312 TFLOP/s = 1.28 pJ, H100 0.71, B200 0.44; their middle, H100's.
FALLBACK_J_PER_FLOP = 0.71e-12


class EnergyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Energy by where it is drawn [J], the site's total, and carbon [kg CO2e] (grid, location-based; hardware)."""

    chip_j: Num
    server_j: Num
    facility_j: Num
    grid_kg_co2e: Num
    embodied_kg_co2e: Num

    @property
    def total_j(self) -> Num:
        return self.chip_j + self.server_j + self.facility_j

    @property
    def total_kwh(self) -> Num:
        return self.total_j / JOULES_PER_KWH

    @property
    def kg_co2e(self) -> Num:
        return self.grid_kg_co2e + self.embodied_kg_co2e


def mean_chip_power_w(part: Part, facts: EnergyFacts) -> tuple[float, str]:
    """Mean power of one accelerator in training [W], and a flag that is empty when the vendor publishes a rating.

    Rating times load where there is a rating, else a measured fleet average, else a guess from the peak.
    """
    if part.tdp_w:
        return part.tdp_w * facts.load_fraction, ""
    if part.average_power_w:
        watts = part.average_power_w
        return watts, f"no published power rating of {part.id}: its measured fleet average, {watts:.0f} W, is used"
    peak = part.peak_dense_flop_per_s.get("bf16") or part.peak_dense_flop_per_s.get("fp16") or 0.0
    watts = peak * FALLBACK_J_PER_FLOP * facts.load_fraction
    return watts, f"no published power of {part.id}: {watts:.0f} W assumed from its peak (unconfirmed)"


def energy(accelerator_hours: Num, part: Part, system: System, facts: EnergyFacts) -> EnergyTerms:
    """Energy and carbon of `accelerator_hours` of training: chip at its mean load, the rest of the server, PUE.

    Where the system's node rating is known, the server's share is rating / accelerators - chip rating at the same load;
    otherwise `facts.server_overhead_fraction` of the chip.
    """
    chip_w, _ = mean_chip_power_w(part, facts)
    server_w = chip_w * facts.server_overhead_fraction
    if system.node_power_w and part.tdp_w:
        rest_w = system.node_power_w / system.accelerators_per_node - part.tdp_w
        server_w = rest_w * facts.load_fraction if rest_w > 0 else server_w
    seconds = accelerator_hours * 3600.0
    chip_j, server_j = chip_w * seconds, server_w * seconds
    facility_j = (chip_j + server_j) * (facts.pue - 1.0)
    total_kwh = (chip_j + server_j + facility_j) / JOULES_PER_KWH
    return EnergyTerms(
        chip_j=chip_j,
        server_j=server_j,
        facility_j=facility_j,
        grid_kg_co2e=total_kwh * facts.grid_kg_co2e_per_kwh,
        embodied_kg_co2e=accelerator_hours * facts.embodied_kg_co2e_per_accelerator_hour,
    )
