"""Each trap of hardware tables fires on a doctored record, and its excuse silences it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.build import problems_of
from hwmodel.catalog.lint import PART_RULES, SYSTEM_RULES
from hwmodel.catalog.places import catalog_roots
from hwmodel.errors import CatalogError

Overlay = Callable[..., Path]

R = "source: recalled, status: unconfirmed"


def variant(parent: str, fields: str) -> str:
    return f"- {{id: doctored, name: Doctored, extends: {parent}, {fields}}}"


# rule -> doctored records: what a hurried reader of a product page would write
PARTS: dict[str, list[str]] = {
    "sparse-peak": [
        variant("h100-sxm5-80gb", f"peak_dense: {{bf16: {{value: 1979, unit: TFLOP/s, {R}}}}}"),
        variant("b200-sxm6-180gb", f"peak_dense: {{nvfp4: {{value: 20, unit: PFLOP/s, {R}}}}}"),
        variant("mi300x-192gb", f"peak_dense: {{fp8: {{value: 5229.8, unit: TFLOP/s, {R}}}}}"),
    ],
    "format-ratio": [
        variant("h100-sxm5-80gb", f"peak_dense: {{fp8: {{value: 1513, unit: TFLOP/s, {R}}}}}"),
        variant("gaudi2", f"peak_dense: {{fp8: {{value: 1300, unit: TFLOP/s, {R}}}}}"),
    ],
    "clock-times-units": [
        variant("h100-sxm5-80gb", f"clock: {{tensor: {{value: 1980, unit: MHz, {R}}}}}"),
        variant("mi300x-192gb", f"on_chip: {{units: {{value: 228, {R}}}}}"),
    ],
    "bus-times-rate": [
        variant(
            "h100-sxm5-80gb",
            f"memory: {{bus_bits: {{value: 5120, {R}}}, data_rate: {{value: 3.0, unit: Gbit/s, {R}}}}}",
        )
    ],
    "bidirectional-link": [
        variant("h100-sxm5-80gb", f"link: {{bandwidth_uni: {{value: 900, unit: GB/s, {R}}}}}"),
        variant("mi300x-192gb", f"link: {{bandwidth_uni: {{value: 896, unit: GB/s, {R}}}}}"),
        variant("tpu-v5p", f"link: {{bandwidth_uni: {{value: 1200, unit: GB/s, {R}}}}}"),
    ],
    "superchip": [
        variant(
            "h100-sxm5-80gb",
            f"memory: {{capacity: {{value: 288, unit: GB, {R}}}, bandwidth: {{value: 9.6, unit: TB/s, {R}}}}}",
        )
    ],
    "gib-label": [variant("a100-sxm4-80gb", f"memory: {{capacity: {{value: 80, unit: GB, {R}}}}}")],
    "usable-memory": [variant("h100-sxm5-80gb", f"memory: {{usable: {{value: 85900, unit: MiB, {R}}}}}")],
    "tpu-power": [variant("tpu-v5p", f"power: {{tdp: {{value: 540, unit: W, {R}}}}}")],
    "power-term": [
        variant("h100-sxm5-80gb", f"power: {{tdp: {{value: 10.2, unit: kW, {R}}}}}"),
        variant("l4", f"power: {{term: '', tdp: {{value: 72, unit: W, {R}}}}}"),
    ],
    "ultra-int8": [
        variant("b300-sxm6", f"peak_dense: {{int8: {{value: 4500, unit: TOP/s, {R}}}}}"),
    ],
    "kin-lack-it": [
        variant("a100-sxm4-80gb", f"peak_dense: {{fp8: {{value: 624, unit: TFLOP/s, {R}}}}}"),
        variant("v100-sxm2-16gb", f"peak_dense: {{bf16: {{value: 125, unit: TFLOP/s, {R}}}}}"),
    ],
    "accumulate-rate": [
        variant(
            "rtx-4090",
            f"peak_dense: {{fp16: {{value: 330.3, unit: TFLOP/s, {R}}}, bf16: {{value: 330.3, unit: TFLOP/s, {R}}}}}",
        )
    ],
    "recalled": [variant("l4", "power: {tdp: {value: 72, unit: W, source: recalled, status: vendor}}")],
}  # fmt: skip

SYSTEMS: dict[str, list[str]] = {
    "nic-per-node": [
        variant("dgx-h100", f"part: h100-sxm5-80gb, nic_uni: {{value: 3200, unit: Gbit/s, {R}}}"),
        variant("aws-p4d", f"part: a100-sxm4-40gb, nic_uni: {{value: 450, unit: Gbit/s, {R}}}"),
        variant("dgx-b200", f"part: b200-sxm6-180gb, nic_uni: {{value: 200, unit: GB/s, {R}}}"),
    ],
    "node-power": [
        variant("dgx-h100", f"part: h100-sxm5-80gb, node_power: {{value: 700, unit: W, {R}}}"),
        variant("dgx-h100", f"part: h100-sxm5-80gb, node_power: {{value: 120, unit: kW, {R}}}"),
    ],
    "domain-size": [variant("dgx-h100", f"part: h100-sxm5-80gb, domain: {{value: 256, {R}}}")],
}


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(rule, text) for rule, texts in table.items() for text in texts]


@pytest.mark.parametrize(("rule", "text"), cases(PARTS))
def test_part_rules_fire(rule: str, text: str, overlay: Overlay) -> None:
    with pytest.raises(CatalogError) as found:
        load_catalog([overlay(accelerators=text)])
    assert f"[{rule}]" in str(found.value)
    assert re.search(r"own\.yaml:1: doctored\.", str(found.value))


@pytest.mark.parametrize(("rule", "text"), cases(SYSTEMS))
def test_system_rules_fire(rule: str, text: str, overlay: Overlay) -> None:
    with pytest.raises(CatalogError) as found:
        load_catalog([overlay(systems=text)])
    assert f"[{rule}]" in str(found.value)


@pytest.mark.parametrize(("rule", "text"), cases(PARTS))
def test_a_reason_silences_a_rule(rule: str, text: str, overlay: Overlay) -> None:
    """With the rule excused the record loads, or another rule speaks up: never the same one."""
    excused = text[:-1] + f", lint_exceptions: {{{rule}: a reason}}}}"
    problems = [str(e) for e in problems_of(catalog_roots([overlay(accelerators=excused)]))]
    assert not [p for p in problems if f"[{rule}]" in p]
    assert all("doctored" in p for p in problems)


def test_every_rule_has_a_doctored_record() -> None:
    assert len(PARTS) == len(PART_RULES)
    assert len(SYSTEMS) == len(SYSTEM_RULES)


def test_an_excuse_needs_a_reason(overlay: Overlay) -> None:
    text = variant("l4", "lint_exceptions: {sparse-peak: ''}")
    with pytest.raises(CatalogError, match=r"expected \{rule: reason\}"):
        load_catalog([overlay(accelerators=text)])
