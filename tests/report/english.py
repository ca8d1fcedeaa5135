"""English that is left in a text of another language: words that are neither names, nor units, nor code."""

from __future__ import annotations

import re
from functools import cache

from hwmodel.catalog import load_catalog

# Units, and words of the field that Chinese texts write as they are.
UNITS = "min d h s ms us nat nats token tokens kg km t kW kWh mW MW MWh GWh MiB GiB GB TB PF"
FIELD = "days logits rank dp ep tp cp pp vpp bf fp x e ln hwmodel catalog arXiv nvidia"
KEPT = frozenset(f"{UNITS} {FIELD}".split())
# Code, marks of a page, addresses, and what a card cut off.
CODE = re.compile(r"```.*?```|`[^`]*`|<[^>]*>|&\w+;|https?://\S+|\S*(?: \S+)? \.\.\.", re.DOTALL)
# A name has a figure, a hyphen, a slash, a dot or an underscore inside (h100-sxm5-80gb, besiroglu_2024, step.gemm_s) or
# a capital beyond its first letter (SmolLM, NeMo, MFU).
NAME = re.compile(
    r"[A-Za-z0-9]*(?:[-_./][A-Za-z0-9]+)+|\b[A-Za-z0-9]*\d[A-Za-z0-9]*\b|\b[A-Za-z]+[A-Z][A-Za-z]*\b|\b[A-Z]\b"
)
WORD = re.compile(r"[A-Za-z]+(?:['’][a-z]+)?")


@cache
def known_names() -> frozenset[str]:
    """What the catalog calls its parts and systems, the sellers of its quotes, and the titles of its sources."""
    data = load_catalog().data
    named = {one.name for table in (data.parts, data.systems, data.regions) for one in table.values()}
    sold = {quote.provider for quotes in data.prices.values() for quote in quotes}
    titles = {one.title for one in data.sources.values()}
    return frozenset(named | sold | titles)


def english_left(text: str, names: frozenset[str] = frozenset()) -> list[str]:
    """The English words of a text that should have none, `names` (of sellers, places, what a user wrote) aside."""
    bare = CODE.sub(" ", text)
    for name in sorted(names | known_names(), key=len, reverse=True):
        if name in bare:  # not a piece of another: `recompute` in step.recompute_s
            bare = re.sub(rf"(?<![A-Za-z0-9_./-]){re.escape(name)}(?![A-Za-z0-9_])", " ", bare)
    bare = NAME.sub(" ", bare)
    return [word for word in WORD.findall(bare) if word not in KEPT]
