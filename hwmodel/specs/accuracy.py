"""How right predictions were on measured runs: a cell of the board, and what it says of a question like them."""

from __future__ import annotations

import msgspec

REFUSED = 1_000  # thousandths: a run without a prediction counts as this far off


class BoardCell(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one source, part, software, kind of model and format, each predicted without its source.

    Errors are predicted over measured, less one, in thousandths: `left_out` by constants fitted without the source (of
    a latency: without its model on its engine), `shipped` by the shipped ones (in the same order; none of a searched
    layout), `constant` by one utilisation a part and format, fitted without the same (runs that have one). `inside`:
    runs within the 80 % interval that was then given. `refused`: runs beside them that no prediction was given for.
    """

    kind: str  # training, searched, memory, tpot, ttft, throughput, whole, rl
    source: str
    part: str
    family: str
    software: str
    mixture: bool
    number_format: str
    left_out: tuple[int, ...]
    shipped: tuple[int, ...]
    constant: tuple[int, ...]
    inside: int
    refused: int

    def sizes_of(self, field: str) -> list[int]:
        """Sizes of the errors of a field; what was refused is wholly off, but for a constant, which was not asked."""
        found = [abs(error) for error in getattr(self, field)]
        return found if field == "constant" else found + [REFUSED] * self.refused


class Like(msgspec.Struct, frozen=True, kw_only=True):
    """Measured runs like a question: how many, of how many sources, their median error (of sources left out, sources
    weighing alike) and the share that their 80 % intervals held. `of` says what they have in common."""

    kind: str
    of: str
    n: int
    sources: int
    median_error: float
    coverage: float
