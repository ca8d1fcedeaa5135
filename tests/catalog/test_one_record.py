"""A stack, an engine, a recipe, a number format and a law are one record each, a command, its verb and its route two
files each: added to a copy of the package, command line, Python and HTTP know them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hwmodel.specs.formats import FORMATS, KIN

ROOT = Path(__file__).resolve().parents[2]

ENGINE = """
  - id: newserve
    title: NewServe
    aliases: [new-serve]
    match: newserve
    settings: {memory_fraction: 0.5, norms_apart: 0.0}
"""
STACK = """
  - id: newtrain
    title: NewTrain, a PyTorch trainer
    match: newtrain
    like: [pytorch]
    schedules: [1f1b, zb-h1]
    constants: {attention_generation: 3.0, default_zero: 2.0}
"""
TRAINING = """
- {id: new6, title: MXFP6 in every linear layer, source: ocp-mx, aliases: [new-six], gemm_format: mxfp6,
   attention_format: bf16, logits_format: bf16, weight_bytes: 0.78125, gradient_bytes: 4.0, master_bytes: 4.0,
   moment_bytes: 8.0, activation_bytes: 0.78125, gradient_comm_bytes: 4.0, weight_comm_bytes: 2.0, scale_block: 32.0,
   scale_bytes: 1.0, exponent_bits: 3.0, mantissa_bits: 2.0}
"""
SERVING = """
- {id: w6a16, title: "6-bit weights, BF16 arithmetic", source: ocp-mx, aliases: [int6-wo], gemm_format: bf16,
   weight_bytes: 0.78125, activation_bytes: 2.0, kv_bytes: 2.0, attention_format: bf16, weight_only: true}
"""
LAW = """\
id: new_2026
title: A new law
year: 2026
source: arxiv-2404.10102
status: primary
family: pretraining
form: additive
corpus: Some text
constants: {E: 1.8, A: 480.0, B: 2080.0, alpha: 0.34, beta: 0.36}
test_points:
  - {text: "L(1, 1)", status: derived, checks: [{with: {params: 1.0, tokens: 1.0}, want: loss_nats, expect: "2561.8"}]}
"""
COMMAND = '''\
"""`hwmodel newcommand`: a vendor's parts."""

import click

from hwmodel.cli.output import emit


@click.command("newcommand")
@click.option("--vendor", required=True, help="Whose parts.")
def command(vendor: str) -> None:
    """How many parts a vendor has."""
    import hwmodel as hm

    emit(str(hm.newcommand(vendor=vendor).to_dict()["parts"]), None)
'''
VERB = '''

def newcommand(vendor: str) -> Any:
    """How many parts a vendor has."""
    import msgspec

    class Counted(msgspec.Struct):
        parts: int

        def to_dict(self) -> dict[str, int]:
            return msgspec.to_builtins(self)

        def to_markdown(self) -> str:
            return f"{self.parts} parts"

    from hwmodel.catalog import load_catalog as load

    return Counted(sum(part.vendor == vendor for part in load().parts()))
