"""Cheap inputs drawn from a seed: names, quantities, requests, law points, model files, YAML and CSV cells."""

from __future__ import annotations

import json
import math
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hwmodel import units
from hwmodel.catalog import load_catalog
from hwmodel.catalog.names import fold
from hwmodel.catalog.records import read_records
from hwmodel.catalog.yamlfile import parse_yaml
from hwmodel.errors import HwModelError
from hwmodel.interop.huggingface import from_dict
from hwmodel.interop.loss_runs import read_runs
from hwmodel.laws import has_loss, loss, optimum_for_flop
from hwmodel.physics.shape import parameters
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.serve.ask import read_question
from hwmodel.validation.rows.tables import CellError, positive, read_table

CATALOG = load_catalog()
LETTERS = "abgmptxv0123456789.-_ x:kMBT$%eE+/\\\n\x00é²\u202e"
WORDS = [
    *(p.id for p in CATALOG.parts()), *(m.id for m in CATALOG.models()), "1.4T", "30d", "$5M", "1024xA100", "v4-8",
    "us-east-1", "45%", "1e22FLOP", "8xdgx-h100", "meta-llama/Llama-3.1-8B", "llama3", "H100", "fp8", "bf16", "1e308",
    "-1", "0", "nan", "inf", "1e-308", "50 req/s", "20ms", "2k", "70B@1.4T", "", " ",
]  # fmt: skip
NUMBERS: list[Any] = [
    0,
    1,
    -1,
    2,
    3,
    7,
    1e9,
    10**400,
    1e308,
    -0.0,
    0.5,
    True,
    None,
    "",
    "4096",
    [],
    [1, 2],
    {},
    "full_attention",
]
PLACE = Path("config.json")


def text(draw: random.Random) -> str:
    """A word that means something with up to three slips of the pen."""
    word = list(draw.choice(WORDS))
    for _ in range(draw.randint(0, 3)):
        at = draw.randrange(len(word) + 1)
        word[at : at + draw.randint(0, 2)] = draw.choice(LETTERS)
    return "".join(word)


def name(draw: random.Random) -> None:
    """A name is read as the thing that bears it: its id is found again by its own id."""
    find = draw.choice([CATALOG.part, CATALOG.system, CATALOG.model_entry, CATALOG.region, CATALOG.precision])
    found = find(text(draw))
    assert fold(find(found.id).id) == fold(found.id), f"{found.id} is not found by its id"


def quantity(draw: random.Random) -> None:
    """A quantity is finite and above zero."""
    read = draw.choice([units.parse_count, units.parse_flop, units.parse_duration_s, units.parse_usd])
    value = read(text(draw))
    assert 0 < value < math.inf, value


def request(draw: random.Random) -> None:
    """A request holds what it was given, in numbers."""
    option = draw.choice(["gpus", "tokens", "params", "time", "budget", "loss", "seq_len", "mfu", "global_batch", "tp"])
    found = parse_request(**{option: text(draw), "flops": "1e20"})
    given = found.given
    assert len(given) >= 2 or option == "seq_len", f"{option} was dropped: {given}"


def demand(draw: random.Random) -> None:
    """A serving question has finite numbers."""
    option = draw.choice(["input", "output", "ttft", "tpot", "prefix_hit", "max_running", "tp"])
    found = read_question("llama-3.1-8b", "10 req/s", **{option: text(draw)})
    assert 0 < found.prompt_tokens < math.inf


def law_point(draw: random.Random) -> None:
    """A loss is finite and not below the law's floor; it falls in size and tokens; the optimum spends the FLOPs."""
    law = draw.choice([one for one in CATALOG.laws() if has_loss(one)])
    size, data = 10 ** draw.uniform(-20, 30), 10 ** draw.uniform(-20, 30)
    try:
        value = float(loss(law, size, data))
        assert not math.isnan(value)
        if 6 < math.log10(size) < 13 and 6 < math.log10(data) < 15 and law.id.startswith(("besiroglu", "chinchilla")):
            assert float(loss(law, 2 * size, data)) <= value, "the loss rises with size"
            assert float(loss(law, size, 2 * data)) <= value, "the loss rises with tokens"
        if law.id.startswith("besiroglu"):
            flop = 10 ** draw.uniform(15, 28)
            best = optimum_for_flop(law, flop)
            assert math.isclose(6 * float(best.params) * float(best.tokens), flop, rel_tol=1e-6), "6 N D"
    except (KeyError, TypeError):  # a law in other quantities
        return


