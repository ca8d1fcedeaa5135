"""What a shell completes, and help in sections."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import click
import jsonschema
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.cli.complete import KINDS
from hwmodel.cli.main import COMMANDS, SECTIONS, VARIABLE, cli
from hwmodel.cli.sections import ALL, OTHER, RARE, SHOWN, Sectioned, section_of
from hwmodel.report.catalog_pages import rows_of


def completed(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    """What stands for the last word, as a shell gets it."""
    monkeypatch.setenv(VARIABLE, "bash_complete")
    found = BashComplete(cli, {}, "hwmodel", VARIABLE).get_completions(list(words[:-1]), words[-1])
    return [item.value if item.type == "plain" else f"<{item.type}>" for item in found]


@pytest.mark.parametrize(
    ("line", "some"),
    [("plan --gpus 1024xB2", "1024xb200-sxm6-180gb"), ("plan --gpus h100-s", "h100-sxm5-80gb"),
     ("plan --model llama-3.1-7", "llama-3.1-70b"), ("plan --law bes", "besiroglu_2024"),
     ("plan --system dgx-h", "dgx-h100"), ("plan --region us-w", "us-west-2"),
     ("plan --stack megatron-c", "megatron-core"), ("train --precision nv", "nvfp4"),
     ("compare --precision bf16,fp8-", "bf16,fp8-block"), ("serve --precision bf16,w4a1", "bf16,w4a16"),
     ("serve --parts b200-sxm6-180gb,h100-s", "b200-sxm6-180gb,h100-sxm5-80gb"), ("serve --engine v", "vllm"),
     ("plan --recompute layernorm,moe_", "layernorm,moe_act"), ("plan --offload opt", "optimizer"),
     ("plan --price-kind sp", "spot"), ("plan --objective k", "kwh"), ("plan --flop-convention p", "palm"),
     ("export plan.json --to megatron,sl", "megatron,slurm"), ("plan --export vll", "vllm"),
     ("catalog list reg", "regions"),
     ("catalog show gb300-n", "gb300-nvl72"), ("law show chin", "chinchilla_2022/approach3"),
     ("plan --format j", "json"),
     ("mea", "measured")],
)  # fmt: skip
def test_values_are_completed(line: str, some: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert some in completed(monkeypatch, *line.split(" "))


def test_what_is_no_name_is_a_file_where_one_may_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(monkeypatch, "plan", "--model", "./conf") == ["<file>"]
    assert completed(monkeypatch, "plan", "--measured", "") == ["<file>"]
    assert completed(monkeypatch, "plan", "--tokens", "1") == []
    assert completed(monkeypatch, "serve", "--gpus", "1") == []


def test_a_value_of_a_list_is_not_offered_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "bf16,bf16" not in completed(monkeypatch, "compare", "--precision", "bf16,")


def test_every_completed_value_is_taken() -> None:
    """Names that are offered are names that the catalog knows."""
    catalog = load_catalog()
    for region in catalog.data.regions.values():
        assert catalog.region(region.id) is region
    for part in catalog.parts():
        assert catalog.part(part.id).id == part.id
    for kind in KINDS:
        assert rows_of(catalog, kind)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_and_answers(shell: str) -> None:
    def asked(**extra: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "hwmodel"], env=os.environ | extra, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "hwmodel" in asked(**{VARIABLE: f"{shell}_source"})
    words, at = "hwmodel plan --law besi", "besi" if shell == "fish" else "3"
    assert "besiroglu_2024" in asked(**{VARIABLE: f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": at})


def test_options_of_the_long_commands_stand_in_sections() -> None:
    """New ones may wait under the last heading, a few of them."""
    waiting = 0
    for name in ("plan", "compare", "train", "serve", "measured"):
        command = importlib.import_module(f"hwmodel.cli.{name}").command
        assert isinstance(command, Sectioned)
        for parameter in command.params:
            waiting += isinstance(parameter, click.Option) and section_of(str(parameter.name)) == OTHER
        context = click.Context(command, info_name=name)
        few = command.get_help(context)
        assert sum(line.startswith("  -") for line in few.splitlines()) <= SHOWN
        context.meta[ALL] = True
        text = command.get_help(context)
        assert all(option in text for p in command.params if isinstance(p, click.Option) for option in p.opts[:1])
    assert waiting <= 4


def test_rare_options_are_options() -> None:
    plan, serve = (importlib.import_module(f"hwmodel.cli.{name}").command for name in ("plan", "serve"))
    assert {str(parameter.name) for parameter in (*plan.params, *serve.params)} >= RARE
    done = CliRunner().invoke(plan, ["--help-all"])
    assert done.exit_code == 0
    assert "--flop-convention" in done.output
    assert "--flop-convention" not in CliRunner().invoke(plan, ["--help"]).output


def test_schemas_describe_the_answers() -> None:
    asked = {
        "plan": hm.plan(gpus="64xH100", tokens="100B").to_dict(),
        "train": hm.train(model="llama-3.1-8b", gpus="8xH100").to_dict(),
        "serve": hm.serve("llama-3.1-8b", gpus="1xH100", concurrency=4).to_dict(),
    }
    for verb, answer in asked.items():
        done = CliRunner().invoke(importlib.import_module("hwmodel.cli.schema").command, [verb])
        schema = json.loads(done.output)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(json.loads(json.dumps(answer)), schema)
    wrong = {**asked["plan"], "warnings": 3}
    plan = json.loads(CliRunner().invoke(importlib.import_module("hwmodel.cli.schema").command, ["plan"]).output)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(wrong)), plan)


def test_every_command_has_a_section() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(COMMANDS)
