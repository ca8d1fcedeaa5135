"""Ways to pay for the accelerators of a plan, side by side: on demand, spot, a year's commitment, three years owned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwmodel.economics import (
    Cluster,
    break_even_months,
    break_even_preemptions_per_hour,
    break_even_utilisation,
    capex,
    commitment,
    owned_usd_per_hour,
    power,
    worth,
)
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.records import CapexLines, Way

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved

OWN_NOT_COUNTED = ("storage", "site", "staff", "cost of capital")
SPOT_NOT_COUNTED = ("preemptions", "waits for capacity")


def ways(setting: Fleeted, solved: Solved, hours: float, purchase_usd: float | None) -> list[Way]:
    """A row a way that has a price: dollars an hour and of the run, what is committed, where it breaks even."""
    price = setting.price
    if price is None:
        return []
    usd = price.median_usd_per_accelerator_hour
    rows = [Way(way=price.kind, usd_per_accelerator_hour=usd, run_usd=hours * usd)]
    if price.kind == "on_demand" and setting.request.prices is None:
        rows += [row for row in (_spot(setting, solved, hours), _year(setting, solved, hours)) if row]
    if purchase_usd is not None:
        rows.append(_own(setting, solved, hours, purchase_usd))
    return rows


def _spot(setting: Fleeted, solved: Solved, hours: float) -> Way | None:
    """Spot at its price, and the preemptions an hour up to which it is the cheaper way; nobody publishes their rate."""
    assert setting.price is not None
    found = setting.catalog.price_summary(
        setting.part.id, "spot", setting.price.provider_class, region=setting.request.region
    )
    if found is None:
        return None
    usd = found.median_usd_per_accelerator_hour
    share = usd / setting.price.median_usd_per_accelerator_hour
    rate = break_even_preemptions_per_hour(
        float(solved.fleet.accelerators), solved.sized.n, min(share, 1.0), setting.reliability
    )
    return Way(
        way="spot", usd_per_accelerator_hour=usd, run_usd=hours * usd,
        break_even=rate, break_even_of="preemptions_per_hour",
        not_counted=list(SPOT_NOT_COUNTED), flag=found.flag,
    )  # fmt: skip


def _year(setting: Fleeted, solved: Solved, hours: float) -> Way | None:
    """The fleet committed for a year: all of its hours are paid."""
    assert setting.price is not None
    found = setting.catalog.price_summary(
        setting.part.id, "reserved_1y", setting.price.provider_class, region=setting.request.region
    )
    if found is None:
        return None
    usd = found.median_usd_per_accelerator_hour
    terms = commitment(hours, float(solved.fleet.accelerators), usd, setting.price.median_usd_per_accelerator_hour)
    return Way(
        way="reserved_1y", usd_per_accelerator_hour=usd, run_usd=hours * usd,
        committed_usd=terms.committed_usd, break_even=terms.break_even_share,
        break_even_of="share_of_the_year", flag=found.flag,
    )  # fmt: skip


def cluster_of(setting: Fleeted, accelerators: float, purchase_usd: float) -> Cluster:
    """The fleet of a plan bought at a purchase price."""
    facts = setting.energy
    drawn = power(setting.part, setting.system, facts)
    return Cluster(
        accelerators=accelerators, purchase_usd=purchase_usd,
        site_w=float(drawn.chip_w + drawn.server_w) * facts.pue, usd_per_kwh=facts.usd_per_kwh,
        idle_fraction=facts.idle_fraction / facts.load_fraction,
    )  # fmt: skip


def _own(setting: Fleeted, solved: Solved, hours: float, purchase_usd: float) -> Way:
    """Three years owned at full use: the run bears its share of the hours."""
    assert setting.price is not None
    cluster = cluster_of(setting, float(solved.fleet.accelerators), purchase_usd)
    usd, rent = owned_usd_per_hour(cluster, 1.0), setting.price.median_usd_per_accelerator_hour
    lines = capex(cluster)
    return Way(
        way="owned_3y", usd_per_accelerator_hour=usd, run_usd=hours * usd,
        committed_usd=lines.total_usd,
        break_even=break_even_utilisation(cluster, rent), break_even_of="utilisation",
        break_even_months=break_even_months(cluster, rent), not_counted=list(OWN_NOT_COUNTED),
        capex_lines=CapexLines(
            accelerators_usd=lines.accelerators_usd, servers_usd=lines.servers_usd, network_usd=lines.network_usd
        ),
        worth_at_end_usd=worth(lines.hardware_usd, cluster.life_months),
    )  # fmt: skip
