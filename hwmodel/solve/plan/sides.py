"""The tables around an answer: what was given, the laws side by side, the shape, warnings."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hwmodel import laws
from hwmodel.economics import power
from hwmodel.economics.goodput import LOWEST_GOODPUT
from hwmodel.errors import HwModelError
from hwmodel.laws import batch as batch_laws
from hwmodel.physics import shape as shapes
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.life.mixture_loss import mixture_line
from hwmodel.solve.life.objective import default_objective
from hwmodel.solve.life.whole_life import own_allocation
from hwmodel.solve.plan.answer import Asked, Resolved
from hwmodel.solve.plan.data import data_warnings
from hwmodel.solve.question.contradictions import MOST_LOSS_NATS
from hwmodel.solve.question.setting import Fleeted, Setting, fleeted
from hwmodel.solve.run.band import value_of
from hwmodel.solve.run.batch import CRITICAL_BATCH_LAW, BatchPolicy
from hwmodel.solve.run.fleet import OPEN_FLEET_TIME_S, Fleet, fleet_for_budget
from hwmodel.solve.run.records import BatchTrade, BatchUsed, BuiltShape, LawRow
from hwmodel.solve.run.sizing import Sized
from hwmodel.specs import LawSpec, Shape
from hwmodel.specs.law import Total
from hwmodel.units import format_count, format_duration
from hwmodel.version import __version__

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved

LAWS_SHOWN = (
    "besiroglu_2024",
    "besiroglu_2024/exact",
    "chinchilla_2022/approach1",
    "chinchilla_2022/approach2",
    "chinchilla_2022/approach3",
    "muennighoff_2023",
    "llama3_2024",
    "deepseek_llm_2024",
    "kaplan_2020/L_ND",
)


def asked(setting: Setting) -> Asked:
    """What was given, and the defaults that filled in, each named as one or the other."""
    r = setting.request
    defaults = {k: v for k, v in _defaults(setting).items() if k not in r.given}
    return Asked(given=r.given, defaults=defaults, confidence=r.confidence, options=[list(pair) for pair in r.asked])


def _defaults(setting: Setting) -> dict[str, float | str | None]:
    r = setting.request
    return {
        "seq_len": r.seq_len,
        "precision": setting.precision.id,
        "law": setting.law.id,
        "stack": setting.stack.id,
        "flop_convention": r.flop_convention,
        "prompt_share": r.prompt_share,
        "system": setting.system.id if setting.system else None,
    }


def resolved(setting: Setting) -> Resolved:
    """The ids that names were read as, and what the answer stands on."""
    return Resolved(
        accelerator=setting.part.id if setting.part else None,
        system=setting.system.id if setting.system else None,
        nic_uni_bytes_per_s=setting.system.nic_uni_bytes_per_s if setting.system else None,
        law=setting.law.id,
        model=setting.request.shape.name if setting.request.shape else setting.request.model,
        precision=setting.precision.id,
        stack=setting.stack.id,
        objective=default_objective(setting),
        start=setting.request.start,
        deadline=setting.request.deadline,
        catalog_version=setting.catalog.version,
        hwmodel_version=__version__,
        whole_run_fit=setting.whole_run.fitted_on,
        kernel_constants=setting.machine.provenance if setting.machine else None,
    )


def law_rows(setting: Setting, sized: Sized) -> list[LawRow]:
    """What each law says to the same question: its own convention, converted to total parameters, and its loss."""
    r = setting.request
    rows = []
    for law_id in dict.fromkeys((setting.law.id, *LAWS_SHOWN)):
        law = setting.catalog.law(law_id)
        try:
            rows.append(_law_row(law, r.tokens, r.params, r.flop, sized))
        except HwModelError as error:
            rows.append(LawRow(law=law_id, reason=str(error)))
    return rows


def _law_row(law: LawSpec, tokens: float | None, params: float | None, flop: float | None, sized: Sized) -> LawRow:
    if tokens is not None and params is None and flop is None:
        best = laws.optimum_for_tokens(law, tokens)
    elif params is not None and tokens is None and flop is None:
        best = laws.optimum_for_params(law, params)
    else:
        best = laws.optimum_for_flop(law, flop if flop is not None else 6.0 * sized.n * sized.d)
    own = float(best.params)
    total = float(laws.convert(best.count, Total).value) if best.params_convention == "non_embedding" else own
    return LawRow(
        law=law.id,
        params=own,
        params_convention=best.params_convention,
        params_total=total,
        tokens=float(best.tokens),
        loss_nats=None if best.loss is None else float(best.loss),
        decades_outside_fit=laws.decades_outside(
            law, params=own, tokens=float(best.tokens), flop=None if best.flop is None else float(best.flop)
        ),
    )


def terms(record: Any, total: str) -> dict[str, float]:
    """A record of terms as a mapping, with its total."""
    out = {name: float(getattr(record, name)) for name in record.__struct_fields__}
    out[total] = float(getattr(record, total))
    return out


def shape_table(shape: Shape, seq_len: float) -> BuiltShape:
    """The architecture that a plan stands on, and its own parameter counts.

    Heads are those of the first layers that attend, `d_ff` that of an expert where there are experts.
    """
    counts = shapes.parameters(shape)
    attending = [b for b in shape.blocks if b.n_heads > 0] or list(shape.blocks)
    first, network = attending[0], max(shape.blocks, key=lambda b: (float(b.n_experts), float(b.d_ff)))
    return BuiltShape(
        name=shape.name,
        params=float(counts.total),
        params_active=float(counts.active),
        params_non_embedding=float(counts.non_embedding),
        layers=float(shapes.layers(shape)),
        d_model=float(shape.d_model),
        n_heads=float(first.n_heads),
        n_kv_heads=float(first.n_kv_heads),
        head_dim=float(first.head_dim),
        attention_layers=float(sum(float(b.count) for b in shape.blocks if b.n_heads > 0)),
        d_ff=float(network.d_ff),
        n_experts=float(max(float(b.n_experts) for b in shape.blocks)),
        vocab=float(shape.vocab),
        train_flop_per_token_causal=float(shapes.flop_per_token(shape, seq_len, "causal")),
    )


def _batch_rule(solved: Solved) -> BatchPolicy:
    """The rule of the batch; a batch that is given is held against the critical one of the run's own tokens."""
    rule = solved.fleet.batch
    return rule if rule.given_seqs is None else rule.seeing(solved.sized.d)


