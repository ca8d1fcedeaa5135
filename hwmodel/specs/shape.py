"""What a language model is made of."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of decoder layer and how many of it a token passes. A width of zero means that the part is absent.

    `reuse` layers share one set of weights (looped models, one attention block used in many places): 1 in most.

    Attention: `n_heads` query heads of `head_dim` (queries and keys; for MLA the sum of the nope and rope parts),
    `n_kv_heads` key and value heads, values of `v_head_dim` (0: as the keys); `shared_kv` 1 where one projection and
    one cache entry serve as key and value; `v_from_k` 1 where one projection does, but the cache keeps both;
    `borrows_kv` 1 where the layer reads the cache of an earlier one and has no keys and values of its own;
    `whole_qk_norm` 1 where queries and keys are normed over all heads together, which tensor-parallel ranks sum. MLA:
    `kv_lora_rank` > 0 and `rope_dim`. `o_lora_rank` > 0: the output goes through `o_groups` low-rank products first.
    `window_tokens` caps the context that a layer keeps and attends to (infinite: full); `select_tokens` caps what a
    query attends to of the entries kept (sparse attention); `kv_compression` is the number of tokens that share one
    entry. `index_heads` of `index_dim` score every entry for that selection, over one index key an entry, on every
    rank alike. Linear attention or state-space mixers: `mixer_params` (parameters in matrix products),
    `mixer_flop_per_token` (forward FLOPs of the scan, beside them) and `mixer_state_elements` (constant state a
    sequence); they keep no KV cache.
    Feed-forward: `d_ff` (per expert when `n_experts` > 0), `gated` 1 for SwiGLU-like (three matrices), 0 for two;
    `top_groups` caps the groups of experts (nodes) that the experts of one token come from; `expert_latent_dim` > 0:
    routed experts read and write a vector so wide, which one product makes of the token before they are dispatched and
    another widens again after they are combined (LatentMoE); `d_ff_shared` is the summed width of the shared experts.
    `extra_params` are parameters outside matrix products that the general formulas do not count.
    """

    count: Num
    reuse: Num = 1.0
    n_heads: Num = 0.0
    n_kv_heads: Num = 0.0
    head_dim: Num = 0.0
    v_head_dim: Num = 0.0
    window_tokens: Num = float("inf")
    q_lora_rank: Num = 0.0
    kv_lora_rank: Num = 0.0
    rope_dim: Num = 0.0
    shared_kv: Num = 0.0
    v_from_k: Num = 0.0
    borrows_kv: Num = 0.0
    whole_qk_norm: Num = 0.0
    o_lora_rank: Num = 0.0
    o_groups: Num = 0.0
    select_tokens: Num = float("inf")
    index_heads: Num = 0.0
    index_dim: Num = 0.0
    kv_compression: Num = 1.0
    mixer_params: Num = 0.0
    mixer_flop_per_token: Num = 0.0
    mixer_state_elements: Num = 0.0
    d_ff: Num = 0.0
    gated: Num = 1.0
    n_experts: Num = 0.0
    top_k: Num = 0.0
    top_groups: Num = float("inf")
    expert_latent_dim: Num = 0.0
    d_ff_shared: Num = 0.0
    extra_params: Num = 0.0


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A decoder-only transformer: blocks of layers between an embedding and a language-model head.

    `tied` 1 when the head shares the embedding; `bias` 1 when the linear layers carry biases; `norm_bias` 1 for
    LayerNorm (scale and shift), 0 for RMSNorm; `qk_norm` 1 when queries and keys are normed per head;
    `learned_positions` counts trained position vectors (0 for rotary or ALiBi); `lookup_params` those of further
    tables that a token only looks up (per-layer embeddings). `notes` say what a reader left out or assumed.
    """

    name: str
    d_model: Num
    vocab: Num
    blocks: tuple[Block, ...]
    tied: Num = 0.0
    bias: Num = 0.0
    norm_bias: Num = 0.0
    qk_norm: Num = 0.0
    learned_positions: Num = 0.0
    lookup_params: Num = 0.0
    extra_params: Num = 0.0
    max_seq_len: float = 0.0  # 0: not stated
    notes: tuple[str, ...] = ()


class ParameterTerms(msgspec.Struct, frozen=True):
    """Exact parameter counts. `matmul_active` enters a matrix product for each token (head in, embedding out); weights
    that a token passes several times (`Block.reuse`) stand in it as often, in the others once."""

    total: Num
    active: Num
    embedding: Num  # input embedding, position vectors, further look-up tables and (untied) head
    matmul_active: Num
    experts: Num  # all routed experts, active or not

    @property
    def non_embedding(self) -> Num:
        return self.total - self.embedding
