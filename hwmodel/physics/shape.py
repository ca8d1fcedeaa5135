"""Exact parameters and FLOPs of a decoder, and buildable shapes for a size.

FLOP conventions (training FLOPs a token; d model width, s sequence, L layers, G parameters in matrix products):

    6nd       6 N_active
    6g        6 G
    palm      6 N_active + full attention            arXiv 2204.02311 App. B (llm-foundry prints the same)
    full      6 G + full attention                   Megatron-LM tables, arXiv 2205.05198 (model FLOPs)
    causal    6 G + causal attention (half)          Megatron-Bridge
    megatron  as full                                what Megatron-LM logs since 2024 (num_floating_point_operations
                                                     of megatron/training/training.py): no recomputation
    megatron-2021  full, each layer's forward twice  arXiv 2104.04473 (hardware FLOPs, full recompute)

Attention counts 4 s n_heads head_dim a token and layer forward, thrice that for training.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.errors import unknown
from hwmodel.ops import Num, floor, log, maximum, minimum, where
from hwmodel.physics.columns import anywhere, everywhere
from hwmodel.physics.matrix import HeldPart, Matrix
from hwmodel.specs import Block, ParameterTerms, Shape

CONVENTIONS = ("6nd", "6g", "palm", "full", "causal", "megatron", "megatron-2021")


def value_head_dim(block: Block) -> Num:
    """Width of one value head; a block that names none uses the width of its keys."""
    return where(block.v_head_dim > 0, block.v_head_dim, block.head_dim)


def cached_width(block: Block) -> Num:
    """Elements that one key-value head keeps of one cache entry: a key and a value, or one vector that is both."""
    return block.head_dim + (1.0 - block.shared_kv) * value_head_dim(block)


def whole(block: Block) -> HeldPart:
    """A whole layer on one rank."""
    return HeldPart(block.n_heads, block.n_kv_heads, block.d_ff, block.d_ff_shared)


def matrices(shape: Shape, block: Block, part: HeldPart | None = None) -> list[Matrix]:
    """The products of one layer (of what one rank holds of it): parameters, bytes, FLOPs and seconds all read this."""
    held = part or whole(block)
    return attention_matrices(shape, block, held) + network_matrices(shape, block, held)


def attention_matrices(shape: Shape, block: Block, held: HeldPart) -> list[Matrix]:
    """The products of attention and of mixers in its place."""
    return head_matrices(shape, block, held) + mixer_matrices(shape, block, held.tp)


def mixer_matrices(shape: Shape, block: Block, tp: Num) -> list[Matrix]:
    """The products of mixers, as one that `tp` ranks share."""
    if not anywhere(block.mixer_params > 0):
        return []
    mixes = _mask(block.mixer_params > 0)
    return [Matrix("dense", block.mixer_params / (shape.d_model * tp), shape.d_model, present=mixes)]


def _mask(condition: Any) -> Any:
    """True where the condition holds for all rows, else the condition."""
    return True if everywhere(condition) else condition


def head_matrices(shape: Shape, block: Block, part: HeldPart) -> list[Matrix]:
    """Query, key and value (one fused product), or the down and up pairs of latent attention; and the output."""
    if not anywhere(block.n_heads > 0):
        return []
    d, v_dim = shape.d_model, value_head_dim(block)
    query = part.heads * block.head_dim
    own_value = (1.0 - block.shared_kv) * (1.0 - block.v_from_k)
    key_value = part.kv_heads * (block.head_dim + own_value * v_dim) * (1.0 - block.borrows_kv)
    attends, latent = block.n_heads > 0, block.kv_lora_rank > 0
    narrowed = (block.q_lora_rank > 0) | latent
    found = []
    if not everywhere(narrowed):
        plain = _mask(attends & (block.q_lora_rank + block.kv_lora_rank <= 0))
        found.append(Matrix("dense", query + key_value, d, present=plain))
    if anywhere(narrowed):
        down = block.q_lora_rank + where(latent, block.kv_lora_rank + block.rope_dim, key_value)
        rank = where(block.q_lora_rank > 0, block.q_lora_rank, d)
        up = part.heads * (block.head_dim - block.rope_dim + v_dim)
        found.append(Matrix("dense", down, d, present=_mask(narrowed)))
        found.append(Matrix("dense", query, rank, present=_mask(narrowed), module="up_projections"))
        if anywhere(latent):
            up_projection = Matrix("dense", up, block.kv_lora_rank, present=_mask(latent), module="up_projections")
            found.append(up_projection)
    return found + _output_matrices(shape, block, part.heads * v_dim, part.tp, _mask(attends))


def _output_matrices(shape: Shape, block: Block, wide: Num, tp: Num, attends: Any) -> list[Matrix]:
    """The output projection of heads `wide` in all, or its two low-rank halves, the first in groups of heads."""
    d, grouped = shape.d_model, block.o_lora_rank > 0
    if not anywhere(grouped):
        return [Matrix("dense", d, wide, present=attends)]
    groups = maximum(block.o_groups, 1.0) / tp
    first = Matrix("groups", block.o_lora_rank, wide / groups, groups, groups, present=_mask(grouped))
    return [first, Matrix("dense", d, where(grouped, groups * block.o_lora_rank, wide), present=attends)]


def _network(
    d: Num, width: Num, gated: Num, kind: str, present: Any, copies: Num, passed: Num, module: str
) -> list[Matrix]:
    """The product into a network of `width` (two side by side where it is gated) and the one out of it."""
    up = Matrix(kind, (1.0 + gated) * width, d, copies, passed, present, module)
    return [up, Matrix(kind, d, width, copies, passed, present, module)]


def network_matrices(shape: Shape, block: Block, part: HeldPart) -> list[Matrix]:
    """One feed-forward network, or router, experts and shared experts."""
    d, gated = shape.d_model, block.gated
    routed, dense, shared = block.n_experts > 0, (block.n_experts <= 0) & (block.d_ff > 0), block.d_ff_shared > 0
    found = []
    if anywhere(dense):
        found += _network(d, part.d_ff, gated, "dense", _mask(dense), 1.0, 1.0, "mlp")
    if anywhere(routed):
        wide = expert_width(shape, block)
        found.append(Matrix("router", block.n_experts, d, present=_mask(routed), module="experts"))
        found += _network(wide, part.d_ff, gated, "experts", _mask(routed), block.n_experts, block.top_k, "experts")
        found += latent_matrices(shape, block)
    if anywhere(shared):
        found += _network(d, part.d_ff_shared, gated, "dense", _mask(shared), 1.0, 1.0, "shared_experts")
    return found


def expert_width(shape: Shape, block: Block) -> Num:
    """Width of what the routed experts read and write: the model's, or that of their narrower space."""
    if not anywhere(block.expert_latent_dim > 0):
        return shape.d_model
    return where(block.expert_latent_dim > 0, block.expert_latent_dim, shape.d_model)


