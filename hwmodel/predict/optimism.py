"""The optimism of a search: the fastest of many predicted layouts is likelier than another to be predicted too fast.

Errors of the physics differ between layouts, and a search picks where they flatter; and teams do not run the fastest
layout there is. Both make a run whose layout was searched slower than predicted by a share that printed layouts do
not show. It is measured (the same runs, predicted in their printed layout and in a searched one, sources weighted
alike), not derived, and stands as a term of the step.
"""

from __future__ import annotations

import math

import msgspec

from hwmodel.catalog.stacks import search_optimism
from hwmodel.ops import Num, exp
from hwmodel.predict.policy import Policy
from hwmodel.specs import StepTerms

# Settings that split a model: a search that is told some of them has so much less to choose from.
SPLITS = ("tp", "pp", "micro_batch")


def open_share(policy: Policy) -> float:
    """Share of the settings that split a model which a question leaves to the search, or takes from an earlier one."""
    return sum(not policy.stated(name) or name in policy.searched for name in SPLITS) / len(SPLITS)


def search_factor(policy: Policy) -> float:
    """Seconds of a run whose layout is searched over the seconds predicted."""
    return float(search_factor_of(search_optimism(), open_share(policy)))


def search_factor_of(optimism: Num, share: Num) -> Num:
    """The factor for a share of settings left open; `optimism` is the logarithm of seconds where all are."""
    return exp(optimism * share)


def longer() -> float:
    """By what share a step takes longer in a layout that a search chose from end to end."""
    return math.expm1(search_optimism())


def with_search(terms: StepTerms, factor: Num) -> StepTerms:
    """The terms of a step with what a search adds."""
    return msgspec.structs.replace(terms, search_s=added_by_search(terms.total_s, factor))


def added_by_search(total_s: Num, factor: Num) -> Num:
    """Seconds that a factor adds to a step."""
    return total_s * (factor - 1.0)
