"""Which layouts are worth trying, on a model of 4 layers and 8 heads: each count worked out in the comments."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import BLOCK, SHAPE, STACK

from hwmodel.predict.layouts import (
    Cases,
    _context,
    _data_parallel,
    _expert_tensor,
    _expert_ways,
    _largest_divisor,
    _limits,
    _mode_columns,
    _option_table,
    _shards,
    _splits,
    _told_apart,
    _whole_fleet,
    expert_grain,
    fuller,
    kinds_of,
    layout_space,
    modes_of,
    option_columns,
    option_table,
    replicas,
)
from hwmodel.predict.policy import Policy, policy
from hwmodel.predict.schedules import interleaves, of_pipeline, virtual_stages
from hwmodel.predict.space import LayoutSpace
from hwmodel.specs import Layout, Shape
from hwmodel.specs.layout import DUALPIPE, DUALPIPE_V, ONE_F_ONE_B, ZB_H1, ZB_H2

EVERY = (ONE_F_ONE_B, ZB_H1, ZB_H2, DUALPIPE, DUALPIPE_V)
EXPERTS = msgspec.structs.replace(BLOCK, count=2.0, n_heads=16.0, n_experts=6.0, top_k=2.0)
MIXTURE = msgspec.structs.replace(SHAPE, blocks=(msgspec.structs.replace(BLOCK, count=2.0), EXPERTS))


def cases(
    *accelerators: float, shape: Shape = SHAPE, cap: float = 64.0, given: bool = False, seq: float = 1024.0
) -> Cases:
    return Cases(shape=shape, accelerators=np.array(accelerators), batch_cap_seqs=np.full(len(accelerators), cap),
                 batch_given=given, seq_len=seq)  # fmt: skip


def column(*values: float) -> Any:
    return np.array(values)


def test_what_bounds_the_choices() -> None:
    # The largest fleet, the least batch, the fewest heads, the most experts.
    found = _limits(cases(8.0, 64.0, shape=MIXTURE, cap=63.0, given=True), 4.0)
    assert (found.layers, found.heads, found.experts, found.fleet, found.domain) == (4.0, 8.0, 6.0, 64.0, 4.0)
    assert (found.seq_len, found.latent, found.batch_below_fleet) == (1024.0, False, True)
    assert not _limits(cases(8.0, 64.0, cap=64.0, given=True), 4.0).batch_below_fleet
    assert not _limits(cases(8.0, 64.0, cap=63.0), 4.0).batch_below_fleet
    # A layer without attention heads bounds nothing.
    mixed = msgspec.structs.replace(SHAPE, blocks=(BLOCK, msgspec.structs.replace(BLOCK, n_heads=0.0)))
    assert _limits(cases(8.0, shape=mixed), 4.0).heads == 8.0
    latent = msgspec.structs.replace(SHAPE, blocks=(BLOCK, msgspec.structs.replace(BLOCK, kv_lora_rank=64.0)))
    assert _limits(cases(8.0, shape=latent), 4.0).latent


@pytest.mark.parametrize(
    ("seq", "short", "ways"),
    [
        # A rank for 4,096 tokens: one of 2,048, two of 8,192, log2 3 = 1.58 is two doublings.
        (2048.0, False, (1.0,)), (8192.0, False, (1.0, 2.0)), (12288.0, False, (1.0, 2.0, 4.0)),
        # A batch smaller than the fleet is split up to eight ways.
        (2048.0, True, (1.0, 2.0, 4.0, 8.0)), (65536.0, True, (1.0, 2.0, 4.0, 8.0, 16.0)),
    ],
)  # fmt: skip
def test_ways_to_split_a_sequence(seq: float, short: bool, ways: tuple[float, ...]) -> None:
    assert _context(_limits(cases(64.0, cap=32.0, given=short, seq=seq), 8.0)) == ways


def test_ways_to_spread_experts() -> None:
    # Powers of two that divide them; a single expert is none.
    for experts, ways in (
        (0.0, (1.0,)),
        (1.0, (1.0,)),
        (2.0, (1.0, 2.0)),
        (6.0, (1.0, 2.0)),
        (8.0, (1.0, 2.0, 4.0, 8.0)),
    ):
        shape = msgspec.structs.replace(SHAPE, blocks=(msgspec.structs.replace(BLOCK, n_experts=experts),))
        assert _expert_ways(_limits(cases(8.0, shape=shape), 8.0)) == ways
    # One rank of a tensor-parallel group, or all; what is stated where it divides the group.
    limits, open_ = _limits(cases(8.0, shape=MIXTURE), 8.0), Policy()
    assert _expert_tensor(limits, 4.0, open_) == (1.0, 4.0)
    assert _expert_tensor(limits, 1.0, open_) == (1.0,)
    assert _expert_tensor(_limits(cases(8.0), 8.0), 4.0, open_) == (1.0,)
    assert _expert_tensor(limits, 4.0, Policy(fixed=(("etp", (2.0, 3.0)),))) == (2.0,)


def test_splits_of_a_small_model() -> None:
    # Tensor ranks 1, 2, 4, 8 of eight heads in a domain of eight. Stages: of 4 layers 1, 2 or 4 (three would leave one
    # empty: two layers each on two of them are all). Two stages of two chunks hold one layer each; four hold no more.
    found = _splits(_limits(cases(16.0), 8.0), Policy(virtual=(1.0, 2.0)))
    staged = [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0), (4.0, 1.0)]
    # On sixteen accelerators eight tensor ranks leave two stages.
    assert found == [(t, 1.0, s, v) for t in (1.0, 2.0, 4.0, 8.0) for s, v in staged if t * s <= 16]
    # A domain of four bounds what is searched, not what is stated; heads are not split either way.
    plain = {t for t, *_ in _splits(_limits(cases(16.0), 4.0), Policy())}
    assert plain == {1.0, 2.0, 4.0}
    stated = (("tp", (8.0, 16.0)),)
    assert {t for t, *_ in _splits(_limits(cases(16.0), 4.0), Policy(fixed=stated))} == {8.0}
    assert {t for t, *_ in _splits(_limits(cases(16.0), 4.0), Policy(fixed=stated, exact=True))} == {8.0, 16.0}


def test_fleets_that_hold_the_widest_split_share_their_options() -> None:
    # Eight tensor ranks in a domain of eight, stages of 4 layers up to four: 32 accelerators hold every split.
    def fleet(count: float, **given: tuple[float, ...]) -> float:
        return _told_apart(_limits(cases(count), 8.0), Policy(fixed=tuple(given.items()))).fleet

    assert [fleet(count) for count in (1.0, 31.0, 32.0, 33.0, 4096.0)] == [1.0, 31.0, 32.0, 32.0, 32.0]
    # Two tensor ranks and two stages, where no more are asked for.
    assert fleet(4096.0, pp=(2.0,), tp=(1.0, 2.0)) == 4.0
    # 16k tokens go over up to four ranks of 4k each.
    long = cases(4096.0, seq=16_384.0)
    assert _told_apart(_limits(long, 8.0), Policy()).fleet == 128.0
    for one in (cases(31.0), cases(32.0), cases(512.0), long):
        assert len(option_table(one, 8.0, Policy())) == len(_option_table(_limits(one, 8.0), Policy()))


def test_what_a_run_states_is_taken_at_its_word() -> None:
    def found(exact: bool, fleet: float = 64.0, **fixed: float) -> list[tuple[float, ...]]:
        given = tuple((name, (value,)) for name, value in fixed.items())
        return _splits(_limits(cases(fleet, seq=1000.0), 8.0), Policy(fixed=(("tp", (1.0,)), *given), exact=exact))  # type: ignore[return-value]

    assert found(False, pp=3.0) == []
    assert found(True, pp=3.0) == [(1.0, 1.0, 3.0, 1.0)]
    assert found(True, 2.0, pp=3.0) == []  # but not beyond the fleet
    assert found(False, cp=3.0, pp=1.0) == []  # 1,000 tokens over three ranks
    assert found(True, cp=3.0, pp=1.0) == [(1.0, 3.0, 1.0, 1.0)]
    assert found(False, cp=4.0, pp=1.0) == [(1.0, 4.0, 1.0, 1.0)]
    assert found(False, pp=2.0, vpp=4.0) == []  # eight chunks of four layers
    assert found(True, pp=2.0, vpp=4.0) == [(1.0, 1.0, 2.0, 4.0)]
    assert found(False, pp=1.0, vpp=2.0) == []
    assert found(True, pp=1.0, vpp=2.0) == [(1.0, 1.0, 1.0, 2.0)]
    assert {s for _, _, s, _ in found(True, vpp=2.0)} == {2.0, 4.0}


def test_gathered_weights_stand_without_a_pipeline() -> None:
    either, always = Policy(), Policy(zero=(3.0,))
    assert _shards(2.0, 2.0, either)
    assert _shards(1.0, 3.0, either)
    assert not _shards(2.0, 3.0, either)
    assert not _shards(2.0, 3.0, always)
    assert _shards(2.0, 3.0, Policy(fixed=(("zero", (3.0,)),)))
    # Of a stack that always gathers, stages are stated beside it.
    assert _shards(2.0, 3.0, msgspec.structs.replace(always, fixed=(("pp", (2.0,)),)))
    assert not _shards(2.0, 3.0, Policy(fixed=(("pp", (2.0,)),)))


def test_the_table_of_options() -> None:
    # Five micro-batches, sharded either way without stages (four splits: 40), one way with them (eleven: 55).
    found = option_table(cases(16.0), 8.0, Policy(virtual=(1.0, 2.0)))
    assert len(found) == 40 + 55
    # Two modes double it, and two schedules those with stages.
    modes = ((), (("recompute_layers", 1.0),))
    found = option_table(cases(16.0), 8.0, Policy(virtual=(1.0, 2.0), modes=modes, schedules=(ONE_F_ONE_B, ZB_H1)))
    assert len(found) == 2 * (40 + 2 * 55)
    assert sorted(set(found[:, 7])) == [0.0, 1.0]
    # No head count divides over three ranks: no option.
    assert option_table(cases(16.0), 8.0, Policy(fixed=(("tp", (3.0,)),))).shape == (0, 10)
    # Columns in their order; six experts spread two ways, each on one rank or on both.
    fixed = tuple(
        (n, (v,)) for n, v in (("cp", 1.0), ("micro_batch", 4.0), ("pp", 2.0), ("tp", 2.0), ("vpp", 2.0), ("zero", 1.0))
    )
    found = option_table(cases(16.0, shape=MIXTURE), 8.0, Policy(fixed=fixed))
    assert found.tolist() == [
        [2.0, 1.0, 2.0, 2.0, ep, etp, 4.0, 0.0, 1.0, 0.0] for ep in (1.0, 2.0) for etp in (1.0, 2.0)
    ]
    # Two ranks of experts on both tensor ranks need two replicas, unless context ranks are two more.
    assert kinds_of(found).tolist() == [[4.0] * 4, [4.0] * 4, [1.0, 1.0, 1.0, 2.0]]
    longer = found.copy()
    longer[:, 1] = 2.0
    assert kinds_of(longer).tolist() == [[8.0] * 4, [4.0] * 4, [1.0] * 4]


def test_modes_by_what_the_model_has() -> None:
    kinds: dict[str, Any] = {
        "modes": ((("a", 1.0),),),
        "modes_of_mixtures": ((("b", 1.0),),),
        "modes_of_latent": ((("c", 1.0),),),
    }
    latent = msgspec.structs.replace(EXPERTS, kv_lora_rank=64.0)
    for block, name in (
        (BLOCK, "a"),
        (EXPERTS, "b"),
        (latent, "c"),
        (msgspec.structs.replace(latent, n_experts=0.0), "a"),
    ):
        shape = msgspec.structs.replace(SHAPE, blocks=(BLOCK, block))
        assert modes_of(shape, Policy(**kinds)) == (((name, 1.0),),)


def test_divisors_and_grains() -> None:
    assert _largest_divisor(12.0, column(0.0, 1.0, 5.0, 7.0, 12.0, 20.0)).tolist() == [0, 1, 4, 6, 12, 12]
    assert _largest_divisor(7.0, column(6.0, 7.0)).tolist() == [1, 7]
    # Four ways divide eight ranks; sixteen need two replicas of eight, four two of six.
    assert expert_grain(column(8.0, 8.0, 6.0), column(4.0, 16.0, 4.0)).tolist() == [1, 2, 2]


def test_replicas_fill_a_capped_batch() -> None:
    # Of 17 sequences in micro-batches of three five replicas find one; in pairs four, of 12 sequences a step. Three
    # replicas make one pair: two steps of 6. Where none fits, the batch is as it was.
    dp, batch = _data_parallel(
        column(7.0, 3.0, 0.0), column(2.0, 2.0, 1.0), column(3.0, 3.0, 3.0), column(17.0, 17.0, 17.0), False
    )
    assert dp.tolist() == [4, 2, 0]
    assert batch.tolist() == [12, 12, 17]


def test_replicas_divide_a_given_batch() -> None:
    # 24 sequences are four times two of three: of ten replicas three threes fit, and two of them divide four.
    most, three, two = column(10.0, 10.0, 30.0), column(3.0, 3.0, 3.0), column(2.0, 2.0, 2.0)
    dp, batch = _data_parallel(most, three, two, column(24.0, 25.0, 24.0), True)
    assert dp.tolist() == [6, 0, 12]
    assert batch.tolist() == [24, 25, 24]


def test_a_run_uses_its_whole_fleet() -> None:
    every = Policy(exact=True)
    # Micro-batches of one and two on four replicas divide eight sequences, those of four do not.
    keep, micro = _whole_fleet(column(4.0, 4.0, 4.0), column(1.0, 2.0, 4.0), column(8.0, 8.0, 8.0), every)
    assert keep.tolist() == [True, True, False]
    assert micro.tolist() == [1, 2, 4]
    # Half a replica, or less than one, is none; more replicas than sequences are none either.
    keep, _ = _whole_fleet(column(2.5, 0.5, 16.0, 8.0), np.ones(4), np.full(4, 8.0), every)
    assert keep.tolist() == [False, False, False, True]
    # Three replicas divide eight in no way: the smallest micro-batch, read as their mean, or what is stated.
    three, eight = column(3.0, 3.0), column(8.0, 8.0)
    keep, micro = _whole_fleet(three, column(1.0, 16.0), eight, every)
    assert keep.tolist() == [True, False]
    assert micro.tolist() == pytest.approx([1, 8 / 3])
    keep, micro = _whole_fleet(three, column(1.0, 16.0), eight, Policy(exact=True, fixed=(("micro_batch", (16.0,)),)))
    assert keep.tolist() == [True, True]
    assert micro.tolist() == [1, 16]


def test_sizes_that_are_all_stated_need_no_check() -> None:
    sized = Policy(exact=True, fixed=(("tp", (1.0,)), ("cp", (1.0,)), ("pp", (1.0,)), ("dp", (4.0,))))
    keep, micro = _whole_fleet(column(16.0), column(1.0), column(8.0), sized)
    assert (keep.tolist(), micro.tolist()) == ([True], [0.5])
    # Of stated replicas those are kept that are so many, where there are such.
    told = Policy(exact=True, fixed=(("dp", (4.0,)),))
    for replicas_, kept in (((4.0, 8.0), [True, False]), ((2.0, 8.0), [True, True])):
        keep, _ = _whole_fleet(column(*replicas_), np.ones(2), np.full(2, 8.0), told)
        assert keep.tolist() == kept
    partly = Policy(exact=True, fixed=(("tp", (1.0,)), ("cp", (1.0,)), ("dp", (4.0,))))
    assert _whole_fleet(column(16.0), column(1.0), column(8.0), partly)[0].tolist() == [False]


def test_modes_become_columns() -> None:
    modes = ((("recompute_norms", 1.0),), (("recompute_norms", 1.0), ("recompute_layers", 0.5)))
    found = _mode_columns(column(0.0, 1.0, 0.0), modes)
    assert found["recompute_norms"] == 1.0
    assert found["recompute_layers"].tolist() == [0.0, 0.5, 0.0]


def test_fewer_replicas_fill_more_of_a_batch() -> None:
    # Of 216 sequences 120 replicas take 120 a step, 108 take them all in two; 72 in three.
    one = LayoutSpace(options=Layout(tp=column(1.0), ep=column(1.0)), option=np.array([0]), case=np.array([0]),
                      dp=column(120.0), batch_seqs=column(120.0), own_micro_batch=column(1.0))  # fmt: skip
    for more, dp in ((1.0, 108.0), (2.0, 72.0)):
        found = fuller(cases(120.0, cap=216.0), one, more)
        assert (found.dp.tolist(), found.batch_seqs.tolist()) == ([dp], [216.0])
    found = fuller(cases(120.0, cap=216.0), one.rows(np.array([0, 0])), column(1.0, 2.0))  # both at once
    assert (found.dp.tolist(), found.batch_seqs.tolist()) == ([108.0, 72.0], [216.0, 216.0])
    # Twelve replicas in fours take 96 of 100 in four micro-batches of two; five of them leave 10: eight replicas, 80.
    spread = LayoutSpace(
        options=Layout(tp=column(2.0), cp=2.0, ep=column(8.0), etp=2.0, micro_batch=column(2.0)), option=np.array([0]),
        case=np.array([0]), dp=column(12.0), batch_seqs=column(96.0),
    )  # fmt: skip
    found = fuller(cases(48.0, cap=100.0), spread, 1.0)
    assert (found.dp.tolist(), found.batch_seqs.tolist()) == ([8.0], [80.0])


FIXED = tuple((name, (value,)) for name, value in (("pp", 2.0), ("tp", 2.0), ("zero", 1.0)))


def test_the_layouts_of_two_fleets() -> None:
    # Two ranks of two stages: of 3, 8 and 13 accelerators none, two and three replicas, of 7 sequences 7, 6 and 6 in
    # micro-batches of one, none, 4 and 6 in those of two.
    given = Policy(fixed=(("micro_batch", (1.0, 2.0)), *FIXED), virtual=(1.0,), sequence_parallel=0.5)
    found = layout_space(cases(3.0, 8.0, 13.0, cap=7.0), 8.0, given)
    assert found.case.tolist() == [1, 1, 2, 2]
    assert found.option.tolist() == [0, 1, 0, 1]
    assert found.dp.tolist() == [2, 2, 3, 3]
    assert found.batch_seqs.tolist() == [6, 4, 6, 6]
    assert found.micro_batch.tolist() == [1, 2, 1, 2]
    assert found.accelerators.tolist() == [8, 8, 12, 12]
    assert found.at(1) == Layout(tp=2.0, pp=2.0, dp=2.0, micro_batch=2.0, sequence_parallel=0.5)
    assert found.rows(slice(1, 2)).compact().options.micro_batch.tolist() == [2]
    both = found.rows(slice(1, 2)).joined(found.rows(slice(1, 2)).compact())
    assert (both.option.tolist(), both.micro_batch.tolist(), both.at(1)) == ([1, 2], [2, 2], found.at(1))
    # The same by kinds, which are those of micro-batches.
    dp, batch = replicas(cases(3.0, 8.0, 13.0, cap=7.0), column(4.0, 4.0), column(1.0, 2.0), column(1.0, 1.0))
    assert dp.tolist() == [[0, 2, 3], [0, 2, 3]]
    assert batch[:, 1:].tolist() == [[6, 6], [4, 6]]


def test_the_layouts_of_a_run() -> None:
    # Twelve accelerators are three replicas of four: six sequences of micro-batches of one or two.
    given = Policy(fixed=(("micro_batch", (1.0, 2.0, 4.0)), *FIXED), virtual=(1.0,), exact=True)
    found = layout_space(cases(12.0, cap=6.0, given=True), 8.0, given)
    assert (found.dp.tolist(), found.micro_batch.tolist()) == ([3, 3], [1, 2])
    # Two tensor ranks of three replicas hold groups of two experts, of one on both ranks no group of four.
    mixture = layout_space(cases(12.0, cap=6.0, given=True, shape=MIXTURE), 8.0, given).rows(slice(None)).layout
    assert {(e, t) for e, t in zip(mixture.ep.tolist(), mixture.etp.tolist())} == {(1.0, 1.0), (1.0, 2.0), (2.0, 1.0)}
    # A run that states four ways is taken at its word.
    stated = msgspec.structs.replace(given, fixed=(("ep", (4.0,)), ("etp", (1.0,)), *given.fixed))
    assert set(layout_space(cases(12.0, cap=6.0, given=True, shape=MIXTURE), 8.0, stated).layout.ep) == {4.0}


def test_sequence_parallelism_needs_tensor_ranks() -> None:
    table = option_table(
        cases(16.0), 8.0, Policy(fixed=(("pp", (1.0,)), ("tp", (1.0, 2.0)), ("zero", (1.0,)), ("micro_batch", (1.0,))))
    )
    assert option_columns(SHAPE, Policy(), table).sequence_parallel.tolist() == [0.0, 1.0]
    off = Policy(fixed=(("sequence_parallel", (0.0,)),))
    assert option_columns(SHAPE, off, table).sequence_parallel.tolist() == [0.0, 0.0]


def test_schedules_by_stages() -> None:
    usual = (1.0, 2.0)
    # Ranks of DualPipe are paired; what interleaves runs the usual chunks; a folded schedule two.
    assert of_pipeline(EVERY, 1.0, 1.0, usual) == (ONE_F_ONE_B,)
    assert of_pipeline(EVERY, 4.0, 1.0, usual) == (ONE_F_ONE_B, ZB_H1, ZB_H2, DUALPIPE)
    assert of_pipeline(EVERY, 3.0, 1.0, usual) == (ONE_F_ONE_B, ZB_H1, ZB_H2)
    assert of_pipeline(EVERY, 4.0, 2.0, usual) == (ONE_F_ONE_B, ZB_H1, DUALPIPE_V)
    assert of_pipeline(EVERY, 4.0, 2.0, (1.0,)) == (DUALPIPE_V,)
    assert of_pipeline((ZB_H2,), 4.0, 1.0, usual) == (ZB_H2,)
    assert virtual_stages(EVERY, (4.0, 1.0)) == (1.0, 2.0, 4.0)
    assert virtual_stages((ZB_H1,), (4.0, 1.0)) == (4.0, 1.0)


def test_chunks_of_equal_depth() -> None:
    # 80 layers fill 16 chunks; 94 lack two of 96, of twenty one of 21 is just a twentieth; ten lack two of twelve.
    for layers, chunks, fit in (
        (80, 16, True),
        (94, 48, True),
        (20, 7, True),
        (19, 10, False),
        (10, 4, False),
        (4, 5, False),
        (4, 4, True),
    ):
        assert interleaves(float(layers), float(chunks)) is fit


def test_a_policy_follows_the_habits_of_its_stack() -> None:
    habits = msgspec.structs.replace(
        STACK, id="own", default_zero=2.0, default_vpp_layers=0.0, default_sequence_parallel=0.5, schedules=("zb-h1",)
    )
    found = policy(habits, {"tp": 2.0, "pp": (1.0, 2.0)}, exact=True, searched=("pp",))
    assert found.fixed == (("pp", (1.0, 2.0)), ("tp", (2.0,)))
    assert (found.zero, found.virtual, found.schedules) == ((2.0,), (1.0,), (ZB_H1,))
    assert (found.sequence_parallel, found.exact, found.searched) == (0.5, True, ("pp",))
    assert found.choices("tp", (8.0,)) == (2.0,)
    assert found.choices("cp", (8.0,)) == (8.0,)
    assert found.trusts("tp")
    assert not found.trusts("cp")
    assert not policy(habits, {"tp": 2.0}).trusts("tp")
    generic = msgspec.structs.replace(habits, id="generic", default_vpp_layers=1.0)
    found = policy(generic, {}, schedules=("zb-h2", "1f1b"), again=("full",), offload=("optimizer", "none"))
    assert (found.zero, found.virtual) == ((1.0, 3.0), (1.0, 2.0, 4.0, 6.0, 8.0, 12.0))
    assert found.schedules == (ONE_F_ONE_B, ZB_H2)
    every = ((("offload_optimizer", 1.0), ("recompute_layers", 1.0)), (("recompute_layers", 1.0),))
    assert found.modes == found.modes_of_mixtures == found.modes_of_latent == every
    assert len(policy(generic, {}).modes) == 6