def batch(setting: Setting, solved: Solved) -> BatchUsed:
    """The global batch and the critical one that caps it."""
    r = setting.request
    law, rule = setting.catalog.law(CRITICAL_BATCH_LAW), _batch_rule(solved)
    cap, seen = rule.critical_tokens(solved.sized.n) / r.seq_len, rule.tokens
    by = solved.sized.n if seen is None else seen / law.constants["tokens_per_param"]
    seqs = solved.choice.batch_seqs
    trade = [] if r.global_batch_seqs is not None else _trade(solved, cap)
    return BatchUsed(
        global_batch_seqs=seqs,
        global_batch_tokens=seqs * r.seq_len,
        cap_seqs=cap,
        cap_law=law.id,
        cap_outside_fit_range=bool(batch_laws.critical_batch_outside(law, by)),
        steps=float(batch_laws.steps_for_batch(seqs * r.seq_len, solved.sized.d)),
        given=r.global_batch_seqs is not None,
        trade=trade,
        cheapest=cheapest_batch(trade),
    )


# How laws of another convention than all parameters count.
COUNTED = {"non_embedding": "outside the embeddings", "flop_per_token": "as a sixth of the FLOPs of a training token"}
# Of the batch, as factors of the usual one, which the plan took; close beyond it, where idle replicas begin.
OTHER_CAPS = (0.25, 0.5, 1.125, 1.5, 2.0, 4.0)
NEARLY_ALL = 0.9  # of the accelerators that a run of the usual time would take
WORTH_SAYING = 0.03  # of the time that another batch saves at the same loss


