"""Starting values, bounds and kin of kernel constants, and the families that no kernel table covers."""

from __future__ import annotations

import msgspec

Kernels = dict[str, tuple[str, ...]]

# constant: (start, low, high). Shared by the parts of a family unless named in PER_PART.
GEMM = {
    "efficiency": (0.85, 0.2, 1.0),
    "hbm_fraction": (0.88, 0.3, 1.0),
    "throttle": (0.1, 1e-3, 0.6),
    "launch_s": (2.5e-6, 5e-7, 2e-5),
    "overlap_loss": (0.2, 1e-3, 1.0),
    "latency_s_per_k": (5e-10, 1e-11, 1e-8),
    "latency_k": (3500.0, 100.0, 3e4),
    "depth": (150.0, 1.0, 2500.0),
    "fill": (0.25, 1e-3, 5.0),
    "split_k": (3000.0, 50.0, 1e6),
    "edge_m": (30.0, 0.1, 200.0),
    "edge_n": (20.0, 0.1, 200.0),
    "wave": (0.05, 1e-3, 1.0),
    "store_cost": (1.2, 1.0, 5.0),
}
CAST = {"cast_launch_s": (4e-6, 1e-7, 2e-5), "cast_bytes": (4.0, 1.0, 20.0)}
GROUPED = {
    "group_launch_s": (1e-5, 1e-6, 8e-5),
    "group_efficiency": (0.7, 0.1, 1.0),
    "group_edge": (60.0, 1.0, 400.0),
}
ATTENTION = {
    "efficiency": (0.75, 0.1, 1.0),
    "throttle": (0.05, 1e-3, 0.6),
    "launch_s": (1e-5, 1e-6, 5e-5),
    "head_dim_half": (30.0, 0.1, 300.0),
    "latency_s_per_token": (1e-9, 1e-12, 2e-8),
    "hbm_fraction": (0.5, 0.1, 1.0),
    "overlap_loss": (0.5, 1e-3, 1.0),
    "fill": (0.4, 0.01, 5.0),
    "diagonal_tokens": (64.0, 0.1, 600.0),
    "window_pad_tokens": (64.0, 0.1, 600.0),
    "block_pairs": (4000.0, 10.0, 60000.0),
}
DECODE = {
    "decode_hbm_fraction": (0.9, 0.2, 1.0),
    "decode_launch_s": (8e-6, 1e-6, 4e-5),
    "decode_efficiency": (0.2, 0.01, 1.0),
    "decode_min_tokens": (128.0, 1.0, 1000.0),
    "decode_latency_s_per_token": (2e-10, 1e-12, 1e-8),
    "decode_latency_tokens": (16000.0, 100.0, 2e5),
}
MLA_DECODE = {
    "mla_decode_hbm_fraction": (0.8, 0.1, 1.0),
    "mla_decode_launch_s": (1e-5, 1e-6, 4e-5),
    "mla_decode_efficiency": (0.5, 0.01, 1.0),
    "mla_decode_min_tokens": (128.0, 1.0, 1000.0),
    "mla_decode_latency_s_per_token": (4e-10, 1e-12, 1e-8),
    "mla_decode_latency_tokens": (30000.0, 100.0, 2e5),
}
PER_PART = ("efficiency", "hbm_fraction", "throttle", "decode_hbm_fraction", "mla_decode_hbm_fraction")
# The engines choose other 4-bit kernels on each part: more of the shape is a part's own.
PER_PART_FP4 = (*PER_PART, "depth", "fill")

