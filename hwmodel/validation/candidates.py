"""The layouts that a row allows: the stated one, or all sensible ones where settings are blank."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from hwmodel.physics.shape import layers
from hwmodel.specs import Layout, Stack
from hwmodel.specs.kernels import Machine
from hwmodel.validation.tables import CellError
from hwmodel.validation.training_rows import Case

_BATCH_TOKENS = (0.5e6, 1e6, 2e6, 4e6)  # of published pre-training runs that state them; used where a row does not
_MOST = 4000  # candidates of one row


def _powers(limit: float) -> list[float]:
    out, value = [], 1.0
    while value <= limit:
        out.append(value)
        value *= 2.0
    return out


def _one(value: float | None, options: list[float]) -> list[float]:
    return [value] if value is not None else options


class _Open:
    """What a case leaves open, with the options of each setting."""

    def __init__(self, case: Case, machine: Machine, stack: Stack) -> None:
        self.case, self.machine, self.stack = case, machine, stack
        self.layers = float(layers(case.shape))
        self.heads = float(max(block.n_heads for block in case.shape.blocks))
        self.experts = float(max(block.n_experts for block in case.shape.blocks))
        self.sharded = (case.zero if case.zero is not None else stack.default_zero) > 2.5
        self.domain = min(float(machine.network.domain), 8.0) if machine.network.torus < 0.5 else 16.0

    def tensor(self) -> list[float]:
        """Tensor-parallel sizes."""
        dp, pp, cp = self.case.dp, self.case.pp, self.case.cp
        if self.case.tp is None and dp is not None and pp is not None and cp is not None:
            return [self.case.n_accel / (dp * pp * cp)]
        ways = [t for t in _powers(min(self.domain, self.case.n_accel)) if self.heads % t == 0]
        return _one(self.case.tp, ways)

    def pipeline(self) -> list[float]:
        """Pipeline stages."""
        if self.case.pp is not None:
            return [self.case.pp]
        if self.sharded or self.machine.network.torus > 0.5:
            return [1.0]
        return [p for p in _powers(min(self.layers, self.case.n_accel, 64.0)) if self.layers / p >= 1.0]

    def context(self) -> list[float]:
        """Context-parallel sizes."""
        if self.case.cp is not None:
            return [self.case.cp]
        # Long sequences, or more accelerators than sequences: split the sequence too.
        short = self.case.global_batch is not None and self.case.n_accel > self.case.global_batch
        return _powers(min(8.0, self.case.n_accel)) if self.case.seq_len > 16384 or short else [1.0]

    def experts_ways(self, ranks: float) -> list[float]:
        """Expert-parallel sizes over `ranks` ranks of a stage."""
        if self.experts < 2:
            return [1.0]
        if self.case.ep is not None:
            return [self.case.ep]
        return [e for e in _powers(min(self.experts, ranks, 64.0)) if self.experts % e == 0]

    def micro(self, batch: float, dp: float) -> list[float]:
        """Micro-batches [sequences] that divide the batch of a replica, where some do."""
        if self.case.micro_batch is not None:
            return [self.case.micro_batch]
        per_rank = batch / dp
        whole = [b for b in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0) if b <= per_rank]
        even = [b for b in whole if abs(per_rank / b - round(per_rank / b)) < 1e-9]
        return even or [min(1.0, per_rank)]

    def virtual(self, pp: float, m: float) -> list[float]:
        """Virtual stages a rank, for `pp` stages and `m` micro-batches."""
        if self.case.vpp is not None:
            return [max(self.case.vpp, 1.0)]
        if pp < 1.5 or self.stack.default_vpp_layers <= 0 or m < pp:
            return [1.0]
        per_stage = self.layers / pp
        return sorted({1.0, max(1.0, float(int(per_stage / 2.0))), max(1.0, float(int(per_stage)))})

    def recompute(self) -> list[float]:
        return list(self.case.recompute) or [0.0, *(1.0 + 0.1 * k for k in range(11))]


def _replicas(case: Case, tp: float, cp: float, pp: float) -> float | None:
    """Data-parallel size of a layout; the fleet decides where a stated one does not multiply out."""
    product = tp * cp * pp
    dp = case.n_accel / product
    if abs(dp - round(dp)) > 1e-9 or dp < 1.0:
        return None
    return float(round(dp))


def _cores(case: Case) -> Case:
    """The case with its layout in chips, where the stated one counts two cores a chip (Neuron, TPU)."""
    if None in (case.tp, case.pp, case.dp) or case.tp is None or case.pp is None or case.dp is None:
        return case
    product = case.tp * (case.cp or 1.0) * case.pp * case.dp
    if abs(product / case.n_accel - 2.0) < 1e-9:
        import msgspec

        if case.tp % 2 == 0:
            return msgspec.structs.replace(case, tp=case.tp / 2.0)
        if case.dp % 2 == 0:
            return msgspec.structs.replace(case, dp=case.dp / 2.0)
    return case


def layouts(case: Case, machine: Machine, stack: Stack) -> list[tuple[Layout, float]]:
    """Layouts that the case allows, each with its global batch in sequences. Raises CellError if there is none."""
    case = _cores(case)
    found = list(itertools.islice(_enumerate(case, _Open(case, machine, stack)), 40 * _MOST))
    if not found:
        raise CellError(_no_layout(case))
    if len(found) > _MOST:
        found = found[:: len(found) // _MOST + 1]
    return found


def _no_layout(case: Case) -> str:
    """Which stated sizes do not multiply to the fleet; what is not stated was searched and is not at fault."""
    sizes = [(n, v) for n, v in (("tp", case.tp), ("cp", case.cp), ("pp", case.pp), ("dp", case.dp)) if v and v > 1]
    product = math.prod(v for _, v in sizes)
    if sizes and case.n_accel % product:
        stated = " x ".join(f"{n} {v:g}" for n, v in sizes)
        is_ = f" = {product:g}" if len(sizes) > 1 else ""
        return f"no layout: {stated}{is_} does not divide {case.n_accel:g} accelerators"
    if case.global_batch and case.n_accel > case.global_batch:
        one = case.n_accel / case.global_batch
        return (
            f"no layout: {case.n_accel:g} accelerators share a global batch of {case.global_batch:g} sequences, and "
            f"one sequence cannot be split over {one:g} of them (tp x cp x pp)"
        )
    return f"no layout: nothing divides {case.n_accel:g} accelerators, the heads and the layers of the model at once"


def _batches(case: Case) -> list[float]:
    if case.global_batch is not None:
        return [case.global_batch]
    sizes = [max(1.0, round(tokens / case.seq_len)) for tokens in _BATCH_TOKENS]
    if case.dp is not None and case.micro_batch is not None:
        least = case.dp * case.micro_batch
        return sorted({max(least, least * round(size / least)) for size in sizes})
    return sizes


def _enumerate(case: Case, open_: _Open) -> Iterator[tuple[Layout, float]]:
    stack = open_.stack
    zero = case.zero if case.zero is not None else stack.default_zero
    splits = itertools.product(open_.tensor(), open_.context(), open_.pipeline(), _batches(case))
    stated = (case.tp, case.cp, case.pp, case.dp)
    spare = any(value is None for value in stated)
    for tp, cp, pp, batch in splits:
        dp = _replicas(case, tp, cp, pp)
        if dp is None or (dp > batch and spare):
            continue
        parallel = case.sequence_parallel if case.sequence_parallel is not None else stack.default_sequence_parallel
        for micro in open_.micro(batch, dp):
            m = max(batch / (micro * dp), 1.0)
            if case.micro_batch is None and pp > 1.0 and m < pp / 4.0:
                continue
            for ep, vpp, recompute in itertools.product(
                open_.experts_ways(dp * cp * tp), open_.virtual(pp, m), open_.recompute()
            ):
                yield (
                    Layout(
                        tp=tp, cp=cp, pp=pp, vpp=vpp, ep=ep, dp=dp, zero=zero,
                        etp=1.0, micro_batch=micro, recompute=recompute,
                        sequence_parallel=parallel if tp > 1.0 else 0.0,
                    ),
                    batch,
                )  # fmt: skip
