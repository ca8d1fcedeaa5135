"""What a Hugging Face `model_type` implies that its config.json does not say.

Source of every entry: the modeling file of that type in transformers 5.24.0 (parameters by name and shape); types that
it does not hold are read off the `modeling_*.py` beside the checkpoint of the same name on the hub.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hwmodel.interop.huggingface.config import Config


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Conventions of one family of decoders.

    `gated`: the feed-forward network has three matrices. `bias`: none | all | qkv | mlp | config (the keys
    `attention_bias`, `mlp_bias` and their like) | networks (`mlp_bias` alone, attention has none); `out_bias` False
    where `attention_bias` leaves the output projection out, `mlp_bias` False where the networks have none whatever it
    says; `conv_bias` True where the convolution of a scan always has one. `qk_norm`: none | head (one scale vector a
    head size) | full (over all heads); `qk_norm_key` names the key that turns it on. `norms` counts the norm vectors of
    a layer as wide as the model, `final_norm` 0 where there is none behind the last. `router_bias`: each expert has a
    correction bias. `shared_gate`: the shared expert is gated by a vector. `output_gate`: what attention gives is gated
    a channel or a head. `linear`: the mixer that the word "linear_attention" means. Where the file does not list the
    kinds of layers: every `window_every`-th layer is full (0: none, 1: all), the `window_offset`-th of each such group
    (-1: the last), and the first or last of all with `first_full`, `last_full`; every `full_every`-th attends where
    others have linear mixers; `dense_first` layers come before those with experts; `listed` 1 where only a list says.
    `d_ff_ratio`: width of the network in model widths where the file leaves it open; `glu_width` 2 where the stated
    width counts both halves of a gated network.
    """

    gated: bool = True
    bias: Literal["none", "all", "qkv", "mlp", "config", "networks"] = "config"
    out_bias: bool = True
    mlp_bias: bool = True
    conv_bias: bool = False
    norm_bias: bool = False
    qk_norm: Literal["none", "head", "full"] = "none"
    qk_norm_key: str = ""
    tied: bool = False
    norms: int = 2
    final_norm: int = 1
    learned_positions: bool = False
    position_offset: int = 0
    router_bias: bool = False
    shared_gate: bool = False
    sinks: bool = False
    output_gate: Literal["none", "channel", "head"] = "none"
    head_bias: bool = False
    embedding_norm: bool = False
    window_every: int = 0
    window_offset: int = -1
    first_full: bool = False
    last_full: bool = False
    full_every: int = 0
    dense_first: int = 0
    listed: bool = False
    linear: str = ""
    d_ff_ratio: int = 0
    glu_width: int = 1


PLAIN = Family()
change = msgspec.structs.replace
_GPT = Family(gated=False, bias="all", norm_bias=True, tied=True, d_ff_ratio=4)
_GPT_PARALLEL = Family(gated=False, bias="mlp", norm_bias=True, norms=1, head_bias=True, d_ff_ratio=4)
_HEADS = Family(qk_norm="head")
_ROUTED = Family(router_bias=True)
_GEMMA3 = Family(tied=True, norms=4, qk_norm="head", window_every=6)
_GEMMA4 = change(_GEMMA3, last_full=True)

