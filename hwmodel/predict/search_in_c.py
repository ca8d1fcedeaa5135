"""A traced graph as C: loops over the options of a layout and over layouts on many fleets, with what surrounds them.

`least_bytes` and `prepare` work out options, `rows` evaluates layouts, `search` goes through options and cases, leaves
out what the floors exclude, evaluates the rest and hands back what may be asked for. Conditions from outside a loop
stay doubles and are compared in it: compilers vectorise choices between values, not branches.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hwmodel.predict.c_text import Writer
from hwmodel.predict.exact_in_c import Exact, stages
from hwmodel.trace import CONSTANT, OPTION, ROW, Graph

LOOP = Path(__file__).with_name("search.c")  # what surrounds the graph
MOST = "most"  # the replicas at which an option holds the least, given beside its settings


class SearchEnds(NamedTuple):
    """The nodes that a search asks for: of a layout on a fleet and (the floors) of an option."""

    step: int
    held: int
    stage: int
    once: int
    lean: int


class SearchText(NamedTuple):
    """A text, and what it takes and holds: the numbers of a question and the settings of an option by name, how many
    constants come of the numbers, how many of its own an option hands to its layouts, and layouts one by one."""

    text: str
    numbers: list[str]
    settings: list[str]
    constants: int
    handed: int
    exact: Exact | None


def source(graph: Graph, ends: SearchEnds) -> SearchText:
    """The C text of a graph: what a question decides, then what options hold at least, what else they decide, and a
    layout on a fleet, a loop each."""
    needed = graph.needed((ends.step, ends.held), ROW)
    handed = [p for p in needed if graph.levels[p] == OPTION]
    asked = graph.needed((*ends, *handed), OPTION)
    constants = [p for p in asked if graph.levels[p] == CONSTANT and graph.nodes[p].op != "number"]
    inputs = (graph.nodes[p].name for p in asked if graph.nodes[p].op == "input" and graph.levels[p] == OPTION)
    settings = sorted(set(inputs) - {MOST})
    text = LOOP.read_text(encoding="utf-8")
    text = text.replace("@WIDTH@", str(max(1, len(handed)))).replace("@SETTINGS@", str(len(settings)))
    every = graph.needed(constants, CONSTANT)
    given = [place for place in every if graph.nodes[place].op == "input"]
    numbers = {place: f"given[{i}]" for i, place in enumerate(given)}
    outputs = {f"u[{i}]": place for i, place in enumerate(constants)}
    text = _Loop(graph, CONSTANT, numbers, []).written_into(text, "CONSTANT", outputs)
    taken = {place: where for where, place in outputs.items()}
    held = {"bytes[i]": ends.lean}
    options = {"stage[i]": ends.stage, "once[i]": ends.once}
    options |= {f"out[{j} * BLOCK + i]": place for j, place in enumerate(handed)}
    layouts = {"steps[i]": ends.step, "bytes[i]": ends.held}
    for name, outputs in (("LEAN", held), ("OPTION", options)):
        text = _Loop(graph, OPTION, taken, settings).written_into(text, name, outputs)
    taken |= {place: f"p[{j}]" for j, place in enumerate(handed)}
    text = _Loop(graph, ROW, taken, []).written_into(text, "LAYOUT", layouts)
    exact = stages(graph, (ends.step, ends.held), {place: i for i, place in enumerate(constants)})
    text += "" if exact is None else exact.text
    return SearchText(text, [graph.nodes[place].name for place in given], settings, len(constants), len(handed), exact)


class _Loop:
    """A loop over what one level of a graph computes; what is lower comes in from outside."""

    def __init__(self, graph: Graph, level: int, taken: Mapping[int, str], settings: list[str]) -> None:
        self.graph, self.level, self.taken, self.settings = graph, level, taken, settings
        self.writer = Writer(graph, level)
        self.spread = _conditions_of_constants(graph) if level == OPTION else set()

    def written_into(self, text: str, name: str, outputs: Mapping[str, int]) -> str:
        """The text with this loop in its two places: what it takes, and what it computes."""
        needed = self.graph.needed(tuple(outputs.values()), self.level)
        given = [line for place in needed if (line := self._given(place))]
        inside = [f"        {line}" for p in needed if (line := self._column(p) or self.writer.line(p))]
        ends = [f"        {where} = {self.writer.value(place)};" for where, place in outputs.items()]
        return text.replace(f"@{name}_GIVEN@", "\n".join(given)).replace(f"@{name}_INSIDE@", "\n".join(inside + ends))

    def _given(self, place: int) -> str:
        """The statement that takes a number from outside. Conditions of constants take a column: compilers join those
        that no turn of a loop changes, and then vectorise none of it."""
        if place not in self.taken:
            return ""
        name, value = self.writer.name(place), self.taken[place]
        if place not in self.spread:
            return f"    const double {name} = {value};"
        return f"    double all_{name}[BLOCK];\n    for (whole i = 0; i < BLOCK; i++) all_{name}[i] = {value};"

    def _column(self, place: int) -> str:
        """The statement that reads a setting of an option, or a condition of constants."""
        node = self.graph.nodes[place]
        if place in self.spread:
            return f"const double {self.writer.name(place)} = all_{self.writer.name(place)}[i];"
        if node.op != "input" or self.graph.levels[place] != OPTION or self.level != OPTION:
            return ""
        column = "most[i]" if node.name == MOST else f"in[{self.settings.index(node.name)} * n + i]"
        return f"const double {self.writer.name(place)} = {column};"


def _conditions_of_constants(graph: Graph) -> set[int]:
    """Constants that choose between values of an option."""
    asked = [node.args[:1] if node.op == "where" else node.args for node, level in zip(graph.nodes, graph.levels)
             if level == OPTION and node.op in ("where", "and", "or")]  # fmt: skip
    numbers = {place for places in asked for place in places if graph.levels[place] == CONSTANT}
    return {place for place in numbers if graph.nodes[place].op != "number"}
