"""Cousins of the cases of names, drawn from a seed: spellings that fold to one name, boxes counted, slips refused."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.names import fold
from hwmodel.errors import InputError
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import resolve

CATALOG = load_catalog()
FIND: dict[str, Any] = {
    "accelerator": CATALOG.part, "system": CATALOG.system, "model": CATALOG.model_entry,
    "precision": CATALOG.precision, "serving precision": CATALOG.serving_precision,
}  # fmt: skip


# Systems that are named as a whole: of them a number counts nothing.
WHOLE = re.compile(r"pod|rsc|superpod|summit|cluster|selene|frontier|aurora|juwels|isambard|eos")


def respelled(draw: random.Random, name: str) -> str:
    """The same name in another case, with other marks between its words."""
    marks = [draw.choice(["-", "_", " "]) if c in "-_ " else c for c in name]
    return "".join(c.upper() if draw.random() < 0.5 else c.lower() for c in marks)


@pytest.mark.parametrize("kind", sorted(FIND))
@pytest.mark.parametrize("seed", range(12))
def test_a_respelled_name_is_the_same_thing(kind: str, seed: int) -> None:
    draw = random.Random(f"{kind} {seed}")
    name = draw.choice(sorted(CATALOG.data.names[kind]))
    assert FIND[kind](respelled(draw, name)).id == CATALOG.data.names[kind][name]


def slipped(draw: random.Random, name: str) -> str:
    """A name with one letter more, less, doubled, changed or swapped."""
    at = draw.randrange(len(name))
    kind = draw.randrange(5)
    if kind == 0:
        return name[:at] + name[at + 1 :]
    if kind == 1:
        return name[:at] + name[at] + name[at:]
    if kind == 2:
        return name[:at] + draw.choice("0123456789bxyz") + name[at + 1 :]
    if kind == 3:
        return name + draw.choice(["0", "b", "-x", " 2", "-instruct-x"])
    return name[:at] + name[at : at + 2][::-1] + name[at + 2 :]


@pytest.mark.parametrize("kind", sorted(FIND))
@pytest.mark.parametrize("seed", range(40))
def test_a_slip_is_another_name_or_refused_in_one_line(kind: str, seed: int) -> None:
    draw = random.Random(f"slip {kind} {seed}")
    names = CATALOG.data.names[kind]
    wrong = slipped(draw, draw.choice(sorted(names)))
    said = ""
    try:
        found = FIND[kind](wrong)
    except InputError as refused:
        said = str(refused)
    if said:
        assert "\n" not in said
    else:
        assert names.get(fold(wrong)) == found.id or fold(found.id) == fold(wrong), (wrong, found.id)


@pytest.mark.parametrize("seed", range(20))
def test_boxes_are_counted_by_what_they_hold(seed: int) -> None:
    draw = random.Random(f"boxes {seed}")
    systems = [s for s in CATALOG.systems() if s.accelerators_per_node > 1 and not WHOLE.search(s.id)]
    system, count = draw.choice(systems), draw.randint(1, 40)
    setting = resolve(parse_request(gpus=f"{count}x{respelled(draw, system.id)}", params="1B"))
    assert setting.system is not None
    assert setting.system.id == system.id
    held = (setting.request.gpus or 0) / count
    assert held in (system.accelerators_per_node, system.domain_accelerators)  # a node, or a rack of one domain
    assert f"{held:g} in each" in setting.notes[0]


@pytest.mark.parametrize(("name", "cores"), [("v2", 2), ("v3", 2), ("v4", 2), ("v5p", 2), ("v6e", 1), ("v5litepod", 1)])
@pytest.mark.parametrize("seed", range(3))
def test_slices_of_clouds_count_cores_or_chips(name: str, cores: int, seed: int) -> None:
    chips = 2 ** random.Random(f"{name} {seed}").randint(2, 7)
    assert resolve(parse_request(gpus=f"{name}-{chips * cores}", params="1B")).request.gpus == chips
