"""What the emitted files say, read by other means than the writers': shell, syntax trees, and the tools' own names."""

from __future__ import annotations

import ast
import json
import math
import shlex
import subprocess
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
import yaml

from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.interop.export import TARGETS, launch_files
from hwmodel.interop.export.answer import training_launch
from hwmodel.interop.export.launch import MOST_UNEXPRESSED, Training, Written
from hwmodel.interop.export.targets import check_folder, names_asked
from hwmodel.interop.tools.settings import SETTINGS
from hwmodel.solve.saved import SavedEngine, SavedFleet, saved

Answers = dict[str, dict[str, Any]]
# What a target has no name for at all is refused, with what to do; by target and question, or setting.
REFUSED: dict[tuple[str, str], str] = {
    ("deepspeed", "dense-70b"): "no pipeline for models of transformers; plan with --pp 1",
    ("deepspeed", "mixture-235b"): "no pipeline for models of transformers; plan with --pp 1",
    ("deepspeed", "long-8b"): "no context-parallel ranks here; plan with --cp 1",
    ("accelerate", "dense-70b"): "no pipeline; plan with --pp 1",
    ("accelerate", "mixture-235b"): "no pipeline; plan with --pp 1",
    ("accelerate", "sharded-235b"): "no expert-parallel ranks; plan with --ep 1",
    ("deepspeed", "pp"): "no pipeline", ("accelerate", "pp"): "no pipeline", ("deepspeed", "cp"): "plan with --cp 1",
    ("deepspeed", "vpp"): "no virtual stages", ("accelerate", "vpp"): "no virtual stages",
    ("accelerate", "ep"): "no expert-parallel", ("deepspeed", "precision"): "deepspeed has no --precision fp8",
}  # fmt: skip
TRAINERS = [name for name, target in TARGETS.items() if target.training and not target.wrapper]


def body(written: Written) -> str:
    """The files without comments: what a tool sees."""
    return "\n".join(
        line for _, text in sorted(written.files.items()) for line in text.splitlines() if not line.startswith("#")
    )


def launch_of(answer: dict[str, Any]) -> Training:
    """The training launch of a saved answer."""
    run = saved(answer, "x")
    assert not isinstance(run, (SavedEngine, SavedFleet))
    return training_launch(run, "x")


@pytest.mark.parametrize("target", TRAINERS)
@pytest.mark.parametrize("name", ["dense-70b", "mixture-235b", "long-8b", "sharded-70b", "sharded-235b"])
def test_a_file_opens_with_question_answer_and_command(target: str, name: str, answers: Answers) -> None:
    if (target, name) in REFUSED:
        with pytest.raises(InputError, match=REFUSED[target, name]):
            launch_files(answers[name], (target,), "x")
        return
    written = launch_files(answers[name], (target,), "x")
    first = next(text for name, text in written.files.items() if not name.endswith(".json"))
    assert "Written by: hwmodel plan --" in first
    assert "Answer: " in first
    assert "MFU" in first
    assert "Names checked against" in first
    assert "Start: " in first
    assert len(written.unexpressed) <= MOST_UNEXPRESSED


