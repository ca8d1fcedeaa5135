"""The API answers as the command line: the same document, the same report, the same files, the same errors."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner
from web_client import Served

from hwmodel.api import options
from hwmodel.cli.main import COMMANDS, cli
from hwmodel.errors import HwModelError
from hwmodel.web.fields import FIELDS, FILES, VERBS
from hwmodel.web.openapi import document, schemas

QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("plan", {"gpus": "64xH100", "tokens": "200B"}),
    ("plan", {"gpus": "64xH100", "params": "3B", "tokens": "200B", "inference_tokens": "1T", "pue": 1.3}),
    ("plan", {"loss_like": "7B@1T"}),
    ("compare", {"gpus": "64xH100", "tokens": "200B", "precision": "bf16,fp8"}),
    ("compare", {"gpus": "64xH100", "params": "3B,7B", "tokens": "200B"}),
    ("serve", {"model": "llama-3.1-8b", "demand": "20 req/s", "parts": "h100", "ttft": "1s"}),
    ("serve", {"model": "llama-3.1-8b", "concurrency": 8, "parts": "h100", "precision": "fp8", "tp": 1}),
    ("train", {"gpus": "64xH100", "model": "llama-3.1-8b", "tp": 2, "global_batch": 256}),
    ("train", {"gpus": "64xH100", "model": "llama-3.1-8b", "sequence_parallel": False, "tp": 2}),
]
MEANT = {"sequence_parallel": "--no-sequence-parallel"}  # false over HTTP is a switch on the command line


def words(verb: str, question: dict[str, Any]) -> list[str]:
    """The command line of a question."""
    typed = [verb]
    for name, value in question.items():
        typed += [MEANT[name]] if name in MEANT else [f"--{name.replace('_', '-')}", str(value)]
    return typed


def printed(verb: str, question: dict[str, Any], fmt: str) -> str:
    return CliRunner().invoke(cli, [*words(verb, question), "--format", fmt], catch_exceptions=False).stdout


@pytest.mark.parametrize(("verb", "question"), QUESTIONS)
def test_a_question_answers_as_on_the_command_line(server: Served, verb: str, question: dict[str, Any]) -> None:
    got = server.post(f"/api/{verb}", question)
    assert got.status == 200, got.body
    assert got.headers["hwmodel-exit-code"] == "0"
    answer, expected = got.data, json.loads(printed(verb, question, "json"))
    assert answer == expected
    jsonschema.validate(answer, {"$ref": f"#/components/schemas/{verb}_answer", "components": {"schemas": schemas()}})


@pytest.mark.parametrize(("verb", "question"), [QUESTIONS[i] for i in (0, 3, 4, 5, 7)])
def test_the_report_is_that_of_the_command_line(server: Served, verb: str, question: dict[str, Any]) -> None:
    got = server.post(f"/api/{verb}/report", question)
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/markdown")
    assert got.body.decode().strip() == printed(verb, question, "md").strip()


def test_launch_files_are_those_of_export(server: Served, tmp_path: Path) -> None:
    question = {"gpus": "64xH100", "model": "llama-3.1-8b", "tokens": "200B"}
    got = server.post("/api/plan/launch", {"question": question, "targets": "megatron,slurm"})
    assert got.status == 200, got.body
    saved, folder = tmp_path / "plan.json", tmp_path / "launch"
    saved.write_text(printed("plan", question, "json"))
    CliRunner().invoke(
        cli, ["export", str(saved), "--to", "megatron,slurm", "--out", str(folder)], catch_exceptions=False
    )
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        inside = {name: archive.read(name).decode() for name in archive.namelist()}
    assert inside.pop("START.txt").strip()
    assert inside == {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    refused = server.post("/api/plan/launch", {"question": question, "targets": "vllm"})
    assert refused.status == 400
    assert "vllm" in refused.message


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("plan", {"gpus": "64xH100"} | {"tokens": "many"}, 2),
    ("plan", {"gpus": "64xH1000", "tokens": "1T"}, 2),
    ("plan", {"gpus": "8xH100", "loss": 1.0}, 3),
    ("plan", {"gpus": "64xV100", "tokens": "1T", "precision": "fp8"}, 2),
    ("serve", {"model": "llama-3.1-405b", "demand": "1 req/s", "parts": "rtx-4090", "tpot": "1ms"}, 3),
    ("train", {"gpus": "64xH100"}, 2),
]
STATUS = {2: 400, 3: 422}


@pytest.mark.parametrize(("verb", "question", "code"), REFUSED)
def test_a_refusal_is_the_line_of_the_command_line(
    server: Served, verb: str, question: dict[str, Any], code: int
) -> None:
    got = server.post(f"/api/{verb}", question)
    assert got.status == STATUS[code], got.body
    with pytest.raises(HwModelError) as said:
        CliRunner().invoke(cli, words(verb, question), catch_exceptions=False, standalone_mode=False)
    assert said.value.exit_code == code
    assert got.data["error"] == {
        "message": str(said.value), "meaning": {2: "bad input", 3: "infeasible"}[code], "exit_code": code,
    }  # fmt: skip


def test_what_does_not_fit_is_shown_and_says_so(server: Served) -> None:
    got = server.post("/api/train", {"gpus": "8xH100", "model": "llama-3.1-405b", "tp": 8})
    assert got.status == 200
    assert got.data["fits"] is False
    assert got.headers["hwmodel-exit-code"] == "3"


TYPED = {"plan": options.PlanOptions, "compare": options.CompareOptions, "serve": options.ServeOptions,
         "train": options.TrainOptions}  # fmt: skip


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_option_of_the_python_api_has_a_field_but_files(verb: str) -> None:
    known = set(getattr(TYPED[verb], "__origin__", TYPED[verb]).__annotations__)
    assert known - {*FILES, "shape"} <= set(VERBS[verb].fields)
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    renamed = {"prompt": "input", "percentile": "p", "plain": "sequence_parallel"}
    assert set(VERBS[verb].fields) <= {renamed.get(str(param.name), str(param.name)) for param in command.params}
    assert "ui" in COMMANDS


def test_the_form_explains_every_field_and_completes_its_names(server: Served) -> None:
    form = server.get("/api/form").data
    assert set(form["fields"]) == set(FIELDS)
    assert all(field["label"] and field["explains"] for field in form["fields"].values())
    known = {name: {value for value, _ in pairs} for name, pairs in form["choices"].items()}
    assert "h100-sxm5-80gb" in known["parts"]
    assert {"llama-3.1-70b"} <= known["models"]
    for field in FIELDS.values():
        if field.choices and not field.many and field.name not in ("gpus", "system"):
            assert field.example in known[field.choices], field.name


def test_published_runs_are_utilisations_of_known_parts(server: Served) -> None:
    runs, parts = server.get("/api/runs").data["runs"], dict(server.get("/api/form").data["choices"]["parts"])
    assert set(runs) <= set(parts)
    every = [run for group in runs.values() for run in group]
    assert len(every) > 30
    assert all(0.0 < run["mfu"] < 1.0 and run["accelerators"] >= 1 and run["source"] for run in every)


def test_the_description_is_served_and_covers_every_route(server: Served) -> None:
    told = server.get("/api/openapi.json").data
    assert told == json.loads(json.dumps(document()))
    for path, methods in told["paths"].items():
        for method in methods:
            # An empty question is bad input; a reading answers. Neither is unknown.
            got = server.request(method.upper(), path, b"{}" if method == "post" else None,
                                 {"content-type": "application/json"})  # fmt: skip
            assert str(got.status) in methods[method]["responses"], (path, got.status)
            assert got.status in (200, 400)