def latent_matrices(shape: Shape, block: Block) -> list[Matrix]:
    """The product into the narrower space of the routed experts and the one out of it; every rank holds them whole
    (Megatron-Core: `parallel_mode="duplicated"`; vLLM: `ReplicatedLinear`)."""
    latent = block.expert_latent_dim
    if not anywhere(latent > 0):
        return []
    narrow = _mask(latent > 0)
    into = Matrix("latent", latent, shape.d_model, present=narrow, module="experts")
    return [into, Matrix("latent", shape.d_model, latent, present=narrow, module="experts")]


def latent_params(shape: Shape, block: Block) -> Num:
    """Parameters of one layer's products into and out of the narrower space of its experts."""
    return 2.0 * shape.d_model * block.expert_latent_dim


def expert_params(shape: Shape, block: Block) -> Num:
    """Parameters in the matrices of one feed-forward network (of one expert where there are experts)."""
    return (2.0 + block.gated) * expert_width(shape, block) * block.d_ff


def expert_bias_params(shape: Shape, block: Block) -> Num:
    """Biases of one feed-forward network."""
    return shape.bias * ((1.0 + block.gated) * block.d_ff + expert_width(shape, block))


def ffn_copies(block: Block) -> Num:
    """How many feed-forward networks one layer holds: its experts, or one."""
    return maximum(block.n_experts, 1.0)


