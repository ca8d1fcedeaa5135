"""What stands on the card of a serving answer. It loads nothing that predicts training, for the sake of its start."""

from __future__ import annotations

from hwmodel.report.card import COLUMNS, WHOLE, card, notes_words
from hwmodel.report.likeness import like_line
from hwmodel.report.phrases import ENGLISH, say, speaking
from hwmodel.report.serve import why
from hwmodel.report.serve_tables import figure_rows
from hwmodel.report.serve_words import front_words, quality_words, title
from hwmodel.report.words import DASH
from hwmodel.solve.serve.ask import Served
from hwmodel.solve.serve.records import FleetFound


def serve_card(found: Served, columns: int = COLUMNS, language: str = ENGLISH) -> str:
    """A serving fleet, or one configuration, on one screen."""
    of, row = found.found, found.answer
    with speaking(language):
        rows = [(label, value, "" if ends == DASH else f"({ends})")
                for label, value, ends in figure_rows(found.question, row)]  # fmt: skip
        quality = "" if not isinstance(of, FleetFound) else quality_words(row.precision, of.quality.get(row.precision))
        said = [
            (say("how sure"), like_line(of.like)),
            (say("quality"), quality),
            (say("because"), " ".join(line for line in why(of) if line != quality)),
            (say("notes"), notes_words(of.notes)),
        ]
        head = " ".join(front_words(of)).replace("**", "")
        return card(f"{title(found.question, row)}. {head}", rows, said, columns, say(WHOLE))
