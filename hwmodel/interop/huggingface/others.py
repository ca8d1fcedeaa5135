"""Types of Hugging Face models that are no decoder-only language model, and decoders that no shape of ours can hold.

Source: the tables of tasks in `models/auto/modeling_auto.py` of transformers 5.24.0 (masked language models and text
encoders; sequence to sequence and speech to text; images, sound, depth, masks and their like).
"""

from __future__ import annotations

NOT_DECODERS: dict[str, str] = {
    **dict.fromkeys(
        ("albert", "bert", "bert-generation", "big_bird", "camembert", "clip_text_model", "convbert", "data2vec-text",
         "deberta", "deberta-v2", "distilbert", "electra", "ernie", "esm", "esmc", "eurobert", "flaubert", "fnet",
         "funnel", "gte", "ibert", "jina_embeddings_v3", "layoutlm", "longformer", "luke", "megatron-bert",
         "mobilebert", "modernbert", "modernvbert", "mpnet", "mra", "neomme", "nomic_bert", "nystromformer",
         "perceiver", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "squeezebert", "tapas",
         "ultrabert", "ultravbert", "xlm", "xlm-roberta", "xlm-roberta-xl", "xmod", "yoso"),
        "an encoder",
    ),
    **dict.fromkeys(
        ("bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "canary", "cohere_asr", "dia", "encoder-decoder",
         "fsmt", "kyutai_speech_to_text", "led", "longt5", "m2m_100", "marian", "mbart", "moonshine",
         "moonshine_streaming", "mt5", "mvp", "nllb-moe", "pegasus", "pegasus_x", "plbart", "pop2piano", "prophetnet",
         "seamless_m4t", "seamless_m4t_v2", "speech-encoder-decoder", "speech_to_text", "speecht5",
         "switch_transformers", "t5", "t5gemma", "t5gemma2", "umt5", "whisper"),
        "an encoder-decoder",
    ),
    **dict.fromkeys(
        ("align", "altclip", "audio-spectrogram-transformer", "beit", "bit", "blip", "blip-2", "chinese_clip", "clap",
         "clip", "clipseg", "convnext", "convnextv2", "cvt", "data2vec-audio", "data2vec-vision", "deit", "detr",
         "deformable_detr", "depth_anything", "dinat", "dinov2", "dinov3_vit", "donut-swin", "dpt", "efficientnet",
         "focalnet", "git", "groupvit", "hiera", "hubert", "imagegpt", "mask2former", "maskformer", "mobilenet_v2",
         "mobilevit", "oneformer", "parakeet_ctc", "poolformer", "pvt", "regnet", "resnet", "rt_detr", "sam", "sam2",
         "segformer", "sew", "siglip", "siglip2", "swin", "swinv2", "timm_backbone", "timm_wrapper", "trocr",
         "unispeech", "upernet", "vit", "vit_mae", "vit_msn", "vitdet", "wav2vec2", "wav2vec2-bert", "wavlm", "yolos"),
        "a vision or audio model",
    ),
    **dict.fromkeys(("musicgen", "musicgen_melody"), "a decoder of sound beside an encoder of text"),
    **dict.fromkeys(("xlnet", "reformer"), "trained on permuted or reversible sequences"),
}  # fmt: skip

NOT_MODELLED: dict[str, str] = {
    "blt": "makes patches of bytes with networks of their own (a local encoder and decoder, hashed n-grams)",
    "cpmant": "adds embeddings of prompts and segments and learns a bias for every pair of places",
    "qwen4_exp": "looks up hashed n-grams and mixes residual streams by learned matrices",
    "qwen4_exp_text": "looks up hashed n-grams and mixes residual streams by learned matrices",
}
DIFFUSERS = ("UNet", "Transformer2D", "VAE", "Autoencoder", "Diffusion", "FluxTransformer", "SD3", "DiT", "ControlNet")
