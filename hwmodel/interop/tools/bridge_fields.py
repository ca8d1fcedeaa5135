"""Megatron-Bridge's fields for the arguments of Megatron-LM: one table, read in both directions."""

from __future__ import annotations

import re

from hwmodel.interop.tools.megatron_shape import Flags
from hwmodel.plain import Fields, listed

# Flag -> field of the configuration, values as they are.
SAME = {
    "--optimizer-offload-fraction": "optimizer.optimizer_offload_fraction",
    "--num-layers": "model.num_layers", "--hidden-size": "model.hidden_size",
    "--ffn-hidden-size": "model.ffn_hidden_size", "--num-attention-heads": "model.num_attention_heads",
    "--kv-channels": "model.kv_channels", "--num-query-groups": "model.num_query_groups",
    "--normalization": "model.normalization", "--vocab-size": "model.vocab_size",
    "--make-vocab-size-divisible-by": "model.make_vocab_size_divisible_by",
    "--position-embedding-type": "model.position_embedding_type", "--softmax-type": "model.softmax_type",
    "--window-attn-skip-freq": "model.window_attn_skip_freq", "--q-lora-rank": "model.q_lora_rank",
    "--kv-lora-rank": "model.kv_lora_rank", "--qk-head-dim": "model.qk_head_dim",
    "--qk-pos-emb-head-dim": "model.qk_pos_emb_head_dim", "--v-head-dim": "model.v_head_dim",
    "--num-experts": "model.num_moe_experts", "--moe-router-topk": "model.moe_router_topk",
    "--moe-ffn-hidden-size": "model.moe_ffn_hidden_size",
    "--moe-latent-size": "model.moe_latent_size",
    "--moe-shared-expert-intermediate-size": "model.moe_shared_expert_intermediate_size",
    "--moe-token-dispatcher-type": "model.moe_token_dispatcher_type",
    "--moe-router-score-function": "model.moe_router_score_function",
    "--moe-router-group-topk": "model.moe_router_group_topk", "--moe-router-num-groups": "model.moe_router_num_groups",
    "--tensor-model-parallel-size": "model.tensor_model_parallel_size",
    "--pipeline-model-parallel-size": "model.pipeline_model_parallel_size",
    "--context-parallel-size": "model.context_parallel_size",
    "--expert-model-parallel-size": "model.expert_model_parallel_size",
    "--expert-tensor-parallel-size": "model.expert_tensor_parallel_size",
    "--num-virtual-stages-per-pipeline-rank": "model.virtual_pipeline_model_parallel_size",
    "--pipeline-model-parallel-layout": "model.pipeline_model_parallel_layout",
    "--recompute-granularity": "model.recompute_granularity", "--recompute-method": "model.recompute_method",
    "--recompute-num-layers": "model.recompute_num_layers", "--recompute-modules": "model.recompute_modules",
    "--data-parallel-sharding-strategy": "ddp.data_parallel_sharding_strategy",
    "--micro-batch-size": "train.micro_batch_size", "--global-batch-size": "train.global_batch_size",
    "--train-iters": "train.train_iters", "--seq-length": "model.seq_length",
}  # fmt: skip
# Switch -> field, and the value that the switch stands for; without the switch the field holds the opposite.
SWITCHES = {
    "--swiglu": ("model.gated_linear_unit", True),
    "--untie-embeddings-and-output-weights": ("model.share_embeddings_and_output_weights", False),
    "--disable-bias-linear": ("model.add_bias_linear", False),
    "--add-qkv-bias": ("model.add_qkv_bias", True),
    "--qk-layernorm": ("model.qk_layernorm", True),
    "--multi-latent-attention": ("model.multi_latent_attention", True),
    "--moe-grouped-gemm": ("model.moe_grouped_gemm", True),
    "--moe-router-enable-expert-bias": ("model.moe_router_enable_expert_bias", True),
    "--sequence-parallel": ("model.sequence_parallel", True),
    "--use-distributed-optimizer": ("ddp.use_distributed_optimizer", True),
    "--optimizer-cpu-offload": ("optimizer.optimizer_cpu_offload", True),
    "--use-precision-aware-optimizer": ("optimizer.use_precision_aware_optimizer", True),
    "--overlap-grad-reduce": ("ddp.overlap_grad_reduce", True),
    "--overlap-param-gather": ("ddp.overlap_param_gather", True),
    "--use-megatron-fsdp": ("ddp.use_megatron_fsdp", True),
}
ALWAYS = (
    "--untie-embeddings-and-output-weights", "--disable-bias-linear", "--swiglu", "--use-distributed-optimizer",
    "--overlap-grad-reduce", "--overlap-param-gather",
)  # fmt: skip
# Flags without a field of their own: they follow from others, or stand elsewhere in the file.
IMPLIED = ("--group-query-attention", "--max-position-embeddings", "--ckpt-format", "--no-gradient-accumulation-fusion")
RECIPES = {
    "bf16": "bf16_mixed", "fp16": "fp16_mixed", "fp8": "bf16_with_fp8_delayed_scaling_mixed",
    "fp8-block": "bf16_with_fp8_subchannel_scaling_mixed", "mxfp8": "bf16_with_mxfp8_mixed",
    "nvfp4": "bf16_with_nvfp4_mixed",
}  # fmt: skip
PRECISION_FLAGS = ("--bf16", "--fp16", "--fp8-format", "--fp8-recipe", "--fp4-format", "--fp4-recipe")


