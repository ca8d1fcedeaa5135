"""Fitted constants and habits of training stacks, as the calibration files hold them."""

from __future__ import annotations

import msgspec


class StackHabits(msgspec.Struct, frozen=True, kw_only=True):
    """What a training stack is known to do, from its documentation and code, and how a framework's name finds it.

    `match`: a regular expression on the framework's name; `until`: the last year that it describes; `like`: stacks
    whose fitted constants it shares; `releases`: the first and last release whose runs tell its drift; `families`,
    `formats`: where alone its kernels exist (everywhere else); `default_of`: families on which it is the usual one.
    """

    id: str
    title: str
    match: str
    constants: dict[str, float]
    until: int | None = None
    like: tuple[str, ...] = ()
    releases: tuple[float, float] | None = None
    families: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    default_of: tuple[str, ...] = ()


class Era(msgspec.Struct, frozen=True, kw_only=True):
    """Attention kernels that were usual up to a year."""

    until: float
    attention_generation: float


class GenericHabits(msgspec.Struct, frozen=True, kw_only=True):
    """Software of no name: its own constants, and whose fitted ones it shares (`like`) from a year on."""

    eras: tuple[Era, ...]
    constants: dict[str, float] = {}
    like: tuple[str, ...] = ()
    like_from: float = 0.0


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of a fit covered: the yardstick of familiarity."""

    stacks: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()  # family|format
    kinds: frozenset[str] = frozenset()  # stack|dense or stack|moe
    accelerators: float = 1.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that a benchmark with a quality target needs; what else stands here tells which benchmark."""

    task: str
    layers: float
    d_model: float
    seq_len: float
    tokens: float


class TrainingCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Habits of stacks, and fitted constants: generic, by families of parts, by stacks (`fitted`)."""

    generic: dict[str, float]
    families: dict[str, dict[str, float]]
    fitted: dict[str, dict[str, float]]
    stacks: tuple[StackHabits, ...]
    unnamed: GenericHabits
    targets: tuple[Target, ...] = ()
    known: Known = Known()
    fitted_rows: frozenset[str] = frozenset()  # ids of the rows that the fit used
    code_version: str = ""
    fitted_on: str = ""
