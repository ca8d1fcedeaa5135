"""The matrix products of a layer, each with its size, its seconds and what it reaches of the peak."""

from __future__ import annotations

from typing import NamedTuple

from hwmodel.ops import Num
from hwmodel.physics import kernels, layer
from hwmodel.physics import shape as shapes
from hwmodel.physics.formulas import kept_in_16_bits
from hwmodel.physics.matrix import Matrix
from hwmodel.report.explain.rerun import Rerun
from hwmodel.report.explain.rule import Fact, Rule, by
from hwmodel.specs import Block
from hwmodel.specs.kernels import GemmConstants


class Product(NamedTuple):
    """One product of a block of layers on one rank; seconds are shares of the mean layer."""

    name: str
    matrix: Matrix
    rows: float
    copies: float
    share: float  # of the layers that have it
    forward_s: float
    backward_s: float

    def said(self, c: GemmConstants) -> str:
        """Its size and the share of the peak that it reaches."""
        m, n, k = self.rows, float(self.matrix.n), float(self.matrix.k)
        flop = 2.0 * m * n * k * self.copies * self.share
        reached = flop / self.forward_s / float(c.peak_flop_per_s) if self.forward_s > 0 else 0.0
        times = f"{self.copies:g} x " if self.copies > 1 else ""
        return f"{times}({m:,.0f} x {k:,.0f}) @ ({k:,.0f} x {n:,.0f}), {100 * reached:.0f} % of the dense peak"


def products(step: Rerun) -> tuple[Fact, Fact]:
    """Forward and backward seconds of the products of the mean layer, each from its products."""
    found = _products(step)
    return _sum(step, found, "forward_s"), _sum(step, found, "backward_s")


def _products(step: Rerun) -> list[Product]:
    """Every product of every kind of layer in the recipe's format."""
    count = float(shapes.layers(step.run.shape))
    kinds = step.run.shape.blocks
    out: list[Product] = []
    for place, block in enumerate(kinds):
        ahead = "" if len(kinds) == 1 else f"layers_{place + 1}_"
        for matrix in shapes.matrices(step.run.shape, block, layer.held_part(block, step.layout)):
            one = _product(step, block, matrix, float(block.count) / count)
            if one.forward_s > 0:
                out.append(one._replace(name=f"{ahead}{one.name}"))
    names = [one.name for one in out]
    return [one._replace(name=f"{one.name}_{names[:i].count(one.name) + 1}") if names.count(one.name) > 1 else one
            for i, one in enumerate(out)]  # fmt: skip


def _product(step: Rerun, block: Block, matrix: Matrix, share: float) -> Product:
    trainable = 0.0 if float(step.workload.trainable_fraction) < 0.5 else 1.0
    there, back = layer.matrix_times(matrix, block, step.tokens, step.layout, step.machine, step.stack, trainable)
    rows, copies = step.tokens, float(matrix.copies)
    if matrix.kind == "experts":
        rows, copies = (float(one) for one in layer.expert_rows(block, step.tokens, step.layout))
    elif matrix.kind in ("router", "latent"):
        rows = step.tokens / float(step.layout.tp)
    name = matrix.kind if matrix.kind in ("router", "latent") else matrix.module
    back_to = shapes.expert_width(step.run.shape, block) if matrix.kind == "experts" else step.run.shape.d_model
    wide = "out" if float(matrix.n) == float(back_to) else "in"
    return Product(f"{name}_{wide}_s", matrix, rows, copies, share, share * float(there), share * float(back))


def _sum(step: Rerun, found: list[Product], which: str) -> Fact:
    """A pass over the products of the mean layer: those in the recipe's format and the share kept in 16 bits."""
    p, s = step.precision, step.stack
    narrow = s.sustained if float(p.activation_bytes) > 0.75 else s.sustained_four
    kept = float(p.bf16_layers)
    value = float(step.times.gemm_f if which == "forward_s" else step.times.gemm_b)
    factor = float(s.sustained_high if float(p.activation_bytes) > 1.5 else narrow)
    inputs: dict[str, Fact] = {
        "sustained": Fact(value=factor, source=f"stack {s.id}: seconds under a long load over those of one kernel")
    }
    if kept > 0:
        low = sum(getattr(one, which) for one in found)
        high = (value - (1.0 - kept) * factor * low) / (kept * float(s.sustained_high))
        inputs |= {
            "bf16_layers": Fact(value=kept, source=f"share of the layers that {p.id} keeps in 16 bits"),
            "in_16_bits_s": Fact(value=high, source="the same products of such a layer"),
            "sustained_high": Fact(value=float(s.sustained_high), source=f"stack {s.id}, in 16 bits"),
        }  # fmt: skip
    dearest = max(found, key=lambda one: one.forward_s)
    for one in found:
        rule = _kernel(step, one) if one is dearest and which == "forward_s" else None
        inputs[one.name] = Fact(value=getattr(one, which), source=_said(step, one, which), rule=rule)
    return Fact(
        value=value, source=f"products of the mean layer, {which.removesuffix('_s')}, a micro-batch",
        rule=by(layer.kept_products, _mixed if kept > 0 else _plain, **inputs),
    )  # fmt: skip


def _said(step: Rerun, one: Product, which: str) -> str:
    constants = step.machine.gemm_high if one.matrix.kind == "router" else step.machine.gemm
    said = one.said(constants)
    return said if which == "forward_s" else f"gradients of inputs and weights of {said.rsplit(', ', 1)[0]}"


def _plain(sustained: Num, **products: Num) -> Num:
    return sustained * sum(products.values())


def _mixed(sustained: Num, bf16_layers: Num, in_16_bits_s: Num, sustained_high: Num, **products: Num) -> Num:
    return kept_in_16_bits(sum(products.values()), in_16_bits_s, bf16_layers, sustained, sustained_high)


def _kernel(step: Rerun, one: Product) -> Rule | None:
    """The kernel of a plain product on its sizes and the constants of the part; None for those of experts."""
    if one.matrix.kind not in ("dense", "latent"):
        return None
    c, m, n, k = step.machine.gemm, one.rows, float(one.matrix.n), float(one.matrix.k)
    names = ("area", "wave_area", "k", "moved_bytes")
    sizes = {name: float(size) for name, size in zip(names, kernels.gemm_sizes(m, n, k, c), strict=True)}
    sizes["share"] = one.share
    words = {
        "area": "elements of the result, with ragged edges", "wave_area": "elements of the empty part of the last wave",
        "k": "depth of the product", "moved_bytes": "operands read, result written",
        "share": "of the layers that have this product",
    }  # fmt: skip
    constants = {
        name: Fact(value=float(getattr(c, name)), source=f"matrix-product constants of {step.machine.part}, long load")
        for name in GemmConstants.__struct_fields__
    }

    def run(area: Num, wave_area: Num, k: Num, moved_bytes: Num, share: Num, **values: Num) -> Num:
        return share * kernels.sized_gemm_s(area, wave_area, k, moved_bytes, GemmConstants(**values))

    return by(
        kernels.gemm_s,
        run,
        **{name: Fact(value=value, source=words[name]) for name, value in sizes.items()},
        **constants,
    )
