"""Shapes of the catalog as the flags of Megatron-LM: read back as they were, or refused by what they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.errors import InputError


@pytest.mark.parametrize(
    ("model", "says"),
    [("nemotron-h-56b", "linear-attention or state-space layers"),
     ("deepseek-v4-flash", "one projection for keys and values"), ("llama-4-maverick", "layers of several kinds")],
)  # fmt: skip
def test_a_model_without_settings_is_refused_by_what_it_has(model: str, says: str) -> None:
    from hwmodel.catalog import load_catalog
    from hwmodel.interop.tools.megatron_shape import shape_flags

    with pytest.raises(InputError, match=says):
        shape_flags(load_catalog().model(model), "megatron", 1)


def test_every_shape_that_megatron_takes_is_read_back_as_it_was(tmp_path: Path) -> None:
    """All models of the catalog through the flags and back; how many are refused is counted."""
    from hwmodel.catalog import load_catalog
    from hwmodel.interop.export.megatron import argument_text
    from hwmodel.interop.launch_in.megatron import megatron_shape
    from hwmodel.interop.launch_in.shell import read_script
    from hwmodel.interop.tools.megatron_shape import shape_flags
    from hwmodel.interop.tools.parts_of_shape import same_shape

    came = refused = 0
    for entry in load_catalog().models():
        if entry.shape is None:
            continue
        try:
            flags = shape_flags(entry.shape, "megatron", 1)
        except InputError:
            refused += 1
            continue
        line = "pretrain_gpt.py " + " ".join(argument_text(f, v) for f, v in flags.items() if "$" not in str(v))
        shape = megatron_shape(read_script(line, tmp_path / "x.sh"))
        assert shape is not None
        assert same_shape(shape, entry.shape), entry.id
        came += 1
    assert came >= 130
    assert refused <= 45


def test_experts_in_a_narrower_space_have_a_flag_here_and_no_setting_elsewhere(tmp_path: Path) -> None:
    import msgspec

    from hwmodel.catalog import load_catalog
    from hwmodel.interop.export.hf_shape import hf_config
    from hwmodel.interop.export.megatron import argument_text
    from hwmodel.interop.launch_in.megatron import megatron_shape
    from hwmodel.interop.launch_in.shell import read_script
    from hwmodel.interop.tools.megatron_shape import shape_flags

    mixtral = load_catalog().model("mixtral-8x7b")
    block = msgspec.structs.replace(mixtral.blocks[0], expert_latent_dim=1024.0)
    shape = msgspec.structs.replace(mixtral, blocks=(block,))
    flags = shape_flags(shape, "megatron", 1)
    assert flags["--moe-latent-size"] == 1024
    assert "--moe-latent-size" not in shape_flags(mixtral, "megatron", 1)
    line = "pretrain_gpt.py " + " ".join(argument_text(f, v) for f, v in flags.items())
    back = megatron_shape(read_script(line, tmp_path / "x.sh"))
    assert back is not None
    assert back.blocks[0].expert_latent_dim == 1024.0
    with pytest.raises(InputError, match=r"no settings for .*: experts in a narrower space"):
        hf_config(shape, "deepspeed", 4096)


@pytest.mark.parametrize(("flags", "width"), [("", 400), ("--quick-geglu", 400), ("--swiglu", 256)])
def test_a_feed_forward_width_that_is_left_out_is_that_of_megatron(flags: str, width: int, tmp_path: Path) -> None:
    # `validate_args`: 4 h, of SwiGLU int(4 h 2 / 3 / 64) 64. At h = 100 that is 266.7 / 64 = 4.17, four 64s.
    from hwmodel.interop.launch_in.megatron import megatron_shape
    from hwmodel.interop.launch_in.shell import read_script

    line = f"pretrain_gpt.py --num-layers 2 --hidden-size 100 --num-attention-heads 4 --vocab-size 99 {flags}"
    shape = megatron_shape(read_script(line, tmp_path / "x.sh"))
    assert shape is not None
    assert shape.blocks[0].d_ff == width
