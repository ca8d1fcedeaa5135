"""Feed-forward networks of one layer of a Hugging Face config as the fields of a `Block`."""

from __future__ import annotations

from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.families import Family
from hwmodel.interop.huggingface.fields import Fields, add, width
from hwmodel.plain import JsonValue

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts")
TOP_K = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "top_k_experts", "moe_topk", "moe_k",
         "moe_top_k", "num_selected_experts")  # fmt: skip
EXPERT_WIDTH = ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", "expert_intermediate_size")
SHARED_COUNT = ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts")
SHARED_WIDTH = ("shared_expert_intermediate_size", "shared_experts_intermediate_size", "shared_intermediate_size",
                "moe_shared_expert_intermediate_size", "share_expert_dim")  # fmt: skip
DENSE_WIDTH = ("dense_intermediate_size", "prefix_dense_intermediate_size", "intermediate_size_mlp", "block_ff_dim",
               "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "dff", "dim_ff")  # fmt: skip


def inner(c: Config) -> Config:
    """The config that holds the keys of the network (DBRX nests them)."""
    return c.nested("ffn_config") or c


def n_experts(c: Config, kind: str) -> int:
    """Routed experts of a layer that has them; 0 where no layer does."""
    if kind == "doge" and c.flag("is_moe"):
        raise c.fail("is_moe: experts that are rows of an embedding are not modelled")
    if not c.flag("enable_moe_block", "is_moe", "use_moe", default=kind not in ("gemma4_text", "doge")):
        c.raw(*EXPERTS, *TOP_K)
        return 0
    found = inner(c).count(*EXPERTS)
    if found == 1 and not inner(c).has("moe_intermediate_size"):
        inner(c).raw(*TOP_K, *SHARED_COUNT)  # one expert is a dense network
        return 0
    return found


def _one(c: Config, key: str, value: JsonValue, layer: int) -> int:
    """A width that may be given for every layer."""
    if isinstance(value, list):
        if not layer < len(value):
            raise c.fail(f"{key}: expected a list of {c.layers()} entries, got {len(value)}")
        value = value[layer]
    return c.check(value, key)


def _divisible(c: Config, multiplier: JsonValue) -> int:
    """OpenELM: a multiple of the model width, to the nearest multiple of a divisor, not below nine tenths of it."""
    if isinstance(multiplier, bool) or not isinstance(multiplier, (int, float)) or not 0 < multiplier < 64:
        raise c.fail(f"ffn_multipliers: expected factors, got {str(multiplier)[:40]!r}")
    wanted, grain = multiplier * width(c), c.number("ffn_dim_divisor", default=1)
    near = max(grain, int(wanted + grain / 2) // grain * grain)
    return near + grain if near < 0.9 * wanted else near


def _dense_width(c: Config, family: Family, layer: int) -> int:
    value = c.raw(*DENSE_WIDTH)
    if value is not None:
        return _one(c, c._key(DENSE_WIDTH), value, layer)
    multipliers = c.per_layer("ffn_multipliers", c.layers())
    if multipliers is not None:
        return _divisible(c, multipliers[layer])
    if c.has("ffn_proj_factor"):
        grain = c.number("ffn_round_up_to_multiple_of", default=1)
        return -(-int(c.factor("ffn_proj_factor", 4.0) * width(c)) // grain) * grain
    if not family.d_ff_ratio and not c.has("intermediate_multiple_size", "expansion_ratio"):
        raise c.missing("intermediate_size")
    return c.number("expansion_ratio", "intermediate_multiple_size", default=family.d_ff_ratio, high=64) * width(c)


def _adjusted(c: Config, stated: int) -> int:
    """LFM2 takes two thirds of the stated width, times a factor, up to a round number."""
    if not c.flag("block_auto_adjust_ff_dim", default=c.has("block_ff_dim")):
        return stated
    grain = c.number("block_multiple_of", default=256)
    return -(-int(c.factor("block_ffn_dim_multiplier", 1.0) * int(2 * stated / 3)) // grain) * grain


def _biased(c: Config, family: Family) -> bool:
    """Whether the products of networks carry biases."""
    stated = family.mlp_bias and c.flag("mlp_bias", "use_mlp_bias")
    everywhere = family.bias == "config" and (c.flag("bias") or c.flag("use_bias"))
    return bool(family.bias == "mlp" or everywhere or (family.bias in ("config", "networks") and stated))


def biases(c: Config, family: Family, d_ff: float) -> float:
    """Biases of a dense network."""
    return (1 + family.gated) * d_ff + width(c) if _biased(c, family) else 0.0


def dense(c: Config, family: Family, layer: int, *, borrows: bool = False) -> Fields:
    """A dense feed-forward network."""
    d_ff = _adjusted(c, _dense_width(c, family, layer)) // family.glu_width
    if c.flag("use_double_wide_mlp") and borrows:
        d_ff *= 2
    return {"d_ff": d_ff, "gated": float(family.gated), "extra_params": biases(c, family, d_ff)}


def _entry(c: Config, keys: tuple[str, ...], layer: int, default: int | None, high: float = 1e7) -> int:
    """A number under one of the aliases, which may be given for every layer."""
    value = c.raw(*keys)
    if value is None:
        if default is None:
            raise c.missing(*keys)
        return default
    key = c._key(keys)
    if isinstance(value, list):
        if not layer < len(value):
            raise c.fail(f"{key}: expected a list of {c.layers()} entries, got {len(value)}")
        value = value[layer]
    return c.check(value, key, 0, high)


def shared_width(c: Config, kind: str, expert: int, layer: int) -> int:
    """Summed width of the experts that every token passes."""
    if kind == "llama4_text":
        return expert
    copies = _entry(c, SHARED_COUNT, layer, -1)
    stated = _entry(c, SHARED_WIDTH, layer, -1)
    if c.raw("use_mixed_mlp_moe") is False:
        return 0
    if stated < 0:
        return max(copies, 0) * expert
    # The width of one of them, but for Nemotron-H, which states that of all together.
    return min(copies, 1) * stated if copies >= 0 and kind == "nemotron_h" else abs(copies) * stated


def experts(c: Config, family: Family, kind: str, n: int, layer: int) -> Fields:
    """Routed experts, shared experts and the router."""
    keys = inner(c)
    expert = _entry(keys, (*EXPERT_WIDTH, "intermediate_size", "ffn_hidden_size"), layer, None)
    top_k = _entry(keys, TOP_K, layer, None)
    if not 1 <= top_k <= n:
        raise c.fail(f"{keys._key(TOP_K)}: {top_k} lies outside 1 to {n}, the number of experts")
    shared = shared_width(c, kind, expert, layer)
    fields: Fields = {
        "d_ff": expert,
        "gated": float(family.gated),
        "n_experts": n,
        "top_k": top_k,
        "d_ff_shared": shared,
    }
    groups = c.count("topk_group")
    if c.count("n_group", "num_expert_group") > 1 and groups:
        fields["top_groups"] = groups
    latent = c.count("moe_latent_size", "routed_expert_hidden_size")
    if latent:
        fields["expert_latent_dim"] = latent
        add(fields, extra_params=latent * c.flag("latent_moe_use_norm"))
        if _biased(c, family):  # the products into and out of the narrower space
            add(fields, extra_params=latent + width(c))
    if shared:  # routed experts have no biases
        add(fields, extra_params=biases(c, family, shared))
    if c.flag("use_expert_bias", "moe_router_enable_expert_bias", default=family.router_bias):
        add(fields, extra_params=n)
    if family.shared_gate and shared:
        add(fields, extra_params=width(c))
    if kind == "gemma4_text":
        # The dense network runs beside the experts; three more norms, the router's scales.
        add(fields, d_ff_shared=c.number("intermediate_size"), extra_params=4 * width(c) + n)
    return fields
