"""Logs of jobs read into the file of `plan --measured`; the lines are those that the trainers' own code prints."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hwmodel.cli.measured import command as measured
from hwmodel.errors import InputError
from hwmodel.interop.job_logs import measured_run, read_log
from hwmodel.solve.plan.solver import setting_of
from hwmodel.solve.question.measured import read_run
from hwmodel.solve.train import train

HERE = Path(__file__).parent
LINES: dict[str, list[str]] = json.loads((HERE / "job_lines.json").read_text(encoding="utf-8"))
SITE = os.environ.get("HWMODEL_VERIFY_SITE")
RUN = {"gpus": "512xH100", "model": "llama-3.1-70b", "tp": "8", "pp": "4", "vpp": "4", "cp": "1", "micro_batch": "1",
       "zero": "1", "recompute": "none", "global_batch": "1024", "precision": "bf16"}  # fmt: skip


def text_of(tool: str) -> str:
    return "\n".join(LINES[tool]) + "\n"


def flags(options: dict[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), value)]


def run(*words: str) -> Result:
    return CliRunner().invoke(measured, list(words))


def test_megatron_lines_give_time_batch_and_memory() -> None:
    log = read_log(text_of("megatron"), "x")
    assert (log.tool, len(log.steps), log.left_out) == ("Megatron-LM", 3, 1)
    assert log.typical("seconds") == pytest.approx(6.130)
    assert log.spread("seconds") == pytest.approx((6.120, 6.140))
    assert log.typical("batch") == 1024
    assert log.typical("rate") is None
    assert log.memory_bytes == pytest.approx(6e10, rel=1e-6)


def test_torchtitan_lines_give_the_rate_of_an_accelerator_and_memory() -> None:
    log = read_log(text_of("torchtitan"), "x")
    assert (log.tool, len(log.steps), log.left_out) == ("torchtitan", 2, 2)  # the line of step 10 holds the start
    assert log.typical("rate") == pytest.approx(7146.0)
    assert log.memory_bytes == pytest.approx(71.3 * 2**30)
    assert measured_run(log, RUN, 512, "x")["tokens_per_s"] == 7146 * 512


def test_maxtext_lines_give_time_rate_and_memory_in_use() -> None:
    log = read_log(text_of("maxtext"), "x", skip=2)
    assert (log.tool, len(log.steps), log.left_out) == ("MaxText", 4, 2)
    assert log.typical("seconds") == pytest.approx(3.2035)
    assert log.memory_bytes == pytest.approx(21.5 * 2**30)
    assert "not the peak" in log.memory_words
    options = RUN | {"global_batch": "1.024k", "seq_len": "4.096k"}
    assert measured_run(log, options, 512, "x")["step_time"] == "3.2035s"
    with pytest.raises(InputError, match="different runs"):
        measured_run(log, options | {"global_batch": "512"}, 512, "x")
    with pytest.raises(InputError, match="different runs"):
        measured_run(log, options, 256, "x")


def test_a_batch_other_than_the_log_s_is_refused() -> None:
    log = read_log(text_of("megatron"), "x")
    with pytest.raises(InputError, match="global batch is 1024, the run's 2048"):
        measured_run(log, RUN | {"global_batch": "2048"}, 512, "x")


def line(step: int, ms: float, batch: int = 1024, rank: str = "") -> str:
    time, size = f"elapsed time per iteration (ms): {ms:.1f}", f"global batch size: {batch:5d}"
    return f"{rank} iteration {step:8d}/{1000:8d} | {time} | {size} |"


def test_restarts_other_ranks_and_growing_batches_do_not_count() -> None:
    lines = [
        *(line(s, 9000.0, 512) for s in range(1, 31)),
        *(line(s, 6000.0) for s in range(31, 51)),
        *(line(s, 20000.0) for s in range(41, 51)),  # restarted from step 40: its first ten steps
        *(line(s, 6200.0) for s in range(51, 61)),
    ]
    log = read_log("\n".join(lines), "x")
    assert {s.seconds for s in log.steps} == {6.0, 6.2}
    assert len(log.steps) == 30
    both = [line(s, 6000.0 + 1000 * r, rank=f"[rank{r}]:") for s in range(1, 31) for r in (0, 1)]
    assert {s.seconds for s in read_log("\n".join(both), "x").steps} == {6.0}
    srun = [line(s, 6000.0 + 1000 * r, rank=f"{r}:") for s in range(1, 31) for r in (3, 0)]
    assert {s.seconds for s in read_log("\n".join(srun), "x").steps} == {9.0}


@pytest.mark.parametrize(
    ("text", "skip", "says"),
    [("nothing here\n", 10, "no line of a training step"), ("", 10, "no line of a training step"),
     (text_of("megatron") + text_of("torchtitan"), 10, "Megatron-LM and of torchtitan"),
     (text_of("megatron"), 40, "no step after the first 40"), (line(1, 6000.0), 0, "no step after the first 1"),
     ("validate step:  3  loss:  8.5  memory: 71.30GiB(90%)  tps: 3\n", 0, "no line of a training step")],
)  # fmt: skip
def test_a_log_without_steady_steps_is_refused(text: str, skip: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_log(text, "x", skip)


# A model of each log's size: one that would reach more than the peak of its accelerators is refused.
SIZES = {"megatron": "llama-3.1-70b", "torchtitan": "llama-3.1-8b", "maxtext": "codellama-34b"}


@pytest.mark.parametrize("tool", SIZES)
def test_the_file_sets_the_level_of_a_plan(tool: str, tmp_path: Path) -> None:
    """Measured over predicted, by hand: the prediction of `train` for the same layout."""
    (tmp_path / "job.log").write_text(text_of(tool), encoding="utf-8")
    out = tmp_path / "mine.yaml"
    done = run(str(tmp_path / "job.log"), *flags(RUN | {"model": SIZES[tool]}), "--skip", "2", "--out", str(out))
    assert done.exit_code == 0, done.output
    predicted = train(**RUN | {"model": SIZES[tool]}).to_dict()
    options, tokens, seconds = read_run(out)
    assert options["tp"] == "8"
    rate, step = predicted["tokens_per_s"]["value"], predicted["step_s"]["value"]
    by_hand = seconds / step if seconds else rate / (tokens or 1)
    assert setting_of(gpus="64xH100", tokens="1T", measured=str(out)).level == pytest.approx(by_hand, rel=1e-9)
    assert "memory" in done.output
    assert f"{by_hand:.2f} times the predicted time" in done.output


def test_a_launch_file_says_which_run_it_was(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text(
        "torchrun --nnodes 16 --nproc-per-node 8 pretrain_gpt.py --num-layers 31 --hidden-size 4096 "
        "--num-attention-heads 32 --group-query-attention --num-query-groups 8 --ffn-hidden-size 14336 --swiglu "
        "--normalization RMSNorm --position-embedding-type rope --untie-embeddings-and-output-weights "
        "--disable-bias-linear --vocab-size 128256 --seq-length 8192 --max-position-embeddings 8192 "
        "--tensor-model-parallel-size 2 --micro-batch-size 1 --global-batch-size 1024 --bf16 "
        "--use-distributed-optimizer --train-iters 100\n",
        encoding="utf-8",
    )
    (tmp_path / "job.log").write_text(text_of("megatron"), encoding="utf-8")
    out = tmp_path / "mine.yaml"
    done = run(str(tmp_path / "job.log"), "--from", str(script), "--gpus", "H100", "--out", str(out))
    assert done.exit_code == 0, done.output
    script.unlink()  # the model's shape stands in the file
    options, _, seconds = read_run(out)
    assert seconds == pytest.approx(6.13)
    assert options["gpus"] == "128xH100"
    assert options["shape"].blocks[0].count == 31
    assert setting_of(gpus="64xH100", tokens="1T", measured=str(out)).measured_level is not None


def test_nothing_is_written_where_the_run_cannot_be_predicted(tmp_path: Path) -> None:
    (tmp_path / "job.log").write_text(text_of("megatron"), encoding="utf-8")
    out = tmp_path / "mine.yaml"
    for words in ([], ["--gpus", "8xH100"], [*flags(RUN), "--tp", "7"], [*flags(RUN | {"model": "nobody"})]):
        done = run(str(tmp_path / "job.log"), *words, "--out", str(out))
        assert done.exit_code != 0
        assert not out.exists()
    assert isinstance(run(str(tmp_path / "no.log"), *flags(RUN)).exception, InputError)


def test_a_shape_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("gpus: 8xH100\nmodel: x\nstep_time: 1s\nshape: {name: x}\n", encoding="utf-8")
    with pytest.raises(InputError, match="shape"):
        read_run(path)


@pytest.mark.skipif(SITE is None, reason="set HWMODEL_VERIFY_SITE to the folder that `make verify` fills")
def test_the_lines_are_what_the_packages_print() -> None:
    spec = importlib.util.spec_from_file_location("record_lines", HERE / "record_lines.py")
    assert spec is not None
    assert spec.loader is not None
    recorder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorder)
    assert recorder.main(Path(str(SITE)), False) == 0