@pytest.mark.parametrize("target", TRAINERS)
@pytest.mark.parametrize("name", ["dense-70b", "mixture-235b", "long-8b", "sharded-70b", "sharded-235b"])
def test_files_parse_by_their_own_kind(target: str, name: str, answers: Answers, tmp_path: Path) -> None:
    """Shell by `bash -n`, Python by its parser, YAML and JSON by theirs; schedulers around each trainer too."""
    if (target, name) in REFUSED:
        return
    around = ("slurm",) if target == "maxtext" else ("slurm", "skypilot")
    for file, text in launch_files(answers[name], (target, *around), "x").files.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if path.suffix in (".sh", ".sbatch"):
            checked = subprocess.run(["bash", "-n", str(path)], check=False, capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
        elif path.suffix == ".py":
            ast.parse(text)
        elif path.suffix == ".json":
            json.loads(text)
        else:
            assert isinstance(yaml.safe_load(text), dict)


def test_a_scheduler_starts_the_trainer_on_the_nodes_of_the_plan(answers: Answers, recorder: ModuleType) -> None:
    files = launch_files(answers["dense-70b"], names_asked("skypilot,torchtitan,slurm"), "x").files
    assert list(files) == ["torchtitan_config.py", "skypilot.yaml", "train.sbatch"]
    task = yaml.safe_load(files["skypilot.yaml"])
    known = recorder.recorded("skypilot")["names"]
    assert set(task) <= {key for key in known if "." not in key}
    assert {f"resources.{key}" for key in task["resources"]} <= set(known)
    assert task["num_nodes"] == 64
    assert task["resources"]["accelerators"] == "H100:8"
    assert task["envs"] == {"LR": None, "DATASET": None}
    assert "-m torchtitan.train --module torchtitan_config --config launch" in task["run"]
    assert "#SBATCH --nodes=64\n#SBATCH --ntasks-per-node=1\n#SBATCH --gres=gpu:8\n" in files["train.sbatch"]
    days = answers["dense-70b"]["answer"]["elapsed_days"]["value"]
    limit = int(files["train.sbatch"].split("--time=")[1].split("-")[0])
    assert days < limit < days + 3


def test_a_scheduler_alone_starts_megatron(answers: Answers) -> None:
    files = launch_files(answers["dense-70b"], ("slurm",), "x").files
    assert "bash megatron.sh" in files["train.sbatch"]
    assert "megatron.sh" in files


def test_mesh_axes_of_maxtext_multiply_to_the_fleet(answers: Answers) -> None:
    for name in ("dense-70b", "mixture-30b", "long-8b", "sharded-235b"):
        settings = yaml.safe_load(launch_files(answers[name], ("maxtext",), "x").files["maxtext.yml"])
        near = [v for k, v in settings.items() if k.startswith("ici_")]
        far = [v for k, v in settings.items() if k.startswith("dcn_")]
        assert math.prod(near) == 8
        assert math.prod(near) * math.prod(far) == answers[name]["answer"]["accelerators"]
        batch = settings["per_device_batch_size"] * math.prod(near) * math.prod(far)
        assert batch * settings["gradient_accumulation_steps"] == answers[name]["layout"]["global_batch_seqs"]


@pytest.mark.parametrize("name", ["dense-70b", "mixture-235b", "long-8b", "sharded-70b"])
def test_every_flag_of_the_megatron_script_is_one_of_the_package(
    name: str, answers: Answers, recorder: ModuleType, tmp_path: Path
) -> None:
    text = launch_files(answers[name], ("megatron",), "x").files["megatron.sh"]
    known = recorder.recorded("megatron")["names"]
    words = shlex.split(text.split("ARGS=(")[1].split("\n)")[0])
    flags = [word for word in words if word.startswith("--")]
    assert len(flags) == len(set(flags))
    assert [flag for flag in flags if flag not in known] == []
    for flag, value in pairwise(words):
        if flag.startswith("--") and known[flag].split("|")[0] == "int":
            assert value.isdigit(), (flag, value)
    path = tmp_path / "megatron.sh"
    path.write_text(text)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_the_megatron_script_says_what_the_plan_says(answers: Answers) -> None:
    """Every setting of the layout, by hand."""
    words = shlex.split(launch_files(answers["mixture-235b"], ("megatron",), "x").files["megatron.sh"])
    value = dict(pairwise(words))
    layout, batch = answers["mixture-235b"]["layout"], answers["mixture-235b"]["batch"]
    assert value["--tensor-model-parallel-size"] == str(layout["tp"])
    assert value["--pipeline-model-parallel-size"] == str(layout["pp"])
    assert value["--expert-model-parallel-size"] == str(layout["ep"])
    assert value["--expert-tensor-parallel-size"] == "1"
    assert value["--global-batch-size"] == str(layout["global_batch_seqs"])
    assert value["--train-iters"] == f"{batch['steps']:.0f}"
    assert value["--num-experts"] == "128"
    assert value["--moe-router-topk"] == "8"
    assert value["--recompute-granularity"] == "full"
    assert "--use-distributed-optimizer" in words
    assert "--sequence-parallel" in words


@pytest.mark.parametrize("name", ["dense-70b", "mixture-235b", "long-8b", "sharded-70b"])
def test_every_name_of_the_torchtitan_module_is_one_of_the_package(
    name: str, answers: Answers, recorder: ModuleType
) -> None:
    text = launch_files(answers[name], ("torchtitan",), "x").files["torchtitan_config.py"]
    known = recorder.recorded("torchtitan")["names"]
    tree = ast.parse(text)
    module = next(
        n.names[0].name for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "torchtitan.models"
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "models" and node.attr != f"{module}_configs":
            assert f"{module}.{node.attr}" in known, node.attr
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("TrainingConfig", "ParallelismConfig"):
            for keyword in node.keywords:
                kind = known[f"{ast.unparse(node.func)}.{keyword.arg}"]
                value = ast.literal_eval(keyword.value)
                fitting = {"int": int, "bool": bool, "str": str}.get(kind.split("|")[0], str)
                assert isinstance(value, fitting), keyword.arg
                assert not kind.startswith("one of ") or value in kind.removeprefix("one of ").split(", ")
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "models.model_registry":
            assert f"flavor:{module}/{ast.literal_eval(node.args[0])}" in known


def test_a_model_of_no_flavor_is_built_from_its_numbers(recorder: ModuleType) -> None:
    from hwmodel.solve.train import train

    data = train(
        params="30B", gpus="256xH100", tp="8", pp="2", zero="0", recompute="none", global_batch="512"
    ).to_dict()
    text = launch_files(data, ("torchtitan",), "x").files["torchtitan_config.py"]
    known = recorder.recorded("torchtitan")["names"]
    call = next(
        n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call) and "_build_llama3" in ast.unparse(n.func)
    )
    for keyword in call.keywords:
        assert f"llama3._build_llama3_layers.{keyword.arg}" in known
    assert {k.arg: ast.unparse(k.value) for k in call.keywords}["n_layers"] == str(int(data["layout"]["pp"]) * 32)


def changed(launch: Training, name: str, value: Any) -> Training:
    """The launch with one setting moved; what follows from it moves along."""
    settings = dict(launch.settings) | {name: value}
    ranks = [int(settings[n]) for n in ("tp", "cp", "pp", "dp")]
    used = ranks[0] * ranks[1] * ranks[2] * ranks[3]
    return msgspec.structs.replace(launch, settings=settings, accelerators=used)


@pytest.mark.parametrize("target", TRAINERS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_arrives(target: str, setting: str, answers: Answers) -> None:
    """Two values of a setting make two files, or the file says that it cannot tell them apart, or refuses one."""
    base = launch_of(answers["mixture-30b"])
    write = import_module(f"hwmodel.interop.export.{TARGETS[target].module}").write
    if target in ALONE:
        base = launch_of(answers["sharded-70b"])
    launches = [changed(base, setting, value) for value in SETTINGS[setting].samples]
    if (target, setting) in REFUSED:
        with pytest.raises(InputError, match=REFUSED[target, setting]):
            [write(launch) for launch in launches]
        return
    written = [write(launch) for launch in launches]
    said = {item.setting for one in written for item in one.unexpressed}
    differ = body(written[0]) != body(written[1])
    # Replicas follow from the fleet, which some tools are told by their launcher alone.
    assert differ or setting in said or (SETTINGS[setting].derived and written[0].start != written[1].start)


ALONE = ("deepspeed", "accelerate")  # targets that take no pipelines


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"layout": None}, InputError, "no fleet and no layout; ask with --gpus"),
        ({"request": {}}, InputError, "plan.json: request: object missing required field .*; save the answer again"),
        ({"resolved": 3}, InputError, "plan.json: resolved: expected `object`, got `int`"),
    ],
)
def test_what_cannot_be_launched_is_refused(
    change: dict[str, Any], error: type[HwModelError], says: str, answers: Answers
) -> None:
    with pytest.raises(error, match=says):
        launch_files(answers["dense-70b"] | change, ("megatron",), "plan.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tp": "x"}, "layout.tp: expected `int`, got `str`"),
        ({"rings": 2}, "'rings', which this version does not know"),
    ],
)
def test_a_layout_that_is_none_of_this_version_is_refused(change: dict[str, Any], says: str, answers: Answers) -> None:
    answer = answers["dense-70b"]
    with pytest.raises(InputError, match=says):
        launch_files(answer | {"layout": answer["layout"] | change}, ("megatron",), "plan.json")


