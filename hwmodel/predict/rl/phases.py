"""Seconds of a step of reinforcement learning, phase by phase: bare predictions first, then as teams run them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.serving import weights_bytes
from hwmodel.predict.rl.setting import RlSetting
from hwmodel.predict.service import ServiceSetting
from hwmodel.predict.service.passes import bulk_s, capacity, step_s
from hwmodel.predict.training import TrainingPrediction, predict_training
from hwmodel.specs.rl import RlConstants, RlTerms
from hwmodel.specs.serving import ServingLoad
from hwmodel.specs.training import StepTerms

Column = NDArray[np.float64]
FORWARD_SHARE = 1.0 / 3.0  # of forward and backward: a product forward, two backward


class RlPhases(msgspec.Struct, frozen=True, kw_only=True):
    """What the serving and the training model say of a step [s, bytes], before the levels of published steps."""

    rollout_s: float  # until the rollouts that the step waits for are done
    logprob_s: float
    update_s: float
    weights_bytes: float  # that enter one accelerator of an engine
    states_bytes: float  # that leave one accelerator of a pool that does both, and come back
    overlapped: bool  # rollouts and updates run at once, on pools of their own
    training: TrainingPrediction


def _steps(one: ServiceSetting, running: Any, context: Any) -> Column:
    """Seconds of decode steps of `running` sequences of `context` tokens; both may be columns."""
    at = msgspec.structs.replace(one, load=ServingLoad(prompt_tokens=context, output_tokens=0.0))
    return np.asarray(step_s(at, running), dtype=float) / float(one.gain)


def rollout_s(s: RlSetting, share: float = 1.0) -> float:
    """Seconds until `share` of the rollouts are done that start together; the longest sets the time of all.

    While more wait than the cache holds, places are refilled; then the running batch shrinks as responses end, and
    each decode step takes what its batch and context need. Prompts are read once, samples share them (prefix caches).
    """
    one, mine = s.rollouts, s.count / s.instances
    tokens, shares = np.array(s.lengths.tokens), np.array(s.lengths.shares)
    prompt, mean = float(one.load.prompt_tokens), s.lengths.mean
    first = max(min(mine, float(capacity(one))), 1.0)
    queued = max(mine - first, 0.0) * mean * float(_steps(one, first, prompt + mean / 2)) / first
    alive = np.cumsum(shares[::-1])[::-1]  # share of the rollouts at least so long
    before = np.append(0.0, tokens[:-1])
    seconds = (tokens - before) * _steps(one, np.maximum(first * alive, 1.0), prompt + (tokens + before) / 2)
    waited = np.append(1.0, alive[1:]) > 1.0 - share + 1e-12
    reading = s.prompts / s.instances * float(bulk_s(one, 1.0))
    return queued + float(seconds[waited].sum()) + reading


def steady_rollout_s(s: RlSetting, in_flight: float = 1.0) -> float:
    """Seconds that the rollouts of a step take of engines which are never drained, `in_flight` steps at once."""
    one, mine = s.rollouts, s.count / s.instances
    running = max(min(mine * in_flight, float(capacity(one))), 1.0)
    mean = s.lengths.mean
    decode = mine * mean * float(_steps(one, running, float(one.load.prompt_tokens) + mean / 2)) / running
    return decode + s.prompts / s.instances * float(bulk_s(one, running))


def waited_rollout_s(s: RlSetting) -> float:
    """Seconds of rollouts that a step waits for at its lag.

    On policy: all of them. A lag below one leaves that share of the rollouts, the longest, to the next step; from one
    on a rollout may last `lag` steps. Never less than the engines need for so many tokens.
    """
    if s.lag < 1.0:
        return max(rollout_s(s, 1.0 - s.lag), steady_rollout_s(s) if s.lag > 0 else 0.0)
    return max(steady_rollout_s(s, s.lag), rollout_s(s) / s.lag)


def forward_s(step: StepTerms) -> float:
    """Seconds of a forward pass alone over the tokens of a step: no gradients, nothing computed again."""
    return float(step.total_s - step.optimizer_s - step.dp_exposed_s - step.recompute_s) * FORWARD_SHARE


def phases(s: RlSetting) -> RlPhases:
    """The step by the serving and the training model alone. Raises InfeasibleError where no layout divides."""
    trained = predict_training(s.training)
    memory = trained.memory[trained.fullest]
    states = float(memory.weights_bytes + memory.optimizer_bytes)
    engine = float(weights_bytes(s.rollouts.shape, s.rollouts.worker.formats, s.rollouts.worker.layout))
    return RlPhases(
        rollout_s=waited_rollout_s(s), logprob_s=forward_s(trained.step) * s.updates * s.scored_passes,
        update_s=trained.step_s * s.updates,
        weights_bytes=engine, states_bytes=states if s.colocated else 0.0,
        overlapped=not s.colocated and s.lag >= 1.0, training=trained,
    )  # fmt: skip


def step_terms(p: RlPhases, c: RlConstants, verifier_s: float = 0.0) -> RlTerms:
    """The step as teams run it: pools that overlap wait for the slower one."""
    generated = c.rollout_level * p.rollout_s + verifier_s
    scored, trained = c.update_level * p.logprob_s, c.update_level * p.update_s
    return RlTerms(
        rollout_s=c.rollout_level * p.rollout_s, verifier_s=verifier_s, logprob_s=scored, update_s=trained,
        sync_s=p.weights_bytes / c.sync_bytes_per_s, switch_s=2.0 * p.states_bytes / c.switch_bytes_per_s,
        other_s=c.step_s,
        hidden_s=min(generated, scored + trained) if p.overlapped else 0.0,
    )  # fmt: skip
