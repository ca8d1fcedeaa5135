"""SGLang: `python3 -m sglang.launch_server` with the arguments of a pool's workers."""

from __future__ import annotations

from hwmodel.interop.export.engines import PORT, Arguments, EngineLaunch, Quantised, engine_files
from hwmodel.interop.export.launch import LaunchPool, Serving, Written
from hwmodel.interop.tools.names import names_of

RECIPES = {
    "bf16": Quantised(dtype="bfloat16"),
    "fp16": Quantised(dtype="float16"),
    "bf16-kv8": Quantised(dtype="bfloat16", kv="fp8_e4m3"),
    "fp8": Quantised(quantization="fp8", kv="fp8_e4m3"),
    "fp8-kv16": Quantised(quantization="fp8"),
    "fp8-block": Quantised(checkpoint="an FP8 checkpoint with scales of 128 x 128, like that of DeepSeek-V3"),
    "fp8-block-kv8": Quantised(
        kv="fp8_e4m3", checkpoint="an FP8 checkpoint with scales of 128 x 128, like that of DeepSeek-V3"
    ),
    "mxfp8": Quantised(quantization="mxfp8", kv="fp8_e4m3"),
    "int8": Quantised(quantization="w8a8_int8", checkpoint="a W8A8 INT8 checkpoint"),
    "w4a16": Quantised(quantization="awq_marlin", checkpoint="an AWQ checkpoint in groups of 128"),
    "w4a8": Quantised(quantization="w4afp8", kv="fp8_e4m3", checkpoint="a W4AFP8 checkpoint"),
    "mxfp4": Quantised(quantization="mxfp4", checkpoint="an MXFP4 checkpoint of a mixture"),
    "nvfp4": Quantised(quantization="modelopt_fp4", kv="fp8_e4m3", checkpoint="an NVFP4 checkpoint (ModelOpt)"),
}


def write(launch: Serving) -> Written:
    """Scripts of the pools. InputError for a recipe that SGLang has no name for."""
    return engine_files(engine(), launch)


def _arguments(launch: Serving, pool: LaunchPool, recipe: Quantised) -> Arguments:
    """Sizes, batch, length, formats. SGLang's tensor size counts the attention-data-parallel ranks too."""
    return {
        "--tp-size": pool.tp * pool.dp, "--pp-size": pool.pp,
        **({"--dp-size": pool.dp, "--enable-dp-attention": None} if pool.dp > 1 else {}),
        **({"--ep-size": pool.ep} if launch.mixture else {}),
        **({"--dtype": recipe.dtype} if recipe.dtype else {}),
        **({"--quantization": recipe.quantization} if recipe.quantization else {}),
        **({"--kv-cache-dtype": recipe.kv} if recipe.kv else {}),
        "--max-running-requests": pool.batch, "--context-length": launch.longest_tokens,
        **({} if launch.prefix_cache else {"--disable-radix-cache": None}),
        **({"--disaggregation-mode": pool.role} if pool.role != "all" else {}),
        **({"--speculative-algorithm": "NEXTN", "--speculative-num-draft-tokens": launch.draft_tokens}
           if launch.draft_tokens else {}),
        "--host": "0.0.0.0", "--port": PORT,
    }  # fmt: skip


def _nodes(count: int) -> Arguments:
    return {"--nnodes": count, "--node-rank": "$NODE_RANK", "--dist-init-addr": "$LEADER_ADDRESS:20000"}


def engine() -> EngineLaunch:
    """SGLang."""
    return EngineLaunch(
        name="sglang", image="lmsysorg/sglang:v0.5.23", program=("python3", "-m", "sglang.launch_server"),
        model_flag="--model-path", names=names_of("sglang"), recipes=RECIPES, arguments=_arguments, nodes=_nodes,
        front="sglang-router (PyPI)",
    )  # fmt: skip
