"""Megatron-LM command lines, as scripts hold them, read into a question."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from hwmodel.errors import InputError
from hwmodel.interop.launch_in.megatron_checks import check, default_ffn
from hwmodel.interop.launch_in.record import FP32, FileOptions, Read, facts, sort_names, with_facts
from hwmodel.interop.launch_in.settings import counted
from hwmodel.interop.launch_in.shell import Script, read_script
from hwmodel.interop.tools.megatron_words import PRECISIONS, SHARDING
from hwmodel.interop.tools.names import names_of
from hwmodel.specs import Block, Shape

LAUNCHER = (
    "--nnodes", "--nproc-per-node", "--nproc_per_node", "--node-rank", "--node_rank", "--master-addr", "--master_addr",
    "--master-port", "--master_port", "--rdzv-endpoint", "--rdzv_endpoint", "--rdzv-backend", "--rdzv_backend",
    "--rdzv-id", "--rdzv_id", "--max-restarts", "--max_restarts", "--tee", "--redirects", "--standalone",
    "--local-ranks-filter",
)  # fmt: skip
REQUIRED = ("--num-layers", "--hidden-size", "--num-attention-heads")


def reads(text: str) -> bool:
    """Whether a script passes arguments of Megatron-LM."""
    return "--tensor-model-parallel-size" in text or "pretrain_gpt.py" in text or "--num-attention-heads" in text


def read(text: str, path: Path) -> Read:
    """The question behind a script. InputError for what would change the prediction and cannot be read."""
    script = read_script(text, path)
    names = names_of("megatron")
    flags = Script(
        path=path, directives=script.directives, variables=script.variables,
        flags={flag: values for flag, values in script.flags.items() if flag not in LAUNCHER},
    )  # fmt: skip
    said = facts(text)
    check(flags)
    shape = megatron_shape(flags)
    options = layout_options(flags) | {"precision": _precision(flags)}
    gpus = launched(script)
    if gpus is not None:
        options["accelerators"] = gpus
    if script.variables.get("NVIDIA_TF32_OVERRIDE") == "1":
        options["precision"] = "tf32"
    options = with_facts(options | {"stack": "megatron-core"}, said)
    passed, noted = sort_names(flags.flags, names.names, names, path)
    return Read(
        tool="megatron", path=path, options=options, shape=shape, passed_over=tuple(passed), notes=tuple(noted),
        sequence_parallel=flags.has("--sequence-parallel"), steps=steps_of(flags),
    )  # fmt: skip


def steps_of(flags: Script) -> int | None:
    """Training steps, where the file sets them."""
    steps, samples = ("".join(flags.flags.get(name, [])) for name in ("--train-iters", "--train-samples"))
    if steps.isdigit():
        return int(steps)
    batch = flags.number("--global-batch-size")
    return int(samples) // batch if samples.isdigit() and batch else None


def launched(script: Script) -> int | None:
    """Accelerators that the launcher's own settings name: nodes times processes of a node."""

    def count(*places: str) -> int | None:
        """The first number of these flags or directives, like 8 of `gpu:h100:8`; a range (`1:4`) says none."""
        for place in places:
            text = (script.flags.get(place) or [script.directives.get(place, "")])[0]
            said = re.fullmatch(r"(?:[A-Za-z][\w.:-]*:)?([+-]?\d+)", (text or "").strip())
            if said:
                return counted(int(said[1]), place, script.path)
        return None

    nodes = count("--nnodes", "--nodes", "-N")
    ranks = count("--nproc-per-node", "--nproc_per_node", "--gpus-per-node", "--gres", "--ntasks-per-node")
    return nodes * ranks if nodes and ranks else None


def layout_options(flags: Script) -> FileOptions:
    """Layout, batch and sequence."""
    tp, pp = flags.count("--tensor-model-parallel-size"), flags.count("--pipeline-model-parallel-size")
    options: FileOptions = {
        "tp": tp, "pp": pp, "cp": flags.count("--context-parallel-size"), "vpp": _virtual(flags, pp),
        "ep": flags.count("--expert-model-parallel-size"), "zero": _zero(flags),
        "recompute": _recompute(flags, pp), "offload": _offload(flags),
        "etp": flags.count("--expert-tensor-parallel-size", tp) if flags.has("--num-experts") else 1,
    }  # fmt: skip
    if flags.has("--micro-batch-size"):
        options["micro_batch"] = flags.count("--micro-batch-size")
    if flags.has("--global-batch-size"):
        options["global_batch"] = flags.count("--global-batch-size")
    elif flags.has("--micro-batch-size"):  # Megatron's default: one micro-batch of each replica
        options["batch_per_replica"] = flags.count("--micro-batch-size")
    if flags.has("--seq-length"):
        options["seq_len"] = flags.count("--seq-length")
    return options


