"""Why a fleet that only money sizes is smaller than its money buys, at the edges of the rule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.solve.plan import sides
from tests.solve.quiet import quiet


@pytest.mark.parametrize(
    ("count", "closed_by", "power_w", "smaller"),
    [(90, "fleet", None, False), (89, "fleet", None, True), (89, "given", None, False), (89, "fleet", 1e6, False)],
)
def test_a_fleet_that_is_smaller_than_its_money_says_why(
    monkeypatch: pytest.MonkeyPatch, count: int, closed_by: str, power_w: float | None, smaller: bool
) -> None:
    # The money buys a hundred: nine tenths are nearly all, of a fleet that its own size closes and no power binds.
    monkeypatch.setattr(sides, "fleet_for_budget", lambda setting, usd: 100 if usd == 1e6 else 1)
    asked = quiet("8xH100", "1T")
    request = msgspec.structs.replace(asked.request, budget_usd=1e6, power_w=power_w)
    asked = msgspec.structs.replace(asked, request=request)
    solved: Any = SimpleNamespace(sized=SimpleNamespace(closed_by=closed_by), fleet=SimpleNamespace(accelerators=count))
    said = sides._open_time_line(asked, solved)
    assert said.startswith("no --time given: the money buys 100 accelerators for ") is smaller
    assert ("than 89, which train longer" in said) is smaller
    assert said.startswith("no --time given: the fleet is sized for a run of ") is not smaller
    assert sides._open_time_line(asked, None).startswith("no --time given: the fleet is sized")
