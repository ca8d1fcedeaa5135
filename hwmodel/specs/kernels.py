"""Constants of kernels and collectives on one machine, as the physics takes them; and the calibration they come from.

Every field of a constants record is a number or a column of numbers (rows of different parts, draws of shape (d, 1)).
"""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num


class GemmConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Matrix products of one format on one part.

    `efficiency` is the ceiling over `peak_flop_per_s` of a short run on a cool chip; kernels much longer than
    `throttle_s` take `1 + throttle` times as long (power and heat), which leaves the share `sustained` of the ceiling.
    Bytes count one element of the left operand (activations), the right one (weights) and the result.
    """

    peak_flop_per_s: Num
    efficiency: Num
    hbm_bytes_per_s: Num
    hbm_fraction: Num
    launch_s: Num
    units: Num
    throttle: Num = 0.0
    throttle_s: Num = 5e-4
    sustained: Num = 1.0
    overlap_loss: Num = 0.2  # share of the shorter of compute and memory time that does not hide behind the longer
    latency_s_per_k: Num = 5e-10  # serial walk along the contraction, until it is split
    latency_k: Num = 3500.0
    depth: Num = 150.0  # extra contraction length that prologue and epilogue of a tile cost
    fill: Num = 0.25  # 128 x 128 tiles a unit that an unfilled chip wastes
    split_k: Num = 3000.0  # contraction length at which splitting halves that waste
    edge_m: Num = 30.0  # rows and columns that ragged edges add
    edge_n: Num = 20.0
    wave: Num = 0.05  # share of the last wave of 128 x 256 tiles that is lost
    group_edge: Num = 60.0  # rows that ragged edges add to each expert of a grouped product
    group_efficiency: Num = 0.8  # of the ceiling, in grouped products
    group_launch_s: Num = 1e-5
    scan_efficiency: Num = 0.25  # of the peak, in recurrences and convolutions of linear mixers (unconfirmed)
    a_bytes: Num = 2.0
    b_bytes: Num = 2.0
    out_bytes: Num = 2.0
    store_cost: Num = 1.0  # of a byte written over a byte read
    cast_bytes: Num = 0.0  # bytes moved to cast and scale one element (0: the format needs no cast)
    cast_launch_s: Num = 0.0


class AttentionConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Fused attention of one kernel generation on one part."""

    peak_flop_per_s: Num
    efficiency: Num
    hbm_bytes_per_s: Num
    hbm_fraction: Num  # over queries, keys, values and results moved once
    launch_s: Num
    units: Num
    backward_efficiency: Num = 0.85  # of the forward one, over 2.5 times its FLOPs
    head_dim_half: Num = 30.0  # softmax of one score, in multiply-adds of a head dimension
    latency_s_per_token: Num = 1e-9  # serial walk along the keys
    overlap_loss: Num = 0.5
    fill: Num = 0.4  # tiles of 128 rows a unit that an unfilled chip wastes
    diagonal_tokens: Num = 64.0  # masked keys that a query computes at the diagonal
    window_pad_tokens: Num = 64.0  # further ones at the far edge of a window
    block_pairs: Num = 4000.0  # query-key pairs that the smallest block costs
    throttle: Num = 0.0
    throttle_s: Num = 5e-4
    decode_launch_s: Num = 8e-6
    decode_hbm_fraction: Num = 0.9
    decode_efficiency: Num = 0.1
    decode_min_tokens: Num = 128.0  # cache that the smallest block of one key-value head costs
    decode_latency_s_per_token: Num = 2e-10
    decode_latency_tokens: Num = 16000.0
    mla_decode_launch_s: Num = 9e-6
    mla_decode_efficiency: Num = 0.5
    mla_decode_hbm_fraction: Num = 0.8
    mla_decode_min_tokens: Num = 128.0
    mla_decode_latency_s_per_token: Num = 4e-10
    mla_decode_latency_tokens: Num = 30000.0


class MemoryConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Kernels that only move bytes."""

    hbm_bytes_per_s: Num
    hbm_fraction: Num
    launch_s: Num


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Links of a machine in one direction per accelerator, and how collectives use them.

    `in_switch`, `mesh`, `torus` are 0 or 1: reduction inside the switch, one link per pair, rings over several axes.
    `bus_sharing` is how much each rank beyond two slows a shared bus (0 for links).
    """

    domain: Num
    link_bytes_per_s: Num
    nic_bytes_per_s: Num
    link_efficiency: Num = 0.8  # all-gather and reduce-scatter
    link_ring_efficiency: Num = 0.8  # all-reduce as a ring
    link_reduce_efficiency: Num = 1.0  # all-reduce inside the switch, in bus bandwidth over the link
    link_alltoall_efficiency: Num = 0.75
    link_latency_s: Num = 5e-6
    link_rank_latency_s: Num = 0.8e-6  # each further rank of an all-gather or reduce-scatter
    reduce_rank_latency_s: Num = 1.5e-6  # each further rank of an all-reduce
    alltoall_rank_latency_s: Num = 0.3e-6
    pair_loss: Num = 0.0  # groups of n ranks lose pair_loss / n^2 of the rate of large groups
    link_ramp_s: Num = 4e-5  # what large buffers lose before the full rate is reached
    reduce_ramp_s: Num = 6e-5  # the same of an all-reduce
    in_switch: Num = 0.0
    in_switch_ranks: Num = 5.0
    fast_latency_s: Num = 4e-6  # all-reduce kernels of serving engines
    fast_rank_latency_s: Num = 0.1e-6
    fast_efficiency: Num = 0.8
    fast_ramp_s: Num = 1e-5
    fast_most_bytes: Num = float("inf")  # above it more than four ranks sum by the library instead
    mesh: Num = 0.0
    torus: Num = 0.0
    torus_axes: Num = 1.0
    torus_hop_s: Num = 1e-6
    shared_bus: Num = 0.0  # 1: the box has no links but a bus (PCIe)
    bus_sharing: Num = 0.0
    nic_efficiency: Num = 0.8
    nic_latency_s: Num = 15e-6
    nic_rank_latency_s: Num = 5e-6  # each doubling of the number of domains
    nic_ramp_s: Num = 1e-4
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
    host_link_bytes_per_s: Num  # to the memory of the host, one direction
    units: Num
    provenance: str  # where the constants come from: measured on the part, kin, or specs


class KernelCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Fitted constants. Keys: a family or a part; a part overrides its family, which overrides `generic`.

    `gemm` and `attention` map key -> format -> constant -> value; the others key -> constant -> value.
    """

    gemm: dict[str, dict[str, dict[str, float]]]
    attention: dict[str, dict[str, dict[str, float]]]
    attention_flash2: dict[str, dict[str, float]]
    memory: dict[str, dict[str, float]]
    collectives: dict[str, dict[str, float]]
    scale_out: dict[str, dict[str, float]]  # by fabric
    power_watts: dict[str, float] = {}  # by family: watts a dense bf16 TFLOP/s of the part whose kernels were measured
    power_exponent: float = 0.0
    casts: dict[
        str, float
    ] = {}  # bytes moved to cast one operand of a training step for all its uses, by kind of recipe
    code_version: str = ""
    fitted_on: str = ""
