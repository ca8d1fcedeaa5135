"""How right a serving answer is: measured runs of the like."""

from __future__ import annotations

from hwmodel.predict.likeness import like
from hwmodel.predict.service.intervals import TPOT
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.specs.accuracy import Like
from hwmodel.specs.hardware import Part
from hwmodel.specs.shape import Shape


def service_like(question: ServingQuestion, part: Part, shape: Shape) -> Like | None:
    """Time a token of measured runs like the question, on `part`."""
    return like(TPOT, part.id, part.family, mixture=is_mixture(shape), software=question.engine)
