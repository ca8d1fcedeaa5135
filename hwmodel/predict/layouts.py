"""The one layout space: what is fixed and a policy give every way to spread a model over a fleet, as columns."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.ops import Num
from hwmodel.physics import shape as shape_physics
from hwmodel.predict import recompute
from hwmodel.predict.columns import code_of, told_apart
from hwmodel.predict.kept import KeptByRows
from hwmodel.predict.policy import FULL_SHARD, Policy, Values
from hwmodel.predict.schedules import interleaves, of_pipeline, virtual_stages
from hwmodel.predict.space import LayoutSpace
from hwmodel.specs import Layout, Shape
from hwmodel.specs.layout import ONE_F_ONE_B

Column = NDArray[np.float64]
Index = NDArray[np.int64]

TENSOR = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
PIPELINE = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 24.0, 32.0, 36.0, 48.0, 64.0)
MICRO_BATCH = (1.0, 2.0, 4.0, 8.0, 16.0)
# Ring or all-to-all context parallelism below this share of a sequence a rank costs more than it saves.
CONTEXT_TOKENS_PER_RANK = 4096
# A fleet larger than its batch must split sequences too, into at most so many parts.
CONTEXT_OF_SMALL_BATCH = (1.0, 2.0, 4.0, 8.0)
# Columns of the table of options; `mode` is a place in the policy's ways to recompute and to offload.
SEARCHED = ("tp", "cp", "pp", "vpp", "ep", "etp", "micro_batch", "mode", "zero", "schedule")
SPLIT_COLUMNS = 4  # of them, those of a split
KEPT_ROWS = 1 << 18  # of options that are kept, of about a hundred bytes each


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    """Questions about one shape answered together, a row each: a fleet, and a batch given or only capped [seqs]."""

    shape: Shape
    accelerators: Column
    batch_cap_seqs: Column
    batch_given: bool
    seq_len: float
    trainable_fraction: float = 1.0  # below one: adapters on frozen weights

    @property
    def count(self) -> int:
        return len(self.accelerators)


class _Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What of the shape, the fleet and the batch bounds the discrete choices."""

    layers: float
    heads: float
    experts: float
    latent: bool
    seq_len: float
    fleet: float
    domain: float
    batch_below_fleet: bool


def _limits(cases: Cases, domain: float) -> _Limits:
    blocks = cases.shape.blocks
    fleet = float(np.max(cases.accelerators))
    return _Limits(
        layers=float(shape_physics.layers(cases.shape)),
        heads=min((float(block.n_heads) for block in blocks if block.n_heads > 0), default=1.0),
        experts=max((float(block.n_experts) for block in blocks), default=0.0),
        latent=_latent(cases.shape),
        seq_len=float(cases.seq_len),
        fleet=fleet,
        domain=domain,
        batch_below_fleet=cases.batch_given and float(np.min(cases.batch_cap_seqs)) < fleet,
    )


def _told_apart(limits: _Limits, p: Policy) -> _Limits:
    """The same limits for all fleets that hold the widest split: their tables are one."""
    widest = math.prod(max(sizes, default=0.0) for sizes in _ways(limits, p))
    return msgspec.structs.replace(limits, fleet=min(limits.fleet, widest))


def _context(limits: _Limits) -> Values:
    most = max(0, round(math.log2(limits.seq_len / CONTEXT_TOKENS_PER_RANK)))
    long = tuple(2.0**i for i in range(most + 1))
    return tuple(sorted({*long, *CONTEXT_OF_SMALL_BATCH})) if limits.batch_below_fleet else long


def _expert_ways(limits: _Limits) -> Values:
    """Powers of two that divide the experts."""
    if limits.experts <= 1:
        return (1.0,)
    powers = (2.0**i for i in range(int(math.log2(limits.experts)) + 1))
    return tuple(e for e in powers if limits.experts % e == 0)


def _ways(limits: _Limits, p: Policy) -> tuple[list[float], list[float], list[float]]:
    """Tensor, context and pipeline sizes that the shape admits, whatever the fleet. Heads divide over tensor ranks and
    the sequence over context ranks, no pipeline stage is empty; what the policy trusts is not checked."""

    def tensor(t: float) -> bool:
        return p.trusts("tp") or (limits.heads % t == 0 and (t <= limits.domain or p.stated("tp")))

    def stages(s: float) -> bool:
        return p.trusts("pp") or math.ceil(limits.layers / s) * (s - 1) < limits.layers

    tensors = [t for t in p.choices("tp", TENSOR) if tensor(t)]
    contexts = [c for c in p.choices("cp", _context(limits)) if p.trusts("cp") or limits.seq_len % c == 0]
    return tensors, contexts, [s for s in p.choices("pp", PIPELINE) if stages(s)]


