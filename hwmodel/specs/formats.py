"""Bytes of one element of each number format: the only table of them."""

from __future__ import annotations

# As matrix units and caches hold them, the share of scales counted: MX formats share an 8-bit scale between 32 elements
# (OCP MX specification 1.0), NVFP4 one between 16; four-bit integers an FP16 scale between 64. Scales of a channel or
# of 128 x 128 elements are below a thousandth and left out.
ELEMENT_BYTES: dict[str, float] = {
    "fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "int8": 1.0,
    "mxfp8": 1.0 + 1.0 / 32, "nvfp4": 0.5 + 1.0 / 16, "fp4": 0.5 + 1.0 / 16, "mxfp4": 0.5 + 1.0 / 32,
    "int4": 0.5 + 2.0 / 64,
}  # fmt: skip
