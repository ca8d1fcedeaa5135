"""Models in torchtitan: the flavors of its registry, and the builders of models that no flavor is."""

from __future__ import annotations

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.errors import InputError
from hwmodel.interop.tools.parts_of_shape import Layers, layers_of, same_shape
from hwmodel.specs import Shape

# Flavors of torchtitan 0.3.0 and the models of the catalog that they are.
FLAVORS: dict[tuple[str, str], str] = {
    ("llama3", "1B"): "llama-3.2-1b", ("llama3", "3B"): "llama-3.2-3b", ("llama3", "8B"): "llama-3.1-8b",
    ("llama3", "70B"): "llama-3.1-70b", ("llama3", "405B"): "llama-3.1-405b",
    ("qwen3", "0.6B"): "qwen3-0.6b", ("qwen3", "1.7B"): "qwen3-1.7b", ("qwen3", "4B"): "qwen3-4b",
    ("qwen3", "8B"): "qwen3-8b", ("qwen3", "14B"): "qwen3-14b", ("qwen3", "32B"): "qwen3-32b",
    ("qwen3", "30B-A3B"): "qwen3-30b-a3b", ("qwen3", "235B-A22B"): "qwen3-235b-a22b",
    ("deepseek_v3", "16B"): "deepseek-v2-lite", ("deepseek_v3", "236B"): "deepseek-v2",
    ("deepseek_v3", "671B"): "deepseek-v3",
}  # fmt: skip
CUSTOM = "custom"


class TitanModel(msgspec.Struct, frozen=True, kw_only=True):
    """The module of a model, its flavor, and for a flavor of our own the builder with its arguments."""

    module: str
    flavor: str
    builder: str = ""
    head: dict[str, int] = {}
    layers: dict[str, int] = {}


def titan_model(shape: Shape, catalog: Catalog) -> TitanModel:
    """The flavor that is the shape, else how to build it. InputError for a shape that torchtitan has no model for."""
    for (module, flavor), name in FLAVORS.items():
        if same_shape(catalog.model(name), shape):
            return TitanModel(module=module, flavor=flavor)
    return _custom(shape, layers_of(shape, "torchtitan"))


def _custom(shape: Shape, found: Layers) -> TitanModel:
    block = found.attention
    plain = block.gated > 0 and not (shape.bias or shape.norm_bias or shape.learned_positions or found.extras)
    if not plain or block.kv_lora_rank or found.window_tokens or (found.dense and found.mixture) or block.d_ff_shared:
        raise InputError(f"torchtitan has no model like {shape.name}; its builders make Llama 3 and Qwen3 shapes")
    common = {
        "n_layers": int(block.count), "dim": int(shape.d_model), "n_heads": int(block.n_heads),
        "n_kv_heads": int(block.n_kv_heads),
    }  # fmt: skip
    head = {"dim": int(shape.d_model), "vocab_size": int(shape.vocab), "tied": bool(shape.tied)}
    if found.qk_norm:
        layers = common | {"head_dim": int(block.head_dim)}
        if found.mixture is None:
            return TitanModel(module="qwen3", flavor=CUSTOM, builder="_build_qwen3_layers", head=head,
                              layers=layers | {"hidden_dim": int(block.d_ff)})  # fmt: skip
        routed = {"moe_hidden_dim": int(block.d_ff), "num_experts": int(block.n_experts), "top_k": int(block.top_k)}
        return TitanModel(
            module="qwen3", flavor=CUSTOM, builder="_build_qwen3_moe_layers", head=head, layers=layers | routed
        )
    if found.mixture is not None or block.head_dim * block.n_heads != shape.d_model:
        raise InputError(f"torchtitan has no model like {shape.name}; its builders make Llama 3 and Qwen3 shapes")
    return TitanModel(
        module="llama3", flavor=CUSTOM, builder="_build_llama3_layers", head=head,
        layers=common | {"hidden_dim": int(block.d_ff)},
    )  # fmt: skip


_HEADS = {
    "llama3": ("Llama3Model", "RMSNorm.Config(normalized_shape={dim}, param_init=models._NORM_INIT)",
               "models._output_linear_init({dim})", "ComplexRoPE", "tp_gemm_backend: str = \"default\""),
    "qwen3": ("Qwen3Model", "models._qwen3_norm({dim})", "models._LINEAR_INIT", "CosSinRoPE",
              "moe_comm_backend: str = \"standard\""),
}  # fmt: skip


def builder_source(model: TitanModel, seq_len: int) -> str:
    """Source of the function that builds a model of our own and of its entry in the registry."""
    if not model.builder:
        return ""
    cls, norm, output, rope, extra = _HEADS[model.module]
    head_dim = model.layers.get("head_dim", model.layers["dim"] // model.layers["n_heads"])
    arguments = "".join(f"            {name}={value},\n" for name, value in model.layers.items())
    if model.builder == "_build_qwen3_moe_layers":
        arguments += "            moe_comm_backend=moe_comm_backend,\n"
    dim, vocab = model.head["dim"], model.head["vocab_size"]
    embedding = "_EMBEDDING_SKIP_INIT" if model.head["tied"] else "_EMBEDDING_INIT"
    return f'''
def model_config(attn_backend: str = "flex", {extra}) -> models.{cls}.Config:
    """The model of the plan."""
    return models.{cls}.Config(
        dim={dim},
        vocab_size={vocab},
        enable_weight_tying={model.head["tied"]},
        tok_embeddings=models.Embedding.Config(
            num_embeddings={vocab}, embedding_dim={dim}, param_init=models.{embedding}
        ),
        norm={norm.format(dim=dim).replace("RMSNorm", "models.RMSNorm")},
        lm_head=models.Linear.Config(in_features={dim}, out_features={vocab}, param_init={output.format(dim=dim)}),
        layers=models.{model.builder}(
{arguments}            attn_backend=attn_backend,
            rope=models.{rope}.Config(dim={head_dim}, max_seq_len={seq_len}),
        ),
    )


models.{model.module}_configs["{CUSTOM}"] = model_config
'''
