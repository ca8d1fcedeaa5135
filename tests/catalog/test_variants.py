"""Parts that vary another one (`extends`): under another name a part computes and stands as it did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import hwmodel as hm
from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.errors import InputError
from hwmodel.physics.machine import machine
from hwmodel.specs.hardware import System

Overlay = Callable[..., Path]
SHIPPED = load_catalog()


def renamed(name: str) -> str:
    return f"- {{id: x-{name}, name: Renamed, extends: {name}}}\n- {{id: y-{name}, name: Twice, extends: x-{name}}}\n"


def nameless(system: System) -> System:
    return msgspec.structs.replace(system, id="", name="", part="", aliases=(), accelerators=None, region="")


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalog with each part under two more names, the second a variant of the first."""
    folder = tmp_path_factory.mktemp("overlay")
    (folder / "accelerators").mkdir()
    (folder / "accelerators" / "twins.yaml").write_text("".join(renamed(part.id) for part in SHIPPED.parts()))
    return load_catalog([folder])


def test_a_part_of_another_name_stands_in_the_same_node_with_the_same_kernels(twins: Catalog) -> None:
    recipes = [SHIPPED.precision("bf16"), SHIPPED.precision("fp8"), SHIPPED.serving_precision("fp8")]
    compared = 0
    for part in SHIPPED.parts():
        system = SHIPPED.default_system(part)
        for name in (f"x-{part.id}", f"y-{part.id}"):
            other = twins.part(name)
            assert nameless(twins.default_system(other)) == nameless(system), name
            for recipe in recipes:
                try:
                    found = machine(part, system, recipe, kernel_calibration())
                except InputError:
                    continue
                twin = machine(other, twins.default_system(other), recipe, kernel_calibration())
                same = msgspec.structs.replace(twin, part=found.part, system=found.system, provenance=found.provenance)
                assert same == found, (name, recipe.id)
                assert twin.provenance == (f"kin ({part.id})" if found.provenance == "measured" else found.provenance)
                compared += 1
    assert compared > 200


def test_a_variant_keeps_of_the_node_what_it_does_not_change(overlay: Overlay) -> None:
    """Links of its own replace those of the node, other watts its power; the network stays."""
    stated = "source: recalled, status: unconfirmed"
    text = f"""
- {{id: a, name: A, extends: h100-sxm5-80gb, link: {{bandwidth_uni: {{value: 225, unit: GB/s, {stated}}}}}}}
- {{id: b, name: B, extends: h100-sxm5-80gb, power: {{tdp: {{value: 350, unit: W, {stated}}}}}}}
- {{id: c, name: C, extends: h100-sxm5-80gb, family: blackwell}}
- {{id: d, name: D, extends: h100-sxm5-80gb, link: {{domain: {{value: 4, {stated}}}}}}}
"""
    catalog = load_catalog([overlay(accelerators=text)])
    usual = SHIPPED.default_system("h100-sxm5-80gb")
    cut, cool, other, fewer = (catalog.default_system(name) for name in "abcd")
    assert cut.link_uni_bytes_per_s == 225e9 != usual.link_uni_bytes_per_s
    assert (cut.domain_accelerators, cut.link_topology) == (usual.domain_accelerators, usual.link_topology)
    assert (cut.nic_uni_bytes_per_s, cut.node_power_w) == (usual.nic_uni_bytes_per_s, usual.node_power_w)
    assert usual.node_power_w is not None
    assert (fewer.domain_accelerators, fewer.link_uni_bytes_per_s) == (4, usual.link_uni_bytes_per_s)
    assert cool.node_power_w is None
    assert cool.link_uni_bytes_per_s == usual.link_uni_bytes_per_s
    # Of another family it keeps the node, and no kernels.
    assert nameless(other) == nameless(usual)
    assert (catalog.part("a").kin, catalog.part("c").kin) == (("h100-sxm5-80gb",), ())
    found = machine(catalog.part("c"), other, catalog.precision("bf16"), kernel_calibration())
    assert found.provenance == "kin (blackwell)"


def test_plans_of_a_renamed_part_are_those_of_the_part(overlay: Overlay) -> None:
    folder = overlay(accelerators=renamed("mi300x-192gb"))
    asked = {"params": "8B", "tokens": "200B", "usd_per_hour": 2.0, "catalog": [folder]}
    own, twin = (hm.plan(gpus=f"64x{name}", **asked) for name in ("mi300x-192gb", "y-mi300x-192gb"))
    for field in ("elapsed_days", "cost_usd", "mfu", "gpu_hours"):
        assert getattr(twin.answer, field).value == getattr(own.answer, field).value, field
