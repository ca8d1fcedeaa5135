"""The space of layouts: every way to spread a model over a fleet that frameworks accept, as columns."""

from __future__ import annotations

import math
from itertools import product

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics import shape as shape_physics
from hwmodel.physics.columns import take
from hwmodel.specs import Layout, Shape

Column = NDArray[np.float64]

TENSOR = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
PIPELINE = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 24.0, 32.0, 36.0, 48.0, 64.0)
VIRTUAL = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0)
MICRO_BATCH = (1.0, 2.0, 4.0, 8.0, 16.0)
RECOMPUTE = (0.0, 1.0, 1.25, 1.5, 1.75, 2.0)  # none, selective, whole in a share of the layers, full
# Ring or all-to-all context parallelism below this share of a sequence a rank costs more than it saves.
CONTEXT_TOKENS_PER_RANK = 4096


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    """Questions about one shape answered together, a row each: a fleet, and a batch given or only capped [seqs]."""

    shape: Shape
    accelerators: Column
    batch_cap_seqs: Column
    batch_given: bool
    seq_len: float

    @property
    def count(self) -> int:
        return len(self.accelerators)


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """Layouts of all cases below each other: `case` says which one a row belongs to."""

    case: NDArray[np.int64]
    layout: Layout
    batch_seqs: Column

    @property
    def count(self) -> int:
        return len(self.case)

    def rows(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Space:
        return Space(case=self.case[index], layout=take(self.layout, index), batch_seqs=self.batch_seqs[index])


def _choices(key: str, given: dict[str, float], usual: tuple[float, ...]) -> tuple[float, ...]:
    return (given[key],) if key in given else usual


def _context(seq_len: float) -> tuple[float, ...]:
    most = max(0, round(math.log2(seq_len / CONTEXT_TOKENS_PER_RANK)))
    return tuple(2.0**i for i in range(most + 1))


def _expert_ways(shape: Shape) -> tuple[float, ...]:
    most = max((float(block.n_experts) for block in shape.blocks), default=0.0)
    return tuple(2.0**i for i in range(int(math.log2(most)) + 1)) if most > 1 else (1.0,)


def option_table(cases: Cases, domain: float, given: dict[str, float]) -> NDArray[np.float64]:
    """The combinations of discrete choices that the shape admits, before they are held against a fleet; a row each.

    Heads divide over tensor ranks and the sequence over context ranks, no pipeline stage is empty, virtual stages
    (nearly) divide the layers.
    Columns: tp, cp, pp, vpp, ep, micro-batch, recompute, zero.
    """
    layers = float(shape_physics.layers(cases.shape))
    heads = _least_heads(cases.shape)
    fleet = float(np.max(cases.accelerators))
    tensor = [t for t in _choices("tp", given, TENSOR) if heads % t == 0 and (t <= domain or "tp" in given)]
    pipelines = [p for p in _choices("pp", given, PIPELINE) if p <= fleet and math.ceil(layers / p) * (p - 1) < layers]
    split = [
        (t, c, p, v)
        for t, c, p, v in product(tensor, _choices("cp", given, _context(cases.seq_len)), pipelines,
                                  _choices("vpp", given, VIRTUAL))
        if t * c * p <= fleet and cases.seq_len % c == 0 and (v == 1 or (p > 1 and _interleaves(layers, p * v)))
    ]  # fmt: skip
    # Weights gathered for every layer and pass (FSDP) do not combine with a pipeline in the stacks that we know.
    rest = product(
        _choices("ep", given, _expert_ways(cases.shape)),
        _choices("micro_batch", given, MICRO_BATCH),
        _choices("recompute", given, RECOMPUTE),
        _choices("zero", given, (1.0, 3.0)),
    )
    rows = [(*a, *b) for a, b in product(split, list(rest)) if b[3] < 3 or a[2] == 1 or "zero" in given]
    return np.array(rows, dtype=float).reshape(-1, 8)


# Layers missing from the last virtual stages (first and last often carry one less), as a share of all layers.
UNEVEN_SHARE = 0.05


def _interleaves(layers: float, chunks: float) -> bool:
    """Whether so many virtual stages of equal depth hold the layers, but for a few missing at the ends."""
    return chunks <= layers and math.ceil(layers / chunks) * chunks - layers <= UNEVEN_SHARE * layers


def _largest_divisor(count: float, at_most: Column) -> Column:
    """Largest divisor of `count` not above each entry; 0 where there is none."""
    whole = int(count)
    small = [d for d in range(1, math.isqrt(whole) + 1) if whole % d == 0]
    divisors = np.array(sorted({*small, *(whole // d for d in small)}), dtype=float)
    place = np.searchsorted(divisors, at_most, side="right") - 1
    return np.where(place >= 0, divisors[np.maximum(place, 0)], 0.0)


def _data_parallel(dp_most: Column, micro: Column, batch: Column, given: bool) -> tuple[Column, Column]:
    """Replicas and global batch [seqs] of each row: a given batch must divide, a capped one is filled."""
    if not given:
        dp = np.minimum(dp_most, np.floor(batch / micro))
        per_step = np.maximum(dp * micro, 1.0)
        return dp, np.floor(batch / per_step) * per_step
    dp = np.zeros_like(dp_most)
    for b, mb in {(float(b), float(m)) for b, m in zip(batch, micro)}:
        rows = (batch == b) & (micro == mb)
        if b % mb == 0:
            dp[rows] = _largest_divisor(b / mb, dp_most[rows])
    return dp, batch


def layout_space(cases: Cases, domain: float, given: dict[str, float]) -> Space:
    """All layouts that the cases admit: the options of the shape times each fleet, with the replicas that divide."""
    table = option_table(cases, domain, given)
    case = np.repeat(np.arange(cases.count), len(table))
    tp, cp, pp, vpp, ep, micro, recompute, zero = np.tile(table, (cases.count, 1)).T
    dp_most = np.floor(cases.accelerators[case] / (tp * cp * pp))
    dp, batch = _data_parallel(dp_most, micro, cases.batch_cap_seqs[case], cases.batch_given)
    keep = (dp >= 1) & (batch >= 1)
    keep &= np.mod(dp * cp, ep) == 0
    rows = np.flatnonzero(keep)
    layout = Layout(
        tp=tp[rows], cp=cp[rows], pp=pp[rows], vpp=vpp[rows], ep=ep[rows], dp=dp[rows],
        zero=zero[rows], micro_batch=micro[rows], recompute=recompute[rows],
        sequence_parallel=np.where(tp[rows] > 1, 1.0, 0.0),
    )  # fmt: skip
    return Space(case=case[rows], layout=layout, batch_seqs=batch[rows])


def _least_heads(shape: Shape) -> float:
    return min((float(block.n_heads) for block in shape.blocks if block.n_heads > 0), default=1.0)
