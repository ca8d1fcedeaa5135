"""Launches of serving fleets: engines' arguments against their packages, manifests against Kubernetes' schemas."""

from __future__ import annotations

import json
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

import hwmodel
from hwmodel.cli.main import cli
from hwmodel.errors import InputError
from hwmodel.interop.export import launch_files, names_asked
from hwmodel.interop.export.serving_answer import serving_launch
from hwmodel.solve.saved import SavedEngine, SavedFleet, saved
from hwmodel.solve.train import train

Answers = dict[str, dict[str, Any]]
ENGINES = ("vllm", "sglang", "trtllm")
QUESTIONS = {
    "dense-70b": "llama-3.1-70b --demand 200req/s --input 1k --output 300 --ttft 1s --tpot 50ms --parts h100 "
                 "--precision fp8 --aggregated",
    "pools-70b": "llama-3.1-70b --demand 200req/s --input 1k --output 300 --tpot 50ms --parts h100 --precision fp8 "
                 "--disaggregated",
    "mixture-671b": "deepseek-v3 --demand 100req/s --input 4k --output 1k --tpot 30ms --parts h200 --precision fp8 "
                    "--prefix-hit 20%",
    "quantised-8b": "llama-3.1-8b --demand 20req/s --input 8k --output 500 --tpot 30ms --parts l40s --precision w4a16 "
                    "--aggregated",
}  # fmt: skip
# A worker over several nodes takes an MPI launch there.
REFUSED = {("trtllm", "mixture-671b"): "MPI launch is not written"}


@pytest.fixture(scope="module")
def served() -> Answers:
    """Answers as the command prints them."""
    out = {}
    for name, words in QUESTIONS.items():
        result = CliRunner().invoke(cli, ["serve", "--model", *words.split(), "--format", "json"])
        assert result.exit_code == 0, result.output
        out[name] = json.loads(result.stdout)
    return out


def words_of(script: str) -> list[str]:
    """The command of a script, after what it asks for."""
    lines = [line for line in script.splitlines() if line and not line.startswith(("#", "set ", ":"))]
    return shlex.split(" ".join(lines).replace("\\", " "))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_flags_are_those_of_the_engine_with_their_kinds(
    engine: str, name: str, served: Answers, recorder: ModuleType, tmp_path: Path
) -> None:
    if (engine, name) in REFUSED:
        with pytest.raises(InputError, match=REFUSED[engine, name]):
            launch_files(served[name], (engine,), "x")
        return
    files = launch_files(served[name], (engine,), "x").files
    known = recorder.recorded(engine)["names"]
    for file, text in files.items():
        if not file.endswith(".sh"):
            assert isinstance(yaml.safe_load(text), dict)
            continue
        (tmp_path / file).write_text(text)
        assert subprocess.run(["bash", "-n", str(tmp_path / file)], check=False).returncode == 0
        words = words_of(text)
        flags = [w for w in words if w.startswith("--") and not w.startswith("--headless")]
        assert flags
        assert [flag for flag in flags if flag not in known] == []
        for flag, value in pairwise(words):
            if flag in known and known[flag].split("|")[0] == "int" and not value.startswith("$"):
                assert value.isdigit(), (flag, value)
            if flag in known and known[flag].startswith("one of "):
                assert value in known[flag].removeprefix("one of ").removesuffix("|none").split(", "), (flag, value)


def test_every_setting_of_the_fleet_arrives(served: Answers) -> None:
    answer = served["mixture-671b"]["answer"]
    files = launch_files(served["mixture-671b"], ("sglang",), "x").files
    decode = next(text for name, text in files.items() if "prefill" not in name)
    value = dict(pairwise(words_of(decode)))
    assert value["--tp-size"] == f"{answer['tp'] * answer['dp']:.0f}"
    assert value["--ep-size"] == f"{answer['ep']:.0f}"
    assert value["--max-running-requests"] == f"{answer['batch']:.0f}"
    assert value["--context-length"] == "5000"
    assert "--disable-radix-cache" not in words_of(decode)  # a fifth of the prompts is found in the cache
    # Its release is in blocks of FP8, which the checkpoint says by itself.
    assert "--quantization" not in value
    assert '"${MODEL:?an FP8 checkpoint' in decode


def test_pools_are_told_their_roles(served: Answers) -> None:
    files = launch_files(served["pools-70b"], ("vllm", "sglang", "trtllm"), "x").files
    assert '"kv_role": "kv_producer"' in files["vllm-prefill.sh"]
    assert '"kv_role": "kv_consumer"' in files["vllm-decode.sh"]
    assert "--disaggregation-mode prefill" in files["sglang-prefill.sh"]
    front = yaml.safe_load(files["trtllm-disaggregated.yml"])
    answer = served["pools-70b"]["answer"]
    assert front["context_servers"]["num_instances"] == answer["prefill"]["workers"]
    assert len(front["generation_servers"]["urls"]) == answer["replicas"]
    assert yaml.safe_load(files["trtllm-prefill.yml"])["disable_overlap_scheduler"] is True


def test_a_checkpoint_that_must_be_brought_is_asked_for(served: Answers) -> None:
    text = launch_files(served["quantised-8b"], ("vllm",), "x").files["vllm.sh"]
    assert ': "${MODEL:?an AWQ checkpoint in groups of 128}"' in text
    assert "--quantization awq_marlin" in text


