"""`hwmodel law`: list, show, eval, optimum, disagreement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwmodel.cli.group import Group
from hwmodel.cli.options import CATALOG, TABLE, Command, number, pairs, with_options
from hwmodel.cli.output import emit
from hwmodel.report.law import answer_document, answer_rows, number_rows, shown

if TYPE_CHECKING:
    from hwmodel.solve.law.answers import LawAnswer, LifeAnswer
    from hwmodel.specs.law import LawSpec

_table = with_options([*TABLE, CATALOG])


def _draws(default: int) -> Callable[[Command], Command]:
    """--draws and --seed."""
    text = "Joint draws of the constants for the bands; 0: none."
    return with_options(
        [
            click.option("--draws", default=default, show_default=True, help=text),
            click.option("--seed", default=0, show_default=True, help="Seed of the draws."),
        ]
    )


@click.group(cls=Group)
def command() -> None:
    """List, show and evaluate scaling laws and their optima."""


def _law(law_id: str, catalogs: tuple[Path, ...]) -> LawSpec:
    """The law of this id."""
    from hwmodel.catalog import load_catalog

    return load_catalog(catalogs).law(law_id)


def _laws(catalogs: tuple[Path, ...]) -> list[LawSpec]:
    """All laws."""
    from hwmodel.catalog import load_catalog

    return load_catalog(catalogs).laws()


def _print(rows: list[dict[str, Any]], document: Any, fmt: str, out: Path | None, text: str | None = None) -> None:
    """Rows or a document to where the result goes."""
    from hwmodel.cli.tables import render

    emit(render(rows, document, fmt, text), out)


@command.command("list")
@click.option("--family", help="Only this family (pretraining, precision, experts ...).")
@click.option("--topic", help="Only the laws of a question of the field, with its answer; `all` lists the topics.")
@_table
def list_laws(family: str | None, topic: str | None, fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """All laws and variants, with their status; a refusal says why a law is listed but not evaluated."""
    if topic is not None:
        _list_topic(topic, family, fmt, out, catalogs)
        return
    rows = [
        {
            "law": s.id,
            "family": s.family,
            "form": s.form,
            "status": "refuses" if s.refusal else s.status,
            "params_convention": s.params_convention,
            "title": s.title,
        }
        for s in _laws(catalogs)
        if family is None or s.family == family
    ]
    if not rows:
        from hwmodel.errors import unknown

        raise unknown("family of laws", str(family), {s.family for s in _laws(catalogs)})
    _print(rows, {"laws": rows}, fmt, out)


def _list_topic(topic: str, family: str | None, fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """A topic's answer and laws, or all topics."""
    from hwmodel.catalog.topics import read_topics, topic_named
    from hwmodel.errors import InputError
    from hwmodel.report.topics import topic_document, topic_rows, topics_rows

    if family is not None:
        raise InputError("--topic and --family do not go together: a topic names its laws")
    if topic == "all":
        rows = topics_rows(read_topics())
        _print(rows, {"topics": rows}, fmt, out)
        return
    found, specs = topic_named(topic), {s.id: s for s in _laws(catalogs)}
    _print(topic_rows(found, specs), topic_document(found, specs), fmt, out)


