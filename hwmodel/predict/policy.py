"""What a question fixes of a layout, and how its blanks are filled: habits of the stack, words that are tried."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hwmodel.predict import recompute
from hwmodel.predict.schedules import schedules_of
from hwmodel.specs.layout import ONE_F_ONE_B
from hwmodel.specs.stack import GENERIC, Stack

Values = tuple[float, ...]
VIRTUAL = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0)
FULL_SHARD = 3.0  # ZeRO stage at which weights are gathered for every layer and pass


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a question fixes and how the blanks are filled.

    `fixed` names settings of `Layout` with the values they may take. `exact` describes a run on all of the fleet with
    a given batch, stated sizes taken at their word even where they divide unevenly; without it accelerators may idle.
    The habits of the stack say what a blank means: its sharding, whether it interleaves, sequence parallelism.
    """

    fixed: tuple[tuple[str, Values], ...] = ()
    searched: tuple[str, ...] = ()  # settings whose fixed values came out of a search
    modes: tuple[recompute.Mode, ...] = ((),)  # what is computed again or waits on the host, each with every other
    modes_of_mixtures: tuple[recompute.Mode, ...] = ((),)
    modes_of_latent: tuple[recompute.Mode, ...] = ((),)  # of mixtures whose attention expands a latent cache
    exact: bool = False
    zero: Values = (1.0, FULL_SHARD)
    virtual: Values = VIRTUAL  # stages a rank that schedules interleave
    sequence_parallel: float = 1.0
    schedules: Values = (ONE_F_ONE_B,)

    def stated(self, name: str) -> bool:
        """Whether the question fixes a setting."""
        return any(name == one for one, _ in self.fixed)

    def choices(self, name: str, usual: Values) -> Values:
        """The values of a setting: those fixed, else the usual ones."""
        return next((values for one, values in self.fixed if one == name), usual)

    def trusts(self, name: str) -> bool:
        """Whether a stated value needs no check: the run was made, or is asked for, just so."""
        return self.exact and self.stated(name)


def policy(
    stack: Stack,
    fixed: Mapping[str, float | Values],
    *,
    again: tuple[str, ...] = (),
    offload: tuple[str, ...] = (recompute.NONE,),
    schedules: tuple[str, ...] = (),
    exact: bool = False,
    searched: tuple[str, ...] = (),
) -> Policy:
    """The policy of a question under the habits of a stack. The generic stack shards either way, others as they do.

    `again`: the words of `--recompute` that are tried (none: the usual ones); `offload`: those of `--offload`;
    `schedules`: those of `--schedule` (none: what the stack has).
    """

    def modes(words: tuple[str, ...]) -> tuple[recompute.Mode, ...]:
        return recompute.combined(
            tuple(recompute.recompute_mode(word, stack) for word in again or words),
            tuple(recompute.offload_mode(word) for word in offload),
        )

    values = {name: value if isinstance(value, tuple) else (value,) for name, value in fixed.items()}
    return Policy(
        fixed=tuple(sorted(values.items())),
        searched=searched,
        modes=modes(recompute.SEARCHED),
        modes_of_mixtures=modes(recompute.SEARCHED_OF_MIXTURES),
        modes_of_latent=modes(recompute.SEARCHED_OF_LATENT),
        exact=exact,
        zero=(1.0, FULL_SHARD) if stack.id == GENERIC else (float(stack.default_zero),),
        virtual=VIRTUAL if float(stack.default_vpp_layers) > 0 else (1.0,),
        schedules=schedules_of(",".join(schedules or stack.schedules)),
        sequence_parallel=float(stack.default_sequence_parallel),
    )
