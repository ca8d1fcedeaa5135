"""A saved answer, its numbers by name, and the facts of the catalog that it was made from."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import cast

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.errors import InputError, UnknownNameError
from hwmodel.physics.machine import machine
from hwmodel.plain import JsonValue
from hwmodel.report.explain.absent import why_none
from hwmodel.report.explain.document import Number, at, empty, numbers
from hwmodel.report.explain.rerun import Rerun, keywords, rerun
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.question.options import PlanOptions
from hwmodel.solve.question.parse import read_request
from hwmodel.solve.question.setting import Fleeted, Setting, resolve
from hwmodel.solve.run.records import Rented
from hwmodel.solve.saved import SavedEngine, SavedFleet, saved
from hwmodel.specs.kernels import Machine
from hwmodel.specs.provenance import Cited

# Options that bear on facts and constants; the others size a run.
FACTS = (
    "--gpus", "--system", "--precision", "--law", "--stack", "--year", "--reliability", "--region", "--pue",
    "--usd-per-hour", "--price-kind", "--prices", "--catalog", "--optimizer", "--gradient-dtype", "--flop-convention",
    "--seq-len", "--nic-gbit-s", "--confidence",
)  # fmt: skip
HOME = "answer."  # where a name without its place is looked for first


class Numbered:
    """The JSON of an answer whose numbers have names; what it was made from is not known."""

    def __init__(self, document: Mapping[str, JsonValue]) -> None:
        self.document = document

    @cached_property
    def numbers(self) -> dict[str, Number]:
        """Every number of the answer by its dotted name: a float, or an interval."""
        return dict(numbers(self.document))

    def find(self, asked: str) -> str:
        """The full name of a number. InputError, with the nearest names, where there is none or more than one, and with
        the reason where the answer leaves it empty."""
        name = re.sub(r"\[([\w/-]+)\]", r".\1", asked.strip())
        for full in (name, HOME + name):
            if full in self.numbers:
                return full
            self._refuse_empty(full)
        ends = [full for full in self.numbers if full.endswith("." + name)]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise InputError(f"{asked!r} stands in {len(ends)} places of the answer: {_some(ends)}; name one")
        for full in self._empty:
            if full.endswith("." + name):
                self._refuse_empty(full)
        self._refuse_group(name)
        raise UnknownNameError(f"the answer has no number {asked!r}; {self._near(name)}")

    def _refuse_group(self, name: str) -> None:
        """Raise InputError, with its numbers, for a name under which several stand."""
        for start in (f"{name}.", f"{HOME}{name}."):
            held = [full for full in self.numbers if full.startswith(start)]
            if held:
                raise InputError(f"{start[:-1]} holds {len(held)} numbers: {_some(held)}; name one")

    @cached_property
    def _empty(self) -> tuple[str, ...]:
        return tuple(empty(self.document))

    def _refuse_empty(self, full: str) -> None:
        """Raise InputError, with the reason, for a name under which, or under whose group, the answer has nothing."""
        words = full.split(".")
        for group in (".".join(words[:count]) for count in range(len(words), 0, -1)):
            if group in self._empty:
                raise InputError(f"the answer has no {full}: {self._why_none(full)}")

    def _why_none(self, full: str) -> str:
        """Why nothing stands under a name."""
        return why_none(self.document, full)

    def _near(self, name: str) -> str:
        short = {full.removeprefix(HOME): full for full in self.numbers}
        by_end = {full.rsplit(".", 1)[-1]: full.removeprefix(HOME) for full in reversed(list(self.numbers))}
        found = difflib.get_close_matches(name, [*short, *by_end], n=3, cutoff=0.5)
        if found:
            return "nearest: " + ", ".join(dict.fromkeys(by_end.get(one, one) for one in found))
        return f"it has {_some(list(short))}"

    def value(self, path: str) -> float | None:
        """The plain number of a name; None where the answer does not have it."""
        found = self.numbers.get(path)
        return found["value"] if isinstance(found, Mapping) else found

    def number(self, path: str) -> float:
        """The same of a number that every such answer has. InputError where this one does not."""
        found = self.value(path)
        if found is None:
            raise InputError(f"the answer has no number {path}; save it again with this version")
        return found

    def text(self, path: str) -> str:
        """A word of the answer; empty where it is not there."""
        place = at(self.document, path)
        return place if isinstance(place, str) else ""

    @property
    def sources(self) -> Sequence[Cited]:
        """What the answer cites."""
        return ()

    @property
    def price(self) -> Rented | None:
        """What an hour costs; None where the answer does not say."""
        return None

    @property
    def serves(self) -> bool:
        """Whether it is an answer of `serve`."""
        return False

    @property
    def latent(self) -> bool:
        """Whether its model keeps a latent of keys and values."""
        return False

    @property
    def step(self) -> Rerun | None:
        """Its training step, predicted again; None where it has none."""
        return None


class Answered(Numbered):
    """The JSON of an answer of `plan`, `compare`, `train` or `serve`, with the facts that it was made from."""

    def __init__(self, document: Mapping[str, JsonValue], where: str = "the answer") -> None:
        super().__init__(document)
        self.answer = saved(document, where)

    @property
    def sources(self) -> Sequence[Cited]:
        return self.answer.sources

    @property
    def price(self) -> Rented | None:
        """What an hour costs, of an answer of `plan`; None without accelerators or a price, and of another verb."""
        money = self.answer.money if isinstance(self.answer, Plan) else None
        return None if money is None else money.price

    @property
    def serves(self) -> bool:
        """Whether it is an answer of `serve`."""
        return isinstance(self.answer, (SavedEngine, SavedFleet))

    @cached_property
    def latent(self) -> bool:
        """Whether the model served is one of the catalog that keeps a latent of keys and values."""
        shape = next((one.shape for one in load_catalog().models() if one.id == self.text("resolved.model")), None)
        return shape is not None and any(block.kv_lora_rank for block in shape.blocks)

    @cached_property
    def setting(self) -> Setting:
        """The facts behind an answer of `plan` or `train`. InputError where they cannot be read any more."""
        options = [] if isinstance(self.answer, (SavedEngine, SavedFleet)) else self.answer.request.options
        return resolve(read_request(**cast("PlanOptions", keywords(one for one in options if one[0] in FACTS))))

    @cached_property
    def machine(self) -> Machine | None:
        """The constants that its kernels ran with; None without accelerators."""
        if not isinstance(self.answer, (SavedEngine, SavedFleet)):
            return None if self.fleeted is None else self.fleeted.machine
        row, catalog = self.answer.answer, load_catalog()
        part, system = catalog.part(row.part), catalog.system(row.system)
        return machine(part, system, catalog.serving_precision(row.precision), kernel_calibration())

    @cached_property
    def step(self) -> Rerun | None:
        """Its training step, predicted again; None where it has none, or the catalog has moved on."""
        return None if isinstance(self.answer, (SavedEngine, SavedFleet)) else rerun(self.answer, self.value)

    @property
    def fleeted(self) -> Fleeted | None:
        """The same with accelerators; None without."""
        return self.setting if isinstance(self.setting, Fleeted) else None


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
