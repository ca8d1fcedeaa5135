"""A plan file answered: every stage on its pool, what is not counted, the sum, its contingency and its cash flow."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Unpack, cast

import msgspec

from hwmodel.answers import Shown
from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.plain import JsonObject, Options, listed
from hwmodel.solve.question.options import PlanOptions, alone
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.budget_records import Budget
from hwmodel.solve.run.cash import DAYS_PER_MONTH, Slot, schedule
from hwmodel.solve.run.details import RlDetail
from hwmodel.solve.run.lines import COMPUTED, StageLine, added, certain
from hwmodel.solve.run.result import Band
from hwmodel.solve.stages import pools as pooling
from hwmodel.solve.stages.committed import committed_file, idle_line, years_of
from hwmodel.solve.stages.entered import entered, not_counted, share_of_pretraining, spares
from hwmodel.solve.stages.file import BudgetFile, Stage, read_budget, said_in, said_of
from hwmodel.solve.stages.frame import Frame, rate, spot_of, usd
from hwmodel.solve.stages.given import BesideFile, BudgetKeys
from hwmodel.solve.stages.keys import OF_PLAN, TOP
from hwmodel.solve.stages.limits import (
    TURNS,
    KeptLimit,
    StageShare,
    WholeLimits,
    first_shares,
    kept_limits,
    limits_of,
    next_shares,
    planned,
    settled,
    sized_by_limits,
    unlimited,
    with_shares,
)
from hwmodel.solve.stages.own import Owned, owned, priced
from hwmodel.solve.stages.rl import reinforcement
from hwmodel.solve.stages.served import evaluation, serving
from hwmodel.solve.stages.total import (
    PRETRAINING,
    PostTraining,
    budget_of,
    cash_flow,
    contingency_of,
    post_training,
    price_of,
)
from hwmodel.solve.stages.training import SIZED_BY, ablations, distillation, fine_tuning, preference, pretraining
from hwmodel.version import __version__

COMPUTE: dict[str, Callable[[Frame, Stage, str], StageLine]] = {
    "ablations": ablations, "pretrain": pretraining, "context": pretraining, "sft": fine_tuning,
    "preference": preference, "rl": reinforcement, "distillation": distillation, "evaluation": evaluation,
    "serving": serving,
}  # fmt: skip
# What describes one job, so that it cannot be a job of each pool.
RUN_SIZED_BY = ("params", "model", "shape", "tokens", "flops", "loss", "loss_like")
# What a programme usually pays for beside its stages: listed where the file says nothing of it.
USUAL = {
    "ablations": "ablations and scaling runs", "sft": "supervised fine-tuning", "rl": "reinforcement learning",
    "evaluation": "evaluation", "failed": "failed runs and rewinds", "serving": "serving",
}  # fmt: skip
NOT_IN_RENT = {"storage": "storage", "egress": "egress"}


class StageNames(msgspec.Struct, frozen=True, kw_only=True):
    """Versions, and the pools as they were read."""

    catalog_version: str
    hwmodel_version: str
    pools: list[str]


class PoolRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pool of accelerators: its power at the rating, and the hours and names of the stages on it."""

    part: str
    accelerators: int
    rated_site_w: float
    gpu_hours: Band  # of no stage, zero
    stages: list[str]


