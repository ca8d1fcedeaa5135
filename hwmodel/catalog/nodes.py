"""Nodes for parts that no catalogued system holds."""

from __future__ import annotations

from hwmodel.specs.hardware import Part, System

ASSUMED_NIC_UNI_BYTES_PER_S = 100e9 / 8  # where no network figure is stated anywhere; always shown as unconfirmed
ASSUMED_NODE = 8.0
ASSUMED_HOST_LINK_UNI_BYTES_PER_S = 16e9


def node_of(part: Part, like: System | None = None) -> System:
    """A node for a part that no catalogued system holds: its own links, and the network of `like` or of its reference.

    What nobody states is assumed (eight a node, 100 Gbit/s an accelerator) and listed in `unconfirmed`.
    """
    doubtful = [] if like else ["accelerators_per_node"]
    per_node = like.accelerators_per_node if like else ASSUMED_NODE
    nic = like.nic_uni_bytes_per_s if like else part.scale_out_uni_bytes_per_s
    if nic is None:
        nic = ASSUMED_NIC_UNI_BYTES_PER_S
        doubtful.append("nic_uni_bytes_per_s")
    link, topology, domain = links_of(part, per_node, like)
    return System(
        id=f"{part.id}-node",
        name=f"node of {per_node:g} {part.name}",
        part=part.id,
        accelerators_per_node=per_node,
        domain_accelerators=domain,
        link_uni_bytes_per_s=link,
        link_topology=topology,
        link_pair_uni_bytes_per_s=part.link_pair_uni_bytes_per_s,
        nic_uni_bytes_per_s=nic,
        fabric=like.fabric if like else "ethernet",
        unconfirmed=tuple(doubtful),
    )


def links_of(part: Part, per_node: float, like: System | None = None) -> tuple[float, str, float]:
    """Scale-up bandwidth, topology and domain; a part without links of its own talks over its host bus."""
    if part.link_uni_bytes_per_s > 0:
        domain = like.domain_accelerators if like else part.link_domain
        return part.link_uni_bytes_per_s, part.link_topology, max(domain, 1.0)
    return part.host_link_uni_bytes_per_s or ASSUMED_HOST_LINK_UNI_BYTES_PER_S, "pcie", per_node
