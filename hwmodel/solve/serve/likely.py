"""How right a serving answer is: measured runs of the like."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.predict.likeness import like
from hwmodel.predict.service.intervals import TPOT
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.specs.hardware import Part
from hwmodel.specs.shape import Shape


def service_like(question: ServingQuestion, part: Part, shape: Shape) -> dict[str, Any] | None:
    """Time a token of measured runs like the question, on `part`."""
    found = like(TPOT, part.id, part.family, mixture=is_mixture(shape), software=question.engine)
    return None if found is None else msgspec.structs.asdict(found)
