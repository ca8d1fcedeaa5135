"""Reinforcement learning: a stated setting -> seconds of a step, from the serving model's rollouts and the training
model's updates.

What a stage of so many steps costs belongs to `solve.stages`, not here.
"""

from hwmodel.predict.rl.doubt import phase_shares, rl_ends, rl_familiarity
from hwmodel.predict.rl.lengths import lengths_from_histogram, lengths_of
from hwmodel.predict.rl.phases import RlPhases, phases, step_terms
from hwmodel.predict.rl.setting import RlSetting, rollout_worker, with_lengths

__all__ = [
    "RlPhases",
    "RlSetting",
    "lengths_from_histogram",
    "lengths_of",
    "phase_shares",
    "phases",
    "rl_ends",
    "rl_familiarity",
    "rollout_worker",
    "step_terms",
    "with_lengths",
]
