"""The one table of what a training launch is made of: every field of a layout, and what else the step depends on.

A writer expresses each of these or says which it cannot; a reader gives them back under the same names, which are those
of the JSON and of the command line. A key of an answer that is missing here is refused, but for a size of the layout
that is 1: nothing is dropped on the way.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hwmodel.errors import InputError
from hwmodel.specs.layout import NAMES, SCHEDULES

Value = float | str


class LaunchSetting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: what it means, its value where nobody says otherwise, and two values that a test tells apart."""

    meaning: str
    default: Value
    samples: tuple[Value, Value]
    derived: bool = False  # follows from the others and the fleet: never an option of its own


SETTINGS: dict[str, LaunchSetting] = {
    "tp": LaunchSetting(meaning="tensor-parallel ranks", default=1.0, samples=(2.0, 4.0)),
    "cp": LaunchSetting(meaning="context-parallel ranks", default=1.0, samples=(1.0, 2.0)),
    "pp": LaunchSetting(meaning="pipeline stages", default=1.0, samples=(2.0, 4.0)),
    "vpp": LaunchSetting(meaning="virtual stages a pipeline rank", default=1.0, samples=(1.0, 2.0)),
    "ep": LaunchSetting(meaning="expert-parallel ranks", default=1.0, samples=(2.0, 4.0)),
    "etp": LaunchSetting(meaning="tensor-parallel ranks inside an expert", default=1.0, samples=(1.0, 2.0)),
    "dp": LaunchSetting(meaning="data-parallel replicas", default=1.0, samples=(8.0, 16.0), derived=True),
    "zero": LaunchSetting(meaning="ZeRO stage", default=1.0, samples=(1.0, 3.0)),
    "micro_batch": LaunchSetting(meaning="sequences of one micro-batch", default=1.0, samples=(1.0, 2.0)),
    "recompute": LaunchSetting(
        meaning="what the backward pass computes again: none, selective, full, a share of the layers, or modules",
        default="none", samples=("none", "full"),
    ),
    "offload": LaunchSetting(
        meaning="what waits in host memory: none, activations, optimizer, or both",
        default="none", samples=("none", "optimizer"),
    ),
    "schedule": LaunchSetting(
        meaning="schedule of a pipeline: 1f1b (interleaved where vpp is above 1), zb-h1, zb-h2, dualpipe or dualpipev",
        default=SCHEDULES[0], samples=("1f1b", "dualpipev"),
    ),
    "sequence_parallel": LaunchSetting(
        meaning="1: norms and residuals are split over the tensor-parallel ranks", default=1.0, samples=(0.0, 1.0)
    ),
    "global_batch_seqs": LaunchSetting(meaning="sequences of one step", default=1.0, samples=(256.0, 512.0)),
    "seq_len": LaunchSetting(meaning="tokens of a sequence", default=4096.0, samples=(4096.0, 8192.0)),
    "precision": LaunchSetting(meaning="training recipe", default="bf16", samples=("bf16", "fp8")),
}  # fmt: skip


# What the parsers of the options call them, where the name differs.
OPTION = {"global_batch_seqs": "global_batch"}


def checked(layout: Mapping[str, Value], where: str) -> dict[str, Value]:
    """The settings of an answer's layout with the defaults of those that it leaves out.

    Sequence parallelism goes with tensor parallelism where nothing is said. InputError for a key that no writer knows,
    but for a size that splits nothing.
    """
    strange = [key for key, value in layout.items() if key not in SETTINGS and not (key in NAMES and value == 1)]
    if strange:
        raise InputError(
            f"{where}: the layout has {strange[0]!r}, which no target of this version can express; "
            "export it with the version that made it"
        )
    found: dict[str, Value] = {name: setting.default for name, setting in SETTINGS.items()}
    for key in layout.keys() & SETTINGS.keys():
        value = layout[key]
        found[key] = value if isinstance(value, str) else float(value)
    found["sequence_parallel"] = float(layout.get("sequence_parallel", 1.0)) if found["tp"] != 1.0 else 0.0
    return found
