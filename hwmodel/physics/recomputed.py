"""What the backward pass computes again: seconds on the device, and shares of a layer's traffic and launches."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, maximum, where
from hwmodel.physics.columns import anywhere
from hwmodel.physics.layer import LayerTimes
from hwmodel.specs import Layout


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """What the backward pass computes again: seconds on the device, and shares of a layer's traffic and launches."""

    products_s: Num  # seconds of products and attention
    bytes_s: Num  # seconds of casts and of what only moves bytes
    attention: Num  # share of the attention core
    network: Num  # share of the feed-forward network's tensor-parallel transfers
    experts: Num  # share of dispatch and combine
    layers: Num  # share of the layers whose forward pass is launched again


# What one module's repetition takes, by the field of the layout and the times of a layer that it adds.
REPEATED = (
    ("recompute_products", "gemm_f"),
    ("recompute_attention", "attention_f"),
    ("recompute_up_projections", "up_projections_f"),
    ("recompute_shared_experts", "shared_experts_f"),
    ("recompute_mlp", "mlp_f"),
    ("recompute_experts", "experts_f"),
)
ALWAYS = ("attention_f", "gemm_f")  # times that are read whatever is computed again
_NETWORK_CASTS = 0.5  # of a layer's casts, those of its feed-forward network (half of its products' operands)


def _repeated(layout: Layout, times: LayerTimes) -> tuple[Num, Num]:
    """Seconds of the named modules that are computed again: of their products and attention, and of their bytes."""
    products: Num = 0.0
    moved: Num = 0.0
    for field, time in REPEATED:
        if anywhere(getattr(layout, field) > 0):
            products = products + getattr(layout, field) * getattr(times, time)
    if anywhere(layout.recompute_norms > 0):
        moved = moved + layout.recompute_norms * times.norms_f
    casts = layout.recompute_mlp + layout.recompute_experts
    if anywhere(casts > 0):
        moved = moved + casts * _NETWORK_CASTS * times.cast_f
    activation = maximum(layout.recompute_activation, maximum(layout.recompute_mlp, layout.recompute_experts))
    if anywhere(activation > 0):
        moved = moved + activation * times.activation_f
    return products, moved


def recomputed(layout: Layout, times: LayerTimes) -> Again:
    """Seconds and shares that recomputation repeats: whole layers, and the named modules of the others."""
    layers = layout.recompute_layers
    others = 1.0 - layers
    products, moved = _repeated(layout, times)
    network = maximum(layout.recompute_mlp, layout.recompute_experts)
    if anywhere(layout.recompute_products > 0):
        # Around products whose outputs stay all else runs again: gathers (half the transfers), about half the kernels.
        network = maximum(network, where(layout.recompute_products > 0, 1.0, 0.0))
    return Again(
        products_s=layers * (times.gemm_f + times.attention_f) + others * products,
        bytes_s=layers * (times.cast_f + times.memory_f) + others * moved,
        attention=layers + others * layout.recompute_attention,
        network=layers + others * 0.5 * network,
        experts=layers + others * layout.recompute_experts,
        layers=layers + others * 0.5 * network,
    )
