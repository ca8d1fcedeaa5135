"""Renders docs/accuracy-training.md from docs/figures/accuracy.json (`training_numbers` measures them)."""

from __future__ import annotations

import math

import msgspec

from hwmodel.report.reliability_figure import ReliabilityBin, reliability_svg
from hwmodel.report.tables import table
from hwmodel.validation.board.accuracy_page import ROOT
from hwmodel.validation.board.training_figures import TrainingFigures

NUMBERS, PAGE = ROOT / "docs" / "figures" / "accuracy.json", ROOT / "docs" / "accuracy-training.md"
DIAGRAM = NUMBERS.with_name("reliability.svg")

HEAD = """\
# Accuracy of training predictions

Written by `python -m hwmodel.validation.board.training_numbers`, all kinds of predictions: [accuracy](accuracy.md).
Errors are of tokens a second and accelerator (step time where no rate is published), in percent; `signed` is predicted
over measured less one. `constant` is one utilisation for each accelerator and format, fitted on the very rows.
`source left out`: every constant fitted again, from its prior, without a row of that source; `covered`: share of its
rows inside the 80 % interval that was then given.
"""

AIMS = (
    ("source left out, nanotron apart", "9", "7.9", "held"),
    ("source left out, with it", "11", "11.8",
     "nanotron is 78: launches cost it 5 times more with pipeline and tensor ranks"),
    ("mixtures of Megatron-Bridge left out", "11", "12.7", "GPT-OSS and H100 runs of Qwen3, below"),
    ("layouts searched; signed", "14; 5", "12.9; +3.8", "held (by the shipped constants)"),
    ("peak memory of nanotron", "6", "5.1", "held, with one constant chosen on three of its models for the fourth"),
    ("failed layouts, area under the curve", "0.94", "0.932", "16 % of failures that memory does not explain"),
)  # fmt: skip
WEAK = """\
The first three were taken with this version's model, each source left out and every constant fitted again from its
prior; before it they were 9.7, 12.8 and 12.7, and models left out of known sources 8.2 (now 7.0). What each step is
worth stands in docs/model.md: overlaps as the scripts of a source set them (SimuMax 17.3 to 12.8), torchtitan's
operator policy (llm-foundry 9.0 to 6.0, torchtitan H200 12.9 to 8.9) and its products that wait for what they gather
(async-TP 10.1 to 4.3), priors of products in training from kernels measured on B200 (SimuMax 12.8 to 8.5,
Megatron-Bridge 8.3 to 9.1). The third is no runs of another source: those kernels were timed on the machines that
SimuMax's runs come from.

- **Levels.** A source that is the only one of its software has no level of its own when it is left out. The fitted
  levels of nine stacks lie between 0.91 and 1.11 of the kernels' times: about 8 % of a step is what an unseen trainer
  leaves open, whatever the physics. BLOOM's production script waits for each kernel
  (`CUDA_LAUNCH_BLOCKING=1`, a stack of its own since): 24 to 20, and vTrain on many nodes, which shares its level, 14.5
  to 12.7. What is left between those two (one too fast, the other too slow) no setting of either tells.
- **GPT-OSS.** Left out, 20 to 29 % too fast on NVL72, B300 and H100, in 16 bits and in MXFP8 alike (in sample 10 to
  15 in 16 bits). Its width of 2,880 is not it: products and grouped products of that width, timed on one H100, take
  0.95 to 1.07 of the kernel law's time, as those of 3,072 do. Windows are not: cuDNN's backward pass of 4,096 tokens
  under a window of 511 takes 0.31 of the whole (0.23 by pairs; NVIDIA/cudnn-frontend#505). Biases of its experts are:
  Megatron-Core adds the second product's expert by expert in eager code (`experts.py`, `_apply_bias`) and clamps both
  halves of the first one's output before the fused activation (`fused_bias_geglu.py`). On one H100 the two take 6.4
  and 4.8 ms, forward and backward, for 65,536 routed rows of 2,880 in 16 bits: 0.68 us a token and layer, where 0.85
  are missing. By bandwidth 0.29 of 0.40 us on GB200. They stand in no row, and rows of such models cannot be told from
  others, so that they are not in the model; `grouped` takes part of them up (0.74 in sample; 0.92 to 1.0 by kernels).
  Of the fused MXFP8 kernels of 26.06 no public kernel tells. Release 26.06.01 ran 1.6 times slower than 26.06 and
  26.08 in the same layout: its notes name a cuDNN regression.
- **Kernels against constants.** The same H100 holds the priors: sustained 16-bit products 0.95 to 1.02 of the law's
  time (prior 1.05, fitted 1.06), FlashAttention-2 1.10 forward and 1.12 backward over it (prior 1.1, fitted 1.2),
  backward passes of cuDNN 0.97 (prior 1.1). Runs ask for 1.4 (`attention_backward`): what surrounds attention in a
  step (rotary embedding, transposes) hides in it. An eager cross-entropy of 8,192 x 131,072 takes 18 ms, 2.8 times the
  loss term, and 12.0 bytes a logit beside the 16-bit ones, as assumed for eager stacks; the time is not in the model.
- **Qwen3-30B on H100 in 8 bits.** One layout ran 1.8 times faster in release 26.02.01 than in 26.02.
- **Memory on one stage under tensor parallelism.** nanotron's runs without a pipeline hold about 95 bytes a token
  and unit of width beyond need, the same for TP 2 to 32 and for 16 to 80 layers, and none with two stages. Layouts
  without room for them ran: counted as need they take the area under the curve from .932 to .928. So they are bytes
  that are freed late (`late_bytes`), shown as allocated where memory is free and never a reason to refuse. 90 to 100
  by any three of the four models; each model left out, the median error is 5.1 % (6.8 without).

## Where it is weak

Mixtures of experts: the same configuration gains up to 1.8 times over eight months of releases. Parts without runs
of their own (V100, Gaudi, Trainium, MI300) take the constants of their kin and a wider interval. Pipelines of the
nanotron grid at 256 accelerators and more. Choices made with residuals in sight, which leaving out does not undo: the
habits of stacks (`stacks.yaml`, among them `dp_overlap` of nanotron and the version of Megatron-Bridge with graphs),
the forms of the terms, the priors.
"""