def _trade(solved: Solved, cap: float) -> list[BatchTrade]:
    """Batch against time: under each cap the batch used, the tokens that the same loss then needs over those of the
    plan's batch, and the days of training with them over those of the plan."""
    fleet, n = solved.fleet, solved.sized.n
    others = fleet.evaluate(solved.at.shape, n, caps=OTHER_CAPS)
    every = [(others, case) for case in range(len(OTHER_CAPS))]
    every.insert(bisect(OTHER_CAPS, 1.0), (solved.evaluation, 0))
    rows: list[BatchTrade] = []
    for found, case in every:
        row = int(found.best[case])
        if row >= 0:
            seqs = float(found.space.batch_seqs[row])
            more = float(batch_laws.tokens_factor(seqs, cap) / batch_laws.tokens_factor(solved.choice.batch_seqs, cap))
            slower = solved.choice.tokens_per_s / found.tokens_per_s(case)
            if all(seqs != before.global_batch_seqs for before in rows):
                rows.append(BatchTrade(global_batch_seqs=seqs, tokens_factor=more, days_factor=more * slower))
    return rows


def cheapest_batch(trade: Sequence[BatchTrade]) -> BatchTrade | None:
    """The batch that reaches the plan's loss in the least accelerator-time, where it saves enough to say so.

    The plan trains on the tokens that were asked for, and takes what is fastest for these up to the critical batch;
    another batch needs other tokens.
    """
    best = min(trade, key=lambda row: row.days_factor, default=None)
    return best if best is not None and best.days_factor < 1.0 - WORTH_SAYING else None


def warnings(setting: Setting, sized: Sized, solved: Solved | None) -> list[str]:
    """What a reader must know before trusting the numbers."""
    said = list(setting.notes)
    r = setting.request
    if r.gpus is None and r.budget_usd is not None and r.time_s is None:
        said.append(_open_time_line(setting, solved))
    if r.open_time:
        said.append(f"no size, data, time or money given: the answer is for {format_duration(r.time_s or 0.0)}")
    outside = laws.signed_decades_outside(setting.law, params=sized.n, tokens=sized.d, flop=6.0 * sized.n * sized.d)
    applied = sized.loss is not None or not laws.has_loss(setting.law)  # a dense law says nothing of a mixture
    if applied and abs(outside) > 0.05:
        than = "smaller" if outside > 0 else "larger"
        said.append(
            f"{setting.law.id} was fitted on {than} runs: {format_count(sized.n)} parameters on "
            f"{format_count(sized.d)} tokens lie {abs(outside):.1f} decades outside"
        )
    if sized.loss is not None and value_of(sized.loss) > MOST_LOSS_NATS:
        said.append(
            f"a loss of {value_of(sized.loss):.4g} nats a token is beyond that of a model that knows nothing (ln of "
            f"its vocabulary, below {MOST_LOSS_NATS:g}): {setting.law.id} says nothing of so short a run"
        )
    shape = setting.shape()
    if sized.loss is None and shape is not None and is_mixture(shape) and laws.has_loss(setting.law):
        said.append(mixture_line(setting, shape, sized.d))
    if laws.has_loss(setting.law) and sized.loss is not None and own_allocation(setting, sized):
        said.append(
            f"{setting.law.id} allots these FLOPs otherwise than its own loss at 6 N D would: no band of sizes is shown"
        )
    if sized.loss is not None and setting.law.params_convention in COUNTED:
        said.append(
            f"{setting.law.id} counts parameters {COUNTED[setting.law.params_convention]}: the size here is taken as "
            "one of that count"
        )
    if not laws.has_loss(setting.law):
        said.append(f"{setting.law.id} says how to split compute and gives no loss; besiroglu_2024 has one")
    elif applied and not laws.splits_compute(setting.law):
        said.append(
            f"{setting.law.id} is not for allocation: its loss stands for this size and these tokens alone, and no "
            "best size, band of sizes or cost of a miss is shown"
        )
    active = solved.at.flop_params if solved is not None else None
    said += data_warnings(sized, r.unique_tokens, active)
    if solved is not None:
        said += _held_back(setting, sized, solved.fleet) + _fleet_warnings(fleeted(setting), solved)
    return said


