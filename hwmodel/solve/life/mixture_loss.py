"""The loss of a model with experts: that of a dense equivalent where the law of experts speaks of such a model, else
why it does not."""

from __future__ import annotations

from hwmodel import laws
from hwmodel.errors import HwModelError
from hwmodel.laws.combine import require_sound
from hwmodel.laws.experts import dense_equivalent
from hwmodel.physics.shape import parameters
from hwmodel.solve.life.mixtures import EXPERTS_LAW
from hwmodel.solve.question.setting import Setting
from hwmodel.specs import Shape
from hwmodel.units import format_count


def mixture_line(setting: Setting, shape: Shape, tokens: float) -> str:
    """The loss under the plan's law by the law of experts, or what of the model lies outside that law."""
    law = setting.catalog.law(EXPERTS_LAW)
    why = departures(shape)
    if why:
        return (
            f"no loss is given for {shape.name}: {law.id} was fitted on one active expert in every layer, and here "
            f"{' and '.join(why)}"
        )
    active, experts = float(parameters(shape).active), max(float(block.n_experts) for block in shape.blocks)
    try:
        require_sound(setting.law, [law])
        dense = float(dense_equivalent(law.constants, active, tokens, experts))
        loss = float(laws.loss(setting.law, dense, tokens))
    except HwModelError as error:
        return f"no loss is given for {shape.name}: {error}"
    return (
        f"{shape.name} on {format_count(tokens)} tokens is worth a dense model of {format_count(dense)} parameters by "
        f"{law.id}: a loss of {loss:.3f} nats a token under {setting.law.id}"
    )


def departures(shape: Shape) -> list[str]:
    """What of a mixture the runs of the law of experts did not have; empty for a model of its kind."""
    mixed = [block for block in shape.blocks if float(block.n_experts) > 1.0]
    layers = sum(float(block.count) for block in shape.blocks)
    found = []
    if len({float(block.n_experts) for block in mixed}) > 1:
        found.append("layers have different numbers of experts")
    active = max(float(block.top_k) for block in mixed)
    if active != 1.0:
        found.append(f"{active:g} are active")
    if any(float(block.d_ff_shared) > 0.0 for block in mixed):
        found.append("a shared one stands beside them")
    if any(float(block.expert_latent_dim) > 0.0 for block in mixed):
        found.append("experts work in a narrower space")
    plain = layers - sum(float(block.count) for block in mixed)
    if plain > 0.0:
        found.append(f"{plain:g} of {layers:g} layers have none")
    return found