SLOW = """\
A quarter of the nanotron runs with pipelines (146 of 577) take more than twice the time predicted. What they have in
common is 0.5 to 1.1 s (median 0.9) for each of the m + pp - 1 turns of a step, the same for 1B and for 80B, for TP 1
and for TP 32. It follows no setting: of 56 pairs that differ in the ZeRO stage alone, 28 have one slow run and one that
is predicted within a quarter, and which one it is changes with the fleet (3B on 32 accelerators: ZeRO 0 slow; on 256:
ZeRO 1). Runs of one model, fleet, ZeRO stage and micro-batch are slow together, as jobs sent off together would be, and
more of them in larger fleets (5 % at 8 accelerators, half at 512): a state of the cluster, which nothing in a row
tells. Nothing here is fitted to them. They are the mean error of that source, and what keeps its rank correlation low.
"""

SLOW_GRID = "nanotron"


def page(n: TrainingFigures) -> str:
    """The Markdown of the page."""
    return "\n".join((
        HEAD, _sources(n), "", _means(n), "", _hidden(n), "", "## Layouts and memory", "",
        _layouts(n), "", SLOW, _memory(n), "", _reliability(n), "", "## Layouts searched", "", _searched(n), "",
        "## Constants fitted on runs", "", _constants(n), "", "## Ablation", "", _ablation(n), "",
        "## Against what was aimed at", "",
        table(["%", "aimed at", "reached", "what is left, by mechanism"], AIMS), "", WEAK,
    ))  # fmt: skip


def _p(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.1f}"


def _sources(n: TrainingFigures) -> str:
    names = ("median", "mean", "signed", "constant", "left_out", "covered")
    rows = [[line.source, str(line.rows), *(_p(getattr(line, name)) for name in names)] for line in n.by_source]
    return table(["source", "rows", "median", "mean", "signed", "constant", "source left out", "covered"], rows)


def _mean(values: list[float | None], names: list[str], without: str = "") -> float | None:
    kept = [value for value, name in zip(values, names, strict=True) if value is not None]
    if without:
        kept = [v for v, name in zip(values, names, strict=True) if v is not None and without not in name]
    return sum(kept) / len(kept) if kept else None


def _means(n: TrainingFigures) -> str:
    names = [line.source for line in n.by_source]
    in_sample, left_out = [line.median for line in n.by_source], [line.left_out for line in n.by_source]
    constant = [line.constant for line in n.by_source]
    given: list[float | None] = list(n.refits.given_one_row.values())
    given_sources = list(n.refits.given_one_row)
    rows = [
        ["in sample", _p(_mean(in_sample, names)), _p(_mean(constant, names))],
        ["(source, model) groups left out, 5 folds *", _p(n.refits.group.mean_of_source_medians), "-"],
        ["source left out", _p(_mean(left_out, names)), "-"],
        ["source left out, nanotron apart", _p(_mean(left_out, names, SLOW_GRID)), "-"],
        ["source left out, one of its rows given, mean over the row *", _p(_mean(given, given_sources)), "-"],
        ["the same, nanotron apart *", _p(_mean(given, given_sources, SLOW_GRID)), "-"],
    ]
    return table(["mean over sources of the median error, %", "model", "constant"], rows) + "\n\n" + _taken(n)