@cache
def configs() -> list[dict[str, Any]]:
    """Small model files of several families, to be changed."""
    base = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 1000,
            "max_position_embeddings": 2048, "hidden_act": "silu", "tie_word_embeddings": False}  # fmt: skip
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
    return [
        base, {**base, "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], **experts},
        {**base, "model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 8,
         "num_experts_per_tok": 2},
        {**base, "model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "head_dim": 16, "sliding_window": 128},
        {**base, "model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "kv_lora_rank": 16,
         "q_lora_rank": 32, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 8,
         "num_experts_per_tok": 2, "moe_intermediate_size": 32, "first_k_dense_replace": 1, "n_shared_experts": 1},
    ]  # fmt: skip


def model_file(draw: random.Random) -> None:
    """A changed model file gives whole, finite counts, active ones not above all, or is refused."""
    data = dict(draw.choice(configs()))
    for _ in range(draw.randint(1, 3)):
        key = draw.choice([*data, "layer_types", "num_shared_experts", "sliding_window", "full_attention_interval"])
        if draw.random() < 0.3:
            data.pop(key, None)
        else:
            data[key] = draw.choice(NUMBERS)
    shape = from_dict(data, PLACE).shape
    counts = parameters(shape)
    assert 0 < float(counts.active) <= float(counts.total) * (1 + 1e-12) < math.inf, "parameters"


OVERLAYS = [
    "- id: x\n  extends: h100-sxm5-80gb\n  hbm_bytes: {value: 1, unit: GB, source: own}\n",
    "- id: y\n  name: Y\n  vendor: own\n  peak_dense_flop_per_s:\n    bf16: {value: 1e15, unit: FLOP/s, source: own}\n",
    "a: [1, 2, {b: c}]\n", "- 1\n- 2\n", "&a [*a, *a]\n",
]  # fmt: skip


def yaml_text(draw: random.Random) -> None:
    """YAML parses to plain data, or is refused with its place."""
    content = list(draw.choice(OVERLAYS))
    for _ in range(draw.randint(0, 4)):
        at = draw.randrange(len(content) + 1)
        content[at : at + draw.randint(0, 3)] = draw.choice(
            [*LETTERS, ":", "[", "]", "{", "}", "&", "*", "!", "- ", "#"]
        )
    data = parse_yaml("".join(content), Path("overlay.yaml"))
    json.dumps(data, default=str)


def overlay_records(draw: random.Random) -> None:
    """Records of a folder are read by id, or refused with file and line."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "accelerators")
        place.mkdir()
        content = draw.choice(OVERLAYS).replace(
            draw.choice(["id", "x", "value", "1"]), text(draw).replace("\n", " "), 1
        )
        (place / "one.yaml").write_text(content, encoding="utf-8")
        for key, raw in read_records([Path(folder)], "accelerators").items():
            assert raw.id == key


def cell(draw: random.Random) -> None:
    """A cell of a table is a finite number above zero, blank, or refused."""
    try:
        value = positive({"x": text(draw).replace("\n", "").strip()}, "x")
    except CellError:
        return
    assert value is None or 0 < value < math.inf, value


def table(draw: random.Random) -> None:
    """A table of runs is read in finite numbers, or refused with line and column."""
    rows = [["params", "tokens", "loss"], *(["1e8", "2e9", "3.1"] for _ in range(3))]
    rows[draw.randrange(4)][draw.randrange(3)] = text(draw).replace("\x00", "")
    content = "\n".join(draw.choice([",", ",", ";"]).join(row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "runs.csv")
        path.write_text(content, encoding="utf-8")
        if draw.random() < 0.5:
            runs = read_runs(path)
            assert all(0 < float(x) < math.inf for x in runs.loss)
        else:
            read_table(path)


KINDS = [
    *[name] * 5, *[quantity] * 6, *[request] * 4, *[demand] * 2, *[law_point] * 2, *[model_file] * 5, *[cell] * 4,
    *[yaml_text] * 2, overlay_records, table,
]  # fmt: skip
__all__ = ["KINDS", "HwModelError"]
