"""What else was considered, and what would change the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from hwmodel.errors import HwModelError
from hwmodel.physics.machine import machine as physics_machine
from hwmodel.predict.search import Choice, choice, pareto, runners_up
from hwmodel.predict.uncertainty import StepShares, is_mixture, step_shares
from hwmodel.solve.question.setting import Fleeted, step_ratio_doubt
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.records import Alternatives, OtherLayout, ParetoLayout, Sensitivity, SlowestNetwork
from hwmodel.specs import Part, System
from hwmodel.specs.intervals import Ends

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved

# A finite log difference: each factor is doubled and the layout is searched anew.
STEP = 2.0
PARETO_SHOWN = 8


def _term_differences(best: Choice, other: Choice) -> list[tuple[str, float]]:
    """Seconds a sequence that the other layout spends more (or less) on each term, largest first."""
    rows = []
    for name in best.step.__struct_fields__:
        mine = float(getattr(best.step, name)) / best.batch_seqs
        theirs = float(getattr(other.step, name)) / other.batch_seqs
        rows.append((name, theirs - mine))
    return sorted(rows, key=lambda row: -row[1])


def _slower(solved: Solved, row: int, other: Choice) -> Band:
    """How much longer a run takes in the layout of a row (`other`) than in the one chosen, failures included."""
    billed_s, best = solved.evaluation.billed_s, int(solved.evaluation.best[0])
    if row == best:
        return Band(0.0, 0.0, 0.0)
    doubt = _ratio_doubt(solved, step_shares(other.step))
    return Band.around(float(billed_s[row] / billed_s[best]), doubt).plus(-1.0)


def _ratio_doubt(solved: Solved, parts: StepShares) -> Ends:
    """Ends of the 80 % interval (natural log) of a step made up of `parts` over that of the layout chosen."""
    fleet, own = solved.fleet, step_shares(solved.choice.step)
    return step_ratio_doubt(fleet.setting, fleet.precision, is_mixture(solved.at.shape), fleet.accelerators, parts, own)


def runner_up_rows(setting: Fleeted, solved: Solved) -> list[OtherLayout]:
    """The next best splits of the model and why each lost."""
    out = []
    for row in runners_up(solved.evaluation, 0):
        other = choice(solved.evaluation, row, solved.fleet.machine, solved.fleet.precision, setting.stack)
        worst, seconds = _term_differences(solved.choice, other)[0]
        share = seconds * solved.choice.batch_seqs / solved.choice.step_s
        out.append(
            OtherLayout(
                layout=other.shown,
                slower_fraction=_slower(solved, row, other),
                peak_memory_bytes=Band.around(other.footprint.peak_bytes, other.footprint.doubt),
                lost_by=worst,
                lost_fraction_of_step=share,
            )
        )
    return out


def pareto_rows(solved: Solved) -> list[ParetoLayout]:
    """Layouts that no other beats in time, memory and accelerators used."""
    out = []
    for row in pareto(solved.evaluation, 0)[:PARETO_SHOWN]:
        one = choice(solved.evaluation, row, solved.fleet.machine, solved.fleet.precision, solved.fleet.setting.stack)
        out.append(
            ParetoLayout(
                layout=one.shown,
                slower_fraction=_slower(solved, row, one),
                peak_memory_bytes=Band.around(one.footprint.peak_bytes, one.footprint.doubt),
                accelerators=one.accelerators - one.idle_accelerators,
            )
        )
    return out


def slowest_network(setting: Fleeted, solved: Solved) -> SlowestNetwork | None:
    """The same plan on the slowest listed network of the part; None where it stands on that one already."""
    listed = [s for s in setting.catalog.systems_of(setting.part.id) if s.nic_uni_bytes_per_s > 0]
    if not listed:
        return None
    slowest = min(listed, key=lambda s: s.nic_uni_bytes_per_s)
    if slowest.nic_uni_bytes_per_s >= setting.system.nic_uni_bytes_per_s:
        return None
    times = _times_as_fast(setting, solved, setting.part, slowest)
    return SlowestNetwork(
        system=slowest.id,
        nic_uni_bytes_per_s=slowest.nic_uni_bytes_per_s,
        slowdown=None if times is None else times.inverse(),
    )


def _times_as_fast(setting: Fleeted, solved: Solved, part: Part, system: System) -> Band | None:
    """Tokens a second on another part or system over those of the plan, the layout chosen anew; None where none fits.

    The model, the software and the fleet are the plan's: what is doubtful of all of them alike cancels.
    """
    fleet = Fleet(
        setting, solved.fleet.accelerators, solved.fleet.precision,
        physics_machine(part, system, solved.fleet.precision, setting.kernels()), batch=solved.fleet.batch,
    )  # fmt: skip
    found = fleet.evaluate(solved.at.shape, solved.sized.n, laid=solved.evaluation.laid)
    row = int(found.best[0])
    if row < 0:
        return None
    best = choice(found, row, fleet.machine, fleet.precision, setting.stack)
    doubt = _ratio_doubt(solved, step_shares(best.step))
    return Band.around(found.tokens_per_s(0) / solved.choice.tokens_per_s, doubt.flipped)


def sensitivities(setting: Fleeted, solved: Solved) -> list[Sensitivity]:
    """How training time answers to each factor doubled, the layout chosen anew; elasticity = d log time / d log x."""
    part, system = setting.part, setting.system
    replace = msgspec.structs.replace
    peaks = {name: v * STEP if v else v for name, v in part.peak_dense_flop_per_s.items()}
    variants: list[tuple[str, Part, System]] = [
        ("peak_dense_flop_per_s", replace(part, peak_dense_flop_per_s=peaks), system),
        ("hbm_bytes_per_s", replace(part, hbm_bytes_per_s=part.hbm_bytes_per_s * STEP), system),
        ("hbm_bytes", _more_memory(part), system),
        ("link_uni_bytes_per_s", part, replace(system, link_uni_bytes_per_s=system.link_uni_bytes_per_s * STEP)),
        ("nic_uni_bytes_per_s", part, replace(system, nic_uni_bytes_per_s=system.nic_uni_bytes_per_s * STEP)),
    ]
    rows = []
    for name, other_part, other_system in variants:
        try:
            speedup = _times_as_fast(setting, solved, other_part, other_system)
        except HwModelError:
            continue
        if speedup is not None:
            rows.append(Sensitivity(factor=name, doubled_speedup=speedup, elasticity=_elasticity(speedup)))
    return rows


def _elasticity(speedup: Band) -> Band:
    """d log time / d log factor of a factor doubled: the ends change places."""
    value, low, high = (-math.log(end) / math.log(STEP) for end in (speedup.value, speedup.high, speedup.low))
    return Band(value, low, high)


def _more_memory(part: Part) -> Part:
    usable = part.usable_hbm_bytes * STEP if part.usable_hbm_bytes else None
    return msgspec.structs.replace(part, hbm_bytes=part.hbm_bytes * STEP, usable_hbm_bytes=usable)


def alternatives(setting: Fleeted, solved: Solved) -> Alternatives:
    """Runner-up layouts, the Pareto set, the slowest network, and sensitivities."""
    return Alternatives(
        layouts=runner_up_rows(setting, solved),
        pareto=pareto_rows(solved),
        searched_layouts=solved.evaluation.space.count,
        fitting_layouts=int((solved.evaluation.step_s < math.inf).sum()),
        slowest_network=slowest_network(setting, solved),
        sensitivities=sensitivities(setting, solved),
    )
