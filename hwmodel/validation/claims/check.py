"""Claims about scaling and serving: recompute each from its inputs and give a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from hwmodel.catalog.places import catalog_root
from hwmodel.errors import CatalogError, InputError
from hwmodel.validation.claims.numbers import ASSERTED, COMPUTE
from hwmodel.validation.claims.values import Given, Lookup, Value, Values, as_number

VERDICTS = ("right", "imprecise", "wrong")


class ClaimCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one asserted value is compared with a computed one, by name.

    `near`: within the share `right`, within `imprecise` imprecise; `at_most`: no more than asserted; `same`: equal.
    `otherwise`: the verdict where it is not so.
    """

    kind: Literal["near", "at_most", "same"]
    asserted: str
    computed: str
    right: float = 0.0
    imprecise: float = 0.0
    otherwise: str = ""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as it is made: what it asserts, how to compute the right number, and how to compare the two."""

    id: int
    claim: str
    correction: str
    evidence: str
    severity: str  # of believing it, where it is wrong: high | medium | low | none
    compute: str
    inputs: Values
    checks: tuple[ClaimCheck, ...]
    facts: Values = {}
    mend: Values = {}


class ClaimFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one claim, with the numbers that it rests on."""

    id: int
    claim: str
    verdict: str
    correction: str
    evidence: str
    severity: str
    inputs: Values
    computed: Values
    reasons: tuple[str, ...]
    mend: Values = {}  # inputs that change the verdict: of a claim that is not right, what would make it so


@lru_cache(maxsize=4)
def read_claims(path: Path | None = None) -> tuple[Claim, ...]:
    """The claims of the catalog. Raises CatalogError for a broken file."""
    import yaml

    place = path or catalog_root() / "claims.yaml"
    try:
        record = yaml.load(place.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return tuple(msgspec.convert(record["claims"], list[Claim]))
    except (OSError, yaml.YAMLError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise CatalogError(f"{place}: {error}") from error


def judge(claim: Claim, law: Lookup, changes: Mapping[str, Value] | None = None) -> ClaimFinding:
    """Recompute a claim, with some of its inputs changed. InputError for an input that the claim does not have."""
    unknown = set(changes or {}) - set(claim.inputs)
    if unknown:
        known = ", ".join(claim.inputs)
        raise InputError(f"claim {claim.id} has no input {sorted(unknown)[0]!r}; it has {known}")
    inputs = {**claim.inputs, **(changes or {})}
    try:
        given = Given({**claim.facts, **inputs})
        computed = {**claim.facts, **COMPUTE[claim.compute](given, law)}
        asserted = {**inputs, **(ASSERTED[claim.compute](given) if claim.compute in ASSERTED else {})}
        outcomes = [_compare(check, asserted, computed) for check in claim.checks]
    except (KeyError, TypeError, ArithmeticError) as error:
        changed = ", ".join(f"{name} = {value}" for name, value in (changes or {}).items())
        raise InputError(f"claim {claim.id} cannot be computed with {changed}: {error}") from error
    worst = max((verdict for verdict, _ in outcomes), key=VERDICTS.index)
    return ClaimFinding(
        id=claim.id,
        claim=claim.claim,
        verdict=worst,
        correction=claim.correction,
        evidence=claim.evidence,
        severity=claim.severity,
        inputs=inputs,
        computed=computed,
        reasons=tuple(reason for _, reason in outcomes),
        mend={} if worst == "right" else claim.mend,
    )


def _compare(check: ClaimCheck, asserted: Values, computed: Values) -> tuple[str, str]:
    said, found = asserted[check.asserted], computed[check.computed]
    name = check.asserted.replace("_", " ")
    return _verdict(check, said, found), f"{name}: says {_plain(said)}, is {_plain(found)}"


def _verdict(check: ClaimCheck, said: Value, found: Value) -> str:
    if check.kind == "near":
        off = _off(as_number(said), as_number(found))
        near = "imprecise" if off <= check.imprecise else "wrong"
        return "right" if off <= check.right else check.otherwise or near
    right = as_number(found) <= as_number(said) if check.kind == "at_most" else said == found
    return "right" if right else check.otherwise


def _off(said: float, found: float) -> float:
    """By how much a number is off: a share, or the number itself where it should be nought."""
    return abs(said - found) / abs(found) if found else abs(said - found)


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def judge_all(law: Lookup, claims: Iterable[Claim] | None = None) -> list[ClaimFinding]:
    """All claims, in order."""
    return [judge(claim, law) for claim in (read_claims() if claims is None else claims)]
