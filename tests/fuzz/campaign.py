"""A campaign of drawn questions and cheap inputs: `make fuzz SEED=0 MINUTES=10`, which resumes where the seed ended.

Each input is drawn from its own number, so a finding is had again by `--only KIND --seed NUMBER --count 1`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import cheap
import files
import holds
import others
import questions

from hwmodel.errors import CatalogError, InfeasibleError, InputError

QUESTIONS = questions.QUESTIONS | others.QUESTIONS | files.QUESTIONS
HOLDS = holds.HOLDS | others.HOLDS | files.HOLDS
KINDS = (*QUESTIONS, "cheap")
ENDS = ("answered", "refused", "infeasible", "finding")
TURN = {
    "plan": 50,
    "compare": 50,
    "train": 50,
    "serve": 50,
    "sweep": 1,
    "export": 10,
    "fit": 1,
    "validate": 10,
    "files": 10,
    "cheap": 2_000,
}  # inputs before the next kind's turn; fmt: skip
Tally = dict[str, Any]


def outcome(act: Callable[[], None]) -> str:
    """How one input ended: `answered`, `refused`, `infeasible`, or the finding itself."""
    try:
        act()
    except (InputError, CatalogError):
        return "refused"
    except InfeasibleError:
        return "infeasible"
    except AssertionError as error:
        return f"broken invariant: {error}"
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return "answered"


def one(kind: str, number: int) -> tuple[str, Any]:
    """The outcome of one input, and what was asked."""
    draw = random.Random(number)
    if kind == "cheap":
        act = draw.choice(cheap.KINDS)
        return outcome(partial(act, draw)), act.__name__
    asked = QUESTIONS[kind](draw)
    return outcome(partial(HOLDS[kind], asked, draw.random())), asked


def run(kind: str, seed: int, count: int, tally: Tally | None = None) -> Tally:
    """`count` inputs of a kind from `seed` on, added to a tally: outcomes, and one input for each finding."""
    tally = tally or {"next": seed, "ends": dict.fromkeys(ENDS, 0), "findings": {}}
    for number in range(tally["next"], tally["next"] + count):
        end, asked = one(kind, number)
        tally["ends"][end if end in ENDS else "finding"] += 1
        if end not in ENDS:
            tally["findings"].setdefault(end[:160], f"{kind} {number}: {asked}")
    tally["next"] += count
    return tally


def table(tallies: dict[str, Tally]) -> str:
    """Outcomes of each kind, whole answers and cheap inputs apart, and every finding once."""
    lines = [f"{'kind':<10}{'inputs':>10}" + "".join(f"{name:>12}" for name in ENDS)]
    for kind, tally in tallies.items():
        ends = tally["ends"]
        lines.append(f"{kind:<10}{sum(ends.values()):>10,}" + "".join(f"{ends[name]:>12,}" for name in ENDS))
    for tally in tallies.values():
        lines += [f"FINDING {finding}\n    {example}" for finding, example in tally["findings"].items()]
    return "\n".join(lines)


def _saved(path: Path) -> dict[str, Tally]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main() -> None:
    """Each kind in turn until the time is up; the state is written after every turn."""
    parser = argparse.ArgumentParser(description="Draw questions and check what must hold of every answer.")
    parser.add_argument("--seed", type=int, default=0, help="the first input's number")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--count", type=float, default=math.inf, help="stop after so many of each kind")
    parser.add_argument("--only", choices=KINDS, action="append", help="these kinds alone (repeatable)")
    parser.add_argument("--state", type=Path, help="file of the campaign's state (default: build/fuzz-SEED.json)")
    given = parser.parse_args()
    state = given.state or Path("build", f"fuzz-{given.seed}.json")
    state.parent.mkdir(parents=True, exist_ok=True)
    tallies = _saved(state)
    end, turn = time.monotonic() + 60 * given.minutes, 0
    while time.monotonic() < end:
        left = False
        for kind in given.only or KINDS:
            done = sum(tallies[kind]["ends"].values()) if kind in tallies else 0
            count = int(min(TURN[kind], given.count - done))
            if count > 0 and time.monotonic() < end:
                tallies[kind] = run(kind, given.seed, count, tallies.get(kind))
                left = True
        state.write_text(json.dumps(tallies), encoding="utf-8")
        turn += 1
        print(
            f"turn {turn}: " + ", ".join(f"{k} {sum(t['ends'].values()):,}" for k, t in tallies.items()),
            file=sys.stderr,
        )
        if not left:
            break
    print(table(tallies))


if __name__ == "__main__":
    main()
