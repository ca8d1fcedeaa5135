"""Counts that a MaxText file leaves to MaxText or states, worked out in the comments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwmodel.errors import InputError
from hwmodel.interop.launch_in import maxtext
from hwmodel.interop.launch_in.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings(values, Path("run.yml"))


@pytest.mark.parametrize(
    ("stated", "ranks", "stages", "micro", "replica"),
    [
        # 2 sequences a device on 8 devices are 16 in one micro-batch; three steps of them 48.
        ({"per_device_batch_size": 2}, 8, 1, 16, 16),
        ({"per_device_batch_size": 2, "gradient_accumulation_steps": 3}, 8, 1, 16, 48),
        # Four stages take four micro-batches of 4, or eight of 2 where forwarding is delayed, or as many as stated.
        ({"per_device_batch_size": 2}, 8, 4, 4, 16),
        ({"per_device_batch_size": 2, "pipeline_delay_activation_forwarding": True}, 8, 4, 2, 16),
        ({"per_device_batch_size": 2, "num_pipeline_microbatches": 16}, 8, 4, 1, 16),
        ({"per_device_batch_size": 2, "num_pipeline_microbatches": -1}, 8, 4, 4, 16),
        # One stage has no micro-batches of a pipeline. Half a sequence a device on two devices is one.
        ({"per_device_batch_size": 2, "num_pipeline_microbatches": 16}, 8, 1, 16, 16),
        ({"per_device_batch_size": 0.5}, 2, 1, 1, 1),
        # Twelve a device where the file says nothing.
        ({}, 2, 1, 24, 24),
    ],
)
def test_sequences_of_a_micro_batch_and_a_step(
    stated: dict[str, Any], ranks: int, stages: int, micro: int, replica: int
) -> None:
    assert maxtext._batch(settings(**stated), ranks, stages) == {"micro_batch": micro, "batch_per_replica": replica}


@pytest.mark.parametrize(
    ("each", "ranks", "stages", "makes"),
    [(1.5, 4, 4, "1.5"), (0.25, 2, 1, "0.5"), (0.5, 3, 1, "1.5"), (1, 2, 4, "0.5")],
)
def test_parts_of_a_sequence_are_refused(each: float, ranks: int, stages: int, makes: str) -> None:
    with pytest.raises(InputError, match=f"makes {makes} sequences a micro-batch; it must be a whole number"):
        maxtext._batch(settings(per_device_batch_size=each), ranks, stages)


def test_ranks_of_an_axis_inside_a_slice_and_across() -> None:
    assert maxtext._axis(settings(ici_tensor_parallelism=4, dcn_tensor_parallelism=2), "tensor") == 8
    # Left out it is 1 of each; of fully sharded data what is left inside a slice.
    assert maxtext._axis(settings(), "tensor") == 1
    assert maxtext._axis(settings(dcn_tensor_parallelism=2), "tensor") == 2
    assert maxtext._axis(settings(), "fsdp") == -1
    assert maxtext._axis(settings(ici_fsdp_parallelism=4), "fsdp") == 4
    assert maxtext._axis(settings(ici_tensor_parallelism=4, dcn_tensor_parallelism=-1), "tensor") == -1


def test_virtual_stages() -> None:
    # 32 layers on four stages of one layer each pass them eight times, of two four times; no fewer than once.
    layers = {"base_num_decoder_layers": 32}
    assert maxtext._repeats(settings(**layers), 4) == 8
    assert maxtext._repeats(settings(**layers, num_layers_per_pipeline_stage=2), 4) == 4
    assert maxtext._repeats(settings(**layers, num_layers_per_pipeline_stage=16), 4) == 1
    assert maxtext._repeats(settings(**layers, num_pipeline_repeats=2), 4) == 2
    assert maxtext._repeats(settings(**layers, num_pipeline_repeats=2), 1) == 1
    assert maxtext._repeats(settings(), 4) == 1
