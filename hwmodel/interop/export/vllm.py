"""vLLM: `vllm serve` with the arguments of a pool's workers."""

from __future__ import annotations

import json

from hwmodel.errors import InputError
from hwmodel.interop.export.engines import PORT, Arguments, EngineLaunch, Quantised, engine_files
from hwmodel.interop.export.launch import LaunchPool, Serving, Written
from hwmodel.interop.tools.names import names_of

RECIPES = {
    "bf16": Quantised(dtype="bfloat16"),
    "fp16": Quantised(dtype="float16"),
    "bf16-kv8": Quantised(dtype="bfloat16", kv="fp8"),
    "fp8": Quantised(quantization="fp8", kv="fp8"),
    "fp8-kv16": Quantised(quantization="fp8"),
    "fp8-block": Quantised(quantization="fp8_per_block"),
    "fp8-block-kv8": Quantised(quantization="fp8_per_block", kv="fp8"),
    "mxfp8": Quantised(quantization="mxfp8", kv="fp8"),
    "int8": Quantised(quantization="compressed-tensors", checkpoint="a W8A8 INT8 checkpoint (compressed-tensors)"),
    "w8a16": Quantised(quantization="int8_per_channel_weight_only"),
    "w4a16": Quantised(quantization="awq_marlin", checkpoint="an AWQ checkpoint in groups of 128"),
    "mxfp4": Quantised(quantization="mxfp4", checkpoint="an MXFP4 checkpoint"),
    "nvfp4": Quantised(quantization="modelopt_fp4", kv="fp8", checkpoint="an NVFP4 checkpoint (ModelOpt)"),
}
ROLES = {"prefill": "kv_producer", "decode": "kv_consumer"}


def write(launch: Serving) -> Written:
    """Scripts of the pools. InputError for a recipe that vLLM has no name for."""
    return engine_files(engine(), launch)


def _arguments(launch: Serving, pool: LaunchPool, recipe: Quantised) -> Arguments:
    """Sizes, batch, length, formats; experts spread over all ranks of a worker where they are split at all."""
    if pool.ep not in (1, pool.tp * pool.dp):
        raise InputError(
            f"vllm spreads experts over all {pool.tp * pool.dp} ranks of a worker or none, not {pool.ep}; "
            f"ask with --ep {pool.tp * pool.dp}"
        )
    out: Arguments = {
        "--tensor-parallel-size": pool.tp, "--pipeline-parallel-size": pool.pp,
        **({"--data-parallel-size": pool.dp} if pool.dp > 1 else {}),
        **({"--enable-expert-parallel": None} if pool.ep > 1 else {}),
        **({"--dtype": recipe.dtype} if recipe.dtype else {}),
        **({"--quantization": recipe.quantization} if recipe.quantization else {}),
        **({"--kv-cache-dtype": recipe.kv} if recipe.kv else {}),
        # The batch of a worker is spread over its attention-data-parallel ranks, each an engine of its own.
        "--max-num-seqs": -(-pool.batch // pool.dp), "--max-model-len": launch.longest_tokens,
        ("--enable-prefix-caching" if launch.prefix_cache else "--no-enable-prefix-caching"): None,
        "--host": "0.0.0.0", "--port": PORT,
    }  # fmt: skip
    if pool.role in ROLES:
        out["--kv-transfer-config"] = json.dumps({"kv_connector": "NixlConnector", "kv_role": ROLES[pool.role]})
    if launch.draft_tokens:
        out["--speculative-config"] = json.dumps({"method": "mtp", "num_speculative_tokens": launch.draft_tokens})
    return out


def _nodes(count: int) -> Arguments:
    return {"--nnodes": count, "--node-rank": "$NODE_RANK", "--master-addr": "$LEADER_ADDRESS"}


def engine() -> EngineLaunch:
    """vLLM."""
    return EngineLaunch(
        name="vllm", image="vllm/vllm-openai:v0.33.0", program=("vllm", "serve"), model_flag=None,
        names=names_of("vllm"), recipes=RECIPES, arguments=_arguments, nodes=_nodes, front="vllm-router (PyPI)",
        followers=("--headless",),
    )  # fmt: skip
