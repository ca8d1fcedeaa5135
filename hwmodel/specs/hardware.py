"""Accelerators and the systems they stand in."""

from __future__ import annotations

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One accelerator, exact SKU, per GPU or chip (never per superchip or node).

    `peak_dense_flop_per_s` maps a format (`bf16`, `fp16`, `fp8`, `mxfp8`, `nvfp4`, `int8` ...) to its dense peak with
    the accumulation that training needs; the value None says that the hardware lacks the format, a missing key that
    nobody has stated it. `link_uni_bytes_per_s` is the scale-up bandwidth of one accelerator in one direction.
    """

    id: str
    name: str
    vendor: str
    family: str  # kin that share kernel constants: volta, ampere, ada, hopper, blackwell, tpu, cdna, gaudi ...
    architecture: str = ""  # finer than the family: ga100, gh100, cdna3, v5p ...
    status: str = "ga"  # ga | announced | retired
    aliases: tuple[str, ...] = ()
    peak_dense_flop_per_s: dict[str, float | None] = {}
    peak_dense_fp16_accumulate_flop_per_s: dict[str, float] = {}  # where the hardware also accumulates in fp16
    sparsity_multiplier: float | None = None  # of structured sparsity; never folded into a peak
    memory_type: str = ""
    hbm_bytes: float = 0.0
    hbm_bytes_per_s: float = 0.0
    usable_hbm_bytes: float | None = None  # measured, where a source gives it
    link_uni_bytes_per_s: float = 0.0
    link_topology: str = "none"  # switch | mesh | torus2d | torus3d | ring | pcie | none
    link_domain: float = 1.0  # accelerators reached over the scale-up links
    link_pair_uni_bytes_per_s: float | None = None  # what one pair gets where links are not shared (mesh, torus)
    scale_out_uni_bytes_per_s: float | None = None  # network of the reference system, per accelerator and direction
    host_link_uni_bytes_per_s: float = 0.0  # PCIe or equivalent
    units: float = 0.0  # streaming multiprocessors, compute units or cores that a wave of tiles fills
    tdp_w: float | None = None
    tdp_term: str = ""  # TDP | TBP | TGP | system ...: what the rating means
    average_power_w: float | None = None  # measured in operation, where a source gives it
    released: str = ""
    extends: str = ""  # id of the part that this record varies
    kin: tuple[str, ...] = ()  # ids of all parts of its family that it varies, the first one first
    default_system: str = ""  # id of the system that a bare part name resolves to
    unconfirmed: tuple[str, ...] = ()  # names of the fields above that no readable source confirms


class System(msgspec.Struct, frozen=True, kw_only=True):
    """Accelerators of one part wired into nodes, scale-up domains and a scale-out network.

    `nic_uni_bytes_per_s` counts per accelerator and direction. `oversubscription` divides it beyond `pod_accelerators`.
    """

    id: str
    name: str
    part: str  # id
    accelerators_per_node: float
    domain_accelerators: float  # size of the scale-up domain (8 in an HGX box, 72 in an NVL72, thousands in a TPU pod)
    link_uni_bytes_per_s: float
    link_topology: str
    nic_uni_bytes_per_s: float
    link_pair_uni_bytes_per_s: float | None = None
    fabric: str = "infiniband"  # infiniband | roce | efa | ethernet | ici-dcn | none
    oversubscription: float = 1.0
    pod_accelerators: float = float("inf")
    node_power_w: float | None = None
    rack_power_w: float | None = None
    accelerators: float | None = None  # size of a named cluster
    region: str = ""
    aliases: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()