class BudgetPlan(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A budget of stages; `to_dict` is the JSON contract. `stages`: the lines with what each was computed from."""

    __repr__ = Shown.__repr__

    request: JsonObject
    resolved: StageNames
    budget: Budget
    stages: list[StageLine]
    pools: list[PoolRow]
    post_training: PostTraining | None
    own: list[Owned]
    warnings: list[str]
    limits: tuple[KeptLimit, ...] = ()


def budget(source: Path | str | Options, **options: Unpack[BesideFile]) -> BudgetPlan:
    """Answer a plan file, by its path or as a mapping of the same keys; `options` stand for the file's shared ones.

    Raises InputError for what cannot be read (file, line, nearest key), InfeasibleError where a stage has no answer.
    """
    file = _with_options(read_budget(source), options)
    with said_in(file.name):
        file = committed_file(file)
    catalog = load_catalog(tuple(Path(folder) for folder in _folders(file)))
    with said_in(file.name):
        limits = limits_of(file.options)
        frame = Frame(file=unlimited(file), catalog=catalog, spot=spot_of(file.top.get("spot")))
        pools = pooling.pools_of(file, catalog)
    found, sized = _within(frame, pools, limits, file)
    with said_in(file.name):
        kept = kept_limits(limits, file, found.budget, found.stages)
    return msgspec.structs.replace(
        found, request=_request(file), limits=kept, warnings=[*found.warnings, *_shared(limits, sized)]
    )


def _within(frame: Frame, pools: list[pooling.Pool], limits: WholeLimits, asked: BudgetFile) -> tuple[BudgetPlan, int]:
    """The budget and how many stages the limits size: each of those gets what the others leave, which moves what
    depends on it, until no share moves."""
    sized = [i for i, stage in enumerate(asked.stages) if sized_by_limits(asked, stage)]
    shares = first_shares(limits, sized)
    found, by_stage = _answered(frame, pools, shares)
    for _ in range(TURNS if shares else 0):
        with said_in(asked.name):
            after = next_shares(limits, shares, by_stage, planned(found.budget, asked.top))
        if settled(shares, after):
            break
        shares = after
        found, by_stage = _answered(frame, pools, shares)
    return found, len(sized)


def _answered(
    frame: Frame, pools: list[pooling.Pool], shares: dict[int, StageShare]
) -> tuple[BudgetPlan, list[list[StageLine]]]:
    """The budget where each stage may take its share, and the lines of each stage."""
    frame = msgspec.structs.replace(frame, file=with_shares(frame.file, shares))
    by_stage: list[list[StageLine]] = []
    lines: list[StageLine] = []
    for stage in frame.file.stages:
        with said_of(stage):
            found = _stage_lines(frame, stage, pools, lines)
            pooling.check_rollouts(found[0], pools)
            by_stage.append(found)
            lines += found
    with said_in(frame.file.name):
        if pools:
            pooling.check_used(pools, {line.part for line in lines if line.part} | _other_pools(lines))
        return _whole(frame, pools, lines), by_stage


def _shared(limits: WholeLimits, sized: int) -> list[str]:
    """What several stages that a budget sizes do with it."""
    if limits.budget_usd is None or sized < 2:
        return []
    return [f"the budget is one sum: the {sized} stages that it sizes share evenly what the others leave"]


def one_stage(**options: Unpack[BesideFile]) -> BudgetPlan:
    """A run of pre-training as a budget: `own` buys its accelerators; of several pools (`512xH100+1024xA100`) each
    gets one.

    Raises InputError where the run is sized by itself and one job would have to span the pools.
    """
    pools = str(options.get("gpus") or "").split("+")
    if len(pools) > 1 and not all(pool.strip() for pool in pools):
        raise InputError(f"--gpus {options['gpus']}: a pool is missing; write each like 512xH100+1024xA100")
    if len(pools) == 1:
        return budget({"stages": [{"stage": "pre-training"}]}, **options)
    sized = next((name for name in RUN_SIZED_BY if options.get(name) is not None), None)
    if sized is not None:
        raise InputError(
            f"--gpus {options['gpus']}: one job cannot span two parts, and --{sized.replace('_', '-')} describes one "
            "job; plan it on one of them, or give each its stage in a plan file"
        )
    if options.get("time") is None and options.get("budget") is None:
        options = {**options, "time": "30d"}
    stages = [{"stage": f"pre-training on {pool.strip()}", "kind": "pretrain", "gpus": pool.strip()} for pool in pools]
    return budget({"stages": stages}, **options)


def _with_options(file: BudgetFile, options: BesideFile) -> BudgetFile:
    """The file with options given beside it: those of the whole budget, or those that stages share."""
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    for name in given:
        if name not in OF_PLAN and name not in TOP:
            raise InputError(f"--{name.replace('_', '-')} means nothing beside a plan file: drop one of them")
    top = {name: {} if value is True else value for name, value in given.items() if name in TOP}
    shared = {name: value for name, value in given.items() if name not in TOP}
    return msgspec.structs.replace(file, top={**file.top, **top}, options={**file.options, **shared})


def _folders(file: BudgetFile) -> list[str]:
    return [str(one) for one in listed(file.options.get("catalogs"))]


def _other_pools(lines: list[StageLine]) -> set[str]:
    return {part for line in lines if (part := _rollout_part(line)) is not None}


def _rollout_part(line: StageLine) -> str | None:
    """The part of a pool that rollouts have for themselves."""
    return line.detail.rollout_part if isinstance(line.detail, RlDetail) else None


def _stage_lines(frame: Frame, stage: Stage, pools: list[pooling.Pool], before: list[StageLine]) -> list[StageLine]:
    """The line of a stage, and that of its spares."""
    line = _line(frame, stage, pools, before)
    if not {"spares", "repair"} & set(stage.own) or line.how != COMPUTED:
        return [line]
    ready = spares(frame, stage, line)
    return [line, ready] if ready is not None else [line]


def _line(frame: Frame, stage: Stage, pools: list[pooling.Pool], before: list[StageLine]) -> StageLine:
    if "gpu_hours" in stage.own or "cost_usd" in stage.own:
        fleets = pooling.own_fleet(stage, pools, frame.catalog)
        return entered(frame, stage, fleets[0] if len(fleets) == 1 else None)
    if "share" in stage.own:
        return share_of_pretraining(stage, before, PRETRAINING)
    computed = {name for name in (*stage.own, *stage.options) if name not in ("gpus", "why", "spares", "repair")}
    if stage.kind not in COMPUTE or (not computed and not _sized_above(frame, stage)):
        return not_counted(stage.name, stage.kind, stage.own.get("why"))
    return _waited(frame, _cheapest(frame, stage, pooling.own_fleet(stage, pools, frame.catalog)))


def _waited(frame: Frame, line: StageLine) -> StageLine:
    """The line with the waits for new capacity after preemptions of spot: days, unbilled."""
    if frame.spot is None or line.elapsed_days is None:
        return line
    longer = 1.0 + frame.spot.preemptions_per_hour * frame.spot.wait_h
    return msgspec.structs.replace(line, elapsed_days=line.elapsed_days.scaled(longer))


def _sized_above(frame: Frame, stage: Stage) -> bool:
    """Whether options that all stages share size a stage that says nothing itself."""
    return stage.kind == "pretrain" and bool(set(SIZED_BY) & set(frame.file.options))


def _cheapest(frame: Frame, stage: Stage, fleets: list[str]) -> StageLine:
    """The stage on the fleet where it costs least (takes fewest hours, where nobody quotes one)."""
    if not fleets:
        raise InputError("needs gpus, like 512xH100: neither the stage nor the budget names accelerators")
    compute = COMPUTE[stage.kind]
    if len(fleets) == 1:
        return compute(frame, stage, fleets[0])
    found: list[StageLine] = []
    refused: list[tuple[str, InfeasibleError | InputError]] = []
    for fleet in fleets:
        try:
            found.append(compute(frame, stage, fleet))
        except (InfeasibleError, InputError) as error:
            refused.append((fleet, error))
    if not found:
        raise _nowhere(refused)
    best = min(found, key=price_of)
    others = ", ".join(f"{one.accelerators}x{one.part}" for one in found if one is not best)
    said = f"on {best.accelerators}x{best.part}, where it costs least" + (f" (also tried: {others})" if others else "")
    return msgspec.structs.replace(best, note="; ".join(filter(None, (best.note, said))))


def _nowhere(refused: list[tuple[str, InfeasibleError | InputError]]) -> InfeasibleError | InputError:
    """Why a stage runs on none of the pools: what cannot be read is said first."""
    wrong = next((why for _, why in refused if isinstance(why, InputError)), None)
    if wrong is not None:
        return wrong
    fleet, why = refused[-1]
    return InfeasibleError(
        f"fits no pool of its own, and one job cannot span two parts; on {fleet}: {why}",
        binding=getattr(why, "binding", ""),
        remedy=getattr(why, "remedy", ""),
    )


def _whole(frame: Frame, pools: list[pooling.Pool], lines: list[StageLine]) -> BudgetPlan:
    top = frame.file.top
    slots = schedule(lines)
    bought: list[Owned] = []
    terms = frame.file.top.get("own")
    if terms is not None:
        bought = [owned(terms, _pool_setting(frame, p), p.accelerators, slots) for p in _owned_pools(pools, lines)]
        mine = {one.part: one for one in bought}
        lines = [priced(line, mine[line.part]) if line.part in mine else line for line in lines]
        slots = schedule(lines)
    idle = _idle(frame, pools, lines, slots)
    extras = _extras(top, slots)
    absent = _absent(lines, top)
    every = [*lines, *idle, *extras, *absent]
    contingency = contingency_of(top, every)
    return BudgetPlan(
        request=_request(frame.file),
        resolved=StageNames(catalog_version=frame.catalog.version, hwmodel_version=__version__,
                            pools=[pool.fleet for pool in pools]),
        budget=budget_of(every, contingency, cash_flow(slots, extras, bought, idle, contingency.usd)),
        stages=every, pools=[_pool_row(pool, lines) for pool in pools], post_training=post_training(lines),
        own=bought, warnings=_warnings(lines),
    )  # fmt: skip


def _request(file: BudgetFile) -> JsonObject:
    """The file as it was read, under its own keys."""
    stages = [{"stage": one.name, "kind": one.kind, **one.own, **one.options} for one in file.stages]
    return cast("JsonObject", {"file": file.name, **file.options, **file.top, "stages": stages})


def _idle(frame: Frame, pools: list[pooling.Pool], lines: list[StageLine], slots: list[Slot]) -> list[StageLine]:
    """The hours of committed pools that no stage uses, a line for each pool."""
    terms = frame.file.top.get("commit")
    if terms is None:
        return []
    apart = next((line for line in lines if _rollout_part(line) not in (None, line.part)), None)
    if apart is not None:
        raise InputError(f"commit cannot divide the hours of {apart.stage!r} between two parts: enter its cost_usd")
    years = years_of(terms)
    found = [idle_line(years, _pool_setting(frame, p), p.accelerators, slots) for p in _owned_pools(pools, lines)]
    return [line for line in found if line.cost_usd is not None and line.cost_usd.value > 0.0]


def _owned_pools(pools: list[pooling.Pool], lines: list[StageLine]) -> list[pooling.Pool]:
    """The pools of the budget, or one for each part that its stages name."""
    if pools:
        return pools
    most: dict[str, int] = {}
    for line in lines:
        if line.part is not None and line.accelerators:
            most[line.part] = max(most.get(line.part, 0), line.accelerators)
    return [pooling.Pool(part=part, accelerators=count, rated_w=0.0) for part, count in most.items()]


def _pool_setting(frame: Frame, pool: pooling.Pool) -> Fleeted:
    shared = alone(frame.file.options, "region", "pue", "usd_per_hour", "prices", "price_kind")
    asked: PlanOptions = {**shared, "gpus": pool.fleet, "params": "1B", "tokens": "1B"}
    return frame.setting(asked)


def _pool_row(pool: pooling.Pool, lines: list[StageLine]) -> PoolRow:
    used = [line.gpu_hours for line in lines if line.part == pool.part and line.gpu_hours is not None]
    return PoolRow(
        part=pool.part, accelerators=pool.accelerators, rated_site_w=pool.accelerators * pool.rated_w,
        gpu_hours=added(used) or certain(0.0), stages=[line.stage for line in lines if line.part == pool.part],
    )  # fmt: skip


def _extras(top: BudgetKeys, slots: list[Slot]) -> list[StageLine]:
    """Storage over all months and egress once, as entered, where the file has them."""
    found = []
    if (kept := top.get("storage")) is not None:
        _check_priced("storage", kept, "tb", "usd_per_tb_month")
        months = max((slot.end_days for slot in slots), default=0.0) / DAYS_PER_MONTH
        each = usd(kept["usd_per_tb_month"], "usd_per_tb_month")
        found.append(_extra("storage", rate(kept["tb"], "tb") * each * months))
    if (moved := top.get("egress")) is not None:
        _check_priced("egress", moved, "tb", "usd_per_tb")
        found.append(_extra("egress", rate(moved["tb"], "tb") * usd(moved["usd_per_tb"], "usd_per_tb")))
    return found


def _check_priced(name: str, given: Collection[str], *keys: str) -> None:
    lacking = [key for key in keys if key not in given]
    if lacking:
        raise InputError(f"{name} needs {' and '.join(lacking)}: no price is assumed")


def _extra(name: str, money: float) -> StageLine:
    return StageLine(stage=NOT_IN_RENT[name], kind=name, how="entered", cost_usd=Band(money, money, money))


def _absent(lines: list[StageLine], top: BudgetKeys) -> list[StageLine]:
    """What the file says nothing of: never zero, listed."""
    seen = {line.kind for line in lines}
    usual = [not_counted(said, kind) for kind, said in USUAL.items() if kind not in seen]
    return usual + [not_counted(said, name) for name, said in NOT_IN_RENT.items() if name not in top]


def _warnings(lines: list[StageLine]) -> list[str]:
    unpriced = sorted(
        {line.part for line in lines if line.part and line.gpu_hours is not None and line.cost_usd is None}
    )
    return [f"no price of {part} is known: its hours are counted, its money is not" for part in unpriced if part]