@command.command()
@click.argument("law_id", metavar="LAW")
@_table
def show(law_id: str, fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """One law: form, constants, convention, fit range, source, caveats, test points."""
    import msgspec

    from hwmodel.laws.forms import INPUTS, form

    spec = _law(law_id, catalogs)
    document = msgspec.to_builtins(spec)
    if not spec.refusal:
        shape = form(spec.form)
        document["inputs"] = {name: INPUTS[name] for name in (*shape.needs, *shape.optional)}
        document["outputs"] = list(shape.gives)
    document = {key: value for key, value in document.items() if value not in ("", None, [], {}, ())}
    rows = [{"field": key, "value": _line(value)} for key, value in document.items() if key != "test_points"]
    _print(rows, document, fmt, out)


def _line(value: Any) -> str:
    """A field of a law in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} = {v:.8g}" if isinstance(v, float) else f"{k}: {v}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(_line(v) if isinstance(v, (list, dict)) else f"{v}" for v in value)
    return str(value)


def _count(_ctx: Any, param: click.Parameter, value: str | None) -> float | None:
    """A count or a budget as written on the command line."""
    if value is None:
        return None
    from hwmodel.units import parse_count, parse_flop

    name = param.opts[0]
    return parse_flop(value, name) if param.name == "flop" else parse_count(value, name)


_convention = click.option(
    "--convention", help="How --params counts: total, non_embedding, active, flop_per_token (default: the law's own)."
)


def _counted(spec: LawSpec, params: float | None, convention: str | None) -> float | None:
    """The size in the law's own convention; a count stated in another is refused."""
    if params is None or convention is None:
        return params
    from hwmodel.errors import unknown
    from hwmodel.laws.conventions import plain
    from hwmodel.specs.law import COUNTS

    if convention not in COUNTS:
        raise unknown("parameter convention", convention, COUNTS)
    return float(plain(spec, COUNTS[convention](params)))


def _quantities(*names: str) -> Callable[[Command], Command]:
    """An option for each quantity of these names."""
    flags = {"flop": "--flops"}

    options = [click.option(flags.get(n, f"--{n.replace('_', '-')}"), n, callback=_count) for n in names]
    return with_options(options)


@command.command("eval")
@click.argument("law_id", metavar="LAW")
@_quantities("params", "tokens", "flop", "unique_tokens", "experts")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other input, see `law show LAW`.")
@_convention
@_table
def evaluate(
    law_id: str, settings: tuple[str, ...], convention: str | None, fmt: str, out: Path | None,
    catalogs: tuple[Path, ...], **named: Any,
) -> None:  # fmt: skip
    """The law's outputs (its loss, for most) for the inputs that it takes."""
    from hwmodel import laws
    from hwmodel.errors import InputError
    from hwmodel.laws.forms import form

    spec = _law(law_id, catalogs)
    named["params"] = _counted(spec, named["params"], convention)
    inputs = {name: value for name, value in named.items() if value is not None} | _settings(settings)
    if not spec.refusal and "tokens" in inputs and "params" in inputs and form(spec.form).splits:
        raise InputError(f"law {spec.id} has no loss: it splits compute only; ask `hwmodel law optimum {spec.id}`")
    got = {name: float(value) for name, value in laws.evaluate(spec, **inputs).items()}
    near = {name: inputs.get(name) for name in ("params", "tokens", "flop")}
    if near["flop"] is None and near["params"] and near["tokens"]:
        near["flop"] = 6.0 * near["params"] * near["tokens"]
    outside = laws.decades_outside(spec, **near)
    notes = [f"{outside:.1f} decades outside the law's fit range"] if outside > 0 else []
    notes += [spec.caveats] if spec.caveats else []
    document = {
        "law": spec.id,
        "inputs": inputs,
        **got,
        "params_convention": spec.params_convention,
        "decades_outside_fit": outside,
        "status": spec.status,
        "source": spec.source,
        "warnings": notes,
    }
    rows = [{"quantity": name, "value": f"{value:.6g}"} for name, value in got.items()]
    if fmt != "csv":
        rows += [{"quantity": "note", "value": warning} for warning in notes]
    _print(rows, document, fmt, out)


def _settings(settings: tuple[str, ...]) -> dict[str, float]:
    """The inputs that --set gives."""
    from hwmodel.errors import unknown
    from hwmodel.laws.forms import INPUTS

    found = pairs(settings, "--set", "weight_bits=8")
    strange = next((name for name in found if name not in INPUTS), None)
    if strange is not None:
        raise unknown("input of a law", strange, INPUTS)
    return {name: number(value, name) for name, value in found.items()}


@command.command()
@click.argument("law_id", metavar="LAW")
@_quantities("flop", "tokens", "params", "inference_tokens", "unique_tokens", "experts")
@_convention
@click.option("--loss", type=float, help="Reach this loss [nats/token] as cheaply as possible.")
@_draws(4000)
@_table
def optimum(
    law_id: str,
    inference_tokens: float | None,
    unique_tokens: float | None,
    convention: str | None,
    experts: float | None,
    draws: int,
    seed: int,
    fmt: str,
    out: Path | None,
    catalogs: tuple[Path, ...],
    **asked: float | None,
) -> None:
    """The law's best size and data for a budget (or for given tokens, a given size, or a loss), with 80 % bands.

    With --inference-tokens: the size that is cheapest over training and inference FLOPs at the same loss.
    """
    from hwmodel import laws
    from hwmodel.errors import InputError
    from hwmodel.solve.law.answers import answer, life_answer

    spec = laws.specialise(_law(law_id, catalogs), experts=experts)
    asked["params"] = _counted(spec, asked["params"], convention)
    if inference_tokens is not None:
        if unique_tokens is not None:
            raise InputError("--inference-tokens and --unique-tokens do not go together here: ask `hwmodel plan`")
        _print_life(life_answer(spec, inference_tokens, **asked, count=draws, seed=seed), fmt, out)
        return
    found = answer(spec, **asked, count=draws, seed=seed, unique_tokens=unique_tokens)
    rows = number_rows(found) if fmt == "csv" else answer_rows(found)
    document = answer_document(found)
    if not laws.has_draws(spec):  # no band of its own: what other laws say is the doubt that can be shown
        beside = _beside(found, catalogs)
        document["ensemble"] = beside
        if beside is not None and fmt != "csv":
            span = f"{shown(beside['params']['low'])} to {shown(beside['params']['high'])}"
            value = f"{span} at this compute ({len(beside['laws'])} laws; this law has no covariance and no band)"
            rows.insert(-1, {"quantity": "size under other laws", "value": value})
    _print(rows, document, fmt, out)


def _beside(found: LawAnswer, catalogs: tuple[Path, ...]) -> dict[str, Any] | None:
    """The ensemble's spread of size at the compute of an answer; None where no law of it answers."""
    from hwmodel.errors import HwModelError
    from hwmodel.solve.law.answers import disagreement, middle

    try:
        spread = disagreement(_laws(catalogs), flop=middle(found.flop), count=0)
    except HwModelError:
        return None
    low, median, high = spread.params_low, spread.params_median, spread.params_high
    return {"laws": list(spread.ensemble), "params": {"low": low, "median": median, "high": high}}


@command.command()
@click.option("--from", "small", required=True, metavar="10B", callback=_count, help="The smaller size.")
@click.option("--to", "large", required=True, metavar="100B", callback=_count, help="The larger size.")
@click.option("--tokens", callback=_count, help="Train both on these tokens (default: what each law calls best).")
@_draws(1000)
@_table
def gain(
    small: float, large: float, tokens: float | None, draws: int, seed: int, fmt: str, out: Path | None,
    catalogs: tuple[Path, ...],
) -> None:  # fmt: skip
    """The loss that a larger model gains, under every law that has a loss, with bands and their span."""
    import msgspec

    from hwmodel.solve.law.gain import gains

    found = gains(_laws(catalogs), small, large, tokens, count=draws, seed=seed)
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
    _print(rows, msgspec.to_builtins(found), fmt, out, f"{span}; levels of two laws do not compare, gains do")


def _print_life(life: LifeAnswer, fmt: str, out: Path | None) -> None:
    """The cheapest life as rows or a document."""
    import msgspec

    names = ("params", "tokens", "loss_nats", "lifetime_flop", "saved_fraction", "training_optimal_params",
             "training_optimal_tokens")  # fmt: skip
    if fmt == "csv":
        rows = number_rows(life, names)
    else:
        plain = ("loss_nats", "saved_fraction")
        rows = [{"quantity": n.replace("_", " "), "value": shown(getattr(life, n), n in plain)} for n in names]
        rows += [{"quantity": "note", "value": note} for note in life.warnings]
    _print(rows, msgspec.to_builtins(life), fmt, out)


@command.command()
@_quantities("flop", "tokens", "params")
@_draws(1000)
@_table
def disagreement(
    draws: int, seed: int, fmt: str, out: Path | None, catalogs: tuple[Path, ...], **asked: float | None
) -> None:
    """The laws side by side for one budget, and the spread of the ensemble."""
    from hwmodel.solve.law.answers import disagreement as compare

    found = compare(_laws(catalogs), **asked, count=draws, seed=seed)
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
    what = "tokens" if asked["params"] is not None else "params"
    spread = {"low": found.params_low, "median": found.params_median, "high": found.params_high}
    document = {
        "laws": [answer_document(r) for r in found.rows],
        "refused": found.refused,
        "ensemble": {"laws": list(found.ensemble), what: spread},
    }
    note = f"ensemble of {len(found.ensemble)}: {what} {shown(spread['low'])} to {shown(spread['high'])}"
    _print(rows, document, fmt, out, f"{note}, median {shown(spread['median'])}")


@command.command()
@click.argument("base_id", metavar="BASE")
@click.argument("others", metavar="LAW...", nargs=-1, required=True)
@_table
def combine(base_id: str, others: tuple[str, ...], fmt: str, out: Path | None, catalogs: tuple[Path, ...]) -> None:
    """Whether laws may be used on a base law, or together: sound, bound, interval or refused, with the reason."""
    import msgspec

    from hwmodel.laws.combine import combine as judge

    verdicts = judge(_law(base_id, catalogs), [_law(name, catalogs) for name in others])
    rows = [msgspec.to_builtins(v) for v in verdicts]
    _print(rows, {"combinations": rows}, fmt, out)


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
def docs(folder: Path) -> None:
    """Write the pages about the laws (formulas from their own code) and the table of test points into FOLDER."""
    from hwmodel.cli.output import note, write_texts
    from hwmodel.report.law_docs import documents
    from hwmodel.validation.claims.law_points import check_points, document

    specs = _laws(())
    pages = {**documents(specs), "test_points.md": document(check_points(specs))}
    write_texts(folder, pages)
    note(f"{len(pages)} pages in {folder}")
