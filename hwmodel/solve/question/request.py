"""The question as a record: which quantities are given, in SI numbers."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hwmodel.predict.recompute import offload_words
from hwmodel.solve.question.rates import Rates
from hwmodel.solve.question.service import Service
from hwmodel.specs import Shape

DEFAULT_SEQ_LEN = 4096
DEFAULT_LAW = "besiroglu_2024"
DEFAULT_PROMPT_SHARE = 0.75  # prompt : output = 3 : 1


# A field as it was given: a number or a word, several of them, or a group such as the layout or the service.
FieldValue: TypeAlias = (
    str | float | int | bool | list[str | float | list[str | float]] | dict[str, str | float | int | bool | None] | None
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the user gave (None: to be solved, or a documented default)."""

    gpus: int | None = None
    accelerator: str | None = None
    system: str | None = None
    nic_uni_bytes_per_s: float | None = None
    time_s: float | None = None
    start: str | None = None  # ISO date, as the next
    deadline: str | None = None
    open_time: bool = False  # a fleet alone was given: `time_s` is the usual month
    budget_usd: float | None = None
    power_w: float | None = None  # of the site, at the meter
    flop: float | None = None
    tokens: float | None = None
    unique_tokens: float | None = None
    params: float | None = None
    model: str | None = None
    shape: Shape | None = None  # the model itself, where `model` names a file of it
    loss: float | None = None
    loss_like: tuple[float, float] | None = None
    loss_factor: float = 1.0
    inference_tokens: float | None = None
    lifetime_budget_usd: float | None = None
    service: Service | None = None
    samples: float = 1.0
    samples_open: bool = False  # the plan chooses their number
    sampled_like: tuple[float, float] | None = None  # size and tokens whose loss is enough with the chosen samples
    task_family: str | None = None  # of task_families: what the samples solve
    experts: tuple[float, ...] = ()  # numbers of experts to try beside a dense model
    distill: bool = False
    teacher: tuple[float, float] | None = None  # parameters and tokens of a teacher that is there, with --distill
    sparsity: float | None = None  # share of the weights that are zero
    prompt_share: float = DEFAULT_PROMPT_SHARE
    precision: str | None = None
    serving_precision: str | None = None
    seq_len: int = DEFAULT_SEQ_LEN
    global_batch_seqs: float | None = None
    mfu: float | None = None
    flop_convention: str = "6nd"
    law: str = DEFAULT_LAW
    objective: str | None = None
    usd_per_hour: Rates = ()  # prices of accelerator-hours as given, by part (empty: of any)
    price_kind: str | None = None
    region: str | None = None
    pue: float | None = None  # power of the site over that of its machines; None: that of the system's usual site
    reliability: str | None = None
    stack: str = ""  # the usual one of the part
    measured: str | None = None
    layout: dict[str, float] = {}  # sizes of specs.layout that are given
    recompute: str | None = None  # words of predict.recompute, as the next
    offload: str | None = None
    schedule: str | None = None  # words of specs.layout.SCHEDULES
    optimizer: str | None = None  # of predict.states, as the next
    gradient_dtype: str | None = None
    catalogs: tuple[str, ...] = ()
    prices: str | None = None
    confidence: float = 0.5  # at which time, hours and money are stated, and limits bind
    year: float | None = None  # of the software; None: today's
    seed: int = 0
    asked: tuple[tuple[str, str], ...] = ()  # the options as typed, for the command that reproduces the plan

    @property
    def given(self) -> dict[str, FieldValue]:
        """The fields that differ from their defaults, for the report and the reproducing command."""
        blank = Request()
        left = {"asked", "shape", "open_time", "samples_open", "sampled_like"} | (
            {"time_s"} if self.open_time else set()
        )
        return {
            name: value
            for name in self.__struct_fields__
            if name not in left and (value := getattr(self, name)) != getattr(blank, name)
        }

    @property
    def reference(self) -> tuple[float, float, float] | None:
        """Size, tokens and a factor on their loss that the target is, where it is that of another run; it moves with
        the draws of a law as that run's loss does."""
        if self.sampled_like is not None:
            return (*self.sampled_like, 1.0)
        return None if self.loss_like is None else (*self.loss_like, self.loss_factor)

    @property
    def one_answer_share(self) -> float:
        """Prompt tokens over all of a prompt and one of its answers."""
        written = 1.0 - self.prompt_share
        return self.prompt_share / (self.prompt_share + written / self.samples)

    @property
    def one_answer_tokens(self) -> float | None:
        """The tokens of the demand if each prompt had one answer."""
        if self.inference_tokens is None:
            return None
        return self.inference_tokens * (self.prompt_share + (1.0 - self.prompt_share) / self.samples)

    def with_samples(self, samples: float) -> Request:
        """The same prompts with so many answers each: the demand and its share of prompts grow with them."""
        share = self.one_answer_share
        grown = share + (1.0 - share) * samples
        tokens = None if self.inference_tokens is None else (self.one_answer_tokens or 0.0) * grown
        return msgspec.structs.replace(self, samples=samples, inference_tokens=tokens, prompt_share=share / grown)

    @property
    def again(self) -> tuple[str, ...]:
        """The words of --recompute that a search tries; empty: the usual ones."""
        return () if self.recompute is None else (self.recompute,)

    @property
    def offloads(self) -> tuple[str, ...]:
        """The words of --offload that a search tries."""
        return offload_words(self.offload)

    @property
    def schedules(self) -> tuple[str, ...]:
        """The words of --schedule that a search tries; empty: those of the stack."""
        return () if self.schedule is None else (self.schedule,)

    @property
    def has_loss_target(self) -> bool:
        return self.loss is not None or self.loss_like is not None or self.lifetime_budget_usd is not None

    @property
    def has_compute(self) -> bool:
        """Whether a budget of compute is given, directly or through time or money."""
        return self.flop is not None or self.time_s is not None or self.budget_usd is not None
