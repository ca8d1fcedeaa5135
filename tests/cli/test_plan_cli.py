"""The command line: formats, exit codes, streams, files that appear whole or not at all, same input same bytes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN_JOB = ("plan", "--gpus", "1024xA100", "--tokens", "1.4T")


def run(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hwmodel", *words],
        capture_output=True, text=True, timeout=120, cwd=cwd, env={**os.environ, **(env or {})},
    )  # fmt: skip


def test_json_contract() -> None:
    done = run(*MAIN_JOB, "--format", "json")
    assert done.returncode == 0
    plan = json.loads(done.stdout)
    for key in ("request", "resolved", "answer", "regret_band", "laws", "saving", "layout", "step", "objectives",
                "precisions", "alternatives", "warnings", "sources"):  # fmt: skip
        assert key in plan
    assert set(plan["resolved"]) >= {"accelerator", "system", "law", "model", "catalog_version"}
    answer = plan["answer"]
    for key in ("params", "tokens", "train_flop", "accelerators", "idle_accelerators", "train_days", "elapsed_days",
                "gpu_hours", "mfu", "tokens_per_s", "loss_nats", "cost_usd", "energy_mwh", "co2e_t",
                "peak_memory_bytes", "reserved_memory_bytes", "goodput"):  # fmt: skip
        assert key in answer
    for key in ("train_days", "peak_memory_bytes", "reserved_memory_bytes"):
        assert set(answer[key]) == {"value", "low", "high"}
    assert set(plan["layout"]) == {"tp", "cp", "pp", "vpp", "ep", "etp", "dp", "zero", "micro_batch",
                                   "global_batch_seqs", "recompute", "offload", "schedule"}  # fmt: skip
    terms = {k: v for k, v in plan["step"].items() if k != "total_s"}
    assert sum(terms.values()) == pytest.approx(plan["step"]["total_s"])
    assert set(plan["objectives"]) >= {"training_optimal", "deployment_optimal"}
    assert plan["regret_band"]["params_low"] < answer["params"]["value"] < plan["regret_band"]["params_high"]


def test_without_a_fleet_its_keys_are_null() -> None:
    answer = json.loads(run("plan", "--flops", "5.76e23", "--format", "json").stdout)["answer"]
    for key in ("accelerators", "train_days", "cost_usd", "mfu", "peak_memory_bytes", "reserved_memory_bytes"):
        assert answer[key] is None


def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        assert run(*MAIN_JOB, "--out", "plan.md", "--quiet", cwd=tmp_path / name).returncode == 0
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["plan-fleet.svg", "plan-sizes.svg", "plan.md"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_report_ends_with_a_command_that_reproduces_it(tmp_path: Path) -> None:
    first = run(*MAIN_JOB, "--nic-gbit-s", "100", "--format", "md")
    command = next(line for line in first.stdout.splitlines() if line.startswith("hwmodel plan"))
    again = run(*command.split()[1:])
    assert again.stdout == first.stdout


def test_csv_and_text() -> None:
    rows = {row["quantity"]: row for row in csv.DictReader(io.StringIO(run(*MAIN_JOB, "--format", "csv").stdout))}
    assert float(rows["params"]["value"]) == pytest.approx(76.6e9, rel=0.002)
    assert float(rows["train_days"]["low"]) < float(rows["train_days"]["value"])
    text = run(*MAIN_JOB, "--format", "text").stdout
    assert text.startswith("A model of 76.6B parameters on 1.4T tokens")


def test_notes_go_to_stderr_and_can_be_silenced() -> None:
    loud = run(*MAIN_JOB, "--format", "json")
    assert "A100 read as" in loud.stderr
    assert run(*MAIN_JOB, "--format", "json", "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("plan", "--gpus", "8xA100", "--params", "405B", "--tokens", "1T"), 3, "does not fit"),
        (("plan", "--gpus", "0xA100", "--tokens", "1T"), 2, "above zero"),
        (("plan", "--gpus", "1024xA10O", "--tokens", "1T"), 2, "unknown accelerator"),
        (("plan", "--gpus", "8xA100", "--tokens", "1.4"), 2, "did you mean"),
        (("plan", "--gpus", "8xA100", "--budget", "-3"), 2, "above zero"),
        (("plan", "--gpus", "8xA100", "--tokens", "1T", "--precision", "fp8"), 2, "the hardware lacks it"),
        (("plan", "--loss-like", "70B@1.4T", "--loss-factor", "0.9"), 3, "floor is 1.817"),
        (("plan", "--tokns", "1T"), 2, "No such option"),
        (("train", "--tokens", "1T"), 2, "train has none, plan, compare have"),
        (("plann",), 2, "unknown command 'plann'"),
        (("compare", "--gpus", "64xA100", "--tokens", "100B", "--precision", "fp8"), 2, "cannot compute in fp8"),
    ],
)
def test_exit_codes_and_one_line(words: tuple[str, ...], code: int, said: str) -> None:
    done = run(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_layout_that_does_not_fit_is_shown_and_exits_with_3() -> None:
    done = run("train", "--model", "llama-3-70b", "--gpus", "8xA100", "--tp", "1", "--pp", "1", "--recompute", "none")
    assert done.returncode == 3
    assert "It does not fit" in done.stdout
    assert done.stderr.startswith("hwmodel: does not fit: ")


def test_unwritable_out_leaves_nothing(tmp_path: Path) -> None:
    done = run(*MAIN_JOB, "--out", str(tmp_path / "missing" / "plan.md"))
    assert done.returncode == 2
    assert "no folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_broken_overlay_is_an_invalid_catalog(tmp_path: Path) -> None:
    folder = tmp_path / "accelerators"
    folder.mkdir()
    (folder / "mine.yaml").write_text("id: [\n")
    done = run(*MAIN_JOB, "--catalog", str(tmp_path))
    assert done.returncode == 4
    assert "mine.yaml" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_compared_times_and_training_times_are_told_apart() -> None:
    done = run("compare", "--gpus", "64xA100", "--time", "10d,30d")
    header = next(line for line in done.stdout.splitlines() if line.startswith("| --time"))
    names = [cell.strip() for cell in header.strip("|").split("|")]
    assert len(set(names)) == len(names)
    assert {"productive time", "elapsed time billed"} < set(names)


def test_compare_shows_both_formats() -> None:
    done = run("compare", "--gpus", "512xH100", "--tokens", "2T", "--precision", "bf16,fp8", "--format", "json")
    assert done.returncode == 0
    rows = json.loads(done.stdout)["precisions"]
    assert [row["precision"] for row in rows] == ["bf16", "fp8"]
    assert 1.0 < rows[1]["speedup"]["low"] < rows[1]["speedup"]["value"] < rows[1]["speedup"]["high"]
    gap = rows[1]["loss_gap_share"]
    assert gap["low"] <= 0.0 < gap["value"] < gap["high"] < 0.006
    assert rows[1]["verdict"] in ("pays", "pays_unless_at_the_top", "within_noise")
    assert rows[1]["evidence"]["sources"] == 4


def test_no_heavy_import_for_a_plan() -> None:
    code = (
        "import sys, hwmodel as hm\n"
        "hm.plan(gpus='64xH100', tokens='100B')\n"
        "print([m for m in ('pandas', 'scipy', 'sympy', 'matplotlib', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_help_imports_no_numpy() -> None:
    code = "import sys\nfrom hwmodel.cli.main import cli\ncli.get_help\nprint('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_a_config_file_is_a_model(tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run("plan", "--model", str(tmp_path), "--gpus", "64xH100", "--tokens", "100B", "--format", "json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["shape"]["params"] == 8_030_261_248


def test_what_a_config_file_left_open_stands_in_every_answer(tmp_path: Path) -> None:
    """A type that nobody knows is read as a plain decoder: `plan`, `train` and `serve` say so in the answer itself."""
    config = {
        "model_type": "brand_new", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
        "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 32000, "rms_norm_eps": 1e-6,
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    said = "model_type 'brand_new' is not known: read as a plain decoder with gated networks"
    hardware = ("--gpus", "8xH100", "--format", "json")
    plan = run("plan", "--model", str(path), "--tokens", "10B", *hardware)
    train = run("train", "--model", str(path), *hardware)
    serve = run("serve", "--model", str(path), "--part", "h100", "--concurrency", "4", "--format", "json")
    for done, key in ((plan, "warnings"), (train, "warnings"), (serve, "notes")):
        assert done.returncode == 0, done.stderr
        assert said in json.loads(done.stdout)[key]
    assert said in run("plan", "--model", str(path), "--tokens", "10B", "--gpus", "8xH100").stdout
    assert said in run("serve", "--model", str(path), "--part", "h100", "--concurrency", "4").stdout


def test_a_hybrid_is_described_by_the_layers_that_attend() -> None:
    path = Path(__file__).resolve().parents[1] / "golden" / "hf_public" / "qnext.json"
    done = run("plan", "--model", str(path), "--gpus", "64xH100", "--tokens", "100B", "--format", "json", "--quiet")
    shape = json.loads(done.stdout)["shape"]
    assert (shape["layers"], shape["attention_layers"], shape["n_heads"], shape["d_ff"]) == (48, 12, 16, 512)