# kubernetes-sigs/lws, api/leaderworkerset/v1/leaderworkerset_types.go @024af08.
LEADER_WORKER_SET = {
    "type": "object", "additionalProperties": False, "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "leaderworkerset.x-k8s.io/v1"}, "kind": {"const": "LeaderWorkerSet"},
        "metadata": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        "spec": {
            "type": "object", "additionalProperties": False, "required": ["leaderWorkerTemplate"],
            "properties": {
                "replicas": {"type": "integer"}, "rolloutStrategy": {"type": "object"},
                "startupPolicy": {"enum": ["LeaderCreated", "LeaderReady"]}, "networkConfig": {"type": "object"},
                "leaderWorkerTemplate": {
                    "type": "object", "additionalProperties": False, "required": ["workerTemplate"],
                    "properties": {
                        "size": {"type": "integer", "minimum": 1}, "subGroupPolicy": {"type": "object"},
                        "restartPolicy": {"enum": ["Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart",
                                                   "None"]},
                        "leaderTemplate": {"$ref": "#/definitions/io.k8s.api.core.v1.PodTemplateSpec"},
                        "workerTemplate": {"$ref": "#/definitions/io.k8s.api.core.v1.PodTemplateSpec"},
                    },
                },
            },
        },
    },
}  # fmt: skip
KINDS = {"Deployment": "apps.v1.Deployment", "Service": "core.v1.Service", "ConfigMap": "core.v1.ConfigMap"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_manifests_are_valid_by_the_schemas(engine: str, name: str, served: Answers, recorder: ModuleType) -> None:
    if (engine, name) in REFUSED:
        return
    recorded = recorder.recorded("kubernetes")
    definitions = recorded["definitions"]
    documents = list(yaml.safe_load_all(launch_files(served[name], (engine, "k8s"), "x").files["k8s.yaml"]))
    assert documents
    answer = served[name]["answer"]
    asked = 0.0
    for document in documents:
        schema = LEADER_WORKER_SET if document["kind"] == "LeaderWorkerSet" else {
            "$ref": f"#/definitions/io.k8s.api.{KINDS[document['kind']]}"
        }  # fmt: skip
        errors = [e.message for e in Draft7Validator({**schema, "definitions": definitions}).iter_errors(document)]
        assert not errors, (document["kind"], errors[:3])
        asked += accelerators_of(document)
    assert asked == answer["accelerators"]
    names = [(d["kind"], d["metadata"]["name"]) for d in documents]
    assert len(names) == len(set(names))


def accelerators_of(document: dict[str, Any]) -> float:
    """Accelerators that the pods of a manifest ask for."""
    spec = document.get("spec", {})

    def of(template: dict[str, Any]) -> float:
        return float(template["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])

    if document["kind"] == "Deployment":
        return float(spec["replicas"]) * of(spec["template"])
    if document["kind"] == "LeaderWorkerSet":
        group = spec["leaderWorkerTemplate"]
        return float(spec["replicas"]) * (
            of(group["leaderTemplate"]) + (group["size"] - 1) * of(group["workerTemplate"])
        )
    return 0.0


def test_a_manifest_with_a_fault_is_found(served: Answers, recorder: ModuleType) -> None:
    """The schemas are strict: a key that nobody knows, or a word for a number, does not pass."""
    documents = list(yaml.safe_load_all(launch_files(served["dense-70b"], ("k8s",), "x").files["k8s.yaml"]))
    schema = {"$ref": "#/definitions/io.k8s.api.apps.v1.Deployment",
              "definitions": recorder.recorded("kubernetes")["definitions"]}  # fmt: skip
    for change in ({"replica": 3}, {"replicas": "three"}):
        broken = documents[0] | {"spec": documents[0]["spec"] | change}
        assert list(Draft7Validator(schema).iter_errors(broken))


def test_kubernetes_alone_takes_the_engine_of_the_answer(served: Answers) -> None:
    answer = served["dense-70b"]
    asked = answer | {"resolved": answer["resolved"] | {"engine": "sglang"}}
    assert "sglang.sh" in launch_files(asked, names_asked("k8s"), "x").files
    assert "vllm.sh" in launch_files(answer, names_asked("k8s"), "x").files


def test_the_command_of_the_file_asks_the_same(served: Answers) -> None:
    answer = saved(served["mixture-671b"], "x")
    assert isinstance(answer, (SavedEngine, SavedFleet))
    line = serving_launch(answer).header.command
    assert line == (
        "hwmodel serve --model deepseek-v3 --demand '100 req/s' --input 4000 --output 1000 --tpot 30ms "
        "--prefix-hit 20% --parts h200 --precision fp8"
    )


@pytest.mark.parametrize(
    ("target", "change", "says"),
    [
        ("vllm", {"precision": "w4a8kv4"}, "vllm has no --precision w4a8kv4; it has bf16, fp16"),
        (
            "vllm",
            {"ep": 4.0, "tp": 8.0},
            "over all 8 ranks of a worker or none, not 4; ask with --ep 8",
        ),
        ("megatron", {}, "megatron launches no serving"),
        ("slurm", {}, "slurm launches no serving"),
    ],
)
def test_what_an_engine_cannot_is_refused(target: str, change: dict[str, Any], says: str, served: Answers) -> None:
    answer = served["dense-70b"]
    with pytest.raises(InputError, match=says):
        launch_files(answer | {"answer": answer["answer"] | change}, (target,), "x")


def test_an_answer_of_a_training_is_no_serving_launch() -> None:
    with pytest.raises(InputError, match="vllm launches no training"):
        launch_files(train(model="llama-3.1-8b", gpus="8xH100").to_dict(), ("vllm",), "x")


def test_a_wrapper_starts_the_engine_that_an_alias_named() -> None:
    asked = hwmodel.serve("llama-3.1-8b", gpus="1xH100", concurrency=32, engine="TensorRT-LLM").to_dict()
    assert "trtllm.sh" in launch_files(asked, names_asked("k8s"), "x").files
