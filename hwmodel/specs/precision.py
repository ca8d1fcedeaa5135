"""Number formats by tensor class, for training and for serving."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, maximum

# delayed: one scale a tensor from the steps before; tensor: from this one; row: one a row, operands scaled along both
# of their sides; block: 1 x 128 and 128 x 128; mx: 32 along both sides; four-bit: 16 or 32, Hadamard transforms beside.
CASTS = ("delayed", "tensor", "row", "block", "mx", "four-bit")


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """A training recipe: which format each tensor class is kept and multiplied in. Bytes count one element.

    `gemm_format`, `attention_format` and `logits_format` are keys of `Part.peak_dense_flop_per_s`.
    `scale_block` is the number of elements that share a scale (0: no scales, infinite: per tensor).
    """

    id: str
    title: str
    gemm_format: str
    attention_format: str
    logits_format: str
    weight_bytes: float  # the copy that the GEMMs read
    gradient_bytes: float  # accumulated gradient
    master_bytes: float  # higher-precision weights of the optimizer; 0 if none
    moment_bytes: float  # both Adam moments together
    activation_bytes: float  # saved GEMM inputs
    residual_bytes: float = 2.0  # residual stream, norms, attention inputs
    gradient_comm_bytes: float = 2.0
    weight_comm_bytes: float = 2.0
    widen_bytes: float = (
        0.0  # moved a parameter and pass to widen weights that are kept narrower than products read them
    )
    scale_block: float = 0.0
    scale_bytes: float = 0.0
    exponent_bits: float = 8.0
    mantissa_bits: float = 7.0
    fallback_formats: tuple[str, ...] = ()  # tried in order when a part lists no peak for gemm_format (mxfp8 -> fp8)
    bf16_layers: float = 0.0  # share of the layers whose products, weights and saved inputs stay in 16 bits
    casts: str = ""  # how operands are scaled, where the blocks do not say it: one of CASTS

    @property
    def quantised(self) -> bool:
        return self.scale_block > 0

    @property
    def cast_kind(self) -> str:
        """How operands are brought into the format: as stated, else by the elements that share a scale."""
        if self.casts or not self.quantised:
            return self.casts
        if self.scale_block == float("inf"):
            return "tensor"
        if self.scale_block > 64.0:
            return "block"
        return "four-bit" if self.mantissa_bits < 1.5 else "mx"

    @property
    def mean_weight_bytes(self) -> Num:
        """Bytes of a weight that the products read, over all layers."""
        return self._mean(self.weight_bytes)

    @property
    def mean_activation_bytes(self) -> Num:
        """Bytes of a saved input, over all layers."""
        return self._mean(self.activation_bytes)

    def _mean(self, low: Num) -> Num:
        return low + self.bf16_layers * maximum(2.0 - low, 0.0)


class ServingPrecision(msgspec.Struct, frozen=True, kw_only=True):
    """A serving recipe: `gemm_format` is what the tensor cores multiply in (bf16 for weight-only recipes)."""

    id: str
    title: str
    gemm_format: str
    weight_bytes: float  # with scales
    activation_bytes: float
    kv_bytes: float
    attention_format: str = "bf16"
    weight_only: bool = False
    padded_hidden: float = 1.0  # experts' matrices are held at multiples of these of model width and of their own
    padded_inner: float = 1.0
    network_only: bool = False  # attention keeps 16 bits, the feed-forward networks alone are in the low format
    scaled_blocks: bool = False  # activations take a scale for each block, in a kernel of its own
    power_of_two_scales: bool = False  # blocks share an exponent alone (OCP MX)
