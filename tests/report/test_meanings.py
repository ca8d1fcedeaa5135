"""Every number that an answer shows has its meaning, and each meaning names code that is there."""

from __future__ import annotations

from pathlib import Path

import msgspec

import hwmodel
from hwmodel.report.meanings import MEANINGS, TERMS
from hwmodel.report.words import TERM_WORDS
from hwmodel.solve.run.result import RunAnswer
from hwmodel.specs import MemoryTerms, StepTerms

PACKAGE = Path(hwmodel.__file__).parent
COUNTED = {"idle_accelerators"}  # said beside the fleet


def test_every_number_of_an_answer_has_a_meaning() -> None:
    assert set(RunAnswer.__struct_fields__) - COUNTED <= set(MEANINGS)
    for meaning in MEANINGS.values():
        assert meaning.label
        assert len(meaning.formula) > 8
        assert (PACKAGE / meaning.code).is_file(), meaning.code


def test_terms_are_named_for_people() -> None:
    assert TERMS == TERM_WORDS
    assert set(StepTerms.__struct_fields__) | set(MemoryTerms.__struct_fields__) <= set(TERMS)


def test_sources_named_by_a_meaning_are_found_in_an_answer() -> None:
    life = hwmodel.compare(gpus="64xH100", params="3B", tokens="200B", inference_tokens="2T")
    uses = [source.uses for source in life.sources]
    plain = [source.uses for source in hwmodel.plan(gpus="64xH100", tokens="200B").sources]
    named = {name: meaning.sources for name, meaning in MEANINGS.items() if meaning.sources}
    assert len(named) > 5
    lost = [name for name, words in named.items() if not any(word in use for word in words for use in [*uses, *plain])]
    assert lost == []


def test_the_words_of_sources_are_no_catch_all() -> None:
    found = hwmodel.plan(gpus="64xH100", tokens="200B").sources
    for name, meaning in MEANINGS.items():
        fed = [source for source in found if any(word in source.uses for word in meaning.sources)]
        assert len(fed) < 0.7 * len(found), name
    assert msgspec.to_builtins(MEANINGS["mfu"])["unit"] == "share"
