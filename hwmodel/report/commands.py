"""Command lines that give a plan again, or its layout by itself."""

from __future__ import annotations

import shlex

from hwmodel.predict.optimism import SPLITS
from hwmodel.solve.run.result import Plan, value_of
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
    options = [tuple(pair) for pair in plan.request["options"]]
    if plan.layout is None or any(name in LEVELS for name, _ in options):
        return None
    used = int((plan.answer.accelerators or 0) - (plan.answer.idle_accelerators or 0))
    words = ["--gpus", f"{used}x{plan.resolved.accelerator}", "--system", str(plan.resolved.system)]
    words += [word for name, value in options if name in CARRIED for word in (name, value)]
    if plan.resolved.model is None:
        words += ["--params", f"{value_of(plan.answer.params):.17g}"]
    layout = plan.layout
    mixture = plan.shape is not None and plan.shape.n_experts > 1
    sizes = {size.name: getattr(layout, size.name) for size in SIZES if size.asked and (mixture or not size.experts)}
    sizes |= {"recompute": layout.recompute, "offload": layout.offload, "global_batch": layout.global_batch_seqs}
    if layout.schedule != SCHEDULES[0]:
        sizes["schedule"] = layout.schedule
    words += [word for name, value in sizes.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    stated = {name for name, _ in options}
    found = [name for name in SPLITS if f"--{name.replace('_', '-')}" not in stated]
    return shlex.join(["hwmodel", "train", *words, *(["--searched", ",".join(found)] if found else [])])


def command(plan: Plan, name: str = "plan", precisions: list[str] | None = None) -> str:
    """The command line that reproduces this plan, or its comparison of several formats."""
    options = [
        (option, value) for option, value in plan.request["options"] if not precisions or option != "--precision"
    ]
    if precisions:
        options.append(("--precision", ",".join(precisions)))
    return shlex.join(["hwmodel", name, *(word for pair in options for word in pair)])
