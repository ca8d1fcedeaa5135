"""Pools of accelerators: which a budget has, which stage runs on which, and what a site's power carries."""

from __future__ import annotations

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.question.options import PlanOptions, alone
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import fleeted, resolve
from hwmodel.solve.run.details import RlDetail
from hwmodel.solve.run.lines import StageLine
from hwmodel.solve.run.power import accelerators_within, rated_site_w
from hwmodel.solve.stages.file import BudgetFile, Stage
from hwmodel.units import format_power, parse_fleet, parse_power_w


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Accelerators of one part that one job may use; `rated_w`: of one at its rating, with server and PUE."""

    part: str
    accelerators: int
    rated_w: float

    @property
    def fleet(self) -> str:
        """As `--gpus` takes it."""
        return f"{self.accelerators}x{self.part}"


def pools_of(file: BudgetFile, catalog: Catalog) -> list[Pool]:
    """The pools of the whole budget; none where stages bring fleets of their own. A part without a count gets what the
    power leaves. Raises InputError for one part twice, InfeasibleError where the power does not carry the pools."""
    text = file.options.get("gpus")
    power_w = parse_power_w(file.top["power"], "power") if "power" in file.top else None
    if text is None:
        return []
    asked = [part.strip() for part in str(text).split("+")]
    if len(asked) > 1 and "system" in file.options:
        raise InputError("system names the machine of one part: give it with a stage, not beside several pools")
    found: list[Pool] = []
    for one in asked:
        found.append(_pool(one, file, catalog, power_w, found))
    if power_w is not None:
        _check_power(found, power_w)
    return found


def _pool(text: str, file: BudgetFile, catalog: Catalog, power_w: float | None, others: list[Pool]) -> Pool:
    site = alone(file.options, "system", "pue", "region")
    asked: PlanOptions = {**site, "gpus": text, "params": "1B", "tokens": "1B"}
    setting = fleeted(resolve(parse_request(**asked), catalog))
    part, count = setting.part.id, setting.request.gpus
    if any(pool.part == part for pool in others):
        raise InputError(f"gpus names {part} twice: one pool for each part, with the sum of both")
    rated_w = rated_site_w(setting.part, setting.system, setting.energy)
    if count is None:
        if power_w is None:
            raise InputError(f"how many {part}? give a count, like 1024x{part}, or the power of the site")
        left = power_w - sum(pool.accelerators * pool.rated_w for pool in others)
        count = accelerators_within(left, setting)
    return Pool(part=part, accelerators=count, rated_w=rated_w)


def _check_power(pools: list[Pool], power_w: float) -> None:
    used = sum(pool.accelerators * pool.rated_w for pool in pools)
    if used <= power_w * (1.0 + 1e-9):
        return
    fits = int(power_w / used * sum(pool.accelerators for pool in pools))
    fleets = " + ".join(pool.fleet for pool in pools)
    raise InfeasibleError(
        f"{fleets} draw {format_power(used)} at their rating, with servers and PUE; power allows "
        f"{format_power(power_w)}: about {fits} accelerators",
        binding="power",
        remedy=f"about {fits} accelerators",
    )


def own_fleet(stage: Stage, pools: list[Pool], catalog: Catalog) -> list[str]:
    """The fleets that a stage may run on: the one it names, checked against its pool, or every pool to choose from.

    Raises InputError where one job would have to span two parts or is larger than its pool.
    """
    text = stage.options.get("gpus")
    if text is None:
        return [pool.fleet for pool in pools]
    words = str(text)
    if "+" in words:
        raise InputError(f"gpus {words!r}: one job cannot span two parts; split the stage, or name one pool")
    if not pools:
        return [words]
    return [_checked_fleet(words, pools, catalog)]


def _checked_fleet(words: str, pools: list[Pool], catalog: Catalog) -> str:
    count: int | None
    try:
        count, name = parse_fleet(words)
    except InputError:
        count, name = None, words
    part = catalog.part(name).id
    pool = next((one for one in pools if one.part == part), None)
    if pool is None:
        raise InputError(f"gpus {words!r}: the budget has no pool of {part}, but {', '.join(p.fleet for p in pools)}")
    if count is None:
        return pool.fleet
    if count > pool.accelerators:
        total = sum(one.accelerators for one in pools)
        spans = "; one job cannot span two parts" if count <= total else ""
        raise InputError(f"gpus {words!r}: the pool of {part} has {pool.accelerators}{spans}")
    return f"{count}x{part}"


def check_used(pools: list[Pool], used: set[str]) -> None:
    """Raises InputError for a pool that no stage uses."""
    idle = [pool.fleet for pool in pools if pool.part not in used]
    if idle:
        raise InputError(
            f"no stage uses the pool {idle[0]}: drop it from gpus, or give a stage `gpus: {idle[0]}` (stages without "
            "one run where they cost least)"
        )


def check_rollouts(line: StageLine, pools: list[Pool]) -> None:
    """Raises InputError where a pool of rollouts and the updates beside it are more than a pool of the budget has."""
    if not isinstance(line.detail, RlDetail):
        return
    part, count = line.detail.rollout_part, line.detail.rollout_accelerators or 0
    pool = next((one for one in pools if one.part == part), None)
    if part is None or not pools:
        return
    if pool is None:
        raise InputError(f"rollout_gpus: the budget has no pool of {part}, but {', '.join(p.fleet for p in pools)}")
    both = count + (line.accelerators or 0) * (line.part == part)
    if both > pool.accelerators:
        updates = "" if both == count else f" and {line.accelerators} for the updates"
        raise InputError(
            f"rollout_gpus {count}{updates} are more than the {pool.accelerators} of the pool of {part}: share it out, "
            f"like `gpus: {pool.accelerators // 2}x{part}` and `rollout_gpus: {pool.accelerators // 2}`"
        )
