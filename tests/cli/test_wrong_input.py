"""Wrong inputs to all commands: one line that says what is wrong and how to mend it, its exit code, no file."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from hwmodel.cli.main import main

RUNS = "N,D,loss,status\n" + "".join(
    f"{n:g},{d:g},{1.8 + 482 / n**0.3478 + 2085 / d**0.3658:.5f},done\n"
    for n in (1e8, 3e8, 1e9, 3e9)
    for d in (2e9, 1e10, 5e10, 2e11)
)
FILES = {
    "runs.csv": RUNS.encode(),
    "binary.csv": b"\xff\xfe\x00bad",
    "empty.csv": b"",
    "no_loss.csv": b"a,b\n1,2\n",
    "cut.json": b'{"a": ',
    "prices.csv": b"date,part,provider,kind,usd_per_accelerator_hour\n2026-01-01,H100,x,on_demand,-2\n",
}
JOB = "plan --gpus 1024xA100"
CASES = [
    (2, f"{JOB} --tokens 1e60", "at most 1e+30"),
    (3, "plan --gpus 64xH100 --budget $5Q", "beyond the 1,000 that a plan is made for"),
    (2, f"{JOB} --flops 1e300", "at most 1e+36"),
    (2, f"{JOB} --tokens nan", "write it like"),
    (2, f"{JOB} --tokens -1T", "above zero"),
    (2, "plan --gpus 1e15xA100 --tokens 1T", "at most 1e9"),
    (2, "serve --model llama-3.1-8b --demand 1e30req/s", "at most 1e+12 requests/s, got '1e30req/s': no"),
    (2, "serve --model llama-3.1-8b --demand 1e-30", "at least 1e-09"),
    (2, "serve --model llama-3.1-8b --concurrency 1e20 --gpus 8xH100", "no service holds so many at once"),
    (2, "serve --model llama-3.1-8b --demand 1req/s --max-running 1e20", "at most 1e+12 requests, got"),
    (2, f"{JOB} --tokens 1T --nic-gbit-s 1e40", "at most 1e+06 Gbit/s, got '1e40': no network of an accelerator"),
    (2, f"{JOB} --tokens 1T --nic-gbit-s 1e-40", "at least 0.001"),
    (2, f"{JOB} --tokens 1T --usd-per-hour 1e30", "at most 1e+09 USD an hour"),
    (2, f"{JOB} --tokens 1T --time 1e12d", "at most 1e+12 s, got '1e12d': more than thirty thousand years"),
    (2, f"{JOB} --tokens 1e25", "at most 1e+20, got '1e25': no model has so many parameters"),
    (2, "plan --gpus B200 --time 30d --power 1e30W", "at most 1e+15 W"),
    (2, "plan --gpus=-4xA100 --tokens 1T", "write it like 1024xA100"),
    (2, "plan --gpus '' --tokens 1T", "--gpus is empty"),
    (2, f"{JOB} --tokens 1T --tp x", "whole number like 8"),
    (2, f"{JOB} --tokens 1T --tp -8", "whole number like 8"),
    (2, f"{JOB} --tokens 1T --inference-tokens 2T --prompt-output 3", "write it like 3:1"),
    (2, f"{JOB} --tokens 1T --inference-tokens 2T --prompt-output 0:0", "write it like 3:1"),
    (4, f"{JOB} --tokens 1T --prices prices.csv", "prices.csv:2: usd_per_accelerator_hour '-2' is not a number above"),
    (4, f"{JOB} --tokens 1T --prices binary.csv", "not UTF-8"),
    (2, f"{JOB} --tokens 1T --prices folder", "no such file"),
    (2, f"{JOB} --tokens 1T --catalog runs.csv", "no such folder"),
    (2, f"{JOB} --tokens 1T --out folder", "it is a folder"),
    (2, f"{JOB} --tokens 1T --out nowhere/plan.md", "no folder nowhere"),
    (2, "plan --gpus 8xH100 --tokens 1T --model gone.json", "gone.json: no such file"),
    (2, "compare --gpus 512xH100 --tokens 2T --out folder", "it is a folder"),
    (2, "train", "say what is trained"),
    (2, "train --gpus 8xH100 --params 7B --vpp 3", "add --pp of 2 or more"),
    (2, "train --gpus 8xH100 --params 7B --ep 4", "the model has no experts"),
    (2, "train --gpus 8xH100 --params 7B --tp 16", "does not divide"),
    (2, "train --gpus 8xH100 --model cut.json", "cut.json:1: not JSON"),
    (2, "train --gpus 8xH100 --params 7B --out nowhere/x.md", "no folder nowhere"),
    (2, "law disagreemen", "unknown command of law 'disagreemen'; nearest: disagreement"),
    (2, "law list --out folder", "it is a folder"),
    (2, "law eval kumar_2024 --params 7B --tokens 1T --set weight_bits", "write NAME=VALUE, like --set"),
    (2, "law eval kumar_2024 --params 7B --tokens 1T --set weight_bits=nan", "finite number"),
    (2, "law eval kumar_2024 --params 7B --tokens 1T --set weight_bits=1e-4", "no real value at"),
    (2, "law optimum besiroglu_2024 --flops 1e23 --draws 1000000000000", "100 to 1,000,000"),
    (2, "law optimum besiroglu_2024 --flops 1e23 --inference-tokens 1T --unique-tokens 1T", "do not go together"),
    (2, "law optimum ludziejewski_2025 --flops 1e23 --experts nan", "write it like"),
    (2, "law disagreement --flops 1e23 --tokens 1T", "exactly one of --flops, --tokens and --params"),
    (2, "law docs empty.csv", "cannot make the folder"),
    (2, "claims fo", "unknown command of claims 'fo'; known: check, history, show"),
    (2, "claims show 1 --set foo=1", "has no input 'foo'"),
    (2, "claims check binary.csv", "not UTF-8"),
    (2, "claims check runs.csv --out folder", "it is a folder"),
    (2, "fit binary.csv", "not UTF-8 text (byte 0)"),
    (2, "fit empty.csv", "a header line with columns such as N,D,loss"),
    (2, "fit folder", "cannot be read"),
    (2, "fit no_loss.csv", "--column loss=HEADER"),
    (2, "fit runs.csv --column lss=loss", "nearest: loss"),
    (2, "fit runs.csv --where status=failed", "no runs left"),
    (2, "fit runs.csv --bootstraps 1000000000", "20 to 100,000"),
    (2, "fit runs.csv --seed -1", "from 0 to"),
    (2, "fit runs.csv --plot folder", "cannot write --plot folder"),
    (2, "fit runs.csv --plot figure.png", "ends in .svg"),
    (2, "fit runs.csv --save besiroglu_2024", "which yours would hide"),
    (2, "fit runs.csv --save ../x", "letters, digits"),
    (2, "validate binary.csv", "not UTF-8 text (byte 0)"),
    (2, "validate runs.csv", "the header is none of"),
    (2, "validate runs.csv --folds 5", "add --leave-out"),
    (2, "validate runs.csv --leave-out source --folds 1", "at least 2"),
    (2, "validate runs.csv --out folder", "it is a folder"),
    (2, "calibrate --runs empty.csv", "is empty"),
    (2, "calibrate --kernels nowhere", "no such folder"),
    (2, "calibrate --kernels folder --out .", "gemm.parquet is missing"),
    (2, "calibrate --runs runs.csv --out empty.csv", "is a file; name a folder"),
    (2, "calibrate --serving --runs runs.csv", "drop --runs"),
    (2, "catalog foo", "unknown command of catalog 'foo'; known: check, docs"),
    (2, "catalog show gone.json", "gone.json: no such file"),
    (2, "catalog show A100 --out nowhere/x", "no folder nowhere"),
    (2, "catalog schema models --out folder", "it is a folder"),
]


@pytest.mark.parametrize(("code", "line", "words"), CASES, ids=[line for _, line, _ in CASES])
def test_one_line_an_exit_code_and_nothing_written(
    code: int,
    line: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        main(shlex.split(line))
    said = capsys.readouterr()
    assert stop.value.code == code, said.err
    assert said.out == ""
    assert words in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
