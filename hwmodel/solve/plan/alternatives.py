"""What else was considered, and what would change the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from hwmodel.errors import HwModelError
from hwmodel.physics.machine import machine as physics_machine
from hwmodel.predict.search import Choice, choice, pareto, runners_up
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.records import Alternatives, OtherLayout, ParetoLayout, Sensitivity, SlowestNetwork
from hwmodel.specs import Part, System

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


def _slower(solved: Solved, row: int) -> float:
    """How much longer a run takes in the layout of a row than in the one chosen, failures included."""
    billed_s = solved.evaluation.billed_s
    return float(billed_s[row] / billed_s[int(solved.evaluation.best[0])]) - 1.0


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
                slower_fraction=_slower(solved, row),
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
                slower_fraction=_slower(solved, row),
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
    rate = _best_rate(setting, solved, setting.part, slowest)
    return SlowestNetwork(
        system=slowest.id,
        nic_uni_bytes_per_s=slowest.nic_uni_bytes_per_s,
        slowdown=solved.choice.tokens_per_s / rate if rate else None,
    )


def _best_rate(setting: Fleeted, solved: Solved, part: Part, system: System) -> float:
    fleet = Fleet(
        setting, solved.fleet.accelerators, solved.fleet.precision,
        physics_machine(part, system, solved.fleet.precision, setting.kernels()), batch=solved.fleet.batch,
    )  # fmt: skip
    return fleet.evaluate(solved.at.shape, solved.sized.n, laid=solved.evaluation.laid).tokens_per_s(0)


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
            rate = _best_rate(setting, solved, other_part, other_system)
        except HwModelError:
            continue
        speedup = rate / solved.choice.tokens_per_s
        elasticity = -math.log(speedup) / math.log(STEP)
        rows.append(Sensitivity(factor=name, doubled_speedup=speedup, elasticity=elasticity))
    return rows


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