def _splits(limits: _Limits, p: Policy) -> list[Values]:
    """Tensor, context, pipeline and virtual sizes that the fleet holds; virtual stages (nearly) divide the layers."""

    def virtual(s: float, v: float) -> bool:
        if s == 1:  # a run that states both is taken at its word
            return v == 1 or (p.trusts("vpp") and p.stated("pp"))
        return v == 1 or p.trusts("vpp") or interleaves(limits.layers, s * v)

    virtuals = p.choices("vpp", virtual_stages(p.schedules, p.virtual))
    return [
        (t, c, s, v)
        for t, c, s, v in product(*_ways(limits, p), virtuals)
        if t * c * s <= limits.fleet and virtual(s, v)
    ]


def _shards(stages: float, zero: float, p: Policy) -> bool:
    """Weights gathered for every layer and pass (FSDP) do not combine with a pipeline, unless a run says so."""
    return zero < FULL_SHARD or stages == 1 or p.stated("zero") or (p.stated("pp") and len(p.zero) == 1)


def _expert_tensor(limits: _Limits, tensor: float, p: Policy) -> Values:
    """Ranks that share an expert: one, or all of a tensor-parallel group."""
    usual = (1.0, tensor) if limits.experts > 1 and tensor > 1 else (1.0,)
    return tuple(e for e in p.choices("etp", usual) if tensor % e == 0)


def modes_of(shape: Shape, p: Policy) -> tuple[recompute.Mode, ...]:
    """The ways to recompute and to offload that `mode` counts."""
    return _modes(any(float(block.n_experts) > 0 for block in shape.blocks), _latent(shape), p)


def _latent(shape: Shape) -> bool:
    return any(float(block.kv_lora_rank) > 0 for block in shape.blocks)


def _modes(mixture: bool, latent: bool, p: Policy) -> tuple[recompute.Mode, ...]:
    return (p.modes_of_latent if latent else p.modes_of_mixtures) if mixture else p.modes


def _option_table(limits: _Limits, p: Policy) -> NDArray[np.float64]:
    modes = _modes(limits.experts > 0, limits.latent, p)
    experts = p.choices("ep", _expert_ways(limits))
    places = [float(i) for i in range(len(modes))]
    alone = list(product(p.choices("micro_batch", MICRO_BATCH), places, p.choices("zero", p.zero)))  # of one stage
    staged = [rest for rest in alone if _shards(2.0, rest[2], p)]  # the same of any number of stages beyond one
    splits = _splits(limits, p)
    blocks: dict[tuple[float, Values, bool], NDArray[np.float64]] = {}  # what follows a split, by what decides it
    interleaved = p.choices("vpp", p.virtual)
    kinds = [(t, of_pipeline(p.schedules, s, v, interleaved), s == 1) for t, _, s, v in splits]
    for kind in kinds:
        if kind not in blocks:
            shared = product(experts, _expert_tensor(limits, kind[0], p))
            every = product(shared, alone if kind[2] else staged, kind[1])
            rows = [(*ways, *rest, schedule) for ways, rest, schedule in every]
            blocks[kind] = np.array(rows, dtype=float).reshape(-1, len(SEARCHED) - SPLIT_COLUMNS)
    following = [blocks[kind] for kind in kinds]
    if not following:
        return np.empty((0, len(SEARCHED)))
    leading = np.repeat(np.array(splits, dtype=float), [len(block) for block in following], axis=0)
    table = np.hstack([leading, np.concatenate(following)])
    table.setflags(write=False)
    return table


def option_table(cases: Cases, domain: float, p: Policy) -> NDArray[np.float64]:
    """The combinations of discrete choices that the shape admits, before they are held against a fleet; a row each.

    Columns as in SEARCHED.
    """
    return _table(_told_apart(_limits(cases, domain), p), p)


def _table(limits: _Limits, p: Policy) -> NDArray[np.float64]:
    known = _TABLES.get((limits, p))
    return _TABLES.keep((limits, p), _option_table(limits, p)) if known is None else known


