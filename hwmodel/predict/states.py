"""What a training keeps a parameter: the optimizer's states, the gradient's format, a quantised base, adapters.

Each is a change of the recipe's bytes, or of the share of parameters that train; the physics knows nothing else.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from hwmodel.errors import InputError, unknown
from hwmodel.physics import shape as shapes
from hwmodel.specs import Precision, Shape


class States(msgspec.Struct, frozen=True):
    """Bytes a parameter of an optimizer's moments and of its higher-precision weights (None: the recipe's)."""

    moment_bytes: float
    master_bytes: float | None
    title: str


# Adam in 8 bit: two moments of a byte, and a scale of four bytes for each block (arXiv 2110.02861 has blocks of 2,048;
# 256 here: bitsandbytes/optim/optimizer.py @51294d9, Optimizer2State.init_state). Muon: one momentum in fp32 (arXiv
# 2502.16982). Pure bf16: weights and both moments in bf16, no copy in fp32.
OPTIMIZERS = {
    "adam": States(8.0, None, "Adam, moments in fp32"),
    "adamw": States(8.0, None, "AdamW, moments in fp32"),
    "adam8bit": States(2.0 + 2 * 4.0 / 256.0, None, "Adam, moments in 8 bit"),
    "adam-bf16": States(4.0, 0.0, "Adam in pure bf16: no fp32 weights, moments in bf16"),
    "muon": States(4.0, None, "Muon, one momentum in fp32"),
    "sgd": States(4.0, None, "SGD with momentum in fp32"),
}
GRADIENTS = {"fp32": 4.0, "bf16": 2.0}
# NormalFloat of 4 bits with double quantisation: 4.127 bits a parameter (arXiv 2305.14314), and int8 with row scales.
BASES = {"nf4": 4.127 / 8.0, "int8": 1.0, "bf16": 2.0}


def with_states(
    precision: Precision, optimizer: str | None, gradient: str | None, base: str | None = None
) -> Precision:
    """The recipe with an optimizer, a gradient format and the format of a frozen base. InputError for other names."""
    changes: dict[str, float] = {}
    if optimizer is not None:
        states = _known(OPTIMIZERS, optimizer, "optimizer", "--optimizer")
        changes["moment_bytes"] = states.moment_bytes
        if states.master_bytes is not None:
            changes["master_bytes"] = states.master_bytes
    if gradient is not None:
        changes["gradient_bytes"] = _known(GRADIENTS, gradient, "gradient format", "--gradient-dtype")
    if base is not None:
        weight = _known(BASES, base, "format of the base", "--base")
        changes["weight_bytes"] = weight
        if weight < precision.weight_comm_bytes:
            # Each pass reads the narrow weights and writes and reads them wide (its products then run as ever).
            changes["widen_bytes"] = weight + 2.0 * precision.weight_comm_bytes
    return msgspec.structs.replace(precision, **changes) if changes else precision


T = TypeVar("T")


def _known(table: dict[str, T], name: str, kind: str, option: str) -> T:
    if name.lower() not in table:
        raise unknown(kind, name, table, option)
    return table[name.lower()]


def adapter_fraction(shape: Shape, rank: float) -> float:
    """Share of a model's parameters that adapters of a rank on every linear layer add (arXiv 2106.09685): rank times
    (n + k) for a matrix of n by k. InputError for a rank that is no positive whole number."""
    if rank < 1 or rank != int(rank):
        raise InputError(f"--rank must be a whole number of one or more, got {rank:g}")
    added = 0.0
    for block in shape.blocks:
        for matrix in shapes.matrices(shape, block):
            if matrix.kind != "router":
                added += float(block.count * matrix.only(matrix.copies * rank * (matrix.n + matrix.k)))
    return added / float(shapes.parameters(shape).total)
