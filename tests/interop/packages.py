"""Where each tool keeps the names of its options: SITE holds a folder a package, as `make verify` fills it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from tests.interop.option_names import (
    Names,
    classes,
    fields,
    flags,
    generated_flags,
    module_names,
    numbers_of,
    parameters,
    schema_keys,
)


def version(site: Path, package: str) -> str:
    """package==version of the package installed in its folder of SITE."""
    info = next((site / package).glob(f"{package.replace('-', '_')}-*.dist-info"))
    return f"{package}=={info.name.removesuffix('.dist-info').rsplit('-', 1)[1]}"


def megatron(site: Path) -> Names:
    core, training = (site / "megatron-core/megatron" / each for each in ("core", "training"))
    made = generated_flags(core / "model_parallel_config.py", "ModelParallelConfig")
    made |= generated_flags(core / "transformer/transformer_config.py", "TransformerConfig")
    made |= generated_flags(
        training / "config/training_config.py", "TrainingConfig", "ValidationConfig", "SchedulerConfig", "LoggerConfig",
        "CheckpointConfig", "TokenizerConfig",
    )  # fmt: skip
    made |= generated_flags(
        training / "config/common_config.py", "RNGConfig", "ProfilingConfig", "DistributedInitConfig"
    )
    return made | flags(training / "arguments.py")


def section_fields(section: str, path: Path, name: str) -> Names:
    """The fields of a class, behind the name of the section of the file that it reads."""
    dot = f"{section}." if section else ""
    return {dot + field: takes for field, takes in fields(path, name, prefix=False).items()}


def megatron_bridge(site: Path) -> Names:
    core, training = (site / "megatron-core/megatron" / each for each in ("core", "training"))
    bridge = site / "megatron-bridge/megatron/bridge"
    model = fields(core / "model_parallel_config.py", "ModelParallelConfig", prefix=False)
    model |= fields(
        core / "transformer/transformer_config.py", "TransformerConfig", "MLATransformerConfig", prefix=False
    )
    model |= fields(bridge / "models/gpt_provider.py", "GPTModelProvider", prefix=False)
    out = {f"model.{name}": takes for name, takes in model.items()}
    for section, path, name in (
        ("train", training / "config/training_config.py", "TrainingConfig"),
        ("scheduler", training / "config/training_config.py", "SchedulerConfig"),
        ("tokenizer", training / "config/training_config.py", "TokenizerConfig"),
        ("optimizer", core / "optimizer/optimizer_config.py", "OptimizerConfig"),
        ("ddp", core / "distributed/distributed_data_parallel_config.py", "DistributedDataParallelConfig"),
        ("ddp", bridge / "training/config.py", "DistributedDataParallelConfig"),
        ("dataset", bridge / "training/config.py", "GPTDatasetConfig"),
        ("", bridge / "training/config.py", "ConfigContainer"),
        ("mixed_precision", bridge / "training/mixed_precision.py", "MixedPrecisionConfig"),
    ):
        out |= section_fields(section, path, name)
    recipes = re.findall(r"@register\ndef (\w+)", (bridge / "training/mixed_precision.py").read_text())
    out |= {f"recipe:{name}": "str" for name in recipes}
    return out | {"function:_pretrain_common": "any"} | parameters(bridge / "training/pretrain.py", "pretrain")


def torchtitan(site: Path) -> Names:
    root = site / "torchtitan/torchtitan"
    out = fields(root / "config/configs.py", "TrainingConfig", "ParallelismConfig", "CompileConfig")
    trainer = fields(root / "trainer.py", "Trainer.Config")
    policies = {f"policy:{n}": "any" for n, _ in classes(root / "distributed/activation_checkpoint.py")}
    for name in ("float8", "mx", "nvfp4"):
        path = root / f"components/quantization/{name}.py"
        wanted = [n for n, _ in classes(path) if n.endswith("Converter.Config")]
        out |= fields(path, *wanted) | {f"converter:{n.removesuffix('.Config')}": "any" for n in wanted}
    out |= fields(root / "components/quantization/__init__.py", "QuantizationConverter.Config")
    out |= fields(root / "components/optimizer/lr_scheduler.py", "LRSchedulersContainer.Config")
    out |= fields(root / "hf_datasets/text_datasets.py", "HuggingFaceTextDataLoader.Config")
    out |= fields(root / "components/dataloader.py", "BaseDataLoader.Config")
    out |= parameters(root / "components/optimizer/optimizer.py", "default_adamw")
    out |= parameters(root / "components/optimizer/__init__.py", "default_adamw")
    for name, functions in {
        "llama3": ("_build_llama3_layers", "_output_linear_init"),
        "qwen3": ("_build_qwen3_layers", "_build_qwen3_moe_layers", "_qwen3_norm"),
        "deepseek_v3": ("build_mla_moe_layers", "_build_dsv3_layers"),
    }.items():
        path = root / f"models/{name}/__init__.py"
        out |= {f"{name}.{key}": takes for key, takes in parameters(path, *functions).items()}
        out |= {f"{name}.{each}": "any" for each in module_names(path)}
        text = path.read_text()
        flavors = re.search(r"_configs = \{(.*?)\n\}", text, re.S)
        assert flavors is not None
        for flavor, function in re.findall(r'"([^"]+)": (\w+)', flavors[1]):
            out[f"flavor:{name}/{flavor}"] = numbers_of(path, function)
    common = root / "models/common"
    for name, cls in (("rope", "RoPE"), ("rope", "ComplexRoPE"), ("rope", "CosSinRoPE"), ("embedding", "Embedding"),
                      ("linear", "Linear"), ("decoder", "Decoder"), ("rmsnorm", "RMSNorm")):  # fmt: skip
        for path in common.rglob(f"{name}.py"):
            if f"{cls}.Config" in dict(classes(path)):
                out |= fields(path, f"{cls}.Config")
    return out | trainer | policies


def maxtext(site: Path) -> Names:
    root = site / "maxtext/maxtext"
    path = root / "configs/types.py"
    out: Names = {}
    for name, _ in classes(path):
        out |= {k: v for k, v in fields(path, name, prefix=False).items() if v != "any" or k not in out}
    tree = ast.parse((root / "common/common_types.py").read_text())
    blocks = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "DecoderBlockType")
    values = [n.value.value for n in blocks.body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)]
    text = (
        (root / "configs/base.yml").read_text().split("# Choose 'remat_policy' between")[1].split("# These options")[0]
    )
    out["remat_policy"] = "one of " + ", ".join(re.findall(r"'(\w+)'", text))
    enum = path.read_text().split("class QuantizationType")[1].split("\nclass ")[0]
    out |= dict.fromkeys([f"quantization:{word}" for word in re.findall(r'^  [A-Z_0-9]+ = "(\w*)"', enum, re.M)], "any")
    return out | {"decoder_block": "one of " + ", ".join(values)}


def deepspeed(site: Path) -> Names:
    root = site / "deepspeed/deepspeed/runtime"
    out: Names = {}
    for section, path, name in (
        ("zero_optimization", root / "zero/config.py", "DeepSpeedZeroConfig"),
        ("zero_optimization.offload_optimizer", root / "zero/offload_config.py", "DeepSpeedZeroOffloadOptimizerConfig"),
        ("zero_optimization.offload_param", root / "zero/offload_config.py", "DeepSpeedZeroOffloadParamConfig"),
        ("bf16", root / "precision_config.py", "DeepSpeedBF16Config"),
        ("fp16", root / "precision_config.py", "DeepSpeedFP16Config"),
        ("tensor_parallel", root / "tensor_parallel/config.py", "TPTrainingConfig"),
        ("expert_parallel", root.parent / "module_inject/auto_ep_presets/base.py", "AutoEPConfig"),
    ):
        out |= section_fields(section, path, name)
    top = re.findall(r'^[A-Z_0-9]+ = "([a-z_0-9]+)"$', (root / "constants.py").read_text(), re.M)
    return dict.fromkeys(top, "any") | out


def accelerate(site: Path) -> Names:
    root = site / "accelerate/accelerate/commands"
    out = fields(root / "config/config_args.py", "BaseConfig", "ClusterConfig", prefix=False)
    for flag, takes in flags(root / "launch.py").items():
        for section, start in (("fsdp_config", "--fsdp_"), ("parallelism_config", "--parallelism_config_"),
                               ("fp8_config", "--fp8_")):  # fmt: skip
            if flag.startswith(start):
                key = flag.removeprefix("--fp8_") if section == "fp8_config" else flag.removeprefix("--")
                out[f"{section}.{key}"] = takes
    return out


def transformers(site: Path) -> Names:
    root = site / "transformers/transformers"
    names = fields(root / "training_args.py", "TrainingArguments", prefix=False)
    # Its parser takes a switch bare or with a word for true or false.
    return {f"--{name}": takes.replace("bool", "flag|str") for name, takes in names.items()}


def vllm(site: Path) -> Names:
    root = site / "vllm/vllm"
    out = flags(root / "engine/arg_utils.py")
    known: Names = {}
    for name in ("parallel", "cache", "scheduler", "model"):
        for cls, _ in classes(root / f"config/{name}.py"):
            known |= fields(root / f"config/{name}.py", cls, prefix=False)
    renamed = {"--kv-cache-dtype": "cache_dtype"}
    for flag in out:
        field = renamed.get(flag, flag.removeprefix("--").replace("-", "_"))
        if field in known and out[flag] == "any":
            out[flag] = "flag" if known[field].startswith("bool") else known[field]
    # Switches are made with a form that turns them off; the server's own options are fields of a class.
    out |= {f"--no-{flag[2:]}": "flag" for flag, takes in out.items() if takes == "flag"}
    path = root / "entrypoints/common/cli_args.py"
    out |= flags(path)
    served = (
        fields(path, "BaseFrontendArgs", "FrontendArgs", prefix=False) if "FrontendArgs" in dict(classes(path)) else {}
    )
    out |= {f"--{name.replace('_', '-')}": takes for name, takes in served.items()}
    words = (root / "config/cache.py").read_text().split("CacheDType = Literal[")[1].split("]")[0]
    out["--kv-cache-dtype"] = "one of " + ", ".join(re.findall(r'"([^"]+)"', words))
    text = (root / "model_executor/layers/quantization/__init__.py").read_text()
    words = text.split("QuantizationMethods = Literal[")[1].split("]")[0]
    out["--quantization"] = "one of " + ", ".join(re.findall(r'"([^"]+)"', words))
    return out


def sglang(site: Path) -> Names:
    root = site / "sglang/sglang/srt/arg_groups"
    out: Names = {}
    for path in sorted((root / "fields").glob("*.py")):
        for name, node in classes(path):
            for flag, takes in fields(path, name, prefix=False).items():
                out["--" + flag.replace("_", "-")] = "flag" if takes == "bool" else takes
            for alias in re.findall(r"aliases=\[([^\]]*)\]", ast.unparse(node).replace("'", '"')):
                out |= dict.fromkeys(re.findall(r'"(--[^"]+)"', alias), "any")
    return out


def skypilot(site: Path) -> Names:
    root = site / "skypilot/sky"
    out = schema_keys(root / "utils/schemas.py", "get_task_schema")
    single = schema_keys(root / "utils/schemas.py", "_get_single_resources_schema")
    out |= {f"resources.{name}": takes for name, takes in single.items()}
    for name in ("catalog/__init__.py", "catalog/gcp_catalog.py", "catalog/data_fetchers/fetch_runpod.py"):
        tree = ast.parse((root / name).read_text())
        words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        out |= {f"accelerator:{word}": "any" for word in words if re.fullmatch(r"[A-Z]+\d+[A-Z]?(-\d+GB)?", word)}
    return out


def kubernetes(site: Path) -> dict[str, object]:
    """The strict JSON Schemas of the kinds that are written, with all that they refer to, without descriptions."""
    folder = next((site / "kubernetes-validate").rglob("v1.37.0-local-strict"))
    text = (folder / "_definitions.json").read_text().replace("#/$defs/", "#/definitions/")
    known = json.loads(text)["$defs"]
    wanted = [f"io.k8s.api.{kind}" for kind in ("apps.v1.Deployment", "core.v1.Service", "core.v1.ConfigMap")]
    found: dict[str, object] = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = without_descriptions(known[name])
            wanted += re.findall(r"#/definitions/([\w.-]+)", json.dumps(known[name]))
    return {"package": version(site, "kubernetes-validate"), "definitions": dict(sorted(found.items()))}


def without_descriptions(node: object) -> object:
    """A schema without its prose."""
    if isinstance(node, dict):
        texts = {key: value for key, value in node.items() if not (key == "description" and isinstance(value, str))}
        return {key: without_descriptions(value) for key, value in texts.items()}
    return [without_descriptions(each) for each in node] if isinstance(node, list) else node


TOOLS = {
    "megatron": ("megatron-core", megatron), "megatron-bridge": ("megatron-bridge", megatron_bridge),
    "torchtitan": ("torchtitan", torchtitan), "maxtext": ("maxtext", maxtext), "deepspeed": ("deepspeed", deepspeed),
    "accelerate": ("accelerate", accelerate), "transformers": ("transformers", transformers), "vllm": ("vllm", vllm),
    "sglang": ("sglang", sglang), "skypilot": ("skypilot", skypilot),
}  # fmt: skip
