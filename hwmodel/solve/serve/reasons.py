"""Why a fleet was chosen over plainer ones: pipeline stages against none, separate pools against one engine."""

from __future__ import annotations

import numpy as np

from hwmodel.catalog import Catalog
from hwmodel.predict.service.arrivals import loaded
from hwmodel.predict.service.together import ServiceGroup
from hwmodel.solve.run.band import value_of
from hwmodel.solve.serve.fleet import Fleets, fleet_row
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import SIZES, FleetRow
from hwmodel.solve.serve.table import spread_of

UNTESTED = "No measured run of the board has stages: the intervals are not tested on them."


def reasons(
    question: ServingQuestion,
    first: FleetRow,
    winner: Fleets,
    usable: list[Fleets],
    catalog: Catalog,
) -> list[str]:
    """A sentence for each way in which the answer is not the plain one, and for the mode that lost."""
    out = []
    if first.mode == "disaggregated":
        out.append(_pools_won(question, first, winner, usable, catalog))
    elif question.disaggregated is None:
        out.append(_pools_lost(question, first, usable, catalog))
    if first.pp > 1:
        out.append(_stages_won(question, first, winner, usable, catalog))
    return [line for line in out if line]


def _cheapest(question: ServingQuestion, found: list[Fleets], catalog: Catalog, flat: bool = False) -> FleetRow | None:
    """The cheapest fleet of all, with `flat` of those without stages; None where none meets the limits."""
    picked = []
    for f in found:
        i = f.best_flat if flat else f.best
        if i is not None:
            picked.append((round(float(np.nan_to_num(f.usd_per_hour[i])), 6), float(f.accelerators[i]), f, i))
    if not picked:
        return None
    *_, f, i = min(picked, key=lambda one: one[:2])
    return fleet_row(question, f, i, catalog)


def _dearer(first: FleetRow, other: FleetRow) -> str:
    """By how much another fleet costs more."""
    if first.usd_per_hour is None or other.usd_per_hour is None:
        more, amount = other.accelerators / first.accelerators, f"{other.accelerators:,.0f} accelerators"
    else:
        usd = other.usd_per_hour.value
        more, amount = usd / first.usd_per_hour.value, f"${usd:,.2f} an hour"
    percent = 100.0 * (more - 1.0)
    return f"{amount} ({percent:+.0f} %)" if round(percent) else f"as much ({amount})"


def _takes(first: FleetRow) -> str:
    return "take" if first.usd_per_hour is None else "cost"


def _named(r: FleetRow) -> str:
    return f"{r.part} in {r.precision}"


def _pools_won(
    question: ServingQuestion,
    first: FleetRow,
    winner: Fleets,
    usable: list[Fleets],
    catalog: Catalog,
) -> str:
    if question.disaggregated is True:
        return "Separate pools for prefill and decode, as asked."
    rival = _cheapest(question, [f for f in usable if f.pools is None], catalog)
    if rival is None:
        return "Separate pools, for no engine that does both meets the limits: prefills delay the tokens of the others."
    return (
        f"Separate pools, for the cheapest engine that does both ({_named(rival)}) {_takes(first)}s "
        f"{_dearer(first, rival)}: " + _stalls(question, first, winner)
    )


def _stalls(question: ServingQuestion, first: FleetRow, winner: Fleets) -> str:
    """What prefills between its tokens would do to the same engine at the same batch."""
    same = winner.at.batch == first.batch
    for name in SIZES:
        same &= getattr(winner.at.layout, name) == getattr(first, name)
    one = winner.at.rows(np.flatnonzero(same)[:1])
    (stalled,) = loaded(ServiceGroup([winner.options.setting]), [one], spread_of(question))
    p = f"p{100 * question.percentile:g}"
    return (
        f"prefills between its tokens would raise {p} TPOT from {1e3 * value_of(first.tpot_tail_s):.3g} to "
        f"{1e3 * float(stalled.tpot_tail_s[0]):.3g} ms at the same batch."
    )


def _pools_lost(question: ServingQuestion, first: FleetRow, usable: list[Fleets], catalog: Catalog) -> str:
    rival = _cheapest(question, [f for f in usable if f.pools is not None], catalog)
    if rival is None or rival.prefill is None:
        return ""
    p = rival.prefill
    return (
        f"Separate pools ({p.workers:,} x {p.accelerators_per_worker:g} for prefill, {rival.replicas:,} x "
        f"{rival.accelerators_per_replica:g} for decode, {_named(rival)}) would {_takes(first)} "
        f"{_dearer(first, rival)}."
    )


def _stages_won(
    question: ServingQuestion, first: FleetRow, winner: Fleets, usable: list[Fleets], catalog: Catalog
) -> str:
    if question.pp is not None:
        return f"{first.pp:g} pipeline stages, as asked. {UNTESTED}"
    own = _cheapest(question, [f for f in usable if f.options.part.id == first.part], catalog, flat=True)
    if own is None:
        domain = float(winner.options.machine.network.domain)
        return (
            f"Pipeline stages, for no layout without them holds the model and meets the limits on {first.part} "
            f"(scale-up domain of {domain:g}). {UNTESTED}"
        )
    rival = _cheapest(question, usable, catalog, flat=True) or own
    what = f"the cheapest fleet without them ({_named(rival)}) {_takes(first)}s {_dearer(first, rival)}"
    return f"Pipeline stages, for {what}. {UNTESTED}"
