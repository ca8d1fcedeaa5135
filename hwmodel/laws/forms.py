"""The forms that laws take: which inputs each needs, which outputs it gives, and the function that computes them.

A form's function takes the constants by name and its inputs as keywords (floats, arrays or SymPy symbols) and returns
its outputs by name. Constants live in the catalog; nothing here knows a law by its name.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from hwmodel.errors import CatalogError, InputError, unknown
from hwmodel.ops import Num
from hwmodel.specs.law import Count, LawSpec

Constants = Mapping[str, Num]  # a law's constants by name: numbers, or arrays of joint draws
Outputs = dict[str, Num]  # what a law gives, by name

# What each input means, with its unit: the one list behind `law eval --set`, the docs and the error messages.
INPUTS = {
    "params": "parameters, in the law's own convention",
    "tokens": "training tokens, repeats counted",
    "flop": "training compute [FLOP]",
    "unique_tokens": "distinct training tokens",
    "loss": "loss [nats/token]",
    "steps": "optimizer steps at a large batch",
    "batch_tokens": "batch [tokens]",
    "experts": "experts a layer (1: dense)",
    "granularity": "how finely experts are split (1: as wide as a dense feed-forward)",
    "sparsity": "share not used: of experts by a token, (E - K) / E, or of parameters that are zero",
    "weight_bits": "bits of the weights in training",
    "activation_bits": "bits of the activations in training",
    "kv_bits": "bits of keys and values in training",
    "post_bits": "bits of the weights after post-training quantisation",
    "exponent_bits": "exponent bits of the float format",
    "mantissa_bits": "mantissa bits of the float format",
    "scale_block": "elements that share a scale (0: one scale a channel)",
    "size_factor": "size over the compute-optimal size at the same loss",
    "compute_factor": "compute over the compute of a reference",
    "finetune_characters": "fine-tuning data [characters]",
    "samples": "samples drawn for one question",
    "answer_tokens": "tokens of the answer",
    "size_ratio": "large model's parameters over the small one's",
    "inference_ratio": "inference tokens over pretraining tokens",
    "days": "days between two models",
    "core_days": "training compute [TPUv3 core-days]",
    "layers": "layers of the model",
    "width": "width of the model (d_model)",
    "seq_len": "sequence length [tokens]",
    "vocabulary": "entries of the vocabulary",
    "heads": "attention heads",
    "head_dim": "width of an attention head",
    "train_flop_s": "training compute [FLOP]",
    "elo": "playing strength [Elo]",
    "inference_factor": "compute an answer over that of a reference",
    "params_factor": "parameters over those of a reference",
    "teacher_loss": "the teacher's loss [nats/token]",
    "replicas": "replicas that train apart and synchronise rarely",
    "streams": "parallel streams through the same weights",
    "gpu_hours": "training compute [GPU-hours]",
    "midpoint_gpu_hours": "training compute at half of the gain [GPU-hours]",
    "start_reward": "reward or pass rate before training, 0 to 1",
    "tokens_second": "training tokens of the second modality",
    "loss_second": "loss on the second modality alone [nats/token]",
}


# What a law does to a base law (see `laws.judged`): stands as one, is a level to compare, counts the bits of training,
# a float format, quantisation-aware training or quantisation afterwards, repeats, experts (as a dense equivalent or in
# a count that has none), transfer, another vocabulary; restates a base's exponents; works beside the loss (counts
# compute, says batch and learning rate, or what answers cost); or nobody has judged it. Zeros among the weights and a
# teacher act as a dense equivalent and as supervised tokens.
Acts = Literal[
    "base", "level", "training_bits", "float_format", "quantised_training", "after_training", "repeats", "experts",
    "experts_alone", "zeros", "teacher", "transfer", "vocabulary", "restates", "accounting", "settings", "answers",
    "unjudged",
]  # fmt: skip
MAY_BE_ZERO = ("elo", "sparsity", "scale_block", "start_reward")


class Capabilities(TypedDict, total=False):
    """Fields of a `Form` that its function does not say."""

    constants: tuple[str, ...]
    terms: Callable[[Constants], Constants]
    settings: tuple[str, ...]
    at: Callable[..., Constants]
    splits: bool
    params_for_flop: Callable[[Constants, Num], Num]
    acts: Acts


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One functional form. `optional` inputs have the default None or the one given in `evaluate`.

    What can be done with a law follows from these fields, never from its form's name: `terms` gives the constants of
    `laws.additive` where the loss is a floor plus a term in size and one in data; `settings` names inputs (experts,
    bits) that can be fixed, and `at` then gives such constants; `splits` says that the law publishes how to split
    compute, and `params_for_flop` finds the size where it has to be solved for; `acts` what the law does to a base.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    gives: tuple[str, ...]
    evaluate: Callable[..., Outputs]
    optional: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()  # their names, where no published law of the catalog has them
    terms: Callable[[Constants], Constants] | None = None
    settings: tuple[str, ...] = ()
    at: Callable[..., Constants] | None = None
    splits: bool = False
    params_for_flop: Callable[[Constants, Num], Num] | None = None
    acts: Acts = "unjudged"

    @property
    def loss_of_size_and_data(self) -> bool:
        """Whether a loss follows from parameters and tokens alone."""
        return "loss_nats" in self.gives and set(self.needs) == {"params", "tokens"}


def as_they_are(c: Constants) -> Constants:
    """The `terms` of a law whose constants are those of `laws.additive` already."""
    return c


def form_of(
    name: str,
    summary: str,
    evaluate: Callable[..., Outputs],
    *,
    gives: tuple[str, ...],
    **capabilities: Unpack[Capabilities],
) -> Form:
    """The form that a function computes: it needs the inputs without a default and takes the others if given.

    `capabilities` are further fields of `Form`.
    """
    inputs = list(inspect.signature(evaluate).parameters.values())[1:]
    needs = tuple(p.name for p in inputs if p.default is p.empty)
    optional = tuple(p.name for p in inputs if p.default is not p.empty)
    return Form(
        name=name, summary=summary, needs=needs, optional=optional, gives=gives, evaluate=evaluate, **capabilities
    )


def by_name(*forms: Form) -> dict[str, Form]:
    """Forms by their names."""
    return {f.name: f for f in forms}


# form -> module of hwmodel.laws that defines FORMS with it
_HOMES = {
    "additive": "additive",
    "kaplan_nd": "kaplan",
    "kaplan_ns": "kaplan",
    "kaplan_critical_batch": "kaplan",
    "power_of_params": "powers",
    "power_of_tokens": "powers",
    "power_of_flop": "powers",
    "batch_of_flop": "powers",
    "steps_of_flop": "powers",
    "tokens_of_params": "powers",
    "exponent_ratio": "powers",
    "vocabulary_ratio": "powers",
    "allocation": "allocation",
    "active_allocation": "experts",
    "leverage": "experts",
    "embedding_split": "kaplan",
    "overtraining": "inference",
    "size_overhead": "inference",
    "exchange": "inference",
    "test_time": "inference",
    "coverage": "inference",
    "sampled_size": "inference",
    "boardgames": "inference",
    "critical_batch": "batch",
    "step_law": "batch",
    "deepseek_settings": "batch",
    "repeated": "data",
    "transfer": "data",
    "kumar": "precision",
    "sun": "precision",
    "qat": "precision",
    "ptq_power": "precision",
    "clark": "experts",
    "granular": "experts",
    "joint_moe": "experts",
    "sparsity": "experts",
    "diffusion": "other",
    "thresholds": "other",
    "metric": "other",
    "density": "other",
    "compute_6nd": "other",
    "pf_day": "other",
    "deepseek_m": "accounting",
    "palm_flop": "accounting",
    "megatron_flop": "accounting",
    "farseer": "open_forms",
    "sparse": "open_forms",
    "distillation": "open_forms",
    "mixed_modal": "open_forms",
    "saturating": "open_forms",
    "saturating_flop": "open_forms",
    "local_updates": "batch",
    "decay_timescale": "batch",
    "effective_params": "open_forms",
    "parallel_streams": "inference",
    "reward_sigmoid": "inference",
}


@functools.cache
def form(name: str) -> Form:
    """The form of this name. InputError if there is none."""
    if name not in _HOMES:
        raise unknown("form of a law", name, _HOMES)
    forms: dict[str, Form] = importlib.import_module(f"hwmodel.laws.{_HOMES[name]}").FORMS
    return forms[name]


def form_names() -> list[str]:
    """All forms."""
    return sorted(_HOMES)


def usable(spec: LawSpec) -> LawSpec:
    """The law itself, or InputError where its constants are unpublished or unconfirmed."""
    if spec.refusal:
        raise InputError(f"law {spec.id} is listed but not evaluated: {spec.refusal}; `hwmodel law list` has others")
    return spec


def evaluate(spec: LawSpec, **inputs: Num | Count | None) -> Outputs:
    """The law's outputs by name, for inputs by name (see INPUTS). None counts as not given.

    Raises InputError for a law without constants, a missing or foreign input, a value that is not positive, and a
    parameter count of another convention.
    """
    from hwmodel.laws.conventions import plain

    shape = form(usable(spec).form)
    given: dict[str, Num] = {}
    for name, value in inputs.items():
        if value is None:
            continue
        if name not in shape.needs and name not in shape.optional:
            takes = ", ".join((*shape.needs, *shape.optional))
            raise InputError(f"law {spec.id} does not use {name!r}; it takes {takes}")
        number: Any = plain(spec, value)
        if isinstance(number, (int, float)):
            number = float(number)
            if name not in MAY_BE_ZERO and not number > 0.0:
                raise InputError(f"{name} must be positive, not {number:g}")
        given[name] = number
    missing = [name for name in shape.needs if name not in given]
    if missing:
        raise InputError(f"law {spec.id} needs {missing[0]} ({INPUTS[missing[0]]})")
    named = ", ".join(f"{name} = {value:g}" for name, value in given.items() if isinstance(value, float))
    try:
        found = shape.evaluate(spec.constants, **given)
    except ArithmeticError as error:
        raise InputError(f"law {spec.id} has no value at {named}: {error}") from error
    except KeyError as lacking:
        raise CatalogError(f"law {spec.id} lacks the constant {lacking} that form {spec.form!r} needs") from lacking
    if any(isinstance(value, complex) for value in found.values()):
        raise InputError(f"law {spec.id} has no real value at {named}")
    return found
