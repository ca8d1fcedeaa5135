"""Questions and cheap inputs drawn from a seed, and what must hold of every answer. `make fuzz` runs on."""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from hwmodel import units
from hwmodel.catalog import load_catalog
from hwmodel.catalog.names import fold
from hwmodel.errors import CatalogError, InfeasibleError, InputError
from hwmodel.laws import additive
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.serve.predict import predict
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.train import train

CATALOG = load_catalog()
PARTS = [p.id for p in CATALOG.parts()] + ["H100", "A100", "V100", "MI300X", "B200", "GB200", "trn2", "v5p", "L40S"]
MODELS = [m.id for m in CATALOG.models() if m.shape is not None]
Asked = dict[str, Any]


def _fleet(draw: random.Random) -> str:
    count = draw.choice([1, 2, 3, 7, 8, 16, 24, 64, 100, 129, 512, 1000, 4096])
    return f"{count}x{draw.choice(PARTS)}"


def _size(draw: random.Random) -> Asked:
    return draw.choice(
        [{}, {"params": f"{draw.choice([30, 300, 1000, 7000, 70000, 400000])}M"}, {"model": draw.choice(MODELS)}]
    )


def plan_question(draw: random.Random) -> Asked:
    """A fleet or none, a size or none, and one or two of tokens, time, money, FLOPs and loss."""
    asked: Asked = {"gpus": _fleet(draw)} if draw.random() < 0.8 else {}
    asked |= _size(draw)
    limits: list[Asked] = [
        {"tokens": draw.choice(["100M", "1B", "50B", "1.4T", "15T"])}, {"flops": f"1e{draw.randint(15, 27)}"},
        {"time": draw.choice(["1h", "1d", "30d", "1y"])}, {"budget": draw.choice(["$100", "$10k", "$3M", "$1B"])},
        {"loss": draw.choice(["1.8", "2.2", "3.5"])},
    ]  # fmt: skip
    for one in draw.sample(limits, draw.choice([1, 1, 2])):
        asked |= one
    if draw.random() < 0.2:
        asked |= {draw.choice(["tp", "pp", "ep"]): draw.choice(["1", "2", "8"])}
    return asked


def check_plan(asked: Asked) -> None:
    """A plan's figures are finite, ordered, inside what was given, and hold the identities."""
    found = plan(**asked)
    answer = found.answer
    for name in answer.__struct_fields__:
        value = getattr(answer, name)
        if isinstance(value, Band):
            assert 0 <= value.low * (1 - 1e-9) <= value.value * (1 + 1e-9) <= value.high * (1 + 1e-9) < math.inf, name
    if answer.elapsed_days is None:
        return
    days, rate = value_of(answer.train_days), value_of(answer.tokens_per_s)
    assert math.isclose(days * 86400 * rate, value_of(answer.tokens), rel_tol=1e-6)
    if "time" in asked:
        assert value_of(answer.elapsed_days) <= units.parse_duration_s(asked["time"]) / 86400 * (1 + 1e-4)
    if "budget" in asked and answer.cost_usd is not None:
        assert value_of(answer.cost_usd) <= units.parse_usd(asked["budget"]) * (1 + 1e-4)
    if "flops" in asked:
        assert value_of(answer.train_flop) <= units.parse_flop(asked["flops"]) * (1 + 1e-4)


def train_question(draw: random.Random) -> Asked:
    """One layout of a fleet."""
    asked: Asked = {"gpus": _fleet(draw), **(_size(draw) or {"params": "1B"})}
    for name in draw.sample(["tp", "pp", "cp", "ep", "micro_batch"], draw.choice([0, 0, 1, 2])):
        asked[name] = draw.choice(["1", "2", "4"])
    return asked


def check_train(asked: Asked) -> None:
    """The layout's product is the fleet in use, the terms add up to the step."""
    found = train(**asked).to_dict()
    layout = found["layout"]
    used = layout["tp"] * layout["cp"] * layout["pp"] * layout["dp"]
    assert (
        math.isclose(used + found["idle_accelerators"], found["accelerators"], abs_tol=0.5)
        or used <= found["accelerators"]
    )
    assert math.isclose(sum(found["step"].values()), found["step_s"]["value"], rel_tol=1e-6)


def serve_question(draw: random.Random) -> Asked:
    """One configuration of an engine."""
    return {
        "model": draw.choice(MODELS), "parts": (draw.choice(PARTS),),
        "prompt_tokens": draw.choice([16.0, 1000.0, 3000.0]),
        "output_tokens": draw.choice([1.0, 300.0, 1000.0]), "rate": 1.0, "tp": float(draw.choice([1, 2, 8])),
        "clients": float(draw.choice([1, 8, 128])),
    }  # fmt: skip


