"""Command lines that give a plan again, or its layout by itself."""

from __future__ import annotations

import shlex

import msgspec

from hwmodel.predict.optimism import SPLITS
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import value_of
from hwmodel.specs.layout import SCHEDULES, SIZES

# Options of a plan that mean the same to `train`; what the plan solved follows from its answer.
CARRIED = (
    "--model", "--nic-gbit-s", "--seq-len", "--precision", "--optimizer", "--gradient-dtype", "--stack", "--year",
    "--flop-convention", "--catalog",
)  # fmt: skip
# Levels that `train` does not know set the speed of these plans.
LEVELS = ("--mfu", "--measured")


def layout_command(plan: Plan) -> str | None:
    """`hwmodel train` in the layout of the plan, on the accelerators that it uses; None where a user's own level sets
    the speed or there is no layout."""
    found = layout_options(plan)
    if found is None:
        return None
    return shlex.join(["hwmodel", "train", *(word for name, value in found for word in (name, value))])


def layout_options(plan: Plan) -> list[tuple[str, str]] | None:
    """The options of `train` that give the step of a plan again; None where there are none."""
    options = [(name, str(value)) for name, value in plan.request.options]
    answer, resolved = plan.answer, plan.resolved
    if plan.layout is None or any(name in LEVELS for name, _ in options):
        return None
    layout = msgspec.structs.asdict(plan.layout)
    used = (answer.accelerators or 0) - (answer.idle_accelerators or 0)
    found = [("--gpus", f"{used}x{resolved.accelerator}"), ("--system", str(resolved.system))]
    found += [(name, value) for name, value in options if name in CARRIED]
    if resolved.model is None:
        found.append(("--params", f"{value_of(answer.params):.17g}"))
    mixture = plan.shape is not None and plan.shape.n_experts > 1
    sizes = {size.name: layout[size.name] for size in SIZES if size.asked and (mixture or not size.experts)}
    sizes |= {"recompute": layout["recompute"], "offload": layout["offload"]}
    sizes |= {"global_batch": layout["global_batch_seqs"]}
    if layout["schedule"] != SCHEDULES[0]:
        sizes["schedule"] = layout["schedule"]
    found += [(f"--{name.replace('_', '-')}", str(value)) for name, value in sizes.items()]
    stated = {name for name, _ in options}
    searched = [name for name in SPLITS if f"--{name.replace('_', '-')}" not in stated]
    return [*found, ("--searched", ",".join(searched))] if searched else found


def command(plan: Plan, name: str = "plan", precisions: list[str] | None = None) -> str:
    """The command line that reproduces this plan, or its comparison of several formats."""
    options = [(option, value) for option, value in plan.request.options if not precisions or option != "--precision"]
    if precisions:
        options.append(("--precision", ",".join(precisions)))
    return shlex.join(["hwmodel", name, *(word for pair in options for word in pair)])