def ffn_active(block: Block) -> Num:
    """How many feed-forward networks of a layer one token passes: top_k, or one."""
    return where(block.n_experts > 0, block.top_k, 1.0)


def vector_params(shape: Shape, block: Block) -> Num:
    """Norm scales and biases of one layer: parameters outside matrix products."""
    d = shape.d_model
    v_dim = value_head_dim(block)
    has_mixer = where(block.n_heads + block.mixer_params > 0, 1.0, 0.0)
    has_ffn = where(block.d_ff + block.d_ff_shared > 0, 1.0, 0.0)
    norms = (has_mixer + has_ffn) * d * (1.0 + shape.norm_bias)
    latent_norms = block.q_lora_rank + block.kv_lora_rank
    head_norms = shape.qk_norm * 2.0 * block.head_dim
    value = (1.0 - block.shared_kv) * (1.0 - block.v_from_k) * v_dim
    own = block.n_kv_heads * (1.0 - block.borrows_kv)
    projected = block.n_heads * block.head_dim + own * (block.head_dim + value)
    attention_bias = where(block.n_heads > 0, projected + d, 0.0)
    ffn_bias = has_ffn * ffn_copies(block) * expert_bias_params(shape, block) + shape.bias * block.n_experts
    if anywhere(block.expert_latent_dim > 0):
        ffn_bias = ffn_bias + where(block.expert_latent_dim > 0, shape.bias * (block.expert_latent_dim + d), 0.0)
    return norms + latent_norms + head_norms + shape.bias * attention_bias + ffn_bias + block.extra_params


def layer_matrix_params(shape: Shape, block: Block) -> Num:
    """Parameters that one token multiplies with in one layer (active experts only)."""
    total: Num = 0.0
    for matrix in matrices(shape, block):
        total = total + matrix.passed_params
    return total


def held_count(block: Block) -> Num:
    """Layers of a block that have weights of their own."""
    return block.count if isinstance(block.reuse, float) and block.reuse == 1.0 else block.count / block.reuse


def parameters(shape: Shape) -> ParameterTerms:
    """Parameter counts of `shape`, exact for the architectures that `Block` can express."""
    matmul: Num = 0.0
    held: Num = 0.0
    vectors: Num = 0.0
    experts: Num = 0.0
    idle: Num = 0.0
    for block in shape.blocks:
        one, count = expert_params(shape, block), held_count(block)
        passed = layer_matrix_params(shape, block)
        matmul, held = matmul + block.count * passed, held + count * passed
        vectors = vectors + count * vector_params(shape, block)
        experts = experts + count * block.n_experts * one
        asleep = ffn_copies(block) - ffn_active(block)
        idle = idle + count * asleep * (one + expert_bias_params(shape, block))
    head = shape.vocab * shape.d_model
    embedding = head * (2.0 - shape.tied) + lookup_params(shape)
    outside = vectors + shape.d_model * (1.0 + shape.norm_bias) + shape.extra_params
    biased = _idle_biases(shape)
    active = held + outside + embedding - biased
    return ParameterTerms(active + idle, active, embedding, matmul + head, experts)


def lookup_params(shape: Shape) -> Num:
    """Parameters of the tables that a token only looks up beside its embedding."""
    return shape.learned_positions * shape.d_model + shape.lookup_params


def _idle_biases(shape: Shape) -> Num:
    """Biases of the experts that a token does not pass."""
    total: Num = 0.0
    for block in shape.blocks:
        asleep = ffn_copies(block) - ffn_active(block)
        total = total + held_count(block) * asleep * expert_bias_params(shape, block)
    return total


def layers(shape: Shape) -> Num:
    """Number of layers of all kinds."""
    total: Num = 0.0
    for block in shape.blocks:
        total = total + block.count
    return total


