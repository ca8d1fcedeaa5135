"""The number of answers a prompt left to the plan: the cheapest life that solves as many tasks as one answer would."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hwmodel import laws
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.life.samples import answers
from hwmodel.solve.plan.prepared import Prepared
from hwmodel.solve.question.setting import Setting


def with_chosen_samples(setting: Setting, prepare: Callable[[Setting], Prepared]) -> Setting:
    """The setting with the number of answers that is cheapest by the middle of its family's law, and the loss that is
    enough with them. InputError where nothing is free to trade."""
    r = setting.request
    fixed = r.params is not None or r.model is not None or r.shape is not None or r.tokens is not None
    if fixed or (r.loss is None and r.loss_like is None):
        raise InputError(
            "--samples any trades answers against size: ask for a loss (--loss, --loss-like) and leave the size and "
            "its tokens free"
        )
    once = prepare(msgspec.structs.replace(setting, request=msgspec.structs.replace(r, samples_open=False)))
    assert once.lifetime is not None  # a demand is asked for with samples
    found = answers(once.setting, once.model, once.lifetime, once.sized)
    if not found.families:
        raise InfeasibleError("; ".join(found.refused.values()), binding="serving")
    family = found.families[0]
    best = next(row for row in family.rows if row.samples == family.cheapest_samples)
    enough = laws.params_for_loss_at_tokens(setting.law, once.sized.d, best.loss_nats)
    chosen = msgspec.structs.replace(r.with_samples(best.samples), sampled_like=(float(enough), once.sized.d))
    return msgspec.structs.replace(setting, request=chosen)