def _virtual(flags: Script, pp: int) -> int:
    """Virtual stages a rank: given, by the layers of one, or by the stages written out."""
    if flags.has("--num-virtual-stages-per-pipeline-rank"):
        return flags.count("--num-virtual-stages-per-pipeline-rank")
    layout = flags.value("--pipeline-model-parallel-layout")
    if layout is not None:
        return max(1, len(_unfolded(layout).split("|")) // pp)
    each, depth = flags.number("--num-layers-per-virtual-pipeline-stage"), flags.number("--num-layers")
    return max(1, (depth or pp) // pp // each) if each else 1


def _unfolded(layout: str) -> str:
    """`(t|)*3` and `t*2` written out."""
    text = layout.replace(",", "").replace(" ", "")
    pattern = re.compile(r"\(([^()]*)\)\*(\d+)|([EtmL])\*(\d+)|\(([^()]*)\)")
    while True:
        match = pattern.search(text)
        if match is None:
            return text
        body = (match[1] or match[3] or match[5] or "") * int(match[2] or match[4] or 1)
        text = text[: match.start()] + body + text[match.end() :]


def _zero(flags: Script) -> int:
    strategy = flags.value("--data-parallel-sharding-strategy") or "optim_grads_params"
    if flags.has("--use-megatron-fsdp"):
        stages = {word: zero for zero, word in SHARDING.items()} | {"no_shard": 0, "optim": 1}
        if strategy not in stages:
            raise InputError(
                f"{flags.path}: --data-parallel-sharding-strategy {strategy} is none of {', '.join(stages)}"
            )
        return stages[strategy]
    return 1 if flags.has("--use-distributed-optimizer") else 0


def _precision(flags: Script) -> str:
    """The recipe whose arguments stand there."""
    given = {
        "--bf16": flags.has("--bf16"), "--fp16": flags.has("--fp16"), "--fp8-format": flags.has("--fp8-format"),
        "--fp8-recipe": flags.value("--fp8-recipe"), "--fp4-format": flags.has("--fp4-format"),
    }  # fmt: skip
    if given["--fp4-format"]:
        return "nvfp4"
    if given["--fp8-format"]:
        recipe = given["--fp8-recipe"] or "delayed"
        per_tensor = {"tensorwise": "fp8", "delayed": "fp8", "blockwise": "fp8-block", "mxfp8": "mxfp8"}
        if recipe not in per_tensor:
            raise InputError(f"{flags.path}: --fp8-recipe {recipe} is none of {', '.join(per_tensor)}")
        return per_tensor[str(recipe)]
    found = "bf16" if given["--bf16"] else ("fp16" if given["--fp16"] else FP32)
    assert found in (*PRECISIONS, FP32)
    return found


def _offload(flags: Script) -> str:
    """What waits on the host. InputError for a part of the states, which is not predicted."""
    if not flags.has("--optimizer-cpu-offload"):
        return "none"
    share = flags.value("--optimizer-offload-fraction") or "1"
    if float(share) != 1.0:
        raise InputError(f"{flags.path}: --optimizer-offload-fraction {share} is not predicted; set it to 1.0")
    return "optimizer"


def _recompute(flags: Script, pp: int) -> str:
    """The mode of recomputation: by share of the layers where whole ones are counted."""
    granularity = flags.value("--recompute-granularity")
    if granularity is None:
        return "core_attn" if flags.has("--recompute-activations") else "none"
    if granularity == "selective":
        return ",".join(flags.flags.get("--recompute-modules", ["core_attn"]))
    depth = flags.number("--num-layers") or 0
    count = flags.count("--recompute-num-layers")
    if flags.value("--recompute-method") == "block":
        stages = pp * _virtual(flags, pp)
        each = -(-depth // stages)
        if count < each:
            return f"{100.0 * count * stages / depth:.6g}%"
    return "full"


def megatron_shape(flags: Script) -> Shape | None:
    """The model that the arguments describe; None where they do not (it is named with --model then)."""
    if not all(flags.has(flag) for flag in REQUIRED):
        return None
    vocab = flags.number("--padded-vocab-size") or flags.number("--vocab-size")
    heads, width = flags.count("--num-attention-heads"), flags.count("--hidden-size")
    gated = flags.has("--swiglu") or flags.has("--quick-geglu")
    attention = _attention(flags, heads, width) | {"gated": float(gated)}
    learned = (flags.value("--position-embedding-type") or "learned_absolute") == "learned_absolute" and not flags.has(
        "--use-rotary-position-embeddings"
    )
    return Shape(
        name=flags.path.stem, d_model=float(width), vocab=float(vocab or 0),
        blocks=_blocks(flags, attention, width),
        tied=0.0 if flags.has("--untie-embeddings-and-output-weights") else 1.0,
        bias=0.0 if flags.has("--disable-bias-linear") else 1.0,
        norm_bias=0.0 if flags.value("--normalization") == "RMSNorm" else 1.0,
        qk_norm=float(flags.has("--qk-layernorm") and not flags.has("--multi-latent-attention")),
        learned_positions=float(flags.number("--max-position-embeddings") or 0) if learned else 0.0,
    )  # fmt: skip


def _attention(flags: Script, heads: int, width: int) -> dict[str, float]:
    """Heads and their widths; the defaults are those of Megatron-Core."""

    def number(flag: str, default: int) -> float:
        return float(flags.number(flag, default) or 0)

    if flags.has("--multi-latent-attention"):
        rope = number("--qk-pos-emb-head-dim", 64)
        return {
            "n_heads": float(heads), "n_kv_heads": float(heads), "head_dim": number("--qk-head-dim", 128) + rope,
            "v_head_dim": number("--v-head-dim", 128), "rope_dim": rope,
            "kv_lora_rank": number("--kv-lora-rank", 32), "q_lora_rank": number("--q-lora-rank", 0),
        }  # fmt: skip
    groups = number("--num-query-groups", heads) if flags.has("--group-query-attention") else float(heads)
    return {"n_heads": float(heads), "n_kv_heads": groups, "head_dim": number("--kv-channels", width // heads)}


def _blocks(flags: Script, attention: dict[str, float], width: int) -> tuple[Block, ...]:
    """Dense layers, mixture layers, and those of each that attend within a window."""
    depth = flags.count("--num-layers")
    d_ff = float(flags.number("--ffn-hidden-size", default_ffn(width, flags.has("--swiglu"))) or 0)
    extra = _extra(flags, attention)
    experts = flags.number("--num-experts")
    if experts is None:
        return _windowed(flags, [Block(count=float(depth), d_ff=d_ff, extra_params=extra, **attention)], depth)
    routed = {
        "n_experts": float(experts), "top_k": float(flags.count("--moe-router-topk", 2)),
        "d_ff": float(flags.number("--moe-ffn-hidden-size") or d_ff),
        "expert_latent_dim": float(flags.number("--moe-latent-size", 0) or 0),
        "d_ff_shared": float(flags.number("--moe-shared-expert-intermediate-size", 0) or 0),
        "top_groups": float(flags.number("--moe-router-group-topk") or float("inf")),
        "extra_params": extra + (float(experts) if flags.has("--moe-router-enable-expert-bias") else 0.0),
    }  # fmt: skip
    dense, sparse = _frequency(flags, depth)
    blocks = [Block(count=float(dense), d_ff=d_ff, extra_params=extra, **attention)] if dense else []
    return _windowed(flags, [*blocks, Block(count=float(sparse), **routed, **attention)], depth)


def _extra(flags: Script, attention: dict[str, float]) -> float:
    """Parameters of a layer that only a switch adds."""
    bias = (attention["n_heads"] + 2 * attention["n_kv_heads"]) * attention["head_dim"]
    all_biased = not flags.has("--disable-bias-linear")
    qkv = bias if flags.has("--add-qkv-bias") and not all_biased else 0.0
    return qkv + (attention["n_heads"] if flags.value("--softmax-type") == "learnable" else 0.0)


def _frequency(flags: Script, depth: int) -> tuple[int, int]:
    """Dense and mixture layers of `--moe-layer-freq`: every n-th, or a list like ([0]*3+[1]*58)."""
    text = flags.value("--moe-layer-freq")
    if text is None:
        return 0, depth
    if text.isdigit():
        sparse = sum(1 for i in range(depth) if i % int(text) == 0)
        return depth - sparse, sparse
    pattern = _pattern(text)
    if pattern is None or len(pattern) != depth:
        raise InputError(f"{flags.path}: --moe-layer-freq {text!r} is no list of {depth} zeros and ones")
    return pattern.count(0), pattern.count(1)


def _pattern(text: str) -> list[int] | None:
    """Zeros and ones of a sum of lists times numbers, like ([0]*3+[1]*58); None for what is none."""
    if re.fullmatch(r"[\[\]()01,*+\d\s]+", text) is None:
        return None
    out: list[int] = []
    for part in text.replace(" ", "").strip("()").split("+"):
        match = re.fullmatch(r"\(?\[([01](?:,[01])*)\]\)?(?:\*(\d+))?\)?", part)
        if match is None:
            return None
        out += [int(bit) for bit in match[1].split(",")] * int(match[2] or 1)
    return out


def _windowed(flags: Script, blocks: list[Block], depth: int) -> tuple[Block, ...]:
    """The blocks, split into layers with the window and without it."""
    text = flags.value("--window-size")
    if text is None:
        return tuple(blocks)
    left = re.search(r"\d+", text)
    if left is None or len(blocks) > 1:
        raise InputError(f"{flags.path}: --window-size {text} cannot be read with layers of several kinds")
    window = float(int(left[0]) + 1)
    every = flags.value("--window-attn-skip-freq")
    if every is None:
        return (msgspec.structs.replace(blocks[0], window_tokens=window),)
    if every.isdigit():
        full = sum(1 for i in range(depth) if (i + 1) % int(every) == 0)
    else:
        pattern = _pattern(every)
        if pattern is None or len(pattern) != depth:
            raise InputError(f"{flags.path}: --window-attn-skip-freq {every!r} is no list of {depth} zeros and ones")
        full = pattern.count(0)
    local = msgspec.structs.replace(blocks[0], window_tokens=window, count=float(depth - full))
    return (local, msgspec.structs.replace(blocks[0], count=float(full)))
