"""What a writer is handed: an answer resolved to shapes and counts, and what it hands back."""

from __future__ import annotations

import math

import msgspec

from hwmodel.errors import InputError
from hwmodel.interop.tools.settings import Value
from hwmodel.physics.shape import layers
from hwmodel.specs import Part, Shape, System
from hwmodel.specs.layout import SCHEDULES


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The lines that every file opens with: the question, the answer, and what no tool has a name for."""

    command: str
    answer: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()  # options of the question that a launch file does not hold


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """A training launch. `settings` are those of the table of settings, all of them."""

    model: str  # id of the catalog, else the name of the shape
    shape: Shape
    part: Part
    system: System
    accelerators: int  # that work; idle ones are not launched
    settings: dict[str, Value]
    steps: int | None
    days: float | None  # elapsed, with failures, where the answer has tokens
    trainable_fraction: float
    header: Header

    def number(self, name: str) -> int:
        """A setting that is a whole number."""
        return int(self.settings[name])

    def word(self, name: str) -> str:
        """A setting that is a word."""
        return str(self.settings[name])

    @property
    def layers(self) -> int:
        return int(layers(self.shape))

    @property
    def mixture(self) -> bool:
        return any(block.n_experts > 0 for block in self.shape.blocks)

    @property
    def ranks_per_node(self) -> int:
        """Accelerators used in a node: all of them, else the most that divide those that work."""
        return fitting_ranks(self.accelerators, int(self.system.accelerators_per_node))

    @property
    def nodes(self) -> int:
        return self.accelerators // self.ranks_per_node

    @property
    def accumulation(self) -> int:
        """Micro-batches of one replica and step. InputError where the batch does not divide."""
        each = self.number("micro_batch") * self.number("dp")
        batch = self.number("global_batch_seqs")
        if batch % each:
            raise InputError(
                f"the global batch of {batch} sequences is no multiple of micro-batch x dp = {each}; "
                f"plan with --global-batch {each * max(1, round(batch / each))}"
            )
        return batch // each


class LaunchPool(msgspec.Struct, frozen=True, kw_only=True):
    """Equal workers: `role` is all, prefill or decode; `batch` requests run together in one worker."""

    role: str
    workers: int
    tp: int
    pp: int
    dp: int
    ep: int
    batch: int

    @property
    def ranks(self) -> int:
        """Accelerators of one worker."""
        return self.tp * self.pp * self.dp


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """A serving launch: one pool of workers, or one for prompts and one for output."""

    model: str
    hub_name: str | None  # as the model's hub calls it, where the catalog says
    shape: Shape
    part: Part
    system: System
    engine: str
    precision: str
    pools: tuple[LaunchPool, ...]
    prompt_tokens: int
    output_tokens: int
    longest_tokens: int  # of one request, prompt and output
    prefix_cache: bool
    draft_tokens: int
    header: Header

    @property
    def mixture(self) -> bool:
        return any(block.n_experts > 0 for block in self.shape.blocks)

    def nodes(self, pool: LaunchPool) -> int:
        """Nodes of one worker."""
        return math.ceil(pool.ranks / float(self.system.accelerators_per_node))


class Unexpressed(msgspec.Struct, frozen=True):
    """A setting that a tool has no name for, and what the file says instead."""

    setting: str
    value: str
    reason: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Files by their name below the folder, how to start them, and what they could not say."""

    files: dict[str, str]
    start: str
    unexpressed: tuple[Unexpressed, ...] = ()


def fitting_ranks(accelerators: int, per_node: int) -> int:
    """Accelerators of a node that a launch uses, the same in each node."""
    return max(r for r in range(1, max(1, per_node) + 1) if accelerators % r == 0)


MOST_UNEXPRESSED = 2


def header_lines(launch: Training | Serving, verified: str, written: Written) -> list[str]:
    """The opening of a file, without comment signs.

    InputError where more settings than two would be left to comments: such a file would start another run.
    """
    if len(written.unexpressed) > MOST_UNEXPRESSED:
        which = ", ".join(f"{u.setting} {u.value} ({u.reason})" for u in written.unexpressed)
        raise InputError(
            f"too much of this layout has no name there: {which}; choose another --to or plan without them"
        )
    head = launch.header
    lines = [
        f"Written by: {head.command}",
        *head.answer,
        f"Names checked against {verified}.",
        f"Start: {written.start}",
    ]
    lines += [f"hwmodel: {name} = {value}" for name, value in head.facts]
    lines += [f"hwmodel: {u.setting} = {u.value}  ({u.reason})" for u in written.unexpressed]
    return lines


def commented(lines: list[str], sign: str = "#") -> str:
    """Lines as comments."""
    return "".join(f"{sign} {line}".rstrip() + "\n" for line in lines)


def schedule_left(launch: Training, target: str) -> tuple[Unexpressed, ...]:
    """A pipeline schedule that a target has no setting for: it runs 1F1B, interleaved where --vpp is above 1."""
    word = launch.word("schedule")
    return () if word == SCHEDULES[0] else (Unexpressed("schedule", word, f"{target} runs 1F1B: a longer bubble"),)
