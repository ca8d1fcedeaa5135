"""`hm.law`: list, show, eval, optimum, gain, disagreement, combine; the command line's `hwmodel law`."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hwmodel import laws
from hwmodel.api import views
from hwmodel.api.options import Quantity
from hwmodel.api.sheet import Sheet
from hwmodel.catalog import load_catalog
from hwmodel.errors import HwModelError, InputError, unknown
from hwmodel.report.law import (
    SizesBeside,
    answer_rows,
    field_line,
    law_document,
    law_rows,
    laws_beside,
    number_rows,
    optimum_page,
    shown,
    spread_of,
    values_document,
)
from hwmodel.solve.law.answers import LawAnswer, LifeAnswer, answer, life_answer, middle
from hwmodel.solve.law.answers import disagreement as compared
from hwmodel.specs.law import COUNTS, LawSpec
from hwmodel.units import parse_count, parse_flop

if TYPE_CHECKING:
    from hwmodel.catalog.topics import Topic
    from hwmodel.laws.combine import Verdict
    from hwmodel.solve.law.answers import Disagreement
    from hwmodel.solve.law.gain import Gains
    from hwmodel.solve.law.values import LawValues

Folders = Sequence[Path]
views.join_sheets()


def list(
    family: str | None = None, topic: str | None = None, *, catalogs: Folders = ()
) -> Sheet[tuple[LawSpec, ...]] | Sheet[tuple[Topic, ...]] | Sheet[Topic]:
    """All laws and variants with their status; those of a `family`, or of a `topic` with its answer (`all`: topics)."""
    if topic is not None:
        return _topic(topic, family, catalogs)
    found = tuple(s for s in _laws(catalogs) if family is None or s.family == family)
    if not found:
        raise unknown("family of laws", str(family), {s.family for s in _laws(catalogs)})
    rows = law_rows(found)
    return Sheet(title=f"{len(rows)} laws", found=found, document={"laws": rows}, rows=rows)


def _topic(topic: str, family: str | None, catalogs: Folders) -> Sheet[tuple[Topic, ...]] | Sheet[Topic]:
    """A topic's answer and laws, or all topics."""
    from hwmodel.catalog.topics import read_topics, topic_named
    from hwmodel.report.topics import topic_page, topic_rows, topics_rows

    if family is not None:
        raise InputError("--topic and --family do not go together: a topic names its laws")
    if topic == "all":
        topics = read_topics()
        rows = topics_rows(topics)
        return Sheet(title=f"{len(rows)} topics", found=tuple(topics), document={"topics": rows}, rows=rows)
    found, specs = topic_named(topic), {s.id: s for s in _laws(catalogs)}
    return Sheet(title=topic, found=found, document=topic_page(found, specs), rows=topic_rows(found, specs))


def show(law: str, *, catalogs: Folders = ()) -> Sheet[LawSpec]:
    """One law: form, constants, convention, fit range, source, caveats."""
    spec = _law(law, catalogs)
    document = law_document(spec)
    rows = [{"field": key, "value": field_line(value)} for key, value in document.items() if key != "test_points"]
    return Sheet(title=spec.title or spec.id, found=spec, document=document, rows=rows)


def eval(
    law: str,
    *,
    params: Quantity | None = None,
    tokens: Quantity | None = None,
    flops: Quantity | None = None,
    unique_tokens: Quantity | None = None,
    experts: Quantity | None = None,
    settings: Mapping[str, float] | None = None,
    convention: str | None = None,
    catalogs: Folders = (),
) -> Sheet[LawValues]:
    """The law's outputs (its loss, for most) for the inputs that it takes; `settings` gives those without a name here.

    Raises InputError for an input that the law does not take, or that it lacks.
    """
    from hwmodel.laws.forms import INPUTS
    from hwmodel.solve.law.values import values

    spec = _law(law, catalogs)
    named = {
        "params": _counted(spec, _count(params, "--params"), convention),
        "tokens": _count(tokens, "--tokens"),
        "flop": _count(flops, "--flops"),
        "unique_tokens": _count(unique_tokens, "--unique-tokens"),
        "experts": _count(experts, "--experts"),
    }
    strange = next((name for name in settings or () if name not in INPUTS), None)
    if strange is not None:
        raise unknown("input of a law", strange, INPUTS)
    inputs = {name: value for name, value in named.items() if value is not None} | dict(settings or {})
    got = values(spec, inputs)
    figures = [{"quantity": name, "value": f"{value:.6g}"} for name, value in got.outputs.items()]
    rows = figures + [{"quantity": "note", "value": warning} for warning in got.warnings]
    title = f"{spec.id}: {', '.join(f'{name} {value:.6g}' for name, value in got.outputs.items())}"
    return Sheet(title=title, found=got, document=values_document(got), rows=rows, figures=figures)