def _taken(n: TrainingFigures) -> str:
    """Whether what needs many fits was taken beside the constants of this version."""
    same = n.refits.constants == n.constants
    beside = "beside the constants of this version" if same else "before the last fit of the constants"
    return f"What has a star, and the ablation, takes dozens of fits and was taken {beside}."


def _hidden(n: TrainingFigures) -> str:
    rows = [[one.name, _p(one.in_sample), _p(one.left_out)] for one in n.hidden]
    return table(["rows", "in sample", "source left out"], rows)


def _layouts(n: TrainingFigures) -> str:
    choice, failed = n.choice, n.failed
    return (
        f"On the nanotron grid (H100, {choice.pairs:.0f} model and fleet pairs) the layout predicted fastest runs at"
        f" {_p(choice.median_speed_of_pick)} % of the best measured speed in the median (lower quartile"
        f" {_p(choice.quartile_speed_of_pick)} %); rank correlation {choice.median_rank_correlation:.2f}, and"
        f" {choice.median_rank_correlation_clean:.2f} without the runs measured at less than half the predicted"
        f" speed. Of {failed.failed:.0f} layouts that gave no result, {_p(failed.failed_predicted_over)} % are"
        f" predicted over the memory, of the {failed.successful:.0f} that ran"
        f" {_p(failed.successful_predicted_over)} %; area under the curve {failed.auc:.3f}."
    )


def _memory(n: TrainingFigures) -> str:
    rows = [[one.source, str(one.rows), _p(one.median)] for one in n.memory]
    return table(["source", "rows", "median error of peak memory, %"], rows)


def _reliability(n: TrainingFigures) -> str:
    """Layouts that ran by their predicted fill, beside the probability that was said."""
    rows = []
    for one in n.reliability:
        ends = f"{one.low:g} and more" if one.high is None else f"{one.low:g} to {one.high:g}"
        rows.append([ends, f"{one.layouts}", _p(one.said), _p(one.ran)])
    words = (
        "Whether a layout starts, by its predicted peak over the memory (layouts that ran and layouts that did not; a"
        " tenth fails whatever it fills, for other causes). A plan fills at most"
        f" {_p(n.most_full)} %: what fits with {_p(n.least)} %.\n\n"
        "![Layouts said to run against layouts that ran](figures/reliability.svg)\n\n"
    )
    return words + table(["predicted fill", "layouts", "said to run, %", "ran, %"], rows)


def _searched(n: TrainingFigures) -> str:
    found, taken = n.searched, math.exp(n.optimism)
    size, signed = (sum(getattr(line, name) for line in found) / len(found) for name in ("searched_abs", "searched"))
    without = sum((1.0 + line.searched) * taken - 1.0 for line in found) / len(found)
    rows = [
        [line.source, f"{line.rows:.0f}", _p(line.printed), _p(line.searched), _p(line.searched_abs)] for line in found
    ]
    words = (
        "What `plan` does: the published layout is blanked, ours is searched. Signed median error of the rate with the"
        " layout as printed and as searched, and the median size of the latter; sources that print a grid of layouts"
        f" are left out. Mean over sources of the last column: {_p(size)} %; of the signed one {100.0 * signed:+.1f} %,"
        f" and {100.0 * without:+.1f} % without the optimism of the search, {100.0 * (taken - 1.0):.1f} % of a step"
        " (`predict/optimism.py`).\n\n"
    )
    return words + table(["source", "rows", "printed", "searched", "size"], rows)


def _constants(n: TrainingFigures) -> str:
    rows = [
        [one.name, f"{one.prior:g}", f"{one.fitted:.3g}", f"{one.low:g} to {one.high:g}", one.meaning]
        for one in n.values
    ]
    return table(["constant", "prior", "fitted", "bounds", "meaning"], rows)


def _ablation(n: TrainingFigures) -> str:
    found = n.refits.ablation
    first = found[0].mean
    rows = [[one.name, _p(one.mean), f"{100.0 * (one.mean - first):+.1f}"] for one in found]
    words = "Each term removed and all fitted again, on the runs alone; mean over sources of the median error, %.\n\n"
    return words + table(["removed", "in sample", "change"], rows)


def diagram(n: TrainingFigures) -> str:
    """Layouts that ran against the probability said."""
    bins = [ReliabilityBin(said=one.said, came_true=one.ran, cases=one.layouts) for one in n.reliability]
    return reliability_svg(bins, "Does a layout start?", "said to run", "ran")


def numbers() -> TrainingFigures:
    """The numbers as they are committed."""
    return msgspec.json.decode(NUMBERS.read_bytes(), type=TrainingFigures)


def write_page() -> None:
    """Render the page and its figure from the committed numbers."""
    found = numbers()
    PAGE.write_text(page(found), encoding="utf-8")
    DIAGRAM.write_text(diagram(found), encoding="utf-8")


if __name__ == "__main__":
    write_page()