# Kernels of today by family, in the tables' names. One generation a family: what current engines choose.
ATTENTION_KERNELS: Kernels = {
    "ampere": ("flash_attention",),
    "ada": ("flashinfer",),
    "hopper": ("fa3",),
    "blackwell": ("trtllm_mha",),
}
# A one-byte cache: both engines, whose cast of the queries differs by several microseconds.
DECODE_KERNELS: Kernels = {f"{family} bf16": names for family, names in ATTENTION_KERNELS.items()}
DECODE_KERNELS |= {f"{family} fp8": (*names, "torch_flow") for family, names in ATTENTION_KERNELS.items()}
MLA_KERNELS: Kernels = {
    "ampere": ("default",),
    "ada": ("default",),
    "hopper": ("default",),
    "blackwell": ("trtllm_mla", "default"),
}
# CUTLASS-like grouped kernels where the tables have them (training uses those); Triton ones for block-scaled fp8.
MOE_KERNELS = {
    ("ampere", "bf16"): ("moe_torch_flow",),
    ("ada", "bf16"): ("moe_torch_flow_cutlass",),
    ("ada", "fp8"): ("moe_torch_flow_cutlass",),
    ("hopper", "bf16"): ("moe_torch_flow_nongated",),
    ("hopper", "fp8"): ("moe_torch_flow_nongated",),
    ("hopper", "fp8_block"): ("sglang_fused_moe_triton",),
    ("blackwell", "bf16"): ("sglang_flashinfer_trtllm_moe",),
    ("blackwell", "fp8_block"): ("sglang_flashinfer_trtllm_moe",),
    ("blackwell", "nvfp4"): ("sglang_flashinfer_trtllm_moe",),
}
# Low formats are fitted on one engine (vendor library kernels); the other one is a check.
GEMM_ENGINES: dict[str, tuple[str, ...]] = {"bf16": ("trtllm", "sglang")}
GEMM_ENGINES |= dict.fromkeys(("fp8", "fp8_block", "nvfp4", "int8"), ("trtllm",))

# Families without kernel tables. Ceilings: best sustained rates published by stas00/ml-engineering@744d01e
# (compute/accelerator/README.md, MAMF table), typical shapes taken 8 % below the best one; the rest is kin.
MAMF = "best sustained matmul, stas00/ml-engineering@744d01e; shape constants of kin"
SPECS = "no measurement read; kin and specs"


class Assumed(msgspec.Struct, frozen=True):
    """Ceiling and throttling of a family without tables, whose kin it takes after otherwise, and on what ground."""

    like: str
    efficiency: float
    throttle: float
    why: str


UNMEASURED = {
    "volta": Assumed("ampere", 0.78, 0.03, SPECS),
    "turing": Assumed("ampere", 0.60, 0.30, SPECS),
    "ampere-rtx": Assumed("ada", 0.85, 0.10, SPECS),
    "blackwell-rtx": Assumed("ada", 0.85, 0.10, SPECS),
    "rubin": Assumed("blackwell", 0.80, 0.30, SPECS),
    "cdna": Assumed("hopper", 0.56, 0.05, MAMF),
    "gaudi": Assumed("hopper", 0.85, 0.02, MAMF),
    "tpu": Assumed("ampere", 0.90, 0.05, SPECS),
    "trainium": Assumed("ampere", 0.75, 0.05, SPECS),
    "ascend": Assumed("ampere", 0.75, 0.05, SPECS),
}

# Backward over forward rate of fused attention (2.5 times the FLOPs). SimuMax@4dcaae5 medians: A100 0.83, B200 1.0.
BACKWARD = {"ampere": 0.83, "hopper": 0.85, "blackwell": 0.95, "ada": 0.83}
# How much slower FlashAttention-2 kernels are than today's: Hopper from training runs of 2023-24 (derived); Blackwell
# has no source (unconfirmed): the absolute rate of Hopper.
FLASH2 = {"hopper": 1.55, "blackwell": 2.5}
MEMORY = {"hbm_fraction": (0.8, 0.2, 1.0), "launch_s": (2e-6, 2e-7, 2e-5)}
# Measured bytes over bandwidth of element-wise kernels where no table covers the family: SimuMax@4dcaae5 (A100).
MEMORY_UNMEASURED = {"ampere": {"hbm_fraction": 0.75, "launch_s": 2.5e-6}}