def reach_tokens(block: Block) -> Num:
    """Tokens that a query of the layer attends to at most: those of its window, or that its selected entries cover."""
    return minimum(block.window_tokens, block.select_tokens * block.kv_compression)


def mean_context(seq_len: Num, window_tokens: Num, causal: float = 1.0) -> Num:
    """Mean number of keys that one query attends to: half the sequence where causal, less inside a window."""
    window = minimum(window_tokens, seq_len)
    reach = window * (1.0 - 0.5 * window / seq_len)
    return causal * reach + (1.0 - causal) * seq_len


def attention_flop_per_token(shape: Shape, seq_len: Num, causal: float = 1.0) -> Num:
    """Forward FLOPs of the attention cores (scores and values) a token, plus the scans of linear mixers."""
    total: Num = 0.0
    for block in shape.blocks:
        width = block.n_heads * (block.head_dim + value_head_dim(block))
        entries = mean_context(seq_len, reach_tokens(block), causal) / block.kv_compression
        core = 2.0 * minimum(entries, block.select_tokens) * width
        scored = 2.0 * mean_context(seq_len, block.window_tokens, causal) / block.kv_compression
        index = scored * block.index_heads * block.index_dim
        total = total + block.count * (core + index + block.mixer_flop_per_token)
    return total


def forward_flop_per_token(shape: Shape, seq_len: Num, causal: float = 1.0) -> Num:
    """Forward FLOPs a token: two a parameter in a matrix product, and the attention cores."""
    return 2.0 * parameters(shape).matmul_active + attention_flop_per_token(shape, seq_len, causal)


def flop_per_token(shape: Shape, seq_len: Num, convention: str = "6nd") -> Num:
    """Training FLOPs a token under the named convention (see the module's table). Raises InputError on other names."""
    terms = parameters(shape)
    name = convention.lower()
    if name == "6nd":
        return 6.0 * terms.active
    if name == "6g":
        return 6.0 * terms.matmul_active
    if name == "palm":
        return 6.0 * terms.active + 3.0 * attention_flop_per_token(shape, seq_len, 0.0)
    if name in ("full", "megatron"):
        return 6.0 * terms.matmul_active + 3.0 * attention_flop_per_token(shape, seq_len, 0.0)
    if name == "causal":
        return 6.0 * terms.matmul_active + 3.0 * attention_flop_per_token(shape, seq_len, 1.0)
    if name == "megatron-2021":
        head = shape.vocab * shape.d_model
        inner = 8.0 * (terms.matmul_active - head) + 4.0 * attention_flop_per_token(shape, seq_len, 0.0)
        return inner + 6.0 * head
    raise unknown("FLOP convention", convention, CONVENTIONS)


# --- buildable shapes -------------------------------------------------------------------------------------------

# Width of a head and groups of keys and values, those of Llama 3 of 8B to 405B (catalogs/models/llama.yaml).
HEAD_DIM = 128.0
KV_HEADS = 8.0


def _width(n: Num) -> Any:
    """Model width for a size: multiples of 128 up to 2048, of 1024 beyond, near the aspect of public models."""
    # N ~ 12 L d^2 with L ~ d / 96 gives d ~ 2 N^(1/3): 2,048 at 1B, 4,096 at 8B, 8,192 at 70B.
    raw = 2.0 * n ** (1.0 / 3.0)
    fine = 128.0 * maximum(1.0, floor(raw / 128.0 + 0.5))
    even = 256.0 * maximum(1.0, floor(raw / 256.0 + 0.5))
    coarse = 1024.0 * maximum(2.0, floor(raw / 1024.0 + 0.5))
    return where(raw < 896.0, fine, where(raw < 1792.0, even, coarse))


def _kv_heads(n_heads: Num) -> Any:
    """Eight groups where eight divide the heads, else every head its own."""
    whole = floor(n_heads / KV_HEADS) * KV_HEADS
    return where(whole > n_heads - 0.5, KV_HEADS, n_heads)


