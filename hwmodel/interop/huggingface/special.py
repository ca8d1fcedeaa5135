"""Parts that one family alone has: what they add to a layer, and what they add outside the layers.

Names and shapes of the parameters: the modeling file of the family in transformers 5.24.0.
"""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.fields import Fields, width
from hwmodel.interop.huggingface.kinds import FULL, INDEX_KEYS, NONE, ROUTED, Kind
from hwmodel.interop.huggingface.networks import EXPERTS

Part = Callable[[Config, int, Kind, Fields], Fields]


def hyper_connections(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Parallel residual streams (DeepSeek-V4): two mixing matrices a layer."""
    streams = c.count("hc_mult")
    rows = (2 + streams) * streams
    return {"mixer_params": 2 * rows * streams * width(c), "extra_params": 2 * (rows + 3) if streams else 0}


def light_connections(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Parallel residual streams of HY-V4, which mix by two numbers a stream."""
    stated = c.per_layer("indexer_types", c.layers())
    if stated is None:
        raise c.missing("indexer_types")
    if all(word == "shared" for word in stated):
        c.seen.update(INDEX_KEYS)
    streams = c.count("hc_mult")
    rows = 2 * streams
    return {"mixer_params": 2 * rows * streams * width(c), "extra_params": 2 * (rows + 2) if streams else 0}


def learned_activation(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """xIELU: two numbers a network."""
    return {"extra_params": 2 if c.raw("hidden_act") == "xielu" and kind.network != NONE else 0}


def sub_norms(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """BitNet norms what goes into the two output products."""
    return {"extra_params": width(c) + fields.get("d_ff", 0)}


def gated_latent(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """A.X K2: queries and the gate of values from one product over two latents; norms behind a narrow network."""
    c.number("kv_lora_rank")
    n, rank, norm = fields["n_heads"], c.number("q_lora_rank"), c.count("gated_norm_rank")
    joint = n * (fields["head_dim"] + fields["v_head_dim"]) * 2 * rank - n * fields["head_dim"] * rank
    gated_norms = 2 if kind.network == ROUTED else 1
    return {"mixer_params": joint + gated_norms * 2 * width(c) * norm}


def behind_experts(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """A.X K1 norms what the experts give."""
    return {"extra_params": width(c) if kind.network == ROUTED else 0}


def rope_norm(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """dots norms the rotary part of keys."""
    c.number("kv_lora_rank")
    return {"extra_params": fields["rope_dim"]}


def gate_bias(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Beam: a bias a head beside the output gate."""
    return {"extra_params": fields["n_heads"]}


def dynamic_mask(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Doge: a mask from the values, and a scale vector on each residual."""
    kv = fields["n_kv_heads"]
    return {"mixer_params": kv * kv * fields["head_dim"], "extra_params": kv + 2 * width(c)}


def difference(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Differential attention: four vectors of a head's width."""
    return {"extra_params": 4 * fields["head_dim"]}


def routed_heads(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """JetMoE: query and output projections are experts too; the idle ones are held and not passed."""
    d, n = width(c), c.number(*EXPERTS, low=2)
    k = fields["top_k"]
    wide = fields["n_kv_heads"] * fields["head_dim"]
    return {"n_heads": fields["n_kv_heads"] * k, "mixer_params": d * n, "extra_params": 2 * d * wide * (n - k) + 2 * d}


def compressed_convolution(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Zaya: convolutions over queries and keys, a router of three layers that passes its state on, scaled residuals."""
    d, n, dim, mid = width(c), fields["n_experts"], fields["head_dim"], c.number("router_hidden_size")
    channels = (fields["n_heads"] + fields["n_kv_heads"]) * dim
    first, second = c.number("cca_time0"), c.number("cca_time1")
    router = d * mid + 2 * mid * mid + (n + 1) * mid - d * n
    state = 4 * mid + mid  # biases of three products, a norm, the scale of the state passed on
    vectors = channels * first + 2 * channels + fields["n_kv_heads"] + state + 8 * d
    return {"mixer_params": channels * dim * second + router, "extra_params": vectors}


def _per_layer_inputs(c: Config) -> Fields:
    """Per-layer embeddings: a gate, a projection, and the layer's share of the projection from the embedding."""
    narrow = c.count("hidden_size_per_layer_input")
    return {"mixer_params": 3 * narrow * width(c), "extra_params": width(c) if narrow else 0}


def gemma3n(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Gemma 3n: per-layer embeddings, alternating updates of several streams, a low-rank residual."""
    d, streams, rank = width(c), c.number("altup_num_inputs"), c.number("laurel_rank")
    own = _per_layer_inputs(c)
    products = own["mixer_params"] + streams * d + 2 * d * rank
    return {"mixer_params": products, "extra_params": own["extra_params"] + 3 * d + streams**3 + streams**2}


def gemma4(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Gemma 4: per-layer embeddings."""
    return _per_layer_inputs(c)


def inkling(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Inkling: relative positions from the input, short convolutions on keys, values and both residuals."""
    d, kernel, rel = width(c), c.number("conv_kernel_size"), c.number("d_rel")
    n, wide = fields["n_heads"], fields["n_kv_heads"] * fields["head_dim"]
    extent = c.number("rel_extent")
    reach = min(extent, int(fields["window_tokens"])) if "window_tokens" in fields else extent
    vectors = (2 * wide + 2 * d) * kernel + rel * reach + (1 if kind.network == ROUTED else 0)
    shared = c.count("n_shared_experts") if c.flag("shared_expert_sink") and kind.network == ROUTED else 0
    return {"mixer_params": d * n * rel + d * shared, "extra_params": vectors}


def inkling2(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Inkling 2: gates and sinks from the input, normed queries a head, residuals drawn from earlier layers."""
    d, kernel, rel = width(c), c.number("conv_kernel_size"), c.number("d_rel")
    n, dim, wide = fields["n_heads"], fields["head_dim"], fields["n_kv_heads"] * fields["head_dim"]
    products = d * n * (dim + 1 + rel)
    vectors = n * (dim + rel) + rel * c.number("rel_extent") + 2 * d * kernel + d
    if passes(c, "", i) > 1:  # looped layers hand four messages on, through gates of a low rank
        products += 16 * c.number("loop_gate_rank") * d
        vectors += 4 * d
    if kind.mixer == FULL:  # values and keys each from a mix of earlier layers, with weights from the input
        products += 2 * d * wide // 32
        vectors += 2 * kernel * wide + 5 * d
    else:
        vectors += 2 * kernel * wide + (d if i else 0)
    return {"mixer_params": products, "extra_params": vectors}


def normalised(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Dory (nGPT): scales of queries, of the gate and of the network instead of norms."""
    if not c.has("layer_types"):
        raise c.missing("layer_types")
    attention = 2 * fields.get("n_heads", 0) * fields.get("head_dim", 0)
    return {"extra_params": attention + 2 * fields.get("d_ff", 0)}


def output_bias(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """GPT-Neo: of the attention's products the output alone has a bias."""
    return {"extra_params": width(c)}


def parallel_norm(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """StableLM: one norm a layer where attention and network run side by side."""
    return {"extra_params": -2 * width(c) if c.flag("use_parallel_residual") else 0}


def falcon_norms(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Falcon: one norm a layer where attention and network run side by side, unless it states two."""
    new = c.flag("new_decoder_architecture")
    count = c.number("num_ln_in_parallel_attn", default=2 if new else 1, high=2)
    side = c.flag("parallel_attn", default=True)
    return {"extra_params": -2 * width(c) if side and count == 1 else 0}


def post_norms(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """HyperCLOVA X norms what attention and network give, where the file says so."""
    return {"extra_params": 2 * width(c) if c.flag("use_post_norm") else 0}


def griffin_bias(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """RecurrentGemma: of the attention's products the output alone has a bias."""
    return {"extra_params": width(c) if fields.get("n_heads") else 0}


def drawn_residuals(c: Config, i: int, kind: Kind, fields: Fields) -> Fields:
    """Kimi K3: both residuals of a layer are drawn from blocks of earlier ones, by a vector and a norm each."""
    return {"extra_params": 4 * width(c) if c.has("attn_res_block_size") else 0}


PARTS: dict[str, Part] = {
    "deepseek_v4": hyper_connections, "hy_v4": light_connections, "apertus": learned_activation,
    "apertus1p5_text": learned_activation, "bitnet": sub_norms, "axk2": gated_latent, "axk1": behind_experts,
    "dots3_note_text": rope_norm, "beam": gate_bias, "doge": dynamic_mask, "diffllama": difference,
    "jetmoe": routed_heads, "zaya": compressed_convolution, "gemma3n_text": gemma3n, "gemma4_text": gemma4,
    "inkling_text": inkling, "inkling2_text": inkling2, "inkling2_loop_text": inkling2,
    "dory": normalised, "gpt_neo": output_bias,
    "stablelm": parallel_norm, "falcon": falcon_norms, "hyperclovax": post_norms,
    "kimi_linear": drawn_residuals, "recurrent_gemma": griffin_bias,
}  # fmt: skip


def outside(c: Config, kind: str, vocab: int) -> float:
    """Parameters of one family outside its layers."""
    d = width(c)
    streams = c.count("hc_mult")
    if streams:
        return streams * streams * d + streams + 1
    if kind == "modernbert-decoder":  # a dense product before the head, whose first layer has one norm less
        return d * d + vocab * c.flag("decoder_bias", default=True)
    if kind in ("moshi", "gpt_neox_japanese", "inkling2_text", "inkling2_loop_text", "hrm_text"):
        return d
    if kind == "mllama_text_model":  # eight more rows of the embedding
        return 8 * d
    if kind == "rwkv" or c.has("attn_res_block_size"):
        return 2 * d
    if kind == "dory":
        return vocab
    if kind == "zaya":
        return 2 * d - c.number("router_hidden_size")
    if kind == "gemma3n_text":
        projections = 2 * (c.number("altup_num_inputs") - 1) * d * d
        return projections + c.count("hidden_size_per_layer_input")
    return c.count("hidden_size_per_layer_input") if kind == "gemma4_text" else 0


def lookups(c: Config) -> float:
    """Parameters of the per-layer embeddings."""
    narrow = c.count("hidden_size_per_layer_input")
    return narrow * c.layers() * c.number("vocab_size_per_layer_input", "vocab_size") if narrow else 0


def passes(c: Config, kind: str, i: int) -> int:
    """How often a token passes the weights of layer `i` (looped models)."""
    if kind == "dory":
        first, inner = c.count("n_input_layers"), c.count("n_recurrent_layers")
        return c.number("n_recurrent_loops", default=1, high=1000) if first <= i < first + inner else 1
    if c.has("loop_num_passes"):
        c.raw("loop_gate_rank")
        start = c.number("loop_layer_index_start", low=0, high=c.layers())
        end = c.number("loop_layer_index_end", low=0, high=c.layers())
        inside = start <= i < end
        return c.number("loop_num_passes", high=1000) if inside else 1
    return 1


def shared_by(c: Config, kind: str, i: int) -> int:
    """How many of the layers that the file counts share the weights of layer `i` (HRM counts each pass)."""
    if kind != "hrm_text":
        return 1
    slow, fast = c.number("H_cycles", high=1000), c.number("L_cycles", high=1000)
    stack = c.number("num_layers_per_stack", default=c.layers() // max(slow * (fast + 1), 1))
    return slow * fast if i < stack * slow * fast else slow
