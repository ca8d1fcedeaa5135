"""A machine and a model of round numbers, on which terms can be worked out by hand.

The machine does 1e14 FLOP/s, moves 1e12 bytes/s of memory, 1e11 over links and 1e10 over the network, without
latencies, ramps or losses. The model: d = 1,024, 4 layers, 8 heads of 128, a two-matrix network of 4,096, a
vocabulary of 8,000.
"""

from __future__ import annotations

from hwmodel.specs import Block, Shape, Stack
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, Machine, MemoryConstants, Network

RATE = {"peak_flop_per_s": 1e14, "efficiency": 1.0, "hbm_bytes_per_s": 1e12, "hbm_fraction": 1.0, "units": 1.0}
GEMM = GemmConstants(
    **RATE, launch_s=0.0, overlap_loss=0.0, latency_s_per_k=0.0, depth=0.0, fill=0.0, edge_m=0.0, edge_n=0.0, wave=0.0,
    group_edge=0.0, group_efficiency=1.0, group_launch_s=0.0,
)  # fmt: skip
ATTENTION = AttentionConstants(
    **RATE, launch_s=0.0, backward_efficiency=1.0, head_dim_half=0.0, latency_s_per_token=0.0, overlap_loss=0.0,
    fill=0.0, diagonal_tokens=0.0, window_pad_tokens=0.0, block_pairs=0.0, decode_launch_s=0.0,
    decode_hbm_fraction=1.0, decode_efficiency=1.0, decode_latency_s_per_token=0.0,
)  # fmt: skip
NETWORK = Network(
    domain=8.0, link_bytes_per_s=1e11, nic_bytes_per_s=1e10, link_efficiency=1.0, link_ring_efficiency=1.0,
    link_alltoall_efficiency=1.0, link_latency_s=0.0, link_rank_latency_s=0.0, reduce_rank_latency_s=0.0,
    alltoall_rank_latency_s=0.0, link_ramp_s=1e-30, reduce_ramp_s=1e-30, nic_efficiency=1.0, nic_latency_s=0.0,
    nic_rank_latency_s=0.0, nic_ramp_s=1e-30, fast_efficiency=1.0,
    fast_latency_s=0.0, fast_rank_latency_s=0.0, fast_ramp_s=1e-30,
)  # fmt: skip
MACHINE = Machine(
    part="round", system="round", family="round", gemm=GEMM, gemm_high=GEMM, attention=ATTENTION,
    attention_flash2=ATTENTION, memory=MemoryConstants(hbm_bytes_per_s=1e12, hbm_fraction=1.0, launch_s=0.0),
    network=NETWORK, hbm_bytes=8e10, host_link_bytes_per_s=1e10, units=1.0, provenance="round",
)  # fmt: skip
BLOCK = Block(count=4.0, n_heads=8.0, n_kv_heads=8.0, head_dim=128.0, d_ff=4096.0, gated=0.0)
SHAPE = Shape(name="round", d_model=1024.0, vocab=8000.0, blocks=(BLOCK,))

# A layer's matrices: 4 d^2 of attention and 2 d 4,096 of the network = 12 d^2.
LAYER = 12.0 * 1024**2
NORMS = 2.0 * 1024
VOCABULARY = 8000.0 * 1024
HELD = 4 * (LAYER + NORMS) + 2 * VOCABULARY  # embedding and head apart

# A stack that hides nothing and adds nothing.
STACK = Stack(
    accumulate_passes=1.0, imbalance=1.0, host_op_s=0.0, host_mixed=0.0, step_s=0.0, tp_overlap=0.0, cp_overlap=0.0,
    ep_overlap=0.0, dp_overlap=0.0, zero_overlap=0.0, fsdp_overlap=0.0, dp_floor=0.0, pp_overlap=0.0, jitter=0.0,
    host_adam_params_per_s=1e9,
)  # fmt: skip
