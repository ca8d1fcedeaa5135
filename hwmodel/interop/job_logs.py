"""Lines of a training job's own log: time of a step, tokens a second, memory, as three trainers print them.

The formats are those of the trainers' source: Megatron-LM `training_log` and `report_memory` (megatron-core 0.19.2),
torchtitan `MetricsProcessor.log` (0.3.0), MaxText `MetricLogger._log_training_metrics` and `print_mem_stats` (0.2.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from statistics import median
from typing import cast

import msgspec

from hwmodel.errors import InputError
from hwmodel.solve.question.options import TrainOptions
from hwmodel.solve.question.request import DEFAULT_SEQ_LEN
from hwmodel.solve.question.values import whole_of

MIB, GIB = 2.0**20, 2.0**30
_NUMBER = r"([\d,]+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LABEL = re.compile(r"^\s*(\[(?:rank|default)?\d+\]:?|\d+:)\s")  # torchrun, srun --label


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """How a trainer prints a step: a pattern a figure, `step` telling its lines from others."""

    tool: str
    step: re.Pattern[str]
    seconds: re.Pattern[str] | None = None
    per_second: float = 1.0  # of the unit of `seconds`
    rate: re.Pattern[str] | None = None  # tokens a second of one accelerator
    batch: re.Pattern[str] | None = None  # sequences a step
    memory: re.Pattern[str]
    memory_unit: float
    memory_words: str


FORMATS = (
    Format(
        tool="Megatron-LM",
        step=re.compile(r"\biteration\s+(\d+)/\s*\d+ \|(?=.*elapsed time per iteration)"),
        seconds=re.compile(rf"elapsed time per iteration \(ms\): {_NUMBER}"), per_second=1000.0,
        batch=re.compile(r"global batch size:\s*(\d+)"),
        memory=re.compile(rf"memory \(MB\) \|.*max allocated: {_NUMBER}"), memory_unit=MIB,
        memory_words="allocated at most",
    ),
    Format(
        tool="torchtitan", step=re.compile(r"(?<!validate )step:\s+(\d+)\s+loss:.*tps:"),
        rate=re.compile(rf"tps:\s*{_NUMBER}"),
        memory=re.compile(rf"memory:\s*{_NUMBER}GiB"), memory_unit=GIB, memory_words="reserved at most",
    ),
    Format(
        tool="MaxText", step=re.compile(r"(?<!Phase\], )completed step: (\d+), seconds:"),
        seconds=re.compile(rf"seconds: {_NUMBER}"), rate=re.compile(rf"Tokens/s/device: {_NUMBER}"),
        memory=re.compile(rf"Using \(GB\) {_NUMBER} / .* on "), memory_unit=GIB,
        memory_words="in use when printed, not the peak",
    ),
)  # fmt: skip


class Step(msgspec.Struct, frozen=True):
    """One printed step; a figure is the mean since the line before, as the trainers print it."""

    step: int
    seconds: float | None
    rate: float | None
    batch: int | None


class JobLog(msgspec.Struct, frozen=True, kw_only=True):
    """What a log says of its steady state."""

    tool: str
    steps: tuple[Step, ...]
    left_out: int
    memory_bytes: float | None
    memory_words: str

    def typical(self, name: str) -> float | None:
        """The median of a figure over the steps; None where the trainer prints none."""
        found = [float(v) for s in self.steps if (v := getattr(s, name)) is not None]
        return median(found) if found else None

    def spread(self, name: str) -> tuple[float, float]:
        """The tenth and the ninetieth percentile of a figure."""
        found = sorted(float(v) for s in self.steps if (v := getattr(s, name)) is not None)
        return found[(len(found) - 1) // 10], found[-1 - (len(found) - 1) // 10]


def read_log(text: str, where: str, skip: int = 10) -> JobLog:
    """The steps of a log after its first line and its first `skip` steps, and after those of each restart.

    InputError for a log without such lines, or of several trainers.
    """
    lines = [_COLOURS.sub("", line) for line in text.splitlines()]
    found = [form for form in FORMATS if any(form.step.search(line) for line in lines)]
    if not found:
        tools = ", ".join(form.tool for form in FORMATS)
        raise InputError(
            f"{where}: no line of a training step as {tools} print it; write tokens_per_s or step_time by hand "
            "(docs/launch.md)"
        )
    if len(found) > 1:
        raise InputError(f"{where}: lines of {' and of '.join(f.tool for f in found)}; give the log of one job")
    form = found[0]
    printed = list(_printed(form, lines))
    steady = _steady(printed, skip)
    if not steady:
        last = printed[-1].step
        raise InputError(
            f"{where}: no step after the first {max(skip, 1)} (the last is {last}); log more of them, or lower --skip"
        )
    kept = _last_batch(steady)
    memory = [_number(m.group(1)) * form.memory_unit for line in lines if (m := form.memory.search(line))]
    return JobLog(
        tool=form.tool, steps=tuple(kept), left_out=len(printed) - len(kept),
        memory_bytes=max(memory, default=None), memory_words=form.memory_words,
    )  # fmt: skip


def _printed(form: Format, lines: Iterable[str]) -> Iterable[Step]:
    """The printed steps of one rank: the one whose line came first, where lines say their rank."""
    rank: str | None = None
    for line in lines:
        match = form.step.search(line)
        if match is None:
            continue
        label = _LABEL.match(line)
        name = label.group(1) if label else ""
        rank = name if rank is None else rank
        if name == rank:
            yield Step(
                int(match.group(1)),
                None if (s := _figure(form.seconds, line)) is None else s / form.per_second,
                _figure(form.rate, line),
                None if (b := _figure(form.batch, line)) is None else int(b),
            )


def _steady(printed: Sequence[Step], skip: int) -> list[Step]:
    """Steps after the start and after each restart (a step number that does not grow)."""
    kept: list[Step] = []
    first = before = None
    for step in printed:
        if before is None or first is None or step.step < before:
            first = step.step
        elif step.step >= first + skip and step.step > before and not (step.seconds is None and step.rate is None):
            kept.append(step)
        before = step.step
    return kept


def _last_batch(steps: Sequence[Step]) -> list[Step]:
    """The steps with the batch of the last one: a growing batch is no steady state."""
    return [s for s in steps if s.batch == steps[-1].batch]


def _figure(pattern: re.Pattern[str] | None, line: str) -> float | None:
    match = pattern.search(line) if pattern is not None else None
    return _number(match.group(1)) if match else None


def _number(text: str) -> float:
    return float(text.replace(",", ""))


class MeasuredRun(TrainOptions, total=False):
    """The file of `plan --measured`: the options of a run, and the time of a step ("6.1s") or the tokens a second of
    all its accelerators."""

    step_time: str
    tokens_per_s: int


def measured_run(log: JobLog, options: TrainOptions, accelerators: int, where: str) -> MeasuredRun:
    """The options of the run with what was measured: the file of `plan --measured`.

    InputError where the log and the options are of different runs.
    """
    out = cast("MeasuredRun", dict(options))
    batch, asked = log.typical("batch"), out.get("global_batch")
    if batch is not None and asked is not None and whole_of(asked, "--global-batch") != int(batch):
        raise InputError(f"{where}: the log's global batch is {batch:.0f}, the run's {asked}; they are different runs")
    if batch is not None:
        out["global_batch"] = f"{batch:.0f}"
    seconds, rate = log.typical("seconds"), log.typical("rate")
    if seconds is not None and rate is not None:
        _agree(seconds, rate * accelerators, out, where)
    if seconds is not None:
        return out | {"step_time": f"{seconds:.6g}s"}
    assert rate is not None
    return out | {"tokens_per_s": round(rate * accelerators)}


def _agree(seconds: float, rate: float, options: TrainOptions, where: str) -> None:
    """Tokens a second times the step's seconds are the batch, if fleet and batch are the log's."""
    if not options.get("global_batch"):
        return
    seq_len = whole_of(options.get("seq_len") or DEFAULT_SEQ_LEN, "--seq-len")
    said = whole_of(options["global_batch"], "--global-batch") * seq_len
    logged = seconds * rate
    if abs(logged / said - 1.0) > 0.03:
        raise InputError(
            f"{where}: the log's steps are of {logged:,.0f} tokens, the run's of {said:,} (global batch, sequence "
            "length and accelerators); they are different runs"
        )
