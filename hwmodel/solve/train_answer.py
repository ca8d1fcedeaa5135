"""What `train` answers, as records: the JSON document of one predicted layout. Base SI units."""

from __future__ import annotations

import msgspec

from hwmodel.predict.recompute import offload_word, recompute_word
from hwmodel.solve.run.band import Band
from hwmodel.specs import Layout, MemoryTerms, Stack, StepTerms, Workload
from hwmodel.specs.accuracy import Like
from hwmodel.specs.layout import TrainLayout, schedule_word, sizes_of
from hwmodel.specs.provenance import Cited

SHOWN_FROM = 0.005  # share of a step from which a term is said to bind


class TrainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, as far as the layout does not say it."""

    options: list[list[str]]
    seq_len: int
    trainable_fraction: float


class TrainNames(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of what the names of the question stood for."""

    accelerator: str
    system: str
    model: str
    params: float
    precision: str
    stack: str
    catalog_version: str
    constants_from: str


class TermShare(msgspec.Struct, frozen=True, kw_only=True):
    """A term of the step and its share of it."""

    term: str
    share: float


class Utilisation(msgspec.Struct, frozen=True, kw_only=True):
    """Share of the dense peak with its 80 % interval, and the convention that counted the FLOPs."""

    value: float
    low: float
    high: float
    convention: str


class NearLayout(msgspec.Struct, frozen=True, kw_only=True):
    """Another layout of the same fleet and batch."""

    layout: TrainLayout
    tokens_per_s: Band
    peak_memory_bytes: Band


class TrainAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The prediction as it is saved and shown; bands are 80 % intervals."""

    request: TrainRequest
    resolved: TrainNames
    layout: TrainLayout
    accelerators: int
    idle_accelerators: int
    step_s: Band
    tokens_per_s: Band
    tokens_per_s_per_accelerator: Band
    step: dict[str, float]  # term -> seconds
    binds: list[TermShare]
    mfu: Utilisation
    memory: dict[str, dict[str, float]]  # stage -> part of memory -> bytes
    peak_memory_bytes: Band
    allocated_memory_bytes: Band
    reserved_memory_bytes: Band
    fullest_stage: str
    fits: bool
    fits_probability: float
    near: list[NearLayout]
    searched: list[str]
    like: Like | None
    warnings: list[str]
    sources: list[Cited]


def train_layout(layout: Layout, workload: Workload, stack: Stack) -> TrainLayout:
    """A layout under the names of the command line."""
    return TrainLayout(
        **{name: float(size) for name, size in sizes_of(layout).items()},
        sequence_parallel=float(layout.sequence_parallel),
        recompute=recompute_word(layout, stack),
        offload=offload_word(layout),
        schedule=schedule_word(layout),
        global_batch_seqs=float(workload.global_batch_seqs),
    )


def memory_parts(terms: MemoryTerms) -> dict[str, float]:
    """Memory terms as plain numbers, with their sum."""
    out = {name: float(getattr(terms, name)) for name in MemoryTerms.__struct_fields__}
    return out | {"total_bytes": float(terms.total_bytes)}


def binding(step: StepTerms) -> list[TermShare]:
    """Terms of a step by their share, the largest first."""
    total = float(step.total_s)
    shares = [(name, float(getattr(step, name)) / total) for name in StepTerms.__struct_fields__]
    shares.sort(key=lambda pair: -pair[1])
    return [TermShare(term=name, share=share) for name, share in shares if share > SHOWN_FROM]
