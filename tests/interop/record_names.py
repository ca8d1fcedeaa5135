"""Read the names of options, and their kinds, out of the tools' own packages: by syntax tree, importing none of them.

    python tests/interop/record_names.py SITE [--write]

SITE holds a folder a package, as `make verify` fills it (`pip install --no-deps --target SITE/NAME NAME==VERSION`).
Without --write the tables in tests/interop/names are compared with what SITE says, and any difference is an error.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent / "names"
KINDS = {"int": "int", "float": "float", "bool": "bool", "str": "str", "dict": "dict", "list": "list", "tuple": "list"}
Names = dict[str, str]


def kind(node: ast.expr | None) -> str:
    """The kind of an annotation: int, float, bool, str, list, dict, the words of a Literal, or any; unions with `|`."""
    if node is None:
        return "any"
    if isinstance(node, ast.Constant):
        return "none" if node.value is None else kind(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.BinOp):
        return "|".join(dict.fromkeys((kind(node.left) + "|" + kind(node.right)).split("|")))
    if isinstance(node, ast.Subscript):
        head = ast.unparse(node.value).split(".")[-1]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if head in ("Optional", "Union"):
            words = "|".join(kind(each) for each in inner) + ("|none" if head == "Optional" else "")
            return "|".join(dict.fromkeys(words.split("|")))
        if head == "Literal":
            return "one of " + ", ".join(str(each.value) for each in inner if isinstance(each, ast.Constant))
        if head in ("Annotated", "A"):
            return kind(inner[0])
        return KINDS.get(head.lower(), "any")
    return KINDS.get(ast.unparse(node).split(".")[-1].lower(), "any")


def classes(path: Path) -> Iterator[tuple[str, ast.ClassDef]]:
    """Classes of a file with their dotted names."""
    stack = [("", ast.parse(path.read_text(encoding="utf-8")).body)]
    while stack:
        prefix, body = stack.pop()
        for node in body:
            if isinstance(node, (ast.If, ast.Try)):
                stack.append((prefix, node.body))
            if isinstance(node, ast.ClassDef):
                yield prefix + node.name, node
                stack.append((f"{prefix}{node.name}.", node.body))


def fields(path: Path, *names: str, prefix: bool = True) -> Names:
    """Annotated fields of these classes of a file, as `Class.field` or bare."""
    found: Names = {}
    known = dict(classes(path))
    for name in names:
        for node in known[name].body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[f"{name}.{node.target.id}" if prefix else node.target.id] = kind(node.annotation)
    return found


def parameters(path: Path, *names: str) -> Names:
    """Keyword parameters of these functions, as `function.parameter`."""
    found: Names = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            for each in (*node.args.args, *node.args.kwonlyargs):
                found[f"{node.name}.{each.arg}"] = kind(each.annotation)
    return found


def flags(path: Path) -> Names:
    """Flags of every `add_argument` call of a file; a switch without a value is a `flag`."""
    found: Names = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("add_argument", "option"):
            words = {k.arg: k.value for k in node.keywords if k.arg}
            action = ast.unparse(words["action"]) if "action" in words else ""
            switch = "store_" in action or "BooleanOptional" in action or "is_flag" in words
            of = "flag" if switch else ("list" if "nargs" in words else kind(words.get("type")))
            if isinstance(words.get("choices"), (ast.List, ast.Tuple)):
                choices = words["choices"]
                assert isinstance(choices, (ast.List, ast.Tuple))
                of = "one of " + ", ".join(str(c.value) for c in choices.elts if isinstance(c, ast.Constant))
            for each in node.args:
                if isinstance(each, ast.Constant) and str(each.value).startswith("--"):
                    found[each.value] = of
    return found


def generated_flags(path: Path, *names: str) -> Names:
    """Flags that Megatron makes of dataclass fields: `_` is `-`; a switch that is on by default is `--no-X`."""
    found: Names = {}
    known = dict(classes(path))
    for name in names:
        for node in known[name].body:
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            of, flag = kind(node.annotation), node.target.id.replace("_", "-")
            text = ast.unparse(node.value) if node.value is not None else ""
            renamed = re.search(r"'arg_names': \[([^\]]*)\]", text)
            if renamed is not None:
                found |= dict.fromkeys(re.findall(r"'(--[^']+)'", renamed[1]), "flag" if of == "bool" else of)
            elif of == "bool" and (text == "True" or "default=True" in text):
                found |= {f"--no-{flag}": "flag", f"--disable-{flag}": "flag"}
            else:
                found[f"--{flag}"] = "flag" if of == "bool" else of
    return found


def module_names(path: Path) -> set[str]:
    """Names that a module defines or imports at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def numbers_of(path: Path, function: str) -> str:
    """Whole numbers that a function gives to names and keywords, as `name=value` words."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for each in ast.walk(node):
                if isinstance(each, ast.keyword) and each.arg and type(getattr(each.value, "value", None)) is int:
                    found.setdefault(each.arg, ast.literal_eval(each.value))
                if isinstance(each, ast.Assign) and type(getattr(each.value, "value", None)) is int:
                    found[ast.unparse(each.targets[0])] = ast.literal_eval(each.value)
    return " ".join(f"{name}={value}" for name, value in sorted(found.items()))


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


def megatron_bridge(site: Path) -> Names:
    core, training = (site / "megatron-core/megatron" / each for each in ("core", "training"))
    bridge = site / "megatron-bridge/megatron/bridge"
    model = fields(core / "model_parallel_config.py", "ModelParallelConfig", prefix=False)
    model |= fields(
        core / "transformer/transformer_config.py", "TransformerConfig", "MLATransformerConfig", prefix=False
    )
    model |= fields(bridge / "models/gpt_provider.py", "GPTModelProvider", prefix=False)
    out = {f"model.{name}": of for name, of in model.items()}
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
        dot = f"{section}." if section else ""
        out |= {dot + field: of for field, of in fields(path, name, prefix=False).items()}
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
        out |= {f"{name}.{key}": of for key, of in parameters(path, *functions).items()}
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
        out |= {f"{section}.{field}": of for field, of in fields(path, name, prefix=False).items()}
    top = re.findall(r'^[A-Z_0-9]+ = "([a-z_0-9]+)"$', (root / "constants.py").read_text(), re.M)
    return dict.fromkeys(top, "any") | out


def accelerate(site: Path) -> Names:
    root = site / "accelerate/accelerate/commands"
    out = fields(root / "config/config_args.py", "BaseConfig", "ClusterConfig", prefix=False)
    for flag, of in flags(root / "launch.py").items():
        for section, start in (("fsdp_config", "--fsdp_"), ("parallelism_config", "--parallelism_config_"),
                               ("fp8_config", "--fp8_")):  # fmt: skip
            if flag.startswith(start):
                key = flag.removeprefix("--fp8_") if section == "fp8_config" else flag.removeprefix("--")
                out[f"{section}.{key}"] = of
    return out


def transformers(site: Path) -> Names:
    root = site / "transformers/transformers"
    names = fields(root / "training_args.py", "TrainingArguments", prefix=False)
    # Its parser takes a switch bare or with a word for true or false.
    return {f"--{name}": of.replace("bool", "flag|str") for name, of in names.items()}


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
    out |= {f"--no-{flag[2:]}": "flag" for flag, of in out.items() if of == "flag"}
    path = root / "entrypoints/common/cli_args.py"
    out |= flags(path)
    served = (
        fields(path, "BaseFrontendArgs", "FrontendArgs", prefix=False) if "FrontendArgs" in dict(classes(path)) else {}
    )
    out |= {f"--{name.replace('_', '-')}": of for name, of in served.items()}
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
            for flag, of in fields(path, name, prefix=False).items():
                out["--" + flag.replace("_", "-")] = "flag" if of == "bool" else of
            for alias in re.findall(r"aliases=\[([^\]]*)\]", ast.unparse(node).replace("'", '"')):
                out |= dict.fromkeys(re.findall(r'"(--[^"]+)"', alias), "any")
    return out


def schema_keys(path: Path, function: str) -> Names:
    """Keys of the `properties` of the JSON Schema that a function returns, with their types."""
    types = {"string": "str", "integer": "int", "object": "dict", "array": "list", "boolean": "bool", "number": "float"}
    found: Names = {}
    node = next(n for n in ast.walk(ast.parse(path.read_text())) if getattr(n, "name", "") == function)
    for each in ast.walk(node):
        if isinstance(each, ast.Dict):
            for key, value in zip(each.keys, each.values):
                if isinstance(key, ast.Constant) and key.value == "properties" and isinstance(value, ast.Dict):
                    for name, schema in zip(value.keys, value.values):
                        if isinstance(name, ast.Constant) and isinstance(schema, ast.Dict):
                            said = {
                                k.value: v for k, v in zip(schema.keys, schema.values) if isinstance(k, ast.Constant)
                            }
                            text = said.get("type") or said.get("case_insensitive_enum")
                            words = getattr(text, "value", "string" if text is not None else "")
                            found.setdefault(str(name.value), types.get(str(words), "any"))
                    return found
    return found


def skypilot(site: Path) -> Names:
    root = site / "skypilot/sky"
    out = schema_keys(root / "utils/schemas.py", "get_task_schema")
    single = schema_keys(root / "utils/schemas.py", "_get_single_resources_schema")
    out |= {f"resources.{name}": of for name, of in single.items()}
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


def version(site: Path, package: str) -> str:
    """package==version of the package installed in its folder of SITE."""
    info = next((site / package).glob(f"{package.replace('-', '_')}-*.dist-info"))
    return f"{package}=={info.name.removesuffix('.dist-info').rsplit('-', 1)[1]}"


def recorded(tool: str) -> dict[str, object]:
    """The table of a tool as it stands in the repository."""
    table: dict[str, object] = json.loads((HERE / f"{tool}.json").read_text(encoding="utf-8"))
    return table


def main(site: Path, write: bool) -> int:
    """Write the tables, or compare them with the packages; the number of tools that differ."""
    wrong = 0
    for tool, (package, read) in TOOLS.items():
        if not (site / package).is_dir():
            print(f"{tool}: {package} is not in {site}: not compared")
            continue
        table = {"package": version(site, package), "names": dict(sorted(read(site).items()))}
        if write:
            HERE.mkdir(exist_ok=True)
            (HERE / f"{tool}.json").write_text(json.dumps(table, indent=0) + "\n", encoding="utf-8")
        elif table != recorded(tool):
            wrong += 1
            print(f"{tool}: {HERE / tool}.json differs from {table['package']}")
        print(f"{tool}: {len(table['names'])} names of {table['package']}")
    if (site / "kubernetes-validate").is_dir():
        schemas = kubernetes(site)
        if write:
            (HERE / "kubernetes.json").write_text(json.dumps(schemas) + "\n", encoding="utf-8")
        elif schemas != recorded("kubernetes"):
            wrong += 1
            print("kubernetes: the schemas differ")
    return wrong


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--write" in sys.argv[2:]))
