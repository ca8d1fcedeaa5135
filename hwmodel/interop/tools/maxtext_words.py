"""MaxText's words for recipes, for what is kept of activations, and for the axes of its mesh."""

from __future__ import annotations

# Recipe -> what the products are quantised to, on GPUs and on TPUs; None: nothing that MaxText has.
QUANTIZATION: dict[str, tuple[str | None, str | None]] = {
    "bf16": ("", ""), "fp16": ("", None), "tf32": ("", None), "fp8": ("te_fp8_delayedscaling", "fp8_full"),
    "mxfp8": ("te_mxfp8", None), "nvfp4": ("te_nvfp4", None),
}  # fmt: skip
REMAT = {"none": "minimal_with_context", "selective": "minimal", "full": "full"}
# Mesh axes from the innermost: what talks most stays closest.
AXES = ("tensor", "context", "expert", "fsdp", "data", "pipeline")
