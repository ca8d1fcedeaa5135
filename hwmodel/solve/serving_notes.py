"""What a reader must know before trusting a serving answer: where constants, facts and prices come from."""

from __future__ import annotations

from hwmodel.specs import PriceSummary
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.kernels import Machine
from hwmodel.specs.precision import ServingPrecision


def notes(
    part: Part, system: System, machine: Machine, recipe: ServingPrecision, price: PriceSummary | None
) -> list[str]:
    """A line for kernels that were not measured, facts that nobody confirmed, and prices that rest on little."""
    said = []
    if machine.provenance != "measured":
        said.append(f"kernels of {part.id} were not measured: their constants come from {machine.provenance}")
    used = {"hbm_bytes", "hbm_bytes_per_s", "nic_uni_bytes_per_s", "link_uni_bytes_per_s", "tdp_w",
            f"peak_dense_flop_per_s.{recipe.gemm_format}"}  # fmt: skip
    if shaky := sorted(used & {*part.unconfirmed, *system.unconfirmed}):
        said.append(f"unconfirmed in the catalog: {', '.join(shaky)}")
    if price is not None and price.flag:
        said.append(f"price of {part.id}: {price.flag}")
    return said