FAMILIES: dict[str, Family] = {
    **dict.fromkeys(
        ("llama", "mistral", "ministral", "ministral3", "mixtral", "phi3", "phi4_multimodal", "deepseek_v2", "exaone",
         "llama4_text", "granite", "granitemoe", "granitemoeshared", "granitemoehybrid", "seed_oss", "smollm3",
         "internlm2", "internlm3", "hyperclovax", "aria_text", "minicpm3", "youtu", "solar_open",
         "iquestcoder", "emu3_text_model", "baichuan", "nemotron-nas", "sarvam_mla"),
        PLAIN,
    ),
    "granite_swa": Family(sinks=True, tied=True, window_every=4, window_offset=0),
    "granitemoe_swa": Family(sinks=True, window_every=4, window_offset=0),
    "arcee": Family(gated=False),
    "axk1": Family(dense_first=1),
    "cwm": Family(window_every=4, window_offset=0),
    "cohere_compass_text": Family(tied=True, norms=1, window_every=1),
    "nemotron": Family(gated=False, norm_bias=True),
    "jais2": Family(gated=False, norm_bias=True),
    "apertus": Family(gated=False, qk_norm="head"),
    "apertus1p5_text": Family(gated=False, qk_norm="head"),
    "nanochat": Family(gated=False, norms=0, final_norm=0),
    "olmo": Family(norms=0, final_norm=0),
    "olmo2": Family(qk_norm="full"),
    "olmo3": Family(qk_norm="full", window_every=4),
    "flex_olmo": Family(qk_norm="full"),
    "olmoe": Family(qk_norm="full"),
    "olmo_hybrid": Family(qk_norm="full", linear="delta", full_every=4),
    "qwen": Family(bias="qkv", glu_width=2),
    "qwen2": Family(bias="qkv"),
    "qwen2_moe": Family(bias="qkv", shared_gate=True),
    "qwen3": _HEADS,
    "qwen3_moe": _HEADS,
    "qwen3_next": Family(qk_norm="head", shared_gate=True, output_gate="channel", linear="delta", full_every=4),
    "qwen3_5_text": Family(qk_norm="head", output_gate="channel", linear="delta", full_every=4),
    "qwen3_5_moe_text": Family(qk_norm="head", shared_gate=True, output_gate="channel", linear="delta", full_every=4),
    "lara_mini": Family(qk_norm="head", linear="delta"),
    "gemma": Family(tied=True),
    "gemma2": Family(tied=True, norms=4, window_every=2),
    "vaultgemma": Family(tied=True, window_every=2),
    "gemma3_text": _GEMMA3,
    "gemma3n_text": change(_GEMMA3, window_every=5),
    "gemma4_text": _GEMMA4,
    "gemma4_unified_text": _GEMMA4,
    "recurrent_gemma": Family(tied=True, glu_width=2, bias="mlp"),
    "gpt2": change(_GPT, learned_positions=True),
    "gpt-sw3": change(_GPT, learned_positions=True),
    "openai-gpt": change(_GPT, learned_positions=True, final_norm=0),
    "gpt_bigcode": change(_GPT, learned_positions=True),
    "opt": change(_GPT, learned_positions=True, position_offset=2),
    "biogpt": change(_GPT, learned_positions=True, position_offset=2),
    "xglm": _GPT,
    "ctrl": change(_GPT, head_bias=True),
    "bloom": change(_GPT, embedding_norm=True),
    "gpt_neox": change(_GPT, tied=False),
    "gpt_neox_japanese": change(_GPT, bias="none"),
    "gpt_neo": change(_GPT, bias="mlp", learned_positions=True, window_every=2, window_offset=0),
    "gptj": _GPT_PARALLEL,
    "codegen": _GPT_PARALLEL,
    "persimmon": change(_GPT, tied=False, qk_norm="head", qk_norm_key="qk_layernorm"),
    "phi": Family(gated=False, bias="all", norm_bias=True, norms=1, head_bias=True, qk_norm_key="qk_layernorm",
                  qk_norm="head"),
    "phimoe": Family(norm_bias=True),
    "mpt": Family(gated=False, bias="none", tied=True, d_ff_ratio=4),
    "dbrx": Family(bias="none"),
    "mllama_text_model": PLAIN,
    "falcon": Family(gated=False, norm_bias=True, tied=True, d_ff_ratio=4),
    "starcoder2": Family(gated=False, bias="all", norm_bias=True, tied=True),
    "stablelm": Family(norm_bias=True, qk_norm="full", qk_norm_key="qk_layernorm"),
    "bitnet": PLAIN,
    "cohere": Family(tied=True, norms=1, qk_norm="full", qk_norm_key="use_qk_norm"),
    "cohere2": Family(tied=True, norms=1, window_every=4),
    "cohere2_moe": Family(tied=True, norms=1, window_every=4),
    "glm": Family(out_bias=False),
    "helium": Family(out_bias=False),
    "glm4": Family(out_bias=False, norms=4),
    "glm4_moe": Family(out_bias=False, router_bias=True, qk_norm="head", qk_norm_key="use_qk_norm"),
    "glm4_moe_lite": change(_ROUTED, dense_first=1),
    "glm_moe_dsa": change(_ROUTED, dense_first=3, mlp_bias=False),
    "deepseek_v3": _ROUTED,
    "deepseek_v32": change(_ROUTED, dense_first=3, mlp_bias=False),
    "deepseek_v4": _ROUTED,
    "kimi_k2": _ROUTED,
    "dots1": Family(qk_norm="head", router_bias=True),
    "axk2": Family(dense_first=1),
    "dots3_note_text": Family(output_gate="head", dense_first=1, mlp_bias=False),
    "longcat_flash": PLAIN,
    "hy_v3": change(_HEADS, dense_first=1),
    "hy_v4": Family(output_gate="channel", sinks=True, dense_first=1),
    "hunyuan_v1_dense": _HEADS,
    "hunyuan_v1_moe": _HEADS,
    "ernie4_5": Family(tied=True),
    "ernie4_5_moe": Family(router_bias=True, tied=True),
    "exaone4": _HEADS,
    "exaone_moe": change(_HEADS, dense_first=1),
    "gpt_oss": Family(bias="all", sinks=True, window_every=2),
    "minimax": Family(linear="lightning"),
    "minimax_text_01": Family(linear="lightning"),
    "minimax_m1": Family(linear="lightning"),
    "minimax_m2": Family(qk_norm="full", router_bias=True),
    "minimax_m3_vl_text": _HEADS,
    "mimo_v2_flash": Family(router_bias=True, sinks=True, window_every=6, first_full=True, dense_first=1),
    "bailing_moe": Family(qk_norm="head", qk_norm_key="use_qk_norm", router_bias=True),
    "bailing_moe_v2": Family(qk_norm="head", qk_norm_key="use_qk_norm", router_bias=True),
    "sarvam_moe": Family(qk_norm="head", router_bias=True, out_bias=False),
    "mellum": change(_HEADS, window_every=1),
    "beam": Family(qk_norm="head", norms=4, output_gate="channel", window_every=6, last_full=True, dense_first=3),
    "flint": Family(qk_norm="head", sinks=True, listed=True),
    "kolibri1": Family(qk_norm="head", norms=4, window_every=5),
    "afmoe": Family(qk_norm="head", norms=4, output_gate="channel", router_bias=True),
    "laguna": Family(qk_norm="head", output_gate="head", router_bias=True, window_every=1, dense_first=1),
    "step3p7": Family(qk_norm="head", router_bias=True),
    "doge": _HEADS,
    "openelm": Family(qk_norm="head", tied=True),
    "diffllama": PLAIN,
    "jetmoe": Family(tied=True),
    "zaya": Family(tied=True),
    "moshi": Family(gated=True, glu_width=2),
    "modernbert-decoder": Family(tied=True, embedding_norm=True, window_every=3, window_offset=0),
    "inkling_text": change(_HEADS, embedding_norm=True, window_every=6),
    "inkling2_text": Family(embedding_norm=True, window_every=6),
    "inkling2_loop_text": Family(embedding_norm=True, window_every=6),
    "hrm_text": Family(norms=0, final_norm=0, output_gate="channel"),
    "dory": Family(norms=1, final_norm=0, output_gate="channel", listed=True),
    "lfm2": Family(tied=True, qk_norm="head"),
    "lfm2_moe": Family(tied=True, qk_norm="head", router_bias=True),
    "lfm3": Family(tied=True, qk_norm="head", norms=4, output_gate="head"),
    "kimi_linear": Family(linear="kda", router_bias=True),
    "bailing_hybrid": Family(linear="kda", router_bias=True, output_gate="head"),
    "nemotron_h": Family(gated=False, bias="networks", router_bias=True, linear="mamba2"),
    "bamba": Family(linear="mamba2"),
    "falcon_h1": Family(linear="mamba2"),
    "jamba": Family(linear="mamba1"),
    "zamba": Family(tied=True, linear="mamba1"),
    "zamba2": Family(tied=True, linear="mamba2", listed=True, conv_bias=True),
    "mamba": Family(tied=True, norms=1, linear="mamba1"),
    "falcon_mamba": Family(tied=True, norms=1, linear="mamba1"),
    "mamba2": Family(norms=1, linear="mamba2"),
    "xlstm": Family(linear="mlstm"),
    "rwkv": Family(gated=False, norm_bias=True, linear="rwkv", bias="none"),
}  # fmt: skip