def _open_time_line(setting: Setting, solved: Solved | None) -> str:
    """What a fleet that only money sizes was sized for, and why it is smaller where it is."""
    time, money = format_duration(OPEN_FLEET_TIME_S), setting.request.budget_usd or 0.0
    if solved is None or setting.request.power_w is not None or solved.sized.closed_by != "fleet":
        return f"no --time given: the fleet is sized for a run of {time}"
    most, count = fleet_for_budget(fleeted(setting), money), solved.fleet.accelerators
    if count >= NEARLY_ALL * most:
        return f"no --time given: the fleet is sized for a run of {time}"
    return (
        f"no --time given: the money buys {most:,} accelerators for {time}, but this run ends hardly sooner on more "
        f"than {count:,}, which train longer; give --time to bound it"
    )


def _held_back(setting: Setting, sized: Sized, fleet: Fleet | None) -> list[str]:
    """A size that the fleet holds back: the compute of the plan would be better spent on a larger one."""
    if sized.closed_by != "fleet" or "params" not in sized.solved or "tokens" not in sized.solved:
        return []
    if sized.loss is None or setting.request.inference_tokens or setting.request.unique_tokens:
        return []
    low, _ = laws.regret_band(setting.law, 6.0 * sized.n * sized.d)
    if sized.n >= float(low):
        return []
    if fleet is not None and fleet.tokens_per_s(float(low)) > 0.0:
        return [
            f"by FLOPs alone this compute is better spent on {format_count(float(low))} or more ({setting.law.id}), "
            "but the fleet trains these more slowly, to a higher loss"
        ]
    return [
        f"the fleet holds no larger model: this compute is better spent on {format_count(float(low))} or more "
        f"({setting.law.id}); more accelerators, or a part with more memory, take them"
    ]


def _fleet_warnings(setting: Fleeted, solved: Solved) -> list[str]:
    said = []
    law = setting.catalog.law(CRITICAL_BATCH_LAW)
    cap = _batch_rule(solved).critical_tokens(solved.sized.n) / setting.request.seq_len
    if setting.request.global_batch_seqs is not None and solved.choice.batch_seqs > cap * 1.001:
        said.append(
            f"the global batch given, {solved.choice.batch_seqs:.0f} sequences, exceeds the critical batch of about "
            f"{cap:.0f} ({law.id}): tokens beyond it buy less"
        )
    if solved.choice.idle_accelerators:
        said.append(
            f"{solved.choice.idle_accelerators} of {solved.fleet.accelerators} accelerators stay idle (spares): the "
            "fleet or the batch does not divide further; they are billed"
        )
    if solved.answer.goodput is not None and solved.answer.goodput <= LOWEST_GOODPUT:
        said.append("failures come faster than checkpoints: the elapsed time is a lower bound")
    power_flag = power(setting.part, setting.system, setting.energy).flag
    if power_flag:
        said.append(power_flag)
    if setting.price is None:
        kind = f" ({setting.request.price_kind})" if setting.request.price_kind else ""
        said.append(f"no price of {setting.part.id}{kind} is known: give one with --usd-per-hour or --prices FILE")
    elif setting.price.flag:
        said.append(f"price of {setting.part.id}: {setting.price.flag}")
    if setting.machine.provenance != "measured":
        said.append(
            f"kernels of {setting.part.id} were not measured: their constants come from {setting.machine.provenance}"
        )
    unconfirmed = [*setting.part.unconfirmed, *setting.system.unconfirmed]
    used = {"hbm_bytes", "hbm_bytes_per_s", "nic_uni_bytes_per_s", "link_uni_bytes_per_s", "tdp_w", "node_power_w",
            f"peak_dense_flop_per_s.{setting.precision.gemm_format}"}  # fmt: skip
    if shaky := sorted(used & set(unconfirmed)):
        said.append(f"unconfirmed in the catalog: {', '.join(shaky)}")
    return said