def test_a_layout_that_does_not_fit_is_not_launched() -> None:
    from hwmodel.solve.train import train

    answer = json.loads(json.dumps(train(model="llama-3.1-70b", gpus="8xH100", tp="8", zero="1").to_dict()))
    assert not answer["fits"]
    with pytest.raises(InfeasibleError, match="does not fit"):
        launch_files(answer, ("megatron",), "x")


def test_an_unknown_target_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown target 'megatorn' in --to; nearest: megatron"):
        names_asked("megatorn")


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match=r"holds other files \(mine.txt\)"):
        check_folder(tmp_path, {"megatron.sh": ""})
    check_folder(tmp_path / "new", {"megatron.sh": ""})
    with pytest.raises(InputError, match="is a file; name a folder"):
        check_folder(tmp_path / "mine.txt", {"megatron.sh": ""})


def test_a_batch_that_does_not_divide_is_refused(answers: Answers) -> None:
    answer = answers["dense-70b"]
    uneven = answer | {"layout": answer["layout"] | {"global_batch_seqs": 2047}}
    with pytest.raises(InputError, match="no multiple of micro-batch x dp = 16; plan with --global-batch 2048"):
        launch_files(uneven, ("megatron",), "x")


OFFLOADED = {"model": "llama-3.1-8b", "gpus": "8xH100", "tp": "1", "pp": "1", "zero": "1", "offload": "optimizer"}