def fields_of(flags: Flags) -> Fields:
    """The fields of these arguments. KeyError for an argument without one."""
    out: Fields = {}
    for flag, value in flags.items():
        if flag in SAME:
            out[SAME[flag]] = value
        elif flag in SWITCHES:
            out[SWITCHES[flag][0]] = SWITCHES[flag][1]
        elif flag == "--moe-layer-freq":
            out["model.moe_layer_freq"] = [int(bit) for run, n in _runs(str(value)) for bit in [run] * n]
        elif flag == "--window-size":
            left, right = str(value).split(",")
            out["model.window_size"] = (int(left), int(right))
        elif flag not in IMPLIED and flag not in PRECISION_FLAGS:
            raise KeyError(flag)
    for flag in ALWAYS:
        out.setdefault(SWITCHES[flag][0], not SWITCHES[flag][1])
    return out


def flags_of(fields: Fields) -> dict[str, list[str]]:
    """The arguments of these fields, as words: what a reader of command lines takes."""
    found: dict[str, list[str]] = {}
    for flag, field in SAME.items():
        value = fields.get(field)
        if value is not None:
            found[flag] = [str(v) for v in value] if isinstance(value, list) else [str(value)]
    for flag, (field, on) in SWITCHES.items():
        if field in fields and bool(fields[field]) is on:
            found[flag] = []
    frequency = fields.get("model.moe_layer_freq")
    if isinstance(frequency, list):
        found["--moe-layer-freq"] = ["[" + ",".join(map(str, frequency)) + "]"]
    elif frequency is not None:
        found["--moe-layer-freq"] = [str(frequency)]
    if fields.get("model.window_size"):
        found["--window-size"] = [str(listed(fields["model.window_size"])[0])]
    if fields.get("model.num_query_groups"):
        found["--group-query-attention"] = []
    return found


def _runs(text: str) -> list[tuple[str, int]]:
    """`([0]*3+[1]*58)` as [("0", 3), ("1", 58)]."""
    return [(bit, int(count)) for bit, count in re.findall(r"\[([01])\]\*(\d+)", text)]


READ = {*SAME.values(), *(field for field, _ in SWITCHES.values()), "model.moe_layer_freq", "model.window_size",
        "mixed_precision", "dataset.seq_length", "optimizer.use_distributed_optimizer"}  # fmt: skip
