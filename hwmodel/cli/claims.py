"""`hwmodel claims`: widespread claims about scaling, recomputed; `claims check FILE.md` looks for them in a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwmodel.cli.group import CommandGroup
from hwmodel.cli.options import TABLE, number, pairs, with_options
from hwmodel.cli.output import emit, note
from hwmodel.plain import JsonObject

if TYPE_CHECKING:
    from hwmodel.validation.claims.check import ClaimFinding
    from hwmodel.validation.claims.values import Lookup, Value, Values

HONEST = (
    "Known claims in English or Chinese, recognised by their words, relations and numbers; what is said otherwise is "
    "not seen, and a passage with the right number is no finding. Silence proves nothing."
)

_table = with_options(TABLE)


def _lookup() -> Lookup:
    """Laws by their id."""
    from hwmodel.catalog import load_catalog

    return load_catalog().law


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--verdict", type=click.Choice(["right", "imprecise", "wrong"]), help="Only these.")
@click.option("--topic", help="Only those of a question of the field (`hwmodel law list --topic all` lists them).")
@_table
@click.pass_context
def command(ctx: click.Context, verdict: str | None, topic: str | None, fmt: str, out: Path | None) -> None:
    """Widespread claims about scaling, each recomputed from its inputs, with verdict, right number and source."""
    if ctx.invoked_subcommand is not None:
        return
    from hwmodel.cli.output import render
    from hwmodel.validation.claims.check import judge_all

    chosen = None
    if topic is not None:
        from hwmodel.catalog.topics import topic_named

        chosen = topic_named(topic).claims
    found = [
        f
        for f in judge_all(_lookup())
        if (verdict is None or f.verdict == verdict) and (chosen is None or f.id in chosen)
    ]
    rows = [
        {"id": f.id, "verdict": f.verdict, "severity": f.severity, "claim": f.claim, "correction": f.correction,
         "evidence": f.evidence}
        for f in found
    ]  # fmt: skip
    emit(render(rows, {"claims": [_document(f) for f in found]}, fmt, _tally(found)), out)


def _tally(found: list[ClaimFinding]) -> str:
    """How many claims have which verdict, in a line."""
    counts = {v: sum(f.verdict == v for f in found) for v in ("right", "imprecise", "wrong")}
    return f"{len(found)} claims: " + ", ".join(f"{n} {v}" for v, n in counts.items())


def _document(found: ClaimFinding) -> JsonObject:
    """The JSON of a finding."""
    import msgspec

    fields: JsonObject = msgspec.to_builtins(found)
    return fields


@command.command()
@click.argument("claim_id", type=int, metavar="ID")
@click.option("--set", "settings", multiple=True, metavar="INPUT=VALUE", help="Change what the claim asserts.")
@_table
def show(claim_id: int, settings: tuple[str, ...], fmt: str, out: Path | None) -> None:
    """One claim with its numbers; --set changes an input and may change the verdict."""
    from hwmodel.cli.output import render
    from hwmodel.errors import unknown
    from hwmodel.validation.claims.check import judge, read_claims

    claims = {c.id: c for c in read_claims()}
    if claim_id not in claims:
        raise unknown("claim", str(claim_id), map(str, claims))
    found = judge(claims[claim_id], _lookup(), _changes(settings, claims[claim_id].inputs))
    rows = [
        {"what": "claim", "value": found.claim},
        {"what": "verdict", "value": f"{found.verdict} (severity {found.severity})"},
        *({"what": "compared", "value": reason} for reason in found.reasons),
        *({"what": f"computed {k}", "value": f"{v:.6g}" if isinstance(v, float) else v}
          for k, v in found.computed.items()),
        {"what": "to make it true", "value": ", ".join(f"{k} = {_short(v)}" for k, v in found.mend.items())},
        {"what": "correction", "value": found.correction},
        {"what": "evidence", "value": found.evidence},
    ]  # fmt: skip
    emit(render(rows, _document(found), fmt), out)


def _short(value: Value) -> str:
    """An input's value in few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _changes(settings: tuple[str, ...], inputs: Values) -> Values:
    """What --set changes, each of the kind of the claim's own input."""
    from hwmodel.errors import InputError

    changes: Values = {}
    for name, text in pairs(settings, "--set", "params=70B").items():
        kind = inputs.get(name)
        if isinstance(kind, bool):
            if text not in ("true", "false"):
                raise InputError(f"--set {name}: true or false, not {text!r}")
            changes[name] = text == "true"
        else:
            changes[name] = number(text, name) if isinstance(kind, (int, float)) else text
    return changes


@command.command("history")
@_table
def show_history(fmt: str, out: Path | None) -> None:
    """Models by year: parameters, tokens, training FLOPs by 6 N D, chips, sources."""
    from hwmodel.catalog.topics import read_history
    from hwmodel.cli.output import render
    from hwmodel.report.topics import history, history_rows

    models, cost = read_history(), _lookup()("flops_6nd")
    emit(render(history_rows(models, cost), history(models, cost), fmt), out)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@_table
def check(file: Path, fmt: str, out: Path | None) -> None:
    """Look for known claims in a text and say what is right about each."""
    from hwmodel.catalog.reading import text_of
    from hwmodel.cli.output import render
    from hwmodel.validation.claims.check import read_claims
    from hwmodel.validation.claims.phrases import find_claims

    text = text_of(file)
    matches = find_claims(text, read_claims(), _lookup())
    rows = [
        {"line": m.line, "claim": m.finding.id, "verdict": m.finding.verdict, "text": m.text,
         "compared": "; ".join(m.finding.reasons), "correction": m.finding.correction, "evidence": m.finding.evidence}
        for m in matches
    ]  # fmt: skip
    document = {
        "file": str(file),
        "matches": [{"line": m.line, "text": m.text, "stated": m.stated, **_document(m.finding)} for m in matches],
        "note": HONEST,
    }
    if fmt == "csv":
        note(HONEST)
    emit(render(rows, document, fmt, f"{len(rows)} passages. {HONEST}"), out)
