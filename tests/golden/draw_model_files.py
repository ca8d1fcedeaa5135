"""Draws model files of every causal language model of transformers, and counts what its class builds.

    python tests/golden/draw_model_files.py --seed 1 --each 3 > drawn.jsonl     (needs torch and transformers 5.24.0)

A row holds the file as `save_pretrained` writes it and the number of parameters of the model that the class makes of it
(on torch's meta device: nothing is allocated). Each row is drawn from the seed, the family and its own number; settings
that the class itself refuses are drawn again. What no file of a decoder varies is left out of the rows.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Iterator
from typing import Any

# Keys that every configuration has, or that change no dimension.
NOISE = re.compile(
    r"^(architectures|dtype|transformers_version|id2label|label2id|problem_type|chunk_size_feed_forward|"
    r"output_(attentions|hidden_states)|return_dict|is_encoder_decoder|.*token_id|_.*)$"
)
TRIES = 12
# Counts that a file may state otherwise, by what they count.
SIZES: list[tuple[str, list[Any]]] = [
    (r"^(vocab_size|n_vocab)$", [256, 1000, 32_000, 65_537]),
    (r"^(num_hidden_layers|n_layers?|num_layers)$", [2, 3, 4, 6, 7, 8, 12, 13]),
    (r"(intermediate_size|ffn_hidden_size|n_inner|d_ff|ffn_dim)", [128, 384, 1024, 1536, 2048]),
    (r"^(num_local_experts|num_experts|n_routed_experts|moe_num_experts)$", [8, 16]),
    (r"^(num_experts_per_tok(en)?|top_k_experts|moe_k|moe_topk|num_selected_experts)$", [1, 2, 4]),
    (r"(n_shared_experts|num_shared_experts?)$", [0, 1, 2]),
    (r"^(q_lora_rank)$", [None, 32, 64]),
    (r"^(kv_lora_rank|o_lora_rank)$", [32, 64]),
    (r"(first_k_dense_replace|num_dense_layers|moe_layer_start_index)$", [0, 1, 2]),
    (r"(layer_freq|sparse_step|layer_period|_interval|every_n_layers|layer_step)$", [1, 2, 3]),
    (r"^(mamba_d_state|ssm_state_size|state_size)$", [16, 32, 64]),
    (r"^(mamba_expand|expand)$", [1, 2]),
    (r"^(mamba_d_conv|conv_kernel(_size)?|conv1d_width|conv_L_cache)$", [3, 4]),
    (r"^(num_mem_blocks)$", [1, 2]),
    (r"^(adapter_rank|laurel_rank|hidden_size_per_layer_input)$", [16, 64]),
    (r"^(num_kv_shared_layers)$", [0, 1, 2]),
    (r"^(sliding_window)$", [128, 4096]),
]
SWITCH = re.compile(
    r"bias|^tie_word|qk_norm|^use_.*norm|parallel|alibi|multi_query|new_decoder|output_gate|adapter$|lora$"
)
# Keys that are drawn wherever they stand, for what hangs on them is.
ALWAYS = re.compile(r"^(num_hidden|num_experts_per_tok|top_k_experts|moe_k|moe_topk|num_selected)")
# Settings that no checkpoint has and that the class of the family takes for others: an absent shared expert (as wide
# as a dense network), parameters for experts that do nothing, ranges of layers beyond the last.
UNREAL: dict[str, dict[str, Any]] = {
    "hy_v3": {"num_shared_experts": 1}, "deepseek_v4": {"n_shared_experts": 1}, "longcat_flash": {"zero_expert_num": 0},
    "inkling2_loop_text": {"loop_layer_index_start": 0, "loop_layer_index_end": 2}, "dory": {"n_recurrent_layers": 1},
    "gemma3n_text": {"num_kv_shared_layers": 1}, "deepseek_v2": {"num_experts_per_tok": 2}, "mpt": {"no_bias": True},
    "zamba": {"tie_word_embeddings": True}, "zamba2": {"tie_word_embeddings": True},
    "nemotron_h": {"n_shared_experts": 1},
}  # fmt: skip
HEAD_WIDTHS = [32, 64, 80, 128]


def _fields(config: Any) -> dict[str, Any]:
    return {k: v for k, v in config.to_dict().items() if not NOISE.match(k)}


def _heads(draw: random.Random, fields: dict[str, Any]) -> dict[str, Any]:
    """Heads, heads of keys, their width and the model's, which go together."""
    heads, wide = draw.choice([4, 6, 8, 16]), draw.choice(HEAD_WIDTHS)
    named: dict[str, Any] = {}
    for key in ("num_attention_heads", "n_head", "n_heads", "num_heads"):
        if isinstance(fields.get(key), int):
            named[key] = heads
    for key in ("num_key_value_heads", "num_kv_heads"):
        if isinstance(fields.get(key), int):
            named[key] = draw.choice([h for h in (1, 2, heads // 2, heads) if heads % h == 0])
    if isinstance(fields.get("head_dim"), int) and draw.random() < 0.7:
        named["head_dim"] = draw.choice(HEAD_WIDTHS)
    for key in ("hidden_size", "n_embd", "d_model"):
        if isinstance(fields.get(key), int):
            named[key] = heads * wide
    return named if draw.random() < 0.7 else {}


def _lists(draw: random.Random, fields: dict[str, Any], layers: int | None) -> dict[str, Any]:
    """Lists with an entry a layer: their own words in another order, or left to the class."""
    found: dict[str, Any] = {}
    was = next((fields[k] for k in ("num_hidden_layers", "n_layer", "num_layers") if k in fields), None)
    for key, value in fields.items():
        if isinstance(value, list) and value and len(value) == was and all(isinstance(x, (str, int)) for x in value):
            words = sorted(set(value), key=str)
            drawn = [draw.choice(words) for _ in range(layers or len(value))]
            found[key] = drawn if draw.random() < 0.6 else None
    return found


def change(draw: random.Random, fields: dict[str, Any]) -> dict[str, Any]:
    """What one drawn file states otherwise than the family's default."""
    found = _heads(draw, fields)
    for key, value in fields.items():
        if isinstance(value, bool):
            if SWITCH.search(key) and draw.random() < 0.25:
                found[key] = not value
            continue
        for pattern, choices in SIZES:
            if re.search(pattern, key) and isinstance(value, (int, type(None))):
                if value is not None and (draw.random() < 0.6 or ALWAYS.search(key)):
                    found[key] = draw.choice(choices)
                break
    layers = next((found[k] for k in ("num_hidden_layers", "n_layer", "num_layers", "n_layers") if k in found), None)
    return found | _lists(draw, fields, layers)


class NotHonouredError(Exception):
    """The class does not do what the file says."""


def built(config: Any) -> Any:
    """The class's model, without numbers in it."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    return model


def check(model: Any, config: Any) -> None:
    """NotHonouredError where a tie is not as stated, or where products do not fit together."""
    import torch

    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    both = head is not None and embedding is not None
    if both and (head.weight is embedding.weight) != bool(config.tie_word_embeddings):
        raise NotHonouredError("tie_word_embeddings")
    for module in model.modules():
        query, keys, out = (getattr(module, f"{name}_proj", None) for name in "qko")
        plain = keys is not None and hasattr(out, "in_features") and not hasattr(config, "v_head_dim")
        doubled = 2 if str(config.model_type).startswith("qwen3") else 1  # queries and their gate in one product
        if plain and out.in_features not in (query.out_features, query.out_features // doubled):
            raise NotHonouredError("heads that do not fit the output product")
    listed = [x for key, v in vars(config).items() if key.endswith("layers") and isinstance(v, list) for x in v]
    if any(isinstance(x, int) and x >= getattr(config, "num_hidden_layers", x + 1) for x in listed):
        raise NotHonouredError("layers beyond the last")
    try:
        with torch.device("meta"):
            model(input_ids=torch.zeros((1, 8), dtype=torch.long), use_cache=False)
    except RuntimeError as error:
        if re.search(r"shape|size|mat1|invalid for input", str(error)):
            raise NotHonouredError(f"products: {str(error)[:80]}") from error
    except Exception:
        pass  # the pass of this class needs numbers


def rows(kind: str, seed: int, each: int) -> Iterator[dict[str, Any]]:
    """Drawn files of one family; InputError never: what its class refuses is drawn again."""
    from transformers import AutoConfig

    default = AutoConfig.for_model(kind)
    inner = getattr(default, "text_config", None)
    fields = _fields(inner or default)
    for number in range(each):
        for attempt in range(TRIES):
            draw = random.Random(f"{seed} {kind} {number} {attempt}")
            try:
                stated = change(draw, fields)
                made = type(inner or default)(**stated | UNREAL.get(kind, {}))
                model = built(made)
                check(model, made)
            except Exception as error:
                print(f"{kind} {number}.{attempt}: {type(error).__name__}: {str(error)[:120]}", file=sys.stderr)
                continue
            written = json.loads(made.to_json_string())
            params = sum(p.numel() for p in model.parameters())
            yield {"params": params, "config": {k: v for k, v in written.items() if not NOISE.match(k)}}
            break


def main() -> None:
    """One JSON line a drawn file."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    given = parser.parse_args()
    for kind in given.only or sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        try:
            for row in rows(kind, given.seed, given.each):
                print(json.dumps(row), flush=True)
        except Exception as error:
            print(f"{kind}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)


if __name__ == "__main__":
    main()