@pytest.mark.parametrize(
    ("target", "file", "lines"),
    [("megatron", "megatron.sh", ["--optimizer-cpu-offload", "--use-precision-aware-optimizer"]),
     ("megatron-bridge", "megatron_bridge.py",
      ["optimizer.optimizer_cpu_offload = True", "optimizer.use_precision_aware_optimizer = True"]),
     ("maxtext", "maxtext.yml", ["optimizer_memory_host_offload: true"]),
     ("deepspeed", "deepspeed.json", ['"offload_optimizer": {', '"type": "AdamW"'])],
)  # fmt: skip
def test_states_on_the_host_are_what_the_tool_asks_for(target: str, file: str, lines: list[str]) -> None:
    """Megatron-LM asserts the second flag beside the first; DeepSpeed makes its own optimizer of the CPU."""
    from hwmodel.solve.train import train

    answer = json.loads(json.dumps(train(**OFFLOADED).to_dict())) | {"fits": True}
    text = launch_files(answer, (target,), "x").files[file]
    assert all(line in text for line in lines)
    if target != "maxtext":
        unsharded = json.loads(json.dumps(train(**OFFLOADED | {"zero": "0"}).to_dict())) | {"fits": True}
        with pytest.raises(InputError, match="plan with --zero 1"):
            launch_files(unsharded, (target,), "x")


@pytest.mark.parametrize(
    ("schedule", "vpp", "name"),
    [("1f1b", "1", "1F1B"), ("1f1b", "2", "Interleaved1F1B"), ("zb-h1", "2", "InterleavedZeroBubble"),
     ("dualpipev", "2", "DualPipeV")],
)  # fmt: skip
def test_schedules_under_the_names_of_torchtitan(schedule: str, vpp: str, name: str) -> None:
    from hwmodel.solve.train import train

    given = {"model": "llama-3.1-8b", "gpus": "16xH100", "tp": "1", "pp": "4", "zero": "2", "global_batch": "64",
             "micro_batch": "1"}  # fmt: skip
    answer = json.loads(json.dumps(train(**given, schedule=schedule, vpp=vpp).to_dict())) | {"fits": True}
    found = launch_files(answer, ("torchtitan",), "x").files["torchtitan_config.py"]
    assert f"pipeline_parallel_schedule='{name}'" in found.replace('"', "'")
    other = launch_files(answer, ("megatron",), "x").files["megatron.sh"]
    assert ("1F1B: a longer bubble" in other) == (schedule != "1f1b")


@pytest.mark.parametrize(
    ("model", "layout", "host_waits"),
    [("llama-3.1-8b", {"pp": "2", "zero": "2"}, True), ("qwen3-30b-a3b", {"ep": "8", "zero": "3"}, True),
     ("qwen3-30b-a3b", {"ep": "1", "zero": "3"}, False), ("llama-3.1-8b", {"tp": "2", "zero": "3"}, False)],
)  # fmt: skip
def test_torchtitan_has_data_and_no_cuda_graphs_where_the_host_waits(
    model: str, layout: dict[str, str], host_waits: bool
) -> None:
    """`Trainer.Config` of 0.3.0 refuses CUDA graphs beside pipelines and experts elsewhere; its loader has no default.

    Found by starting the files on an H100.
    """
    from hwmodel.solve.train import train

    given = {"model": model, "gpus": "16xH100", "global_batch": "64", "micro_batch": "1"} | layout
    answer = json.loads(json.dumps(train(**given).to_dict())) | {"fits": True}
    found = launch_files(answer, ("torchtitan",), "x").files["torchtitan_config.py"]
    assert ("disable_cuda_graphs=True" in found) == host_waits
    assert "dataloader=HuggingFaceTextDataLoader.Config(" in found


def test_a_model_that_changed_since_is_refused(answers: Answers) -> None:
    answer = answers["dense-70b"]
    other = answer | {"shape": answer["shape"] | {"params": 69e9}}
    with pytest.raises(InputError, match="save the answer again"):
        launch_files(other, ("megatron",), "x")