'''
# Lines put before others: in which file, before which line.
LINES = [
    ("hwmodel/cli/main.py", '    "plan": "Answer', '    "newcommand": "A vendor\'s parts.",\n'),
    ("hwmodel/cli/main.py", '    "Accuracy": (', '    "New": ("newcommand",),\n'),
    ("hwmodel/__init__.py", "        plan,\n", "        newcommand,\n"),
    ("hwmodel/__init__.py", '    "plan",\n', '    "newcommand",\n'),
    ("hwmodel/web/fields.py", '        Verb(name="train"',
     '        Verb(name="newcommand", asks="How many parts?", fields=("vendor",), start={"vendor": "nvidia"}),\n'),
    ("hwmodel/web/answers.py", '    "plan": _plan', '    "newcommand": lambda asked: _new(asked),\n'),
    ("hwmodel/web/answers.py", "SOLVERS: Mapping",
     "def _new(question):\n    import hwmodel as hm\n    return hm.newcommand(**question)\n\n\n"),
]  # fmt: skip
ADDED = {
    "catalogs/calibrations/engines.yaml": ENGINE,
    "catalogs/calibrations/stacks.yaml": STACK,
    "catalogs/precisions/training/recipes.yaml": TRAINING,
    "catalogs/precisions/serving/recipes.yaml": SERVING,
    "catalogs/laws/new_2026.yaml": LAW,
    "hwmodel/cli/newcommand.py": COMMAND,
    "hwmodel/api/verbs.py": VERB,
}
TRAIN = ["--gpus", "64xMI355X", "--params", "7B", "--tokens", "100B"]
SERVE = ["serve", "--model", "llama-3.1-8b", "--gpus", "1xH100", "--concurrency", "32"]
QUESTIONS = {
    "plan": ["plan", *TRAIN, "--stack", "NewTrain", "--law", "new_2026", "--precision", "new-six", "--format", "json"],
    "train": ["train", "--gpus", "64xH100", "--model", "llama-3.1-8b", "--stack", "newtrain", "--format", "json"],
    "serve": [*SERVE, "--engine", "new-serve", "--precision", "int6-wo", "--format", "json"],
    "law": ["law", "eval", "new_2026", "--params", "7B", "--tokens", "100B", "--format", "json"],
    "combine": ["law", "combine", "new_2026", "muennighoff_2023", "--format", "json"],
    "points": ["law", "docs", "pages"],
    "list": ["catalog", "list", "stacks", "--format", "json"],
    "check": ["catalog", "check"],
    "command": ["newcommand", "--vendor", "nvidia"],
    "help": ["--help"],
    "saved": [*SERVE, "--engine", "new-serve", "--out", "served.json"],
    "no writer": ["export", "served.json", "--to", "k8s", "--out", "files"],
    "no target": ["export", "served.json", "--to", "newserve", "--out", "files"],
    "as another": ["export", "served.json", "--to", "vllm,k8s", "--out", "files"],
    "wrong": [*SERVE, "--engine", "newserv"],
}
SCRIPT = """
import contextlib, io, json, sys
from hwmodel.cli.main import main

said = {}
for name, question in json.load(sys.stdin).items():
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(question)
        except SystemExit as stop:
            code = stop.code
    said[name] = [code or 0, out.getvalue(), err.getvalue()]
from hwmodel.web.answers import Job, reply
from hwmodel.web.openapi import document

for form in ("json", "report"):
    answer = reply(Job(verb="newcommand", form=form, body=b'{"vendor": "nvidia"}'))
    said[f"http {form}"] = [answer.exit_code, answer.body.decode(), ""]
wrong = reply(Job(verb="newcommand", form="json", body=b'{"vendors": "nvidia"}'))
said["http wrong"] = [wrong.exit_code, wrong.body.decode(), ""]
said["routes"] = [0, " ".join(document()["paths"]), ""]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Exit code, output and notes of each question, asked of a copy with the records above."""
    place = tmp_path_factory.mktemp("copy")
    for folder in ("hwmodel", "catalogs"):
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for name, text in ADDED.items():
        path = place / name
        path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text, encoding="utf-8")
    for name, line, before in LINES:
        path = place / name
        text = path.read_text(encoding="utf-8")
        assert text.count(line) == 1, (name, line)
        path.write_text(text.replace(line, before + line), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(QUESTIONS), capture_output=True, text=True, cwd=place,
        env=os.environ | {"PYTHONPATH": str(place), "XDG_CACHE_HOME": str(place)}, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    found: dict[str, tuple[int, str, str]] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in ("wrong", "no writer", "no target")])
def test_every_command_knows_a_record_that_was_added(said, name):
    code, _, notes = said[name]
    assert code == 0, notes


def test_what_was_added_is_what_answers(said):
    plan = json.loads(said["plan"][1])
    assert (plan["resolved"]["law"], plan["resolved"]["stack"]) == ("new_2026", "newtrain")
    assert "new-six read as MXFP6 in every linear layer (new6)" in plan["warnings"]
    assert 1.8 < plan["answer"]["loss_nats"]["value"] < 3.0
    served = json.loads(said["serve"][1])
    assert served["resolved"]["engine"] == "newserve"
    assert '"w6a16"' in said["serve"][1]
    assert json.loads(said["combine"][1])["combinations"][0]["verdict"] == "sound"
    assert "newtrain" in said["list"][1]
    assert int(said["command"][1]) > 10
    assert "newcommand" in said["help"][1]


def test_a_verb_has_its_route_and_its_description(said):
    code, body, _ = said["http json"]
    assert (code, json.loads(body)["parts"]) == (0, int(said["command"][1]))
    assert said["http report"][1] == f"{int(said['command'][1])} parts"
    code, body, _ = said["http wrong"]
    assert code == 2
    assert "nearest: vendor" in json.loads(body)["error"]["message"]
    assert "/api/newcommand" in said["routes"][1].split()


def test_export_writes_no_other_engine_in_its_place(said):
    """Until a writer has its name; what does is named."""
    code, _, notes = said["no writer"]
    assert code == 2
    assert "no target writes for the engine newserve" in notes
    assert "vllm, sglang, trtllm" in notes
    code, _, notes = said["no target"]
    assert code == 2
    assert "unknown target 'newserve'" in notes


def test_a_name_near_it_is_refused_with_it(said):
    code, _, notes = said["wrong"]
    assert code == 2
    assert "newserve" in notes


def test_every_number_format_has_kernels_or_kin_that_has():
    for name in FORMATS:
        seen = [name]
        while seen[-1] in KIN:
            seen.append(KIN[seen[-1]])
            assert len(seen) == len(set(seen)), name
        assert seen[-1] == "bf16", name
