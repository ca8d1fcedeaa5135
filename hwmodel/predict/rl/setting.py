"""What one step of reinforcement learning does, on which accelerators."""

from __future__ import annotations

import msgspec

from hwmodel.errors import InfeasibleError
from hwmodel.predict.service import STATIC, ServiceSetting, on_layout
from hwmodel.predict.service.layouts import Sizes, column
from hwmodel.predict.service.search import best_layout, candidates, numbers
from hwmodel.predict.training import TrainingRun
from hwmodel.specs.rl import ResponseLengths
from hwmodel.specs.serving import ServingLoad


class RlSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One step: `prompts` x `samples` rollouts by `rollouts` (an engine instance in its layout) on
    `rollout_accelerators`, then `updates` optimizer steps of `training`.

    `colocated`: one pool does both in turn; else the training run's accelerators are a pool of their own. `lag`: by how
    many steps the weights that generate may be older than those trained; below one it is a share of the rollouts.
    `scored_passes`: forward passes over all tokens for the probabilities of the old and of the reference policy.
    """

    rollouts: ServiceSetting
    rollout_accelerators: float
    training: TrainingRun
    prompts: float
    samples: float
    lengths: ResponseLengths
    colocated: bool = True
    lag: float = 0.0
    updates: float = 1.0
    scored_passes: float = 2.0
    verifier_s: float = 0.0  # of a step, after its last rollout

    @property
    def count(self) -> float:
        """Rollouts of a step."""
        return self.prompts * self.samples

    @property
    def instances(self) -> float:
        """Engine instances that share the rollouts."""
        return max(self.rollout_accelerators // float(self.rollouts.worker.layout.accelerators), 1.0)

    @property
    def accelerators(self) -> float:
        """Accelerators of all pools."""
        return self.training.accelerators + (0.0 if self.colocated else self.rollout_accelerators)


def rollout_worker(one: ServiceSetting, accelerators: float, count: float, tp: float | None = None) -> ServiceSetting:
    """The engine instance that generates `count` rollouts on `accelerators` fastest, or the one of the stated `tp`.

    Raises InfeasibleError where no layout holds the model.
    """
    load = msgspec.structs.replace(one, clients=count)
    tried = candidates(load, accelerators, Sizes(tp=tp))
    if tp is not None and not len(column(tried.tp)):
        raise _does_not_fit(one, accelerators)
    if tp is not None:
        return on_layout(one, numbers(tried, 0))
    found = best_layout(load, STATIC, accelerators, tried)
    if found is None:
        raise _does_not_fit(one, accelerators)
    return on_layout(one, found)


def _does_not_fit(one: ServiceSetting, accelerators: float) -> InfeasibleError:
    return InfeasibleError(
        f"the rollouts of {one.shape.name or 'the model'} do not fit {accelerators:g} x {one.worker.machine.part}: "
        "give their pool more accelerators",
        binding="memory",
        remedy="more accelerators for the rollouts",
    )


def with_lengths(one: ServiceSetting, prompt_tokens: float, lengths: ResponseLengths) -> ServiceSetting:
    """The engine under the mean load of the rollouts."""
    return msgspec.structs.replace(one, load=ServingLoad(prompt_tokens=prompt_tokens, output_tokens=lengths.mean))
