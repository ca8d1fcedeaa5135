"""From constants of a calibration to those of a machine and an engine, on tables of round numbers."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from round_machine import ATTENTION, GEMM, NETWORK

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import (
    _limited,
    across_bridges,
    attention_constants,
    box,
    gemm_constants,
    machine,
    network,
    part_units,
    power_share,
)
from hwmodel.specs.hardware import Part
from hwmodel.specs.kernels import KernelCalibration
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving_calibration import ServingCalibration

change = msgspec.structs.replace
PART = Part(
    id="one", name="One", vendor="v", family="kin", hbm_bytes=8e10, hbm_bytes_per_s=1e12, tdp_w=300.0,
    peak_dense_flop_per_s={"bf16": 1e15, "fp8": 2e15},
)  # fmt: skip
GENERIC = {"efficiency": 0.8, "launch_s": 1e-6, "hbm_fraction": 0.5}
TABLES = KernelCalibration(
    gemm={"generic": {"bf16": {**GENERIC, "throttle": 0.25, "weight_only_fraction": 0.6, "group_edge": 60.0}}},
    attention={}, attention_flash2={}, memory={}, collectives={}, scale_out={}, power_watts={"kin": 0.6},
    power_exponent=0.5,
)  # fmt: skip


def test_products_with_narrow_weights_are_read_more_slowly() -> None:
    # A byte for two: 0.5 x 0.6 of the bandwidth, groups that tile by 16 rows at half of the ceiling of 0.8.
    plain, found = gemm_constants(PART, "bf16", TABLES)
    assert (plain.hbm_fraction, plain.b_bytes, plain.group_edge, plain.group_efficiency) == (0.5, 2.0, 60.0, 0.8)
    assert (plain.sustained, plain.peak_flop_per_s, found) == (0.8, 1e15, "specs")
    narrow, _ = gemm_constants(PART, "bf16", TABLES, 1.0)
    assert (narrow.hbm_fraction, narrow.a_bytes, narrow.b_bytes) == (pytest.approx(0.3), 2.0, 1.0)
    assert (narrow.group_edge, narrow.group_efficiency) == (16.0, 0.4)
    # Units that multiply both as they are lose nothing; a peak that is given counts.
    mixed, _ = gemm_constants(PART, "bf16", TABLES, 1.0, peak=3e15, mixed=True)
    assert (mixed.hbm_fraction, mixed.group_edge, mixed.peak_flop_per_s) == (0.5, 60.0, 3e15)
    # What falls under load is known of some alone: nothing is held back of the others; what holds it is said outright.
    cool = change(TABLES, gemm={"generic": {"bf16": GENERIC}})
    assert gemm_constants(PART, "bf16", cool)[0].sustained == 1.0
    stated = change(TABLES, gemm={"generic": {"bf16": {**GENERIC, "throttle": 0.25, "sustained": 0.7}}})
    assert gemm_constants(PART, "bf16", stated)[0].sustained == 0.7
    # Where nothing is known of reading narrow weights: 0.85 of the bandwidth, as for others; edges below 16 stay.
    bare = change(TABLES, gemm={"generic": {"bf16": {"efficiency": 0.8, "launch_s": 0.0, "group_edge": 8.0}}})
    with pytest.raises(TypeError, match="hbm_fraction"):
        gemm_constants(PART, "bf16", bare)
    least, _ = gemm_constants(PART, "bf16", bare, 1.0)
    assert (least.hbm_fraction, least.group_edge) == (0.85, 8.0)


def test_a_part_goes_before_its_kin_and_those_before_all() -> None:
    table = {"generic": {"bf16": GENERIC}, "kin": {"bf16": {"efficiency": 0.7}}, "one": {"bf16": {"launch_s": 2e-6}}}
    own, found = gemm_constants(PART, "bf16", change(TABLES, gemm=table))
    assert (own.efficiency, own.launch_s, found) == (0.7, 2e-6, "measured")
    kin, found = gemm_constants(change(PART, id="two"), "bf16", change(TABLES, gemm=table))
    assert (kin.efficiency, kin.launch_s, found) == (0.7, 1e-6, "kin (kin)")


def test_a_cache_has_the_decode_constants_of_its_format() -> None:
    base = {"efficiency": 0.8, "hbm_fraction": 0.9, "launch_s": 0.0, "decode_launch_s": 1e-6}
    narrow = {**base, "efficiency": 0.6, "decode_launch_s": 3e-6}
    table = {"generic": {"bf16": base, "fp8": {**narrow, "decode_launch_s": 9e-6}}, "kin": {"fp8": narrow}}
    found = attention_constants(PART, "bf16", table, "fp8")
    assert (found.efficiency, found.decode_launch_s, found.peak_flop_per_s) == (0.8, 3e-6, 1e15)
    # A cache in the format itself, said or not.
    assert attention_constants(PART, "bf16", table).decode_launch_s == 1e-6
    assert attention_constants(PART, "fp8", table) == attention_constants(PART, "fp8", table, "fp8")
    # A format that neither the part nor its kin has in the tables: that of its nearest kin, bf16.
    strange = attention_constants(change(PART, family="other"), "bf16", table, "fp8")
    assert strange.decode_launch_s == 1e-6
    # A format that the part lacks: its high one.
    assert attention_constants(PART, "nvfp4", table).peak_flop_per_s == 1e15


def test_units_that_nobody_counts_are_a_sibling_s() -> None:
    assert part_units(change(PART, units=100.0)) == 100.0
    assert part_units(change(PART, family="hopper")) == 132.0
    assert part_units(PART) == 128.0


def test_power_holds_a_part_below_its_kin() -> None:
    # 300 W for 1,000 TFLOP/s, half of the 0.6 W of its kin: the root of a half; never above 1, and measured parts as
    # they are.
    assert power_share(PART, TABLES) == pytest.approx(math.sqrt(0.5))
    assert power_share(change(PART, tdp_w=1200.0), TABLES) == 1.0
    assert power_share(change(PART, tdp_w=None), TABLES) == 1.0
    assert power_share(PART, change(TABLES, gemm={"one": {}})) == 1.0


def test_a_power_limit_binds_long_loads_or_all() -> None:
    low, high = change(GEMM, efficiency=0.8, sustained=0.9), change(GEMM, efficiency=0.6, sustained=0.7)
    attention = change(ATTENTION, efficiency=0.5, throttle=0.2)
    # Half of it: sustained rates 0.45 and 0.35, attention 1.2 / 0.5 = 2.4 times as long; ceilings stay.
    found = _limited((low, high, attention), 0.5, always=False)
    assert [one.efficiency for one in found] == [0.8, 0.6, 0.5]
    assert (found[0].sustained, found[1].sustained, found[2].throttle) == pytest.approx((0.45, 0.35, 1.4))
    # Always: half of every ceiling.
    found = _limited((low, high, attention), 0.5, always=True)
    assert [one.efficiency for one in found] == pytest.approx([0.4, 0.3, 0.25])
    assert (found[0].sustained, found[1].sustained, found[2].throttle) == (0.9, 0.7, 0.2)


def test_a_part_whose_memory_nobody_states_is_refused() -> None:
    bf16 = load_catalog().precision("bf16")
    for lacks in ({"hbm_bytes": 0.0}, {"hbm_bytes_per_s": 0.0}):
        with pytest.raises(InputError, match="no source states the memory of one"):
            machine(change(PART, **lacks), box(PART), bf16, TABLES)


def test_a_machine_of_a_part_with_less_power() -> None:
    # Sustained rates of 0.8 by the root of a half; all of 0.8 where watts are no limit.
    generic = {"efficiency": 0.8, "launch_s": 0.0, "hbm_fraction": 0.9}
    tables = change(
        TABLES, attention={"generic": {"bf16": generic}}, memory={"generic": {"launch_s": 0.0, "hbm_fraction": 0.9}}
    )
    bf16 = load_catalog().precision("bf16")
    found = machine(PART, box(PART), bf16, tables)
    assert (found.gemm.sustained, found.gemm.efficiency) == (pytest.approx(0.8 * math.sqrt(0.5)), 0.8)
    assert machine(change(PART, tdp_w=1200.0), box(PART), bf16, tables).gemm.sustained == 0.8


def test_units_that_multiply_four_by_eight_bits() -> None:
    # Weights of half a byte beside activations of one, blocks that share an exponent: parts that know MXFP4 read them
    # at half of the bandwidth, as any; others at 0.6 of that. Weights alone in four bits are widened everywhere.
    four = ServingPrecision(
        id="four", title="", gemm_format="fp8", weight_bytes=0.5, activation_bytes=1.0, kv_bytes=1.0,
        power_of_two_scales=True,
    )  # fmt: skip
    both = {"bf16": {"efficiency": 0.8, "launch_s": 0.0, "hbm_fraction": 0.9}}
    tables = change(TABLES, attention={"generic": both}, memory={"generic": {"launch_s": 0.0, "hbm_fraction": 0.9}})
    knows = change(PART, peak_dense_flop_per_s={"bf16": 1e15, "fp8": 2e15, "mxfp4": 4e15})
    assert machine(knows, box(PART), four, tables).gemm.hbm_fraction == 0.5
    assert machine(PART, box(PART), four, tables).gemm.hbm_fraction == pytest.approx(0.3)
    for widened in (change(four, weight_only=True), change(four, power_of_two_scales=False)):
        assert machine(knows, box(PART), widened, tables).gemm.hbm_fraction == pytest.approx(0.3)


def test_networks_of_topologies() -> None:
    def wired(topology: str, links: float = 1e11) -> Any:
        system = change(box(PART), link_topology=topology, link_uni_bytes_per_s=links)
        return network(change(PART, host_link_uni_bytes_per_s=5e10), system, TABLES)

    # Three axes of a cube, two of a square; one link a pair of a mesh; a box without links has its host bus.
    assert (wired("torus3d").torus, wired("torus3d").torus_axes) == (1.0, 3.0)
    assert (wired("torus2d").torus, wired("torus2d").torus_axes) == (1.0, 2.0)
    assert (wired("mesh").mesh, wired("mesh").torus, wired("mesh").link_bytes_per_s) == (1.0, 0.0, 1e11)
    assert (wired("switch").mesh, wired("switch").shared_bus) == (0.0, 0.0)
    assert (wired("switch", 0.0).shared_bus, wired("switch", 0.0).link_bytes_per_s) == (1.0, 5e10)


def test_cards_bridged_in_pairs_reach_the_others_over_the_bus() -> None:
    # Eight cards in pairs: the bus of 5e10 is shared by six more at a quarter each, 2e10; or a network that is faster.
    part, tables = (
        change(PART, host_link_uni_bytes_per_s=5e10),
        change(TABLES, collectives={"pcie": {"bus_sharing": 0.25}}),
    )
    pairs = change(box(part), domain_accelerators=2.0)
    for nic, found in ((1e9, 2e10), (3e10, 3e10)):
        net = change(NETWORK, nic_bytes_per_s=nic)
        assert across_bridges(net, part, pairs, tables).nic_bytes_per_s == pytest.approx(found)
    # Nothing is known of the bus, no bridge at all, or one over all of them: as it is.
    net = change(NETWORK, nic_bytes_per_s=1e9)
    assert across_bridges(net, change(part, host_link_uni_bytes_per_s=0.0), pairs, tables) == net
    for domain in (1.0, 8.0):
        assert across_bridges(net, part, change(pairs, domain_accelerators=domain), tables) == net


ENGINES = ServingCalibration(
    shared={"level": 1.1, "attention_level": 1.2, "kernel_s": 4e-6, "prefill_kernel_s": 2e-5, "step_s": 1e-3,
            "drift": 0.5, "stream_steps": 1.5, "sequence_s": 1e-6},
    engines={"generic": {"step_s": 2e-3, "burst": 3.0}, "fast": {"step_s": 5e-4}},
    old={"generic": {"kernel_factor": 3.0, "step_s": 7e-3}, "fast": {"kernel_factor": 2.0}},
    families={"far": {"level": 2.0, "kernel_factor": 1.5, "attention_factor": 0.5}},
    formats={"narrow": {"sequence_s": 3e-6}},
    launch={"fast": {"far": {"reserve_bytes": 1e9}, "narrow": {"step_tokens": 1234.0}}},
    old_before=2025.0, drift_from=2026.0,
)  # fmt: skip


def engine(*args: Any) -> Any:
    return engine_of(ENGINES, *args)


def test_an_engine_of_today() -> None:
    # Its own over the generic over the shared; a year of 2026.0 has no drift.
    found = engine("fast")
    assert (found.id, found.step_s, found.burst, found.kernel_s, found.stream_steps) == ("fast", 5e-4, 3.0, 4e-6, 1.5)
    assert (found.level, found.attention_level, found.prefill_kernel_s) == (1.1, 1.2, 2e-5)
    assert engine("nobody").step_s == 2e-3
    # Recipes and launch settings by family and by recipe.
    found = engine("fast", 0.0, "far", "narrow")
    assert (found.sequence_s, found.reserve_bytes, found.step_tokens) == (3e-6, 1e9, 1234.0)
    assert engine("nobody", 0.0, "far", "narrow").step_tokens == 8192.0


def test_engines_get_faster_no_further_than_the_runs_reach() -> None:
    # Half a natural log a year, a fifth of a year late or early; at most 0.4 years.
    for year, age in ((2026.2, -0.1), (2025.8, 0.1), (2030.0, -0.2), (2025.1, 0.2)):
        found = engine("fast", year)
        assert found.kernel_s == pytest.approx(4e-6 * math.exp(age))
        assert found.prefill_kernel_s == pytest.approx(2e-5 * math.exp(age))
        assert found.stream_steps == 1.5


def test_engines_of_earlier_years() -> None:
    # Factors of their own, those of the engine before the generic ones; a token leaves when its step ends.
    found = engine("fast", 2024.5)
    assert (found.kernel_s, found.step_s, found.stream_steps) == (pytest.approx(8e-6), 7e-3, 0.5)
    assert found.prefill_kernel_s == 2e-5
    assert engine("nobody", 2024.5).kernel_s == pytest.approx(1.2e-5)
    quick = change(ENGINES, shared={**ENGINES.shared, "stream_steps": 0.25})
    assert engine_of(quick, "fast", 2024.5).stream_steps == 0.0


def test_what_engines_lose_on_parts_they_are_not_tuned_for() -> None:
    # 2026.2, 1.2 years after: losses to the power e^-0.6, the gain of attention as it is.
    late = math.exp(-0.6)
    found = engine("fast", 2026.2, "far")
    assert found.level == pytest.approx(1.1 * 2.0**late)
    assert found.kernel_s == pytest.approx(4e-6 * math.exp(-0.1) * 1.5**late)
    assert found.attention_level == pytest.approx(1.2 * 0.5)
    # 2030: as of 2026.4. Before 2025: all of it.
    assert engine("fast", 2030.0, "far").level == pytest.approx(1.1 * 2.0 ** math.exp(-0.7))
    assert engine("fast", 2024.0, "far").level == pytest.approx(2.2)
