"""Number formats: one record each, with the bytes of an element and whose kernels it borrows until its own are
measured. A recipe of the catalog (`precisions/`) multiplies in one of them."""

from __future__ import annotations

import msgspec


class NumberFormat(msgspec.Struct, frozen=True):
    """A format: `element_bytes` as matrix units and caches hold it, the share of scales counted; `kin`, the format
    whose kernel constants it takes where none were fitted for it (its peak stays its own); `of_parts`: one that parts
    state a peak of and recipes multiply in, not only kernels."""

    id: str
    element_bytes: float
    kin: str = ""
    of_parts: bool = True


# MX formats share an 8-bit scale between 32 elements (OCP MX specification 1.0), NVFP4 one between 16; four-bit
# integers an FP16 scale between 64. Scales of a channel or of 128 x 128 elements are below a thousandth and left out.
NUMBER_FORMATS = (
    NumberFormat("fp64", 8.0, kin="fp32"),
    NumberFormat("fp64_tensor", 8.0, kin="fp64"),
    NumberFormat("fp32", 4.0, kin="bf16"),
    NumberFormat("tf32", 4.0, kin="bf16"),
    NumberFormat("bf16", 2.0),
    NumberFormat("fp16", 2.0, kin="bf16"),
    NumberFormat("fp8", 1.0, kin="bf16"),
    NumberFormat("fp8_block", 1.0, kin="fp8", of_parts=False),
    NumberFormat("fp6", 0.75, kin="fp8"),
    NumberFormat("fp4", 0.5 + 1.0 / 16, kin="nvfp4"),
    NumberFormat("int8", 1.0, kin="fp8"),
    NumberFormat("int4", 0.5 + 2.0 / 64, kin="nvfp4"),
    NumberFormat("mxfp8", 1.0 + 1.0 / 32, kin="fp8_block"),
    NumberFormat("mxfp6", 0.75 + 1.0 / 32, kin="mxfp8"),
    NumberFormat("mxfp4", 0.5 + 1.0 / 32, kin="nvfp4"),
    NumberFormat("nvfp4", 0.5 + 1.0 / 16, kin="fp8"),
)
FORMATS = tuple(known.id for known in NUMBER_FORMATS if known.of_parts)
ELEMENT_BYTES: dict[str, float] = {known.id: known.element_bytes for known in NUMBER_FORMATS}
KIN: dict[str, str] = {known.id: known.kin for known in NUMBER_FORMATS if known.kin}
