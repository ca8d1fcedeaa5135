"""Counts that launch files are written with: ranks, nodes, micro-batches, stages, workers, worked out in comments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.interop.export.deepspeed import _config
from hwmodel.interop.export.launch import (
    Header,
    LaunchPool,
    Serving,
    Training,
    Unexpressed,
    Written,
    fitting_ranks,
    header_lines,
)
from hwmodel.interop.export.megatron import (
    _environment,
    _parallel,
    offload_flags,
    recompute_flags,
    stage_flags,
    stage_layers,
)
from hwmodel.interop.export.serving_answer import _decode, _prefill, _typed
from hwmodel.interop.export.slurm import _time
from hwmodel.interop.export.torchtitan import parallel_fields

CATALOG = load_catalog()
DENSE, MIXTURE = CATALOG.model("llama-3.1-8b"), CATALOG.model("mixtral-8x7b")
HEAD = Header(command="hwmodel plan", answer=("Answer",))
SETTINGS: dict[str, Any] = {
    "tp": 2, "cp": 1, "pp": 4, "vpp": 1, "ep": 1, "etp": 1, "dp": 3, "zero": 1, "micro_batch": 2,
    "global_batch_seqs": 24, "seq_len": 4096, "sequence_parallel": 1, "recompute": "none", "offload": "none",
    "schedule": "1f1b", "precision": "bf16",
}  # fmt: skip


def training(shape: Any = DENSE, accelerators: int = 24, days: float | None = None, **settings: Any) -> Training:
    return Training(
        model="m", shape=shape, part=CATALOG.part("H100"), system=CATALOG.default_system("h100-sxm5-80gb"),
        accelerators=accelerators, settings={**SETTINGS, **settings}, steps=7, days=days, trainable_fraction=1.0,
        header=HEAD,
    )  # fmt: skip


def test_ranks_of_a_node() -> None:
    # All eight where they divide; of 12 six in each of two nodes, of 7 seven, of 22 two, of 3 three.
    for accelerators, ranks in ((24, 8), (12, 6), (7, 7), (22, 2), (3, 3), (1, 1)):
        assert fitting_ranks(accelerators, 8) == ranks
        assert training(accelerators=accelerators).nodes == accelerators // ranks
    assert fitting_ranks(4, 0) == 1


def test_micro_batches_of_a_replica() -> None:
    # 24 sequences of 3 replicas in pairs are 4; of 26 the nearest is 24, of 3 one of each, 6.
    assert training().accumulation == 4
    with pytest.raises(InputError, match="no multiple of micro-batch x dp = 6; plan with --global-batch 24"):
        _ = training(global_batch_seqs=26).accumulation
    with pytest.raises(InputError, match="plan with --global-batch 6"):
        _ = training(global_batch_seqs=2).accumulation
    assert (training().layers, training().mixture, training(MIXTURE).mixture) == (32, False, True)


def serving(**pool: int) -> tuple[Serving, LaunchPool]:
    sizes = {"workers": 3, "tp": 4, "pp": 1, "dp": 2, "ep": 1, "batch": 10, **pool}
    one = LaunchPool(role="all", **sizes)
    return Serving(
        model="m", hub_name=None, shape=MIXTURE, part=CATALOG.part("H100"),
        system=CATALOG.default_system("h100-sxm5-80gb"), engine="vllm", precision="bf16", pools=(one,),
        prompt_tokens=1000, output_tokens=100, longest_tokens=1100, prefix_cache=False, draft_tokens=0, header=HEAD,
    ), one  # fmt: skip


def test_nodes_of_a_worker() -> None:
    # 4 x 2 fill a node, 4 x 2 x 2 two; nine need a second.
    for pool, ranks, nodes in (({}, 8, 1), ({"pp": 2}, 16, 2), ({"tp": 3, "dp": 3}, 9, 2)):
        launch, one = serving(**pool)
        assert (one.ranks, launch.nodes(one)) == (ranks, nodes)


def test_pools_of_an_answer() -> None:
    sizes = {"tp": 4.0, "pp": 1.0, "dp": 2.0, "ep": 8.0}
    engine: Any = SimpleNamespace(prefill=None, replicas=5, batch=10.2, **sizes)
    found = _decode(engine)
    assert (found.role, found.workers, found.batch, found.ranks, found.ep) == ("all", 5, 11, 8, 8)
    assert _decode(SimpleNamespace(**{**vars(engine), "prefill": 1, "batch": 0.3})).batch == 1  # type: ignore[arg-type]
    assert _decode(SimpleNamespace(**{**vars(engine), "prefill": 1})).role == "decode"  # type: ignore[arg-type]
    # 8,192 tokens hold eight prompts and a part of 1,000, or a part of one of 10,000.
    pool: Any = SimpleNamespace(workers=2, **sizes)
    assert (_prefill(pool, 1000.0).batch, _prefill(pool, 10000.0).batch, _prefill(pool, 1000.0).workers) == (9, 1, 2)
    assert (_typed("percentile", 0.99), _typed("hit_rate", 0.5), _typed("spares", 2)) == ("99", "50%", "2")
    assert (_typed("tpot_s", 0.05), _typed("engine", "vllm")) == ("50ms", "vllm")


def test_layers_of_stages() -> None:
    # 32 over 8 are four each; 30 lack two of 32: at the last stage, then at the first; 29 at the last but one too.
    assert stage_layers(32, 8) == [4] * 8
    assert stage_layers(31, 8) == [4, 4, 4, 4, 4, 4, 4, 3]
    assert stage_layers(30, 8) == [3, 4, 4, 4, 4, 4, 4, 3]
    assert stage_layers(29, 8) == [3, 4, 4, 4, 4, 4, 3, 3]
    assert stage_layers(28, 8) == [3, 3, 4, 4, 4, 4, 3, 3]
    assert stage_flags(32, 4, 1) == {}
    assert stage_flags(32, 4, 2) == {"--num-virtual-stages-per-pipeline-rank": 2}
    # The embedding stands before the first stage and the loss behind the last.
    assert stage_flags(5, 2, 2) == {"--pipeline-model-parallel-layout": "Et|t*2|t|tL"}


def test_sizes_as_arguments() -> None:
    flags = _parallel(training())
    assert flags == {
        "--tensor-model-parallel-size": 2, "--pipeline-model-parallel-size": 4, "--context-parallel-size": 1,
        "--sequence-parallel": None, "--use-distributed-optimizer": None, "--overlap-grad-reduce": None,
        "--overlap-param-gather": None,
    }  # fmt: skip
    plain = _parallel(training(MIXTURE, zero=0, sequence_parallel=0, ep=4, etp=2, cp=2))
    assert plain == {
        "--tensor-model-parallel-size": 2, "--pipeline-model-parallel-size": 4, "--context-parallel-size": 2,
        "--expert-model-parallel-size": 4, "--expert-tensor-parallel-size": 2,
    }  # fmt: skip
    assert _parallel(training(zero=3))["--use-megatron-fsdp"] is None
    assert "--use-megatron-fsdp" not in flags


def test_layers_that_are_computed_again() -> None:
    def count(word: str, **settings: Any) -> tuple[Any, int]:
        flags, left = recompute_flags(training(recompute=word, **settings))
        return flags["--recompute-num-layers"], len(left)

    # Of eight layers a stage half are four, three tenths 2.4, three; of four chunks of two half are one.
    assert count("50%") == (4, 0)
    assert count("30%") == (3, 1)
    assert count("50%", vpp=4) == (1, 0)
    # Of three stages eleven hold 32 unevenly: six of them.
    assert count("50%", pp=3) == (6, 1)
    assert recompute_flags(training()) == ({}, ())
    assert recompute_flags(training(recompute="full"))[0]["--recompute-num-layers"] == 1
    modules, left = recompute_flags(training(recompute="selective"))
    assert (modules["--recompute-modules"], len(left)) == (["layernorm", "mlp"], 1)
    modules, _ = recompute_flags(training(MIXTURE, recompute="selective"))
    assert modules["--recompute-modules"] == ["layernorm", "moe_act"]
    with pytest.raises(InputError, match="cannot recompute 'heads'"):
        recompute_flags(training(recompute="layernorm,heads"))
    assert offload_flags(training()) == ({}, ())
    assert set(offload_flags(training(offload="optimizer"))[0]) == {
        "--optimizer-cpu-offload",
        "--use-precision-aware-optimizer",
    }
    assert len(offload_flags(training(offload="activations"))[1]) == 1
    with pytest.raises(InputError, match="only sharded"):
        offload_flags(training(offload="optimizer", zero=0))


def test_what_the_environment_must_say() -> None:
    one = "export CUDA_DEVICE_MAX_CONNECTIONS=1\n"
    for settings, said in (
        ({}, one), ({"tp": 1}, ""), ({"tp": 1, "cp": 2}, one), ({"zero": 2}, ""), ({"zero": 1}, one),
        ({"tp": 1, "precision": "tf32"}, "export NVIDIA_TF32_OVERRIDE=1\n"),
    ):  # fmt: skip
        assert _environment(training(**settings)) == said


def test_a_day_more_than_the_run() -> None:
    assert _time(training(days=2.1)) == "#SBATCH --time=4-00:00:00\n"
    assert _time(training(days=3.0)) == "#SBATCH --time=4-00:00:00\n"
    assert _time(training()) == ""


def test_the_configuration_of_deepspeed() -> None:
    found = _config(training(MIXTURE, tp=2, ep=4, etp=1, zero=2))
    assert (found["train_batch_size"], found["train_micro_batch_size_per_gpu"]) == (24, 2)
    assert found["gradient_accumulation_steps"] == 4
    assert (found["bf16"], found["fp16"]) == ({"enabled": True}, {"enabled": False})
    assert found["zero_optimization"]["stage"] == 2  # type: ignore[index,call-overload]
    assert found["tensor_parallel"] == {"autotp_size": 2}
    assert found["expert_parallel"] == {"enabled": True, "autoep_size": 4, "expert_tensor_parallel_size": 1}
    assert "optimizer" not in found
    plain = _config(training(tp=1))
    assert "tensor_parallel" not in plain
    assert "expert_parallel" not in plain
    assert _config(training(MIXTURE, ep=1, etp=2))["expert_parallel"]["autoep_size"] == 1  # type: ignore[index,call-overload]
    assert "optimizer" in _config(training(offload="optimizer"))
    with pytest.raises(InputError, match="only sharded"):
        _config(training(offload="optimizer", zero=0))


def test_degrees_of_torchtitan() -> None:
    # Three replicas: whole copies, or shards that are kept gathered, or gathered anew; it knows no ZeRO 1.
    for zero, replicas, shards, gathered in (
        (0, 3, 1, "never"),
        (1, 1, 3, "never"),
        (2, 1, 3, "never"),
        (3, 1, 3, "always"),
    ):
        fields, left = parallel_fields(training(zero=zero, pp=1))
        assert (fields["data_parallel_replicate_degree"], fields["data_parallel_shard_degree"]) == (replicas, shards)
        assert fields["fsdp_reshard_after_forward"] == gathered
        assert [one.setting for one in left] == (["zero"] if zero == 1 else [])
        assert "pipeline_parallel_schedule" not in fields
    degrees = {"tensor": 2, "context": 4, "expert": 8, "pipeline": 1}
    fields, left = parallel_fields(training(MIXTURE, zero=2, pp=1, cp=4, ep=8, etp=2))
    assert [fields[f"{name}_parallel_degree"] for name in degrees] == list(degrees.values())
    # An expert over two tensor ranks has no name there; over one there is nothing to say.
    assert [(one.setting, one.value) for one in left] == [("etp", "2")]
    # Sequence parallelism costs one rank nothing; two have what was asked.
    for tp, asked, enabled in ((1, 0, True), (2, 0, False), (2, 1, True)):
        assert parallel_fields(training(pp=1, tp=tp, sequence_parallel=asked))[0]["enable_sequence_parallel"] is enabled
    staged, _ = parallel_fields(training(pp=2, zero=0))
    assert (staged["pipeline_parallel_degree"], staged["pipeline_parallel_microbatch_size"]) == (2, 2)


def test_no_more_than_two_settings_are_left_to_comments() -> None:
    left = [Unexpressed(f"s{i}", "1", "none") for i in range(3)]
    launch = training()
    assert header_lines(launch, "v1", Written(files={}, start="go", unexpressed=tuple(left[:2])))[-1].startswith(
        "hwmodel: s1 = 1"
    )
    with pytest.raises(InputError, match="too much of this layout"):
        header_lines(launch, "v1", Written(files={}, start="go", unexpressed=tuple(left)))
