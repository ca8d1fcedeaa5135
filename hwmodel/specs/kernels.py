"""Constants of kernels and collectives on one machine, as the physics takes them; and the calibration they come from.

Every field of a constants record is a number or a column of numbers (rows of different parts, draws of shape (d, 1)).
"""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num


class GemmConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Matrix products of one format on one part. `burst` figures: short runs on a cool chip.

    `efficiency` is the ceiling over `peak_flop_per_s`; `sustained` what is left of it under a long load (power, heat).
    Bytes count one element of the left operand (activations), the right one (weights) and the result.
    """

    peak_flop_per_s: Num
    efficiency: Num
    hbm_bytes_per_s: Num
    hbm_fraction: Num
    launch_s: Num
    units: Num
    tile_m: Num = 128.0
    tile_n: Num = 128.0
    fill: Num = 0.5  # share of a wave that a product loses to its ragged last wave
    depth: Num = 128.0  # extra contraction length that prologue and epilogue of a tile cost
    sustained: Num = 1.0
    a_bytes: Num = 2.0
    b_bytes: Num = 2.0
    out_bytes: Num = 2.0
    cast_bytes: Num = 0.0  # bytes moved to cast and scale one element (0: the format needs no cast)
    cast_launch_s: Num = 0.0


class AttentionConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Fused attention of one kernel generation on one part."""

    peak_flop_per_s: Num
    efficiency: Num
    hbm_bytes_per_s: Num
    hbm_fraction: Num
    launch_s: Num
    units: Num
    backward_efficiency: Num = 0.8  # of the forward one, over 2.5 times its FLOPs
    head_dim_half: Num = 32.0  # head dimension at which half of the ceiling is reached
    ramp_tokens: Num = 256.0  # tokens of query that start-up and softmax tails cost
    decode_launch_s: Num = 6e-6
    decode_hbm_fraction: Num = 0.7
    mla_efficiency: Num = 0.5
    mla_hbm_fraction: Num = 0.6


class MemoryConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Kernels that only move bytes."""

    hbm_bytes_per_s: Num
    hbm_fraction: Num
    launch_s: Num


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Links of a machine in one direction per accelerator, and how collectives use them.

    `in_switch`, `mesh`, `torus`, `shared_bus` are 0 or 1: reduction inside the switch, one link per pair, rings over
    several axes, a bus that all ranks share (PCIe).
    """

    domain: Num
    link_bytes_per_s: Num
    nic_bytes_per_s: Num
    link_efficiency: Num = 0.8
    link_reduce_efficiency: Num = 1.0  # all-reduce inside the switch, in bus bandwidth over the link
    link_alltoall_efficiency: Num = 0.75
    link_latency_s: Num = 5e-6
    link_rank_latency_s: Num = 1.3e-6  # each rank more
    link_half_bytes: Num = 4e6  # per-rank traffic at which half of the bandwidth is reached
    nic_efficiency: Num = 0.8
    nic_latency_s: Num = 12e-6
    nic_rank_latency_s: Num = 3e-6  # each doubling of the number of domains
    nic_half_bytes: Num = 1e6
    in_switch: Num = 0.0
    in_switch_ranks: Num = 5.0
    mesh: Num = 0.0
    torus: Num = 0.0
    torus_axes: Num = 1.0
    shared_bus: Num = 0.0
    oversubscription: Num = 1.0
    pod: Num = float("inf")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the step physics needs of an accelerator in its system, for one recipe of formats."""

    part: str
    system: str
    family: str
    gemm: GemmConstants  # the recipe's format
    gemm_high: GemmConstants  # bf16 or fp16: logits, routers, what the recipe leaves in high precision
    attention: AttentionConstants  # kernels of today
    attention_flash2: AttentionConstants  # the FlashAttention-2 generation (2023 to mid 2024)
    memory: MemoryConstants
    network: Network
    hbm_bytes: Num
    units: Num
    provenance: str  # where the constants come from: measured on the part, kin, or specs


class KernelCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Fitted constants. Keys: a family or a part; a part overrides its family, which overrides `generic`.

    `gemm` maps key -> format -> constant -> value; the others key -> constant -> value.
    """

    gemm: dict[str, dict[str, dict[str, float]]]
    attention: dict[str, dict[str, float]]
    attention_flash2: dict[str, dict[str, float]]
    memory: dict[str, dict[str, float]]
    collectives: dict[str, dict[str, float]]
    scale_out: dict[str, dict[str, float]]  # by fabric
    code_version: str = ""
    fitted_on: str = ""