def optimum(
    law: str,
    *,
    flops: Quantity | None = None,
    tokens: Quantity | None = None,
    params: Quantity | None = None,
    loss: float | None = None,
    inference_tokens: Quantity | None = None,
    unique_tokens: Quantity | None = None,
    experts: Quantity | None = None,
    convention: str | None = None,
    draws: int = 4000,
    seed: int = 0,
    catalogs: Folders = (),
) -> Sheet[LawAnswer] | Sheet[LifeAnswer]:
    """The law's best size and data for a budget (or for tokens, a size, or a loss), with 80 % bands.

    With `inference_tokens`: the size that is cheapest over training and inference FLOPs at the same loss.
    """
    spec = laws.specialise(_law(law, catalogs), experts=_count(experts, "--experts"))
    asked = {
        "flop": _count(flops, "--flops"),
        "tokens": _count(tokens, "--tokens"),
        "params": _counted(spec, _count(params, "--params"), convention),
        "loss": loss,
    }
    served, unique = _count(inference_tokens, "--inference-tokens"), _count(unique_tokens, "--unique-tokens")
    if served is not None:
        if unique is not None:
            raise InputError("--inference-tokens and --unique-tokens do not go together here: ask `hwmodel plan`")
        return _life(life_answer(spec, served, **asked, count=draws, seed=seed))
    found = answer(spec, **asked, count=draws, seed=seed, unique_tokens=unique)
    rows = [*answer_rows(found)]
    # Without a band of its own, what other laws say is the doubt that can be shown.
    alone = not laws.has_draws(spec) and spec.family != "multimodal"
    beside = _beside(found, catalogs) if alone else None
    if beside is not None:
        span = f"{shown(beside.params.low)} to {shown(beside.params.high)}"
        value = f"{span} at this compute ({len(beside.laws)} laws; this law has no covariance and no band)"
        rows.insert(-1, {"quantity": "size under other laws", "value": value})
    title = f"{found.law}: {shown(found.params)} on {shown(found.tokens)} tokens"
    return Sheet(title=title, found=found, document=optimum_page(found, beside), rows=rows, figures=number_rows(found))


def _beside(found: LawAnswer, catalogs: Folders) -> SizesBeside | None:
    """The ensemble's spread of size at the compute of an answer; None where no law of it answers."""
    try:
        spread = compared(_laws(catalogs), flop=middle(found.flop), count=0)
    except HwModelError:
        return None
    return SizesBeside(laws=[*spread.ensemble], params=spread_of(spread))


def _life(life: LifeAnswer) -> Sheet[LifeAnswer]:
    """The cheapest life."""
    names = ("params", "tokens", "loss_nats", "lifetime_flop", "saved_fraction", "training_optimal_params",
             "training_optimal_tokens")  # fmt: skip
    plain = ("loss_nats", "saved_fraction")
    rows = [{"quantity": n.replace("_", " "), "value": shown(getattr(life, n), n in plain)} for n in names]
    rows += [{"quantity": "note", "value": note} for note in life.warnings]
    title = f"{shown(life.params)} on {shown(life.tokens)} tokens"
    return Sheet(title=title, found=life, document=life, rows=rows, figures=number_rows(life, names))


