"""80 % intervals of steps of reinforcement learning, by the phases that make them up."""

from __future__ import annotations

from hwmodel.ops import Num
from hwmodel.physics.intervals import ends
from hwmodel.specs.intervals import Ends, Familiarity
from hwmodel.specs.rl import RlConstants, RlTerms


def phase_shares(terms: RlTerms) -> dict[str, Num]:
    """Parts of a step that its phases make up; of pools that overlap both count, for either may turn out longer.

    `moves`: new weights into engines, states of one pool to the host and back.
    """
    return {
        "rollouts": terms.rollout_s / terms.total_s,
        "updates": (terms.logprob_s + terms.update_s) / terms.total_s,
        "moves": (terms.sync_s + terms.switch_s) / terms.total_s,
    }


def rl_familiarity(shares: dict[str, Num], *, length_stated: bool = True) -> Familiarity:
    """What the error of a step goes by: its phases, and whether the mean response was stated or taken of its limit."""
    return Familiarity(shares=shares, distances={"length": float(not length_stated)})


def rl_ends(terms: RlTerms, c: RlConstants, *, length_stated: bool = True) -> Ends:
    """Ends of the 80 % interval of the seconds of a step."""
    return ends(rl_familiarity(phase_shares(terms), length_stated=length_stated), c.widths)
