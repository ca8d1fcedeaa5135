"""Megatron-LM's arguments for recipes, and its words for what FSDP shards."""

from __future__ import annotations

from hwmodel.interop.tools.megatron_shape import Flags

PRECISIONS: dict[str, Flags] = {
    "bf16": {"--bf16": None},
    "fp16": {"--fp16": None},
    "tf32": {},
    "fp8": {"--bf16": None, "--fp8-format": "hybrid", "--fp8-recipe": "delayed"},
    "fp8-block": {"--bf16": None, "--fp8-format": "e4m3", "--fp8-recipe": "blockwise"},
    "mxfp8": {"--bf16": None, "--fp8-format": "e4m3", "--fp8-recipe": "mxfp8"},
    "nvfp4": {"--bf16": None, "--fp4-format": "e2m1", "--fp4-recipe": "nvfp4"},
}
SHARDING = {2: "optim_grads", 3: "optim_grads_params"}
