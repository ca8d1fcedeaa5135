"""How layers and parameters spread over pipeline stages and ranks."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.physics import shape as shapes
from hwmodel.physics.columns import absent, anywhere
from hwmodel.physics.schedule import copies, ends_meet
from hwmodel.specs import Layout, Shape, Stack


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Layers on the first, a middle and the last stage; with one stage all three are the same."""

    first: Num
    middle: Num
    last: Num


class LayerShard(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of one (mean) layer, and of the vocabulary matrix, that one rank works with."""

    dense: Num  # in matrix products, sharded by tensor parallelism but for those that every rank holds
    experts: Num  # routed experts, sharded by expert parallelism
    vectors: Num  # norms and biases, replicated
    vocabulary: Num
    lookup: Num  # further tables of the first stage: positions, per-layer embeddings

    @property
    def layer(self) -> Num:
        return self.dense + self.experts + self.vectors


def layers_per_stage(shape: Shape, layout: Layout, stack: Stack) -> Stages:
    """Even split, rounded up in the middle; the end stages take what is missing (126 layers on 16: 7, 8 ... 8, 7).

    A stack that balances the head counts it as the layers it weighs: whole layers fill the stages from the first on.
    """
    count = shapes.layers(shape)
    most = ceil(count / layout.pp)
    missing = most * layout.pp - count
    ends = minimum(layout.pp, 2.0)
    end = maximum(most - missing / ends, 0.0)
    if not anywhere(stack.head_balanced > 0):
        return Stages(first=end, middle=most, last=end)
    weight = shape.vocab * shape.d_model / mean_layer_params(shape)
    balanced = (stack.head_balanced > 0) & (layout.pp > 1.5)
    full = minimum(ceil((count + weight) / layout.pp), count)
    rest = maximum(count - full * (layout.pp - 1.0), 0.0)
    return Stages(first=where(balanced, full, end), middle=where(balanced, full, most), last=where(balanced, rest, end))


def mean_layer_params(shape: Shape) -> Num:
    """Parameters that a token multiplies with in the mean layer."""
    total: Num = 0.0
    for block in shape.blocks:
        total = total + block.count * shapes.layer_matrix_params(shape, block)
    return total / shapes.layers(shape)


def layer_shard(shape: Shape, layout: Layout) -> LayerShard:
    """Parameters of the mean layer and of the vocabulary matrix on one tensor- and expert-parallel rank."""
    count = shapes.layers(shape)
    dense: Num = 0.0
    copied: Num = 0.0
    experts: Num = 0.0
    vectors: Num = 0.0
    for block in shape.blocks:
        share = shapes.held_count(block) / count
        for matrix in shapes.matrices(shape, block):
            if matrix.kind == "experts":
                experts = experts + share * matrix.params
            elif matrix.kind == "latent":
                copied = copied + share * matrix.params
            else:
                dense = dense + share * matrix.params
        vectors = vectors + share * shapes.vector_params(shape, block)
    lookup = shapes.lookup_params(shape)
    return LayerShard(
        dense=dense / layout.tp if absent(copied) else dense / layout.tp + copied,
        experts=0.0 if absent(experts) else experts / (layout.ep * layout.etp),
        vectors=vectors,
        vocabulary=shape.vocab * shape.d_model / layout.tp,
        lookup=0.0 if absent(lookup) else lookup / layout.tp,
    )


def vocabulary_matrices(shape: Shape, layout: Layout) -> Num:
    """Matrices of the vocabulary on an end stage: the embedding or the head, and on a single stage, or where the ends
    of a pipeline meet, both (one where they are tied)."""
    both = 2.0 - shape.tied
    return where(layout.pp > 1.5, where(ends_meet(layout), both, 1.0), both)


def data_ranks(layout: Layout) -> tuple[Num, Num]:
    """Ranks that hold copies of one dense shard, and of one expert shard."""
    dense = layout.dp * layout.cp * copies(layout)
    return dense, maximum(dense * layout.tp / (layout.ep * layout.etp), 1.0)
