"""TensorRT-LLM: `trtllm-serve` with the arguments of a pool's workers and a YAML of what has no argument."""

from __future__ import annotations

from hwmodel.errors import InputError
from hwmodel.interop.export.engines import PORT, Arguments, EngineLaunch, Quantised, engine_files, recipe_of
from hwmodel.interop.export.launch import LaunchPool, Serving, Written
from hwmodel.interop.tools.names import names_of

RECIPES = {
    "bf16": Quantised(),
    "bf16-kv8": Quantised(kv="fp8"),
    "fp8": Quantised(kv="fp8", checkpoint="an FP8 checkpoint (ModelOpt)"),
    "fp8-kv16": Quantised(checkpoint="an FP8 checkpoint (ModelOpt)"),
    "fp8-block": Quantised(checkpoint="an FP8 checkpoint with scales of 128 x 128, like that of DeepSeek-V3"),
    "fp8-block-kv8": Quantised(
        kv="fp8", checkpoint="an FP8 checkpoint with scales of 128 x 128, like that of DeepSeek-V3"
    ),
    "w4a16": Quantised(checkpoint="an AWQ checkpoint (ModelOpt)"),
    "w4a8": Quantised(kv="fp8", checkpoint="a W4A8 AWQ checkpoint (ModelOpt)"),
    "nvfp4": Quantised(kv="fp8", checkpoint="an NVFP4 checkpoint (ModelOpt)"),
}


def write(launch: Serving) -> Written:
    """Scripts of the pools with their YAML. InputError for a recipe or worker that it cannot serve."""
    engine_ = engine()
    written = engine_files(engine_, launch)
    extras = {f"trtllm-{pool.role}.yml": _extra(launch, pool, recipe_of(engine_, launch)) for pool in launch.pools}
    files = written.files | extras
    if len(launch.pools) > 1:
        files["trtllm-disaggregated.yml"] = _front(launch)
    return Written(files=files, start=written.start)


def _arguments(launch: Serving, pool: LaunchPool, recipe: Quantised) -> Arguments:
    """Sizes, batch and lengths. The tensor size counts the attention-data-parallel ranks too."""
    if launch.nodes(pool) > 1:
        raise InputError(
            f"trtllm: a worker of {pool.ranks} accelerators spans nodes, whose MPI launch is not written; "
            "export to sglang or vllm, or ask with fewer --tp, --pp, --dp"
        )
    prompts = max(8192, launch.prompt_tokens)
    return {
        "--backend": "pytorch", "--tp_size": pool.tp * pool.dp, "--pp_size": pool.pp,
        **({"--ep_size": pool.ep} if launch.mixture else {}),
        "--max_batch_size": -(-pool.batch // pool.dp), "--max_seq_len": launch.longest_tokens,
        "--max_num_tokens": prompts if pool.role != "decode" else max(pool.batch, 8192),
        "--extra_llm_api_options": f"trtllm-{pool.role}.yml", "--host": "0.0.0.0", "--port": PORT,
    }  # fmt: skip


def _extra(launch: Serving, pool: LaunchPool, recipe: Quantised) -> str:
    """The YAML: attention data parallelism, cache, speculation, and the exchange of cache between pools."""
    lines = [f"enable_attention_dp: {str(pool.dp > 1).lower()}", "kv_cache_config:"]
    lines += [f"  enable_block_reuse: {str(launch.prefix_cache).lower()}"]
    lines += [f"  dtype: {recipe.kv}"] if recipe.kv else []
    if launch.draft_tokens:
        lines += ["speculative_config:", "  decoding_type: MTP", f"  num_nextn_predict_layers: {launch.draft_tokens}"]
    if pool.role != "all":
        lines += ["cache_transceiver_config:", "  backend: UCX"]
        lines += ["disable_overlap_scheduler: true"] if pool.role == "prefill" else []
    return "\n".join(lines) + "\n"


def _front(launch: Serving) -> str:
    """The server before both pools; the addresses are the user's."""
    prefill, decode = launch.pools
    rows = ["hostname: 0.0.0.0", f"port: {PORT}", "backend: pytorch"]
    for section, pool in (("context_servers", prefill), ("generation_servers", decode)):
        rows += [f"{section}:", f"  num_instances: {pool.workers}", "  urls:"]
        rows += [f"    - {pool.role}-{i}:{PORT}" for i in range(pool.workers)]
    return "\n".join(rows) + "\n"


def _nodes(count: int) -> Arguments:
    raise InputError(f"trtllm: a worker on {count} nodes takes an MPI launch that is not written")


def engine() -> EngineLaunch:
    """TensorRT-LLM."""
    return EngineLaunch(
        name="trtllm", image="nvcr.io/nvidia/tensorrt-llm/release:1.2.1", program=("trtllm-serve",), model_flag=None,
        names=names_of("trtllm"), recipes=RECIPES, arguments=_arguments, nodes=_nodes,
        front="trtllm-serve disaggregated -c trtllm-disaggregated.yml (its addresses are yours to write)",
    )  # fmt: skip
