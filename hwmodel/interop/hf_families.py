"""What a Hugging Face `model_type` implies that its config.json does not say."""

from __future__ import annotations

import msgspec


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Conventions of one family of decoders.

    `bias`: none | all | qkv | config (`attention_bias`, `mlp_bias`). `qk_norm`: none | head (one scale vector a head
    size) | full (over all heads). `norms` counts the norm vectors of a layer as wide as the model. `router_bias`: each
    expert has a correction bias. `shared_gate`: the shared expert is gated by a vector. `parallel`: attention and
    feed-forward share one norm. `window_every`: with a window and no list of layer types, every n-th layer is full.
    """

    gated: bool = True
    bias: str = "config"
    norm_bias: bool = False
    qk_norm: str = "none"
    tied: bool = False
    norms: int = 2
    learned_positions: bool = False
    position_offset: int = 0
    router_bias: bool = False
    shared_gate: bool = False
    sinks: bool = False
    output_gate: bool = False
    head_bias: bool = False
    embedding_norm: bool = False
    window_every: int = 0


PLAIN = Family()
_GPT = Family(gated=False, bias="all", norm_bias=True, tied=True)

FAMILIES: dict[str, Family] = {
    "llama": PLAIN,
    "mistral": PLAIN,
    "ministral": PLAIN,
    "mixtral": PLAIN,
    "yi": PLAIN,
    "phi3": PLAIN,
    "olmo2": Family(qk_norm="full"),
    "olmo3": Family(qk_norm="full"),
    "olmoe": Family(qk_norm="full"),
    "qwen2": Family(bias="qkv"),
    "qwen2_moe": Family(bias="qkv", shared_gate=True),
    "qwen3": Family(qk_norm="head"),
    "qwen3_moe": Family(qk_norm="head"),
    "qwen3_next": Family(qk_norm="head", shared_gate=True, output_gate=True),
    "qwen3_5_text": Family(qk_norm="head", output_gate=True),
    "qwen3_5_moe_text": Family(qk_norm="head", shared_gate=True, output_gate=True),
    "gemma": Family(tied=True),
    "gemma2": Family(tied=True, norms=4, window_every=2),
    "gemma3_text": Family(tied=True, norms=4, qk_norm="head", window_every=6),
    "gemma4_text": Family(tied=True, norms=4, qk_norm="head"),
    "gpt2": msgspec.structs.replace(_GPT, learned_positions=True),
    "gpt_bigcode": msgspec.structs.replace(_GPT, learned_positions=True),
    "opt": msgspec.structs.replace(_GPT, learned_positions=True, position_offset=2),
    "bloom": msgspec.structs.replace(_GPT, embedding_norm=True),
    "gpt_neox": msgspec.structs.replace(_GPT, tied=False),
    "gptj": Family(gated=False, bias="mlp", norm_bias=True, norms=1, head_bias=True),
    "mpt": Family(gated=False, bias="none", tied=True),
    "falcon": Family(gated=False, bias="config", norm_bias=True, tied=True),
    "starcoder2": Family(gated=False, bias="all", norm_bias=True, tied=True),
    "deepseek_v2": PLAIN,
    "deepseek_v3": Family(router_bias=True),
    "deepseek_v32": Family(router_bias=True),
    "deepseek_v4": Family(router_bias=True),
    "kimi_k2": Family(router_bias=True),
    "glm4_moe": Family(bias="qkv", router_bias=True),
    "glm_moe_dsa": Family(router_bias=True),
    "gpt_oss": Family(bias="all", sinks=True),
    "llama4_text": PLAIN,
    "minimax_m2": Family(qk_norm="full", router_bias=True),
    "mimo_v2_flash": Family(router_bias=True, sinks=True),
    "nemotron_h": Family(gated=False, router_bias=True),
    "nemotron-nas": PLAIN,
}

NOT_DECODERS: dict[str, str] = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "distilbert", "albert", "deberta", "deberta-v2", "electra", "modernbert",
         "mpnet", "camembert", "nomic_bert", "esm", "longformer", "big_bird", "funnel", "ernie", "eurobert"),
        "an encoder",
    ),
    **dict.fromkeys(
        ("t5", "mt5", "umt5", "longt5", "bart", "mbart", "pegasus", "marian", "m2m_100", "nllb-moe",
         "switch_transformers", "whisper", "blenderbot", "led", "prophetnet", "seamless_m4t", "speech_to_text"),
        "an encoder-decoder",
    ),
    **dict.fromkeys(
        ("clip", "siglip", "vit", "deit", "swin", "beit", "convnext", "dinov2", "resnet", "sam", "detr", "wav2vec2",
         "hubert", "clap", "vit_mae", "blip", "groupvit"),
        "a vision or audio encoder",
    ),
}  # fmt: skip
DIFFUSERS = ("UNet", "Transformer2D", "VAE", "Autoencoder", "Diffusion", "FluxTransformer", "SD3", "DiT", "ControlNet")
