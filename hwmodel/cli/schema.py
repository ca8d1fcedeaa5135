"""`hwmodel schema`: what a question and an answer hold, as JSON Schema."""

from __future__ import annotations

from pathlib import Path

import click

from hwmodel.cli.options import OUT
from hwmodel.cli.output import emit
from hwmodel.errors import unknown

VERBS = ("plan", "compare", "train", "serve")


@click.command("schema")
@click.argument("verb")
@click.option("--question", is_flag=True, help="What a question may hold, instead of the answer.")
@OUT
def command(verb: str, question: bool, out: Path | None) -> None:
    """The JSON Schema of an answer of VERB (plan, compare, train, serve), or of its question.

    \b
    hwmodel schema plan --out plan.schema.json
    """
    if verb not in VERBS:
        raise unknown("verb", verb, VERBS)
    from hwmodel.answers import json_text
    from hwmodel.web.openapi import schema_of

    emit(json_text(schema_of(f"{verb}_{'question' if question else 'answer'}")), out)
