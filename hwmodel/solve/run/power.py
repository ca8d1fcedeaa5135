"""What a site's power carries: accelerators at their rating with their share of server and the site's PUE."""

from __future__ import annotations

from hwmodel.economics import at_meter, rated_w
from hwmodel.errors import InfeasibleError
from hwmodel.solve.question.setting import Fleeted
from hwmodel.specs import EnergyFacts, Part, System
from hwmodel.units import format_power


def rated_site_w(part: Part, system: System, facts: EnergyFacts) -> float:
    """Power of one accelerator at the meter [W], at the rating of its server: what a site must be able to give."""
    return float(at_meter(rated_w(part, system, facts), facts.pue))


def accelerators_within(power_w: float, setting: Fleeted) -> int:
    """The most accelerators that a power carries, in whole nodes (below one node in powers of two).

    Raises InfeasibleError where it carries not one.
    """
    each = rated_site_w(setting.part, setting.system, setting.energy)
    count, node = int(power_w / each * (1.0 + 1e-12)), int(setting.system.accelerators_per_node)
    if count < 1:
        raise InfeasibleError(
            f"{format_power(power_w)} carry not one {setting.part.id}, which draws {format_power(each)} with its "
            f"server and a PUE of {setting.energy.pue:g}",
            binding="power",
            remedy=format_power(each),
        )
    return count // node * node if count >= node else 1 << (count.bit_length() - 1)


def check_power(setting: Fleeted, accelerators: int) -> None:
    """Raises InfeasibleError where a fleet at its rating draws more than the power of the site."""
    power_w = setting.request.power_w
    each = rated_site_w(setting.part, setting.system, setting.energy)
    if power_w is None or accelerators * each <= power_w * (1.0 + 1e-9):
        return
    most = accelerators_within(power_w, setting)
    raise InfeasibleError(
        f"{accelerators:,} x {setting.part.id} draw {format_power(accelerators * each)} at their rating, with servers "
        f"and a PUE of {setting.energy.pue:g}; --power allows {format_power(power_w)}: at most {most:,} of them",
        binding="power",
        remedy=f"{most} accelerators",
    )
