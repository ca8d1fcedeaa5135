"""From a fully or partly stated setting to seconds, bytes and an interval: the one path that product and board share.

Here belong the space of layouts, its search, the regimes of serving, formats as bytes, and widths from familiarity.
What a question asks, what is chosen for it and how it is worded do not.
"""

__all__ = [
    "columns",
    "compiler",
    "fastest",
    "footprint",
    "formats",
    "given_layout",
    "layouts",
    "likeness",
    "optimism",
    "policy",
    "recompute",
    "schedules",
    "search",
    "space",
    "states",
    "training",
    "uncertainty",
]
