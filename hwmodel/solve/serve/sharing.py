"""What engines take for a question: worked out anew, or once for many questions that ask the same of them.

How many requests come, how soon they must be answered and what an accelerator costs do not change what an engine does
at a batch: neighbouring points of a sweep share it. Results are the same to the last bit, for a pass over some rows
does not depend on the others (tests/predict/test_together.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.service.arrivals import ArrivalSpread, Decoded, Loaded, Prompts, loaded, prompts_of
from hwmodel.predict.service.layouts import column, rows_of
from hwmodel.predict.service.together import ServiceGroup
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.table import Column, Index, Options, PartOffer, options, spread_of
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import ServingLayout

MOST_KEPT = 256  # parts and recipes under one load, of about 0.4 MB each


def holding(o: Options) -> ServingLayout:
    """The layouts that hold the weights and a prompt on each attention rank and stage."""
    return rows_of(o.tried, o.room >= column(o.tried.dp * o.tried.pp))


def asked_of_an_engine(question: ServingQuestion) -> ServingQuestion:
    """The question without how many requests come, what limits hold and what is paid."""
    return msgspec.structs.replace(
        question, rate=1.0, peak_to_mean=1.0, spares=0, ttft_s=math.inf, tpot_s=math.inf, percentile=0.5, lengths=None,
        max_loss_nats=None, min_quality=None, parts=(), precisions=(), prices=(), price_kind=None, price_file=None,
        region=None, api_price=None, disaggregated=None, prefill=None, decode=None,
    )  # fmt: skip


class FreshPasses:
    """What engines take, worked out for each question anew."""

    def offer(
        self, question: ServingQuestion, part: str, recipe: ServingPrecision, make: Callable[[], PartOffer]
    ) -> PartOffer:
        """A part in a recipe with every layout, its price apart."""
        return make()

    def options(
        self, question: ServingQuestion, offers: Sequence[PartOffer], within_s: float = math.inf
    ) -> list[Options]:
        """Every layout and batch that fits and decodes a token within so many seconds (see `table.options`)."""
        return options(question, offers, within_s)

    def prompts(self, question: ServingQuestion, found: Sequence[Options], settings: ServiceGroup) -> list[Prompts]:
        """Prompts on the layouts of each that hold one."""
        return prompts_of(settings, [holding(o) for o in found], spread_of(question))

    def loaded(
        self, question: ServingQuestion, found: Sequence[Options], rows: Sequence[Index], settings: ServiceGroup
    ) -> list[Loaded]:
        """What some configurations of each do that prefill between their decode steps."""
        at = [o.at.rows(some) for o, some in zip(found, rows, strict=True)]
        return loaded(settings, at, spread_of(question))


class _Kept:
    """All configurations of one part and recipe under one load, and what is known of them."""

    def __init__(self, whole: Options) -> None:
        self.setting, self.room, self.at = whole.setting, whole.room, whole.at
        self.prompts: Prompts | None = None
        self.known: NDArray[np.bool_] = np.zeros(whole.count, dtype=bool)
        self.columns: dict[str, Column] = {name: np.empty(whole.count) for name in Loaded.__struct_fields__}

    def decoding_within(self, seconds: float) -> tuple[Decoded, Index | None]:
        """The configurations that decode a token within so many seconds, and their places."""
        if seconds == math.inf:
            return self.at, None
        places = np.flatnonzero(self.at.step_tail_s <= seconds)
        return self.at.rows(places), places

    def learn(self, places: Index, found: Loaded) -> None:
        """Keep what some configurations do."""
        self.known[places] = True
        for name, values in self.columns.items():
            values[places] = getattr(found, name)

    def recall(self, places: Index) -> Loaded:
        """What some configurations do, all of them known."""
        return Loaded(**{name: values[places] for name, values in self.columns.items()})


class SharedPasses(FreshPasses):
    """What engines take, kept for further questions."""

    def __init__(self) -> None:
        self._offers: dict[tuple[ServingQuestion, str, str], PartOffer] = {}
        self._kept: dict[tuple[int, ArrivalSpread], _Kept] = {}  # by the identity of a setting, which it holds

    def offer(
        self, question: ServingQuestion, part: str, recipe: ServingPrecision, make: Callable[[], PartOffer]
    ) -> PartOffer:
        """As of `FreshPasses`; the same record for all questions that ask the same of an engine."""
        key = asked_of_an_engine(question), part, recipe.id
        if key not in self._offers:
            if len(self._offers) >= MOST_KEPT:
                self._offers = {}
            self._offers[key] = make()
        return self._offers[key]

    def options(
        self, question: ServingQuestion, offers: Sequence[PartOffer], within_s: float = math.inf
    ) -> list[Options]:
        """As of `FreshPasses`; of an offer not yet seen all configurations are worked out."""
        keys = [(id(o.setting), spread_of(question)) for o in offers]
        fresh = [o for o, key in zip(offers, keys, strict=True) if key not in self._kept]
        if len(self._kept) + len(fresh) > MOST_KEPT:
            self._kept, fresh = {}, list(offers)
        for whole in options(question, fresh):
            self._kept[self._key(question, whole)] = _Kept(whole)
        kept = [self._kept[key] for key in keys]
        found = [one.decoding_within(within_s) for one in kept]
        return [
            Options(part=o.part, system=o.system, recipe=o.recipe, setting=o.setting, tried=o.tried, room=one.room,
                    at=at, places=places, price=o.price)
            for o, one, (at, places) in zip(offers, kept, found, strict=True)
        ]  # fmt: skip

    def prompts(self, question: ServingQuestion, found: Sequence[Options], settings: ServiceGroup) -> list[Prompts]:
        """As of `FreshPasses`."""
        kept = [self._kept[self._key(question, o)] for o in found]
        if fresh := [(o, one) for o, one in zip(found, kept, strict=True) if one.prompts is None]:
            group = ServiceGroup([o.setting for o, _ in fresh])
            made = super().prompts(question, [o for o, _ in fresh], group)
            for (_, one), prompts in zip(fresh, made, strict=True):
                one.prompts = prompts
        return [one.prompts for one in kept if one.prompts is not None]

    def loaded(
        self, question: ServingQuestion, found: Sequence[Options], rows: Sequence[Index], settings: ServiceGroup
    ) -> list[Loaded]:
        """As of `FreshPasses`; only what is not yet known is worked out."""
        kept = [self._kept[self._key(question, o)] for o in found]
        places = [some if o.places is None else o.places[some] for o, some in zip(found, rows, strict=True)]
        fresh = [at[~one.known[at]] for one, at in zip(kept, places, strict=True)]
        if any(len(at) for at in fresh):
            ats = [one.at.rows(at) for one, at in zip(kept, fresh, strict=True)]
            for one, at, new in zip(kept, fresh, loaded(settings, ats, spread_of(question)), strict=True):
                one.learn(at, new)
        return [one.recall(at) for one, at in zip(kept, places, strict=True)]

    @staticmethod
    def _key(question: ServingQuestion, o: Options) -> tuple[int, ArrivalSpread]:
        return id(o.setting), spread_of(question)
