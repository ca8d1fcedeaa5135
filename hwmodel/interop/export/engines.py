"""What the writers of serving engines share: pools as scripts, and the words for what a user must bring."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hwmodel.errors import InputError
from hwmodel.interop.export.launch import LaunchPool, Serving, Written, commented, header_lines
from hwmodel.interop.tools.names import ToolNames
from hwmodel.plain import Fields, JsonValue

PORT = 8000
SPANNING = ': "${LEADER_ADDRESS:?address of the first node}" "${NODE_RANK:?rank of this node}"\n'
Arguments = Fields  # flag -> value, None for a switch


class Quantised(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine is told a recipe: its quantisation, its cache, its type, and the checkpoint that it needs."""

    quantization: str | None = None
    kv: str | None = None
    dtype: str | None = None
    checkpoint: str = ""  # empty: the 16-bit one of the model, quantised while it is loaded


class EngineLaunch(msgspec.Struct, frozen=True, kw_only=True):
    """One serving engine: its program, image, and the arguments of a pool."""

    name: str
    image: str
    program: tuple[str, ...]  # before the model
    model_flag: str | None  # None: the model follows the program
    names: ToolNames
    recipes: dict[str, Quantised]
    arguments: Callable[[Serving, LaunchPool, Quantised], Arguments]
    nodes: Callable[[int], Arguments]  # of a worker that spans nodes, from its environment
    front: str  # what sends a request to a worker for prompts and on to one for output
    followers: tuple[str, ...] = ()  # words for all nodes of such a worker but the first


def recipe_of(engine: EngineLaunch, launch: Serving) -> Quantised:
    """How the engine is told the answer's recipe. InputError where it has none."""
    if launch.precision not in engine.recipes:
        known = ", ".join(engine.recipes)
        raise InputError(f"{engine.name} has no --precision {launch.precision}; it has {known}")
    return engine.recipes[launch.precision]


def checked_arguments(engine: EngineLaunch, launch: Serving, pool: LaunchPool) -> Arguments:
    """Arguments of a worker of a pool, each a name that the engine has."""
    arguments = engine.arguments(launch, pool, recipe_of(engine, launch))
    for flag, value in arguments.items():
        engine.names.check(flag, value)
    return arguments


def model_word(launch: Serving, recipe: Quantised) -> str:
    """The model as the engine loads it, or the variable that the user sets to a checkpoint."""
    return launch.hub_name if launch.hub_name and not recipe.checkpoint else "$MODEL"


def engine_files(engine: EngineLaunch, launch: Serving) -> Written:
    """A script a pool that starts one of its workers."""
    start = f"bash {engine.name}.sh on each of {launch.pools[0].workers} workers, a load balancer before them"
    if len(launch.pools) > 1:
        each = " and ".join(f"bash {engine.name}-{p.role}.sh on {p.workers} workers" for p in launch.pools)
        start = f"{each}, {engine.front} before them"
    written = Written(files={}, start=start)
    recipe = recipe_of(engine, launch)
    files = {}
    for pool in launch.pools:
        name = f"{engine.name}.sh" if pool.role == "all" else f"{engine.name}-{pool.role}.sh"
        files[name] = _script(engine, launch, pool, recipe, written)
    return Written(files=files, start=start)


def _script(engine: EngineLaunch, launch: Serving, pool: LaunchPool, recipe: Quantised, written: Written) -> str:
    """Start one worker; one that spans nodes is started on each of them."""
    arguments = checked_arguments(engine, launch, pool)
    nodes = launch.nodes(pool)
    if nodes > 1:
        arguments |= engine.nodes(nodes)
    model = model_word(launch, recipe)
    what = recipe.checkpoint or "the checkpoint to serve"
    asks = f': "${{MODEL:?{what}}}"\n' if model == "$MODEL" else ""
    asks += SPANNING if nodes > 1 else ""
    where = "one node" if nodes == 1 else f"{nodes} nodes: start this on each"
    whose = "" if pool.role == "all" else f" for {pool.role}"
    headless = " ".join(engine.followers)
    follow = f'$([ "$NODE_RANK" = 0 ] || echo "{headless}") ' if nodes > 1 and headless else ""
    rows = " \\\n".join(f"  {flag} {shell_word(value)}".rstrip() for flag, value in arguments.items())
    first = f"{engine.model_flag} " if engine.model_flag else ""
    return f"""#!/usr/bin/env bash
{commented(header_lines(launch, engine.names.verified_against, written))}set -euo pipefail

# One worker of {pool.workers}{whose}: {pool.ranks} accelerators on {where}.
# Requests above {launch.longest_tokens} tokens, the longest of the plan, are refused: raise it where yours vary more.
{asks}{" ".join(engine.program)} {first}"{model}" \\
{rows} {follow}"$@"
"""


def shell_word(value: JsonValue) -> str:
    """A value as a shell word: JSON in single quotes, variables in double ones."""
    text = "" if value is None else str(value)
    if text.startswith("{"):
        return f"'{text}'"
    return f'"{text}"' if "$" in text else text