# Types that are another one under its own name.
SAME_AS: dict[str, str] = {
    **dict.fromkeys(("qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text", "qwen2_5_omni", "qwen2_5_omni_text",
                     "qwen2_5_omni_thinker"), "qwen2"),
    **dict.fromkeys(("qwen3_vl", "qwen3_vl_text"), "qwen3"),
    **dict.fromkeys(("qwen3_vl_moe_text", "qwen3_omni_moe", "qwen3_omni_moe_text",
                     "qwen3_omni_moe_thinker"), "qwen3_moe"),
    "gemma3": "gemma3_text", "gemma3n": "gemma3n_text", "gemma4": "gemma4_text", "qwen3_5": "qwen3_5_text",
    "qwen3_5_moe": "qwen3_5_moe_text", "llama4": "llama4_text", "step3p5": "step3p7",
}  # fmt: skip


def stated(c: Config, family: Family) -> Family:
    """The conventions of a family where a file of it says otherwise."""
    if c.flag("norm_bias"):
        return change(family, norm_bias=True)
    return family


# Keys of parts that one family alone has: an unknown type that has them is no plain decoder.
OF_ONE_FAMILY = (
    "hidden_size_per_layer_input", "altup_num_inputs", "laurel_rank", "hc_mult", "loop_num_passes",
    "intermediate_size_mlp",
    "lru_width", "conv_L_cache", "o_lora_rank", "compress_ratios", "compress_rates", "gated_norm_rank", "d_rel",
    "n_recurrent_loops", "H_cycles", "zero_expert_num", "num_mem_blocks", "router_hidden_size", "qk_dim_factor",
    "use_double_wide_mlp", "word_embed_proj_dim", "backbone_hidden_size",
)  # fmt: skip


def guessed(c: Config) -> Family:
    """The conventions that the keys of an unknown type suggest: those of GPT where they name LayerNorm and GELU, of
    squared ReLUs without a gate, else those of Llama."""
    act = str(c.raw("hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act") or "")
    root = c.has("rms_norm_eps", "rms_norm_epsilon", "norm_eps")
    layer_norm = not root and c.has("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon")
    normed = c.flag("use_qk_norm", "qk_norm", "qk_layernorm")
    gpt = layer_norm and (not act or act.startswith("gelu"))
    gated = not gpt and act not in ("relu2", "xielu", "relu", "relu_squared")
    return Family(
        gated=gated,
        bias="all" if gpt else "config",
        norm_bias=layer_norm,
        qk_norm="head" if normed else "none",
        d_ff_ratio=4 if gpt else 0,
        output_gate="channel" if c.flag("attn_output_gate") else "none",
    )