def _largest_divisor(count: float, at_most: Column) -> Column:
    """Largest divisor of `count` not above each entry; 0 where there is none."""
    whole = int(count)
    small = [d for d in range(1, math.isqrt(whole) + 1) if whole % d == 0]
    divisors = np.array(sorted({*small, *(whole // d for d in small)}), dtype=float)
    place = np.searchsorted(divisors, at_most, side="right") - 1
    return np.where(place >= 0, divisors[np.maximum(place, 0)], 0.0)


def expert_grain(ranks: Column, experts: Column) -> Column:
    """Replicas come in multiples of this, so that expert-parallel groups divide the ranks of a stage."""
    groups = experts.astype(np.int64)
    return groups / np.gcd(groups, ranks.astype(np.int64))


def _data_parallel(dp_most: Column, grain: Column, micro: Column, batch: Column, given: bool) -> tuple[Column, Column]:
    """Replicas and global batch [seqs] of each row, whole grains of them: a given batch must divide, a capped one is
    filled. Columns that broadcast, `dp_most` and `batch` whole."""
    if not given:
        dp = np.floor(np.minimum(dp_most, np.floor(batch / micro)) / grain) * grain
        per_step = np.maximum(dp * micro, 1.0)
        return dp, np.floor(batch / per_step) * per_step
    dp = np.zeros_like(dp_most)
    shares, grain = (np.broadcast_to(one, dp.shape) for one in (micro * grain, grain))
    for b, share in product(np.unique(batch), np.unique(shares)):
        if b % share == 0:
            rows = (batch == b) & (shares == share)
            dp[rows] = _largest_divisor(b / share, np.floor(dp_most[rows] / grain[rows])) * grain[rows]
    return dp, batch


def _whole_fleet(dp: Column, micro: Column, batch: Column, p: Policy) -> tuple[NDArray[np.bool_], Column]:
    """Rows that use every accelerator, and their micro-batches: those that divide the batch, or (where none does) the
    smallest, a batch of uneven replicas read as their average."""
    sized = all(p.stated(name) for name in ("tp", "cp", "pp"))
    keep = (dp == np.floor(dp)) & (dp >= 1.0) & (sized | (dp <= batch))
    told = keep & np.isin(dp, p.choices("dp", ()))
    if told.any() and not sized:  # the fleet decides where stated replicas do not multiply out
        keep = told
    with np.errstate(divide="ignore", invalid="ignore"):
        even = keep & (np.mod(batch, micro * dp) == 0)
        if even.any():
            return even, micro
        if p.stated("micro_batch"):
            return keep, micro
        return keep & (micro == MICRO_BATCH[0]), np.minimum(micro, batch / dp)


def _mode_columns(mode: Column, modes: tuple[recompute.Mode, ...]) -> dict[str, Num]:
    """The fields of each row's mode: one number where all modes agree, so that the physics can skip what is absent."""
    index = mode.astype(np.intp)
    columns: dict[str, Num] = {}
    for field in {name for one in modes for name, _ in one}:
        values = np.array([dict(one).get(field, 0.0) for one in modes])
        columns[field] = float(values[0]) if (values == values[0]).all() else values[index]
    return columns


def fuller(cases: Cases, space: LayoutSpace, rounds_more: Num) -> LayoutSpace:
    """The layouts again with fewer replicas and so many micro-batches more each (a number, or one for each layout),
    which may fill more of a capped batch.

    Replicas that share a cap unevenly leave a part of it: of 216 sequences, 120 replicas step with 120, 108 with 216.
    """
    one, micro = space.settings("tp", "cp", "ep", "etp"), space.micro_batch
    grain = expert_grain(one["tp"] * one["cp"], one["ep"] * one["etp"])
    rounds = np.round(space.batch_seqs / (space.dp * micro)) + rounds_more
    fewer = np.floor(cases.batch_cap_seqs[space.case] / (micro * rounds) / grain) * grain
    return msgspec.structs.replace(space, dp=fewer, batch_seqs=fewer * micro * rounds)


def layout_space(cases: Cases, domain: float, p: Policy) -> LayoutSpace:
    """All layouts that the cases admit: the options of the shape times each fleet, with the replicas that divide."""
    table = option_table(cases, domain, p)
    # Columns of the options; what is needed of every case and option is repeated, the rest gathered for what stays.
    tp, cp, pp, _, ep, etp, micro_batch, *_ = table.T
    case = np.repeat(np.arange(cases.count), len(table))
    ways, micro = (np.tile(column, cases.count) for column in (tp * cp * pp, micro_batch))
    batch = cases.batch_cap_seqs[case]
    if p.exact:
        dp = cases.accelerators[case] / ways
        keep, micro = _whole_fleet(dp, micro, batch, p)
    else:
        most, grain = np.floor(cases.accelerators[case] / ways), np.tile(expert_grain(tp * cp, ep * etp), cases.count)
        dp, batch = _data_parallel(most, grain, micro, batch, cases.batch_given)
        keep = (dp >= 1) & (batch >= 1)
    if p.exact and not p.trusts("ep"):
        keep &= np.mod(np.tile(tp * cp, cases.count) * dp, np.tile(ep * etp, cases.count)) == 0
    rows = np.flatnonzero(keep)
    return LayoutSpace(
        options=option_columns(cases.shape, p, table), option=rows % max(1, len(table)), case=case[rows], dp=dp[rows],
        batch_seqs=batch[rows], own_micro_batch=micro[rows] if p.exact else None,
    )  # fmt: skip


def option_columns(shape: Shape, p: Policy, table: NDArray[np.float64]) -> Layout:
    """The table of options as layouts of one replica; a number where a setting is that of a plain layout in all."""
    return _columns(modes_of(shape, p), p, table)


def _columns(modes: tuple[recompute.Mode, ...], p: Policy, table: NDArray[np.float64]) -> Layout:
    tp, cp, pp, vpp, ep, etp, micro, mode, zero, schedule = np.ascontiguousarray(table.T)
    parallel = p.choices("sequence_parallel", (p.sequence_parallel,))[0]
    return Layout(
        tp=tp, cp=cp, pp=pp, vpp=vpp, ep=ep, zero=zero, micro_batch=micro,
        etp=etp if np.any(etp > 1) else 1.0, schedule=schedule if np.any(schedule > 0) else ONE_F_ONE_B,
        sequence_parallel=np.where(tp > 1, parallel, 0.0),
        **_mode_columns(mode, modes),
    )  # fmt: skip


class OptionKinds(NamedTuple):
    """The options of a shape: layouts of one replica, their kinds (columns as `kinds_of`) and the kind of each."""

    layout: Layout
    kinds: Column
    kind: Index


_TABLES: KeptByRows[NDArray[np.float64]] = KeptByRows(KEPT_ROWS, len)
_OPTIONS: KeptByRows[OptionKinds] = KeptByRows(KEPT_ROWS, lambda one: len(one.kind))


def _options(limits: _Limits, p: Policy) -> OptionKinds:
    table = _table(limits, p)
    each = kinds_of(table)
    found = told_apart(*code_of(each[0]))
    for column in each[1:]:
        place, count = code_of(column)
        found = told_apart(found.place * count + place, len(found.first) * count)
    layout = _columns(_modes(limits.experts > 0, limits.latent, p), p, table)
    return OptionKinds(layout, each[:, found.first], found.place)


def options_of(cases: Cases, domain: float, p: Policy) -> OptionKinds:
    """The options that the shape admits, before they are held against a fleet: shared, and never written to."""
    limits = _told_apart(_limits(cases, domain), p)
    return _OPTIONS.get((limits, p)) or _OPTIONS.keep((limits, p), _options(limits, p))


def kinds_of(table: NDArray[np.float64]) -> Column:
    """What of each option decides its replicas on a fleet: accelerators of one, sequences of a micro-batch, grain."""
    tp, cp, pp, _, ep, etp, micro, *_ = table.T
    return np.stack([tp * cp * pp, micro, expert_grain(tp * cp, ep * etp)])


def replicas(cases: Cases, ways: Column, micro: Column, grain: Column) -> tuple[Column, Column]:
    """Replicas and batch [seqs] of kinds of options on each case: rows are kinds, columns are cases; where a kind does
    not fit a case, less than one."""
    most = np.floor(cases.accelerators / ways[:, None])
    batch = np.broadcast_to(cases.batch_cap_seqs, most.shape)
    return _data_parallel(most, grain[:, None], micro[:, None], batch, cases.batch_given)