def shapes_for(n_params: Num, vocab: Num = 0.0) -> Shape:
    """Buildable dense shapes (GQA, SwiGLU, heads of 128) whose total parameter counts lie near `n_params`.

    `n_params` is a number or a column; `vocab` 0 chooses 32,768 below 3e9 parameters, 65,536 below 3e10 and 131,072
    above. Layers come first, then the feed-forward width (a multiple of 128, 256 from width 2048) takes up the rest.
    """
    n = n_params
    chosen = where(n < 3e9, 32768.0, where(n < 3e10, 65536.0, 131072.0))
    words = where(vocab + 0.0 * n > 0, vocab + 0.0 * n, chosen)
    tied = where(n < 1e9, 1.0, 0.0)
    d = _width(n)
    heads = d / HEAD_DIM
    kv = _kv_heads(heads)
    body = maximum(n - words * d * (2.0 - tied) - d, 1.0)
    attention = 2.0 * d * d * (1.0 + kv / heads)
    # A feed-forward of 3.25 widths leaves room to move between 2.5 and 4 while the layer count is rounded.
    depth = maximum(2.0, floor(body / (attention + 9.75 * d * d) + 0.5))
    depth = where(
        depth >= 20.0, 4.0 * floor(depth / 4.0 + 0.5), where(depth >= 8.0, 2.0 * floor(depth / 2.0 + 0.5), depth)
    )
    grain = where(d >= 2048.0, 256.0, 128.0)
    wanted = (body / depth - attention - 2.0 * d) / (3.0 * d)
    d_ff = grain * maximum(1.0, floor(wanted / grain + 0.5))
    block = Block(count=depth, n_heads=heads, n_kv_heads=kv, head_dim=HEAD_DIM, v_head_dim=HEAD_DIM, d_ff=d_ff)
    return Shape(name="", d_model=d, vocab=words, blocks=(block,), tied=tied)


def shape_for_params(n_params: float, vocab: float = 0.0) -> Shape:
    """One buildable shape near `n_params` parameters, named by its size."""
    shape = shapes_for(float(n_params), float(vocab))
    size = parameters(shape).total
    unit, scale = ("B", 1e9) if size >= 1e9 else ("M", 1e6)
    name = f"dense-{size / scale:.3g}{unit}"
    return Shape(name=name, d_model=shape.d_model, vocab=shape.vocab, blocks=shape.blocks, tied=shape.tied)


def smooth_shapes(n_params: Num) -> Shape:
    """The shapes of `shapes_for` before rounding: widths, heads, depth and vocabulary as smooth functions of the size.

    For curves over sizes, which else jump where a width or a number of key-value heads takes its next step.
    """
    n = n_params + 0.0
    d = 2.0 * n ** (1.0 / 3.0)
    heads = maximum(d / HEAD_DIM, 1.0)
    kv = minimum(KV_HEADS, heads)
    words = minimum(maximum(32768.0 * (n / 1e9) ** 0.4, 32768.0), 131072.0)
    tied = minimum(maximum(log(2e9 / n) / log(4.0), 0.0), 1.0)
    layer = 2.0 * d * d * (1.0 + kv / heads) + 9.75 * d * d
    depth = maximum((n - words * d * (2.0 - tied)) / layer, 1.0)
    block = Block(count=depth, n_heads=heads, n_kv_heads=kv, head_dim=HEAD_DIM, v_head_dim=HEAD_DIM, d_ff=3.25 * d)
    return Shape(name="", d_model=d, vocab=words, blocks=(block,), tied=tied)


def with_experts(shape: Shape, experts: float, top_k: float = 1.0) -> Shape:
    """The shape with `experts` copies of each feed-forward network, `top_k` of them active; itself for one."""
    if experts <= 1.0:
        return shape
    change = msgspec.structs.replace
    blocks = tuple(change(b, n_experts=experts, top_k=top_k) for b in shape.blocks)
    return change(shape, name=f"{shape.name}-{experts:g}-experts".lstrip("-"), blocks=blocks)
