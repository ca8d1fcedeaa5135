"""Claims about scaling and serving: recompute each from its inputs and give a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from hwmodel.catalog.places import catalog_root
from hwmodel.errors import CatalogError, InputError
from hwmodel.validation.claims.numbers import COMPUTE, Lookup

VERDICTS = ("right", "imprecise", "wrong")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as it is made: what it asserts, how to compute the right number, and how to compare the two."""

    id: int
    claim: str
    correction: str
    evidence: str
    severity: str  # of believing it, where it is wrong: high | medium | low | none
    compute: str
    inputs: dict[str, Any]
    checks: tuple[dict[str, Any], ...]
    facts: dict[str, Any] = {}
    mend: dict[str, Any] = {}


class ClaimFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one claim, with the numbers that it rests on."""

    id: int
    claim: str
    verdict: str
    correction: str
    evidence: str
    severity: str
    inputs: dict[str, Any]
    computed: dict[str, Any]
    reasons: tuple[str, ...]
    mend: dict[str, Any] = {}  # inputs that change the verdict: of a claim that is not right, what would make it so


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


def judge(claim: Claim, law: Lookup, changes: Mapping[str, Any] | None = None) -> ClaimFinding:
    """Recompute a claim, with some of its inputs changed. InputError for an input that the claim does not have."""
    unknown = set(changes or {}) - set(claim.inputs)
    if unknown:
        known = ", ".join(claim.inputs)
        raise InputError(f"claim {claim.id} has no input {sorted(unknown)[0]!r}; it has {known}")
    inputs = {**claim.inputs, **(changes or {})}
    try:
        computed = {**claim.facts, **COMPUTE[claim.compute]({**claim.facts, **inputs}, law)}
    except (KeyError, TypeError, ArithmeticError) as error:
        given = ", ".join(f"{name} = {value}" for name, value in (changes or {}).items())
        raise InputError(f"claim {claim.id} cannot be computed with {given}: {error}") from error
    asserted = {**inputs, **computed.pop("asserted", {})}
    outcomes = [_compare(check, asserted, computed) for check in claim.checks]
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


def _compare(check: Mapping[str, Any], asserted: Mapping[str, Any], computed: Mapping[str, Any]) -> tuple[str, str]:
    said, found = asserted[check["asserted"]], computed[check["computed"]]
    name = check["asserted"].replace("_", " ")
    if check["kind"] == "near":
        off = abs(said - found) / abs(found) if found else abs(said - found)
        if off <= check["right"]:
            verdict = "right"
        else:
            verdict = check.get("otherwise", "imprecise" if off <= check.get("imprecise", 0.0) else "wrong")
    elif check["kind"] == "at_most":
        verdict = "right" if found <= said else check["otherwise"]
    else:
        verdict = "right" if said == found else check["otherwise"]
    return verdict, f"{name}: says {_plain(said)}, is {_plain(found)}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def judge_all(law: Lookup, claims: Iterable[Claim] | None = None) -> list[ClaimFinding]:
    """All claims, in order."""
    return [judge(claim, law) for claim in (read_claims() if claims is None else claims)]
