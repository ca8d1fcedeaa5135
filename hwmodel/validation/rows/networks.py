"""What an interconnect cell says of the network between nodes: its fabric, and its rate for an accelerator.

A cell may count ports (`8x400Gb/s`), say what one accelerator or one node has (`400 Gb/s per GPU`, `3.2 Tb/s a node`)
or name a generation (`NDR`). Rates are bits unless the unit is that of bytes (`50 GB/s per GPU`); what it says of links
inside a node, of storage and of management is not the network's.
"""

from __future__ import annotations

import re

# Networks of a node that carry no gradients, and links that leave no node: each up to what begins the next one.
_OTHER = re.compile(r"(?<!&)(storage(?!&compute)|management|mgmt|front)[^,;]*", re.I)
_IN_A_NODE = re.compile(r"\b(nvlink|nvswitch|xgmi|infinity fabric|pcie)(?:(?!\band\b|\bwith\b)[^,;+&])*", re.I)
_GENERATIONS = {"xdr": 800.0, "ndr": 400.0, "hdr": 200.0, "edr": 100.0}
_GENERATION = "|".join(_GENERATIONS)
_OF = r"(?:\b(?:a|per|each|every)\s+|/\s*)"
_ONE = rf"{_OF}(?:gpu|card|chip|accelerator|device)\b"
_NODE = rf"{_OF}(?:node|instance|host|server|box|machine)\b"
# A number with its unit: bytes (a rate with their time alone, `80GB` is memory) or bits.
_BYTES = r"(?:gigabyte|gbyte|(?-i:GB))s?(?:/s(?:ec)?|ps)\b"
_BITS = r"(?:gigabit|gbit|(?-i:[Gg][Bb])(?=e)|(?-i:[Gg]b)|g)s?(?:/s(?:ec)?|ps|e)?\b"
_RATE = rf"(?<!\d)(\d{{1,5}}(?:\.\d+)?)\s*({_BYTES}|{_BITS})"
_MANY = re.compile(r"(?<!\d)(\d{1,3})\s*x\s*(?:[^,;]*?[^\d,;])?(\d{2,4})\s*g(?!t)", re.I)
_PORTS = re.compile(r"(?<!\d)(\d{1,3})\s*(?:nics?|ports?|hcas?|rails?)\b[^,;\d]*?(\d{2,4})\s*g(?!t)", re.I)
_TIMES = re.compile(r"(\d{2,4})\s*g(?:b|ig)[^,;\d]*?\bx\s*(\d{1,2})\b", re.I)
_PORTS_OF = re.compile(rf"(?<!\d)(\d{{1,3}})\s*x\s+[^,;]*\b({_GENERATION})\b", re.I)
_RATE_OF_ONE = re.compile(rf"{_RATE}\s*[^,;]*?{_ONE}|{_RATE}[^;]*?\b(?:one|1) (?:nic|port|hca) {_ONE}", re.I)
_RATE_OF_NODE = re.compile(rf"{_RATE}\s*[^,;]*?(?:{_NODE}|node)", re.I)
_RATE_ALONE = re.compile(_RATE, re.I)
_WITHIN = re.compile(r"\((\d+)\s+in[- ]node\)", re.I)
_FABRICS: tuple[tuple[str, str], ...] = (
    ("efa", "efa"), ("roce", "roce"), ("infiniband", "infiniband"), ("quantum", "infiniband"),
    ("omni-path", "infiniband"), ("xdr", "infiniband"), ("ndr", "infiniband"), ("hdr", "infiniband"),
    ("ethernet", "ethernet"),
)  # fmt: skip
# No accelerator has more than this to leave its node (two ports of 800 Gbit/s): bytes that would be more are bits in a
# careless unit.
_MOST_OF_ONE_GBIT_S = 1600.0
_MOST_OF_A_PORT_GBIT_S = 800.0  # XDR; a lone rate beyond it is that of a node
_LONGEST = 300  # characters that are read; the time of the patterns grows with the square of them


def fabric_of(cell: str) -> str | None:
    """Kind of scale-out network that a cell names."""
    words = cell.lower()
    return next((fabric for word, fabric in _FABRICS if word in words), None)


def nic_gbit_per_accelerator(cell: str, per_node: float, usual: float | None = None) -> float | None:
    """Network rate that an interconnect cell states, in Gbit/s an accelerator and direction; None if it states none.

    A rate of which it does not say whose it is counts where the system's `usual` rate is known: that of a port, of
    which an accelerator has one at most.
    """
    cell = cell[:_LONGEST]
    words = _in_gbit(_IN_A_NODE.sub(" ", _OTHER.sub(" ", cell)))
    alone = re.search(_ONE, words, re.I)
    ports = _ports(words)
    if ports and not (alone and _RATE_OF_ONE.search(words) and not _WITHIN.search(words)):
        count, rate = max(ports, key=lambda pair: pair[0] * pair[1])
        if alone:
            inside = _WITHIN.search(words)
            return (count - (float(inside.group(1)) if inside else 0.0)) * rate
        # One or two plain Ethernet ports a box are its host network, not the accelerators'.
        return None if count * rate < 400.0 and fabric_of(cell) == "ethernet" else count * rate / per_node
    if one := _RATE_OF_ONE.search(words):
        return _gbit(one.group(1) or one.group(3), one.group(2) or one.group(4))
    if total := _RATE_OF_NODE.search(words):
        return _gbit(total.group(1), total.group(2), per_node)
    return _unowned(words, cell, per_node, usual)


def _in_gbit(words: str) -> str:
    """The cell with terabits as gigabits, and rates that stand in a generation's name (`NDR400`) by themselves."""

    def gigabits(found: re.Match[str]) -> str:
        return f"{float(found.group(1)) * 1000.0:g} Gb/s"

    words = re.sub(r"(\d+(?:\.\d+)?)\s*t(?:b|ib|bit)(?:ps|it)?(?:/s(?:ec)?)?\b", gigabits, words, flags=re.I)
    return re.sub(rf"\b({_GENERATION})(\d{{3}})\b", r"\1 \2 Gb/s", words, flags=re.I)


def _ports(words: str) -> list[tuple[float, float]]:
    """Ports that a cell counts, with the rate of each."""
    found = [(float(m.group(1)), float(m.group(2))) for pattern in (_MANY, _PORTS) for m in pattern.finditer(words)]
    found += [(float(m.group(2)), float(m.group(1))) for m in _TIMES.finditer(words)]
    return found + [(float(m.group(1)), _GENERATIONS[m.group(2).lower()]) for m in _PORTS_OF.finditer(words)]


def _gbit(number: str, unit: str, accelerators: float = 1.0) -> float:
    """Gbit/s of one of so many accelerators that share a rate."""
    rate = float(number) / accelerators
    return rate * 8.0 if re.fullmatch(_BYTES, unit, re.I) and rate * 8.0 <= _MOST_OF_ONE_GBIT_S else rate


def _unowned(words: str, cell: str, per_node: float, usual: float | None) -> float | None:
    """What a rate means of which nobody says whose it is: a node's on EFA (as AWS states an instance's) and beyond any
    port, else a port's. Plain Ethernet is the host's."""
    fabric, found = fabric_of(cell), _RATE_ALONE.search(words)
    if usual is None or found is None or (fabric in (None, "ethernet") and not re.search(r"\bib\b", words, re.I)):
        return None
    rate = _gbit(found.group(1), found.group(2))
    if fabric == "efa" or rate > _MOST_OF_A_PORT_GBIT_S:
        return rate / per_node
    return min(rate, usual)