def check_serve(asked: Asked) -> None:
    """Latencies are finite and ordered."""
    question = ServingQuestion(**{k: v for k, v in asked.items() if k != "clients"})
    answer = predict(question, CATALOG, asked["clients"])["answer"]
    for name in ("ttft_s", "tpot_s"):
        band = answer[name]
        assert 0 <= band["low"] <= band["value"] * (1 + 1e-9) <= band["high"] * (1 + 1e-9) < math.inf


WHOLE: dict[str, tuple[Callable[[random.Random], Asked], Callable[[Asked], None]]] = {
    "plan": (plan_question, check_plan), "train": (train_question, check_train), "serve": (serve_question, check_serve),
}  # fmt: skip
LETTERS = "abgmptxv0123456789.-_ x:kMBT$%eE+/\\n\\x00é"


def _text(draw: random.Random) -> str:
    seeds = [*PARTS[:20], *MODELS[:20], "1.4T", "30d", "$5M", "1024xA100", "v4-8", "us-east-1", "45%", "1e22FLOP"]
    word = list(draw.choice(seeds))
    for _ in range(draw.randint(0, 3)):
        at = draw.randrange(len(word) + 1)
        word[at : at + draw.randint(0, 2)] = draw.choice(LETTERS)
    return "".join(word)


def cheap(draw: random.Random) -> None:
    """One name, quantity, request or law point: it is read, or refused by an InputError."""
    text, kind = _text(draw), draw.randrange(4)
    if kind == 0:
        find = draw.choice([CATALOG.part, CATALOG.system, CATALOG.model_entry, CATALOG.region, CATALOG.precision])
        assert fold(find(text).id)
    elif kind == 1:
        read = draw.choice([units.parse_count, units.parse_flop, units.parse_duration_s, units.parse_usd])
        assert 0 < read(text) < math.inf
    elif kind == 2:
        parse_request(**{draw.choice(["gpus", "tokens", "params", "time", "loss", "seq_len"]): text, "flops": "1e20"})
    else:
        law = CATALOG.law("besiroglu_2024").constants
        size, data = 10 ** draw.uniform(0, 20), 10 ** draw.uniform(0, 20)
        assert law["E"] <= additive.loss(law, size, data) < math.inf


def outcome(act: Callable[[], None]) -> str:
    """How one input ended: `answered`, `refused`, `infeasible`, or the finding itself."""
    try:
        act()
    except InputError:
        return "refused"
    except InfeasibleError:
        return "infeasible"
    except CatalogError:
        return "catalog"
    except AssertionError as error:
        return f"broken invariant: {error}"
    except Exception as error:  # a finding, whatever it is
        return f"{type(error).__name__}: {error}"
    return "answered"


KNOWN_ENDS = ("answered", "refused", "infeasible")


def run(kind: str, seed: int, count: int, seconds: float = math.inf) -> tuple[Counter[str], dict[str, str]]:
    """`count` inputs of a kind from `seed` on: outcomes, and one input a finding."""
    ends: Counter[str] = Counter()
    findings: dict[str, str] = {}
    begin = time.monotonic()
    for number in range(seed, seed + count):
        draw = random.Random(number)
        if kind == "cheap":
            asked: Asked = {"seed": number}
            end = outcome(partial(cheap, draw))
        else:
            make, check = WHOLE[kind]
            asked = make(draw)
            end = outcome(partial(check, asked))
        ends[end if end in KNOWN_ENDS else "finding"] += 1
        if end not in KNOWN_ENDS:
            findings.setdefault(end[:120], f"{kind} {asked}")
        if time.monotonic() - begin > seconds:
            break
    return ends, findings


def main() -> None:
    """A campaign: each kind for its share of the time; prints outcomes and every finding once."""
    parser = argparse.ArgumentParser(description="Draw questions and check what must hold of every answer.")
    parser.add_argument("--seed", type=int, default=0, help="the first seed; go on where the last campaign ended")
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    for kind in (*WHOLE, "cheap"):
        ends, findings = run(kind, given.seed, 10**9, given.minutes * 60 / (len(WHOLE) + 1))
        print(f"{kind}: {sum(ends.values())} from seed {given.seed}: {dict(ends)}", flush=True)
        for finding, example in findings.items():
            print(f"  FINDING {finding}\n    {example}", flush=True)


if __name__ == "__main__":
    main()