def gain(
    small: Quantity,
    large: Quantity,
    tokens: Quantity | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    catalogs: Folders = (),
) -> Sheet[Gains]:
    """The loss that a larger model gains, under every law that has a loss, with bands and their span."""
    from hwmodel.solve.law.gain import gains

    sizes = _needed(small, "--from"), _needed(large, "--to")
    found = gains(_laws(catalogs), *sizes, _count(tokens, "--tokens"), count=draws, seed=seed)
    rows = [
        {
            "law": r.law,
            "tokens": f"{shown(r.tokens_small)} and {shown(r.tokens_large)}",
            "loss_small": shown(r.loss_small, loss=True),
            "loss_large": shown(r.loss_large, loss=True),
            "gain_nats": shown(r.gain_nats, loss=True),
            "of_reducible": shown(r.gain_share, loss=True),
            "decades_outside": f"{r.decades_outside_fit:.1f}",
        }
        for r in found.rows
    ]
    span = f"gain {found.gain_low:.4f} to {found.gain_high:.4f} nats/token over {len(rows)} laws"
    below = f"{span}; levels of two laws do not compare, gains do"
    return Sheet(title=span, found=found, document=found, rows=rows, below=below)


def disagreement(
    *,
    flops: Quantity | None = None,
    tokens: Quantity | None = None,
    params: Quantity | None = None,
    draws: int = 1000,
    seed: int = 0,
    catalogs: Folders = (),
) -> Sheet[Disagreement]:
    """The laws side by side for one budget, and the spread of the ensemble."""
    asked = {"flop": _count(flops, "--flops"), "tokens": _count(tokens, "--tokens"),
             "params": _count(params, "--params")}  # fmt: skip
    found = compared(_laws(catalogs), **asked, count=draws, seed=seed)
    rows = [
        {
            "law": r.law,
            "counts": "yes" if r.law in found.ensemble else "no",
            "params": shown(r.params),
            "convention": r.params_convention,
            "total": shown(r.params_total),
            "tokens": shown(r.tokens),
            "tokens_per_param": shown(r.tokens_per_param),
            "loss_nats": shown(r.loss_nats, loss=True),
            "decades_outside": f"{r.decades_outside_fit:.1f}",
        }
        for r in found.rows
    ]
    what, spread = "tokens" if asked["params"] is not None else "params", spread_of(found)
    document = laws_beside(found, tokens=what == "tokens")
    note = f"ensemble of {len(found.ensemble)}: {what} {shown(spread.low)} to {shown(spread.high)}"
    below = f"{note}, median {shown(spread.median)}"
    return Sheet(title=note, found=found, document=document, rows=rows, below=below)


def combine(base: str, *others: str, catalogs: Folders = ()) -> Sheet[tuple[Verdict, ...]]:
    """Whether laws may be used on a base law, or together: sound, bound, interval or refused, with the reason."""
    from hwmodel.laws.combine import combine as judge

    found = tuple(judge(_law(base, catalogs), [_law(name, catalogs) for name in others]))
    rows = [msgspec.to_builtins(verdict) for verdict in found]
    return Sheet(title=f"{base} with {', '.join(others)}", found=found, document={"combinations": rows}, rows=rows)


def _law(law: str, catalogs: Folders) -> LawSpec:
    return load_catalog(tuple(catalogs)).law(law)


def _laws(catalogs: Folders) -> builtins.list[LawSpec]:
    return load_catalog(tuple(catalogs)).laws()


def _count(value: Quantity | None, flag: str) -> float | None:
    """A count, or a budget of FLOPs, as typed or as a number."""
    return None if value is None else _needed(value, flag)


def _needed(value: Quantity, flag: str) -> float:
    text = value if isinstance(value, str) else repr(float(value))
    return parse_flop(text, flag) if flag == "--flops" else parse_count(text, flag)


def _counted(spec: LawSpec, params: float | None, convention: str | None) -> float | None:
    """The size in the law's own convention; a count stated in another is refused."""
    if params is None or convention is None:
        return params
    from hwmodel.laws.conventions import plain

    if convention not in COUNTS:
        raise unknown("parameter convention", convention, COUNTS)
    return float(plain(spec, COUNTS[convention](params)))
