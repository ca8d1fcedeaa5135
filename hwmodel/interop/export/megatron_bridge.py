"""Megatron-Bridge: a recipe, that is a Python function that returns a ConfigContainer, with its start."""

from __future__ import annotations

from hwmodel.errors import InputError
from hwmodel.interop.export.launch import Training, Written, commented, header_lines
from hwmodel.interop.export.megatron import arguments
from hwmodel.interop.tools.bridge_fields import RECIPES, fields_of
from hwmodel.interop.tools.names import ToolNames, names_of
from hwmodel.plain import Fields, JsonValue


def write(launch: Training) -> Written:
    """The recipe. InputError for a shape, recipe or setting that Megatron-Bridge has no fields for."""
    names = names_of("megatron-bridge")
    precision = launch.word("precision")
    if precision not in RECIPES:
        raise InputError(f"megatron-bridge has no --precision {precision}; it has {', '.join(RECIPES)}")
    if launch.shape.learned_positions not in (0.0, float(launch.number("seq_len"))):
        raise InputError(
            f"megatron-bridge trains as many positions as the sequence has; plan with --seq-len "
            f"{launch.shape.learned_positions:g}"
        )
    flags, unexpressed = arguments(launch)
    fields = _complete(launch, fields_of(flags))
    names.check(f"recipe:{RECIPES[precision]}", RECIPES[precision])
    for name, value in fields.items():
        if not str(value).startswith("${"):
            names.check(name, value)
    start = (
        f"LR=... torchrun --nnodes {launch.nodes} --nproc-per-node {launch.ranks_per_node} --node-rank R "
        "--master-addr HOST megatron_bridge.py (on every node)"
    )
    written = Written(files={}, start=start, unexpressed=unexpressed)
    text = _source(launch, names, written, fields)
    return Written(files={"megatron_bridge.py": text}, start=start, unexpressed=unexpressed)


def _complete(launch: Training, fields: Fields) -> Fields:
    """Fields that repeat another one, or that sharding by FSDP asks for."""
    out = dict(fields) | {"dataset.seq_length": launch.number("seq_len")}
    out["optimizer.use_distributed_optimizer"] = out["ddp.use_distributed_optimizer"]
    if out.get("ddp.use_megatron_fsdp"):
        out |= {"model.gradient_accumulation_fusion": False, "model.init_model_with_meta_device": True}
    return out


def _literal(value: JsonValue) -> str:
    """A value as source; what the environment holds is read from there, long lists are written as runs."""
    if str(value).startswith("${"):
        return f'int(os.environ["{str(value)[2:-1]}"])'
    if isinstance(value, list) and set(value) <= {0, 1} and len(value) > 4:
        zeros = value.count(0)
        return f"[0] * {zeros} + [1] * {len(value) - zeros}"
    return repr(value).replace("'", '"')


def _source(launch: Training, names: ToolNames, written: Written, fields: Fields) -> str:
    """The whole module."""
    latent = "model.multi_latent_attention" in fields
    module, provider = ("mla_provider", "MLAModelProvider") if latent else ("gpt_provider", "GPTModelProvider")
    model = {name.removeprefix("model."): value for name, value in fields.items() if name.startswith("model.")}
    arguments = "".join(f"        {name}={_literal(value)},\n" for name, value in model.items())
    if model.get("gated_linear_unit"):
        arguments += "        activation_func=torch.nn.functional.silu,\n"
    rest = "".join(
        f"    cfg.{name} = {_literal(value)}\n" for name, value in fields.items() if not name.startswith("model.")
    )
    fsdp = '    cfg.checkpoint.ckpt_format = "fsdp_dtensor"\n' if fields.get("ddp.use_megatron_fsdp") else ""
    return f'''{commented(header_lines(launch, names.verified_against, written))}
# Not part of the plan: learning rate, data, tokenizer, activation function and rotary base; add what your model needs.
import os

import torch
from megatron.bridge.models.{module} import {provider}
from megatron.bridge.recipes.common import _pretrain_common
from megatron.bridge.training.config import ConfigContainer
from megatron.bridge.training.gpt_step import forward_step
from megatron.bridge.training.pretrain import pretrain


def config() -> ConfigContainer:
    """The launch of the plan."""
    cfg = _pretrain_common()
    cfg.model = {provider}(
{arguments}    )
{rest}{fsdp}    cfg.mixed_precision = "{RECIPES[launch.word("precision")]}"
    cfg.optimizer.lr = float(os.environ["LR"])
    cfg.tokenizer.tokenizer_type = "NullTokenizer"
    cfg.tokenizer.vocab_size = {int(launch.shape.vocab)}
    return cfg


if __name__ == "__main__":
    pretrain(config(), forward_step)
'''
