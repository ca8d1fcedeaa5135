"""Nodes for parts that no catalogued system holds."""

from __future__ import annotations

import msgspec

from hwmodel.specs.hardware import Part, System

ASSUMED_NIC_UNI_BYTES_PER_S = 100e9 / 8  # where no network figure is stated anywhere; always shown as unconfirmed
ASSUMED_NODE = 8.0
ASSUMED_HOST_LINK_UNI_BYTES_PER_S = 16e9

LINKS = ("link_uni_bytes_per_s", "link_topology", "link_domain", "link_pair_uni_bytes_per_s")  # of a part


def node_of(part: Part) -> System:
    """A node for a part that no catalogued system holds: its own links, and the network of its reference.

    What nobody states is assumed (eight a node, 100 Gbit/s an accelerator) and listed in `unconfirmed`.
    """
    doubtful = ["accelerators_per_node"]
    nic = part.scale_out_uni_bytes_per_s
    if nic is None:
        nic = ASSUMED_NIC_UNI_BYTES_PER_S
        doubtful.append("nic_uni_bytes_per_s")
    link, topology, domain = links_of(part, ASSUMED_NODE)
    return System(
        id=f"{part.id}-node",
        name=f"node of {ASSUMED_NODE:g} {part.name}",
        part=part.id,
        accelerators_per_node=ASSUMED_NODE,
        domain_accelerators=domain,
        link_uni_bytes_per_s=link,
        link_topology=topology,
        link_pair_uni_bytes_per_s=part.link_pair_uni_bytes_per_s,
        nic_uni_bytes_per_s=nic,
        fabric="ethernet",
        unconfirmed=tuple(doubtful),
    )


def node_like(part: Part, varied: Part, like: System) -> System:
    """The node of a part that varies another one: that of the other, with what the variant has of its own.

    Links stay those of the node where the two parts have the same, and its power where they draw the same.
    """
    own: dict[str, object] = {
        "id": f"{part.id}-node", "name": f"node of {like.accelerators_per_node:g} {part.name}", "part": part.id,
        "aliases": (), "accelerators": None, "region": "",
    }  # fmt: skip
    if any(getattr(part, name) != getattr(varied, name) for name in LINKS):
        link, topology, domain = links_of(part, like.accelerators_per_node)
        own |= {
            "link_uni_bytes_per_s": link, "link_topology": topology,
            "domain_accelerators": domain if topology == "pcie" or part.link_domain != varied.link_domain
            else like.domain_accelerators,
            "link_pair_uni_bytes_per_s": part.link_pair_uni_bytes_per_s,
        }  # fmt: skip
    if part.tdp_w != varied.tdp_w:
        own |= {"node_power_w": None, "rack_power_w": None}
    return msgspec.structs.replace(like, **own)


def links_of(part: Part, per_node: float) -> tuple[float, str, float]:
    """Scale-up bandwidth, topology and domain; a part without links of its own talks over its host bus."""
    if part.link_uni_bytes_per_s > 0:
        return part.link_uni_bytes_per_s, part.link_topology, max(part.link_domain, 1.0)
    return part.host_link_uni_bytes_per_s or ASSUMED_HOST_LINK_UNI_BYTES_PER_S, "pcie", per_node
