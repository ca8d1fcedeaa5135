"""From a number of an answer down to what it is made of: a term each, with formula, value, unit and source."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping

import msgspec

from hwmodel.answers import Shown
from hwmodel.plain import JsonValue
from hwmodel.report.explain.answered import Answered, Numbered
from hwmodel.report.explain.document import at, inside
from hwmodel.report.explain.kernels import KERNELS, SERVED_KERNELS, TERMS, KernelTerm
from hwmodel.report.explain.memory_terms import MEMORY_TERMS, SERVED_MEMORY_TERMS
from hwmodel.report.explain.pass_terms import PASS_TERMS
from hwmodel.report.explain.places import words_of
from hwmodel.report.explain.rule import Fact, Rule
from hwmodel.report.explain.serving import serving_rule
from hwmodel.report.explain.steps import step_rule
from hwmodel.report.explain.symbols import formula, formula_of, names_in, on_symbols
from hwmodel.report.explain.totals import Totals, is_total, totals_rule
from hwmodel.report.explain.training import training_rule
from hwmodel.report.meanings import MEANINGS, Meaning
from hwmodel.report.words import TERM_WORDS

SAME = 1e-6  # relative difference up to which a formula gives the number of the answer
SOURCES_SHOWN = 3
ONE_KERNEL = "the formula is that of one of its kernels"
GIVEN = {"accelerators": "gpus"}  # numbers of an answer that the question calls otherwise


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity: its value with the interval where it has one, what it is, and what it follows from."""

    name: str
    label: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    formula: str = ""
    inputs: dict[str, str] = {}  # symbol of the formula -> name of its term
    again: float | None = None  # what the formula gives with the values of its inputs; None for one kernel of many
    how: str = ""
    code: str = ""
    sources: tuple[str, ...] = ()


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """How a number was worked out; the fields of its term that say so."""

    formula: str = ""
    inputs: dict[str, str] = {}
    again: float | None = None
    code: str = ""


class Explanation(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A number of an answer and all that it follows from, the number first."""

    __repr__ = Shown.__repr__

    name: str
    terms: tuple[Term, ...]


PLAIN = Worked()  # as the answer states it


def explain(document: Mapping[str, JsonValue], name: str, where: str = "the answer") -> Explanation:
    """The terms behind a number of an answer, as a mapping (`where` names it): of `plan`, `compare`, `train`, `serve`,
    or of a plan file.

    Raises InputError, with the nearest names, for a number that the answer does not have.
    """
    found = numbered(document, where)
    first = found.find(name)
    terms: dict[str, Term] = {}
    wanted: list[tuple[str, str | Fact]] = [(first, first)]
    while wanted:
        path, at = wanted.pop(0)
        if path in terms:
            continue
        terms[path], more = _fact(found, path, at) if isinstance(at, Fact) else explained_term(found, path)
        parts = [(one, fact) for one, fact in more.items() if isinstance(fact, Fact)]
        wanted = [*parts, *wanted, *((fact, fact) for fact in more.values() if isinstance(fact, str))]
    return Explanation(name=first, terms=tuple(terms.values()))


More = dict[str, str | Fact]  # inputs of a formula by the name of their terms


def numbered(document: Mapping[str, JsonValue], where: str = "the answer") -> Numbered:
    """An answer by its numbers. InputError for a document that is none."""
    return Totals(document, where) if is_total(document) else Answered(document, where)


def _rule(found: Numbered, path: str) -> Rule | None:
    """The rule of a number; None where no one formula gives it."""
    if isinstance(found, Answered):
        return serving_rule(found, path) if found.serves else training_rule(found, path)
    return totals_rule(found, path) if isinstance(found, Totals) else None


def explained_term(found: Numbered, path: str) -> tuple[Term, More]:
    """A number of the answer, and the inputs of its formula."""
    rule = _rule(found, path)
    kernel = _kernel(found, path)
    if rule is None and kernel is not None and isinstance(found, Answered) and (step := found.step) is not None:
        rule = step_rule(found, step, kernel.name)
    stored = found.value(path)
    by_rule = None if rule is None or stored is None else _derived(found, path, stored, rule)
    if by_rule is None:
        return _of_kernel(found, path, kernel) if kernel is not None else (_plain(found, path), {})
    shown, more = by_rule
    term = _leaf(found, path, shown)
    if kernel is not None:
        term = msgspec.structs.replace(term, how=kernel.what, sources=(kernel.source,))
    return term, more


def _derived(found: Numbered, path: str, stored: float, rule: Rule) -> tuple[Worked, More] | None:
    """Formula, inputs and value of a number by its rule; None where the answer lacks an input, or was made in another
    way."""
    values = {one: at.value if isinstance(at, Fact) else found.value(at) for one, at in rule.inputs.items()}
    if any(value is None for value in values.values()):
        return None
    again = float(rule.run(**values))
    if not math.isclose(again, stored, rel_tol=SAME, abs_tol=1e-12):
        return None
    expression = on_symbols(rule.run, rule.inputs)
    used = names_in(expression)
    named = {one: _name_of(path, one, at) for one, at in rule.inputs.items() if one in used}
    more = {named[one]: rule.inputs[one] for one in named}
    text = formula_of(expression, path.rsplit(".", 1)[-1])
    return Worked(formula=text, inputs=named, again=again, code=_code(rule.code)), more


def _name_of(path: str, symbol: str, at: str | Fact) -> str:
    """The term that an input of the formula of `path` stands in."""
    return at if isinstance(at, str) else at.name or f"{path}.{symbol}"


def _leaf(found: Numbered, path: str, worked: Worked = PLAIN) -> Term:
    """A number as the answer states it, with what the reports say of it."""
    name = path.rsplit(".", 1)[-1]
    stated = found.numbers[path]
    ends = (stated["low"], stated["high"]) if isinstance(stated, Mapping) else (None, None)
    known = MEANINGS.get(name)
    meant = (
        None if words_of(path, isinstance(found, Totals)) else known
    )  # of the name alone, where its place does not say more
    low, high = (None, None) if ends[0] == ends[1] else ends
    return Term(
        name=path, label=_label(name, meant), value=float(stated["value"] if isinstance(stated, Mapping) else stated),
        low=low, high=high, unit=unit_of(path, known),
        how=_how(found, path, meant), code=worked.code or (f"hwmodel/{meant.code}" if meant is not None else ""),
        sources=_sources(found, meant), formula=worked.formula, inputs=worked.inputs, again=worked.again,
    )  # fmt: skip


def _plain(found: Numbered, path: str) -> Term:
    """A number without a formula: a part of memory by what it counts, any other as the answer states it."""
    part = _memory_part(found, path)
    if part is None:
        return _leaf(found, path)
    return msgspec.structs.replace(
        _leaf(found, path, Worked(code=_code(part.function))), how=part.what, sources=(f"docs/step.md: {part.source}",)
    )


def _label(name: str, known: Meaning | None) -> str:
    if known is not None:
        return known.label
    return TERM_WORDS.get(name, name.replace("_", " "))


def _how(found: Numbered, path: str, known: Meaning | None) -> str:
    """How it was found, where the answer says so; else how such a number is worked out."""
    name = path.rsplit(".", 1)[-1]
    if path == f"answer.{name}" and (solved := found.text(f"solved.{name}")):
        return solved
    if re.fullmatch(r"money\.price\.(\w+_usd_per_accelerator_hour|n_quotes)", path):
        return _price_words(found)
    given = [key for key, _ in inside(at(found.document, "request.given"))]
    if path in (f"answer.{name}", f"request.given.{name}") and GIVEN.get(name, name) in given:
        return "given in the question"
    if path.startswith("layout.") and name in given:
        return "given in the question"
    if name == "usd_per_accelerator_hour" and found.serves:
        dates = found.text("answer.price_dates")
        return f"{found.text('answer.price_kind')} quotes of {dates}" if dates else "given"
    return words_of(path, isinstance(found, Totals)) or (known.formula if known is not None else "")


def _price_words(found: Numbered) -> str:
    price = found.price
    if price is None or price.kind == "given":
        return "given in the question"
    who = ", ".join(price.providers)
    return f"{price.n_quotes} {price.provider_class} quotes of {price.first_date} to {price.last_date}: {who}"


def _sources(found: Numbered, known: Meaning | None) -> tuple[str, ...]:
    """Titles of the answer's sources that feed such a number, a few."""
    if known is None:
        return ()
    fed = [
        f"{one.title} ({one.locator})" if one.locator else one.title
        for one in found.sources if any(word in one.uses for word in known.sources)
    ]  # fmt: skip
    return (*fed[:SOURCES_SHOWN], f"and {len(fed) - SOURCES_SHOWN} more") if len(fed) > SOURCES_SHOWN else tuple(fed)


UNITS = {
    "usd_per_accelerator_hour": "USD/h", "usd_per_hour": "USD/h", "flop_per_s": "FLOP/s", "bytes_per_s": "B/s",
    "tokens_per_s": "tokens/s", "requests_per_s": "requests/s", "kg_co2e_per_kwh": "kg/kWh", "flop_per_token": "FLOP",
    "flop_per_nat": "FLOP/nat", "usd_per_nat": "USD/nat", "usd_per_month": "USD/month", "usd_per_further_hour": "USD/h",
    "months": "months",
    "per_accelerator_hour": "1/h", "per_hour": "1/h", "bytes_per_param": "B", "per_million_tokens": "USD",
    "per_million_input": "USD", "per_million_output": "USD", "usd": "USD", "bytes": "B", "days": "days", "nats": "nats",
    "flop": "FLOP", "mwh": "MWh", "watts": "W", "hours": "h", "t_co2e": "t", "co2e_t": "t", "s": "s", "w": "W",
    "w_per_accelerator": "W", "joules_per_output_token": "J", "joules_per_input_token": "J",
}  # fmt: skip
SHOWN_UNITS = {
    "count": "", "flop": "FLOP", "nats": "nats", "days": "days", "hours": "h", "usd": "USD", "share": "", "mwh": "MWh",
    "tonnes": "t", "bytes": "B", "factor": "", "objective": "", "seconds": "s", "joules": "J",
}  # fmt: skip


def unit_of(path: str, known: Meaning | None = None) -> str:
    """The unit that a name ends with, or that its meaning states; empty for counts and ratios."""
    words = path.rsplit(".", 1)[-1].split("_")
    ends = ("_".join(words[i:]) for i in range(len(words)))
    found = next((UNITS[end] for end in ends if end in UNITS), "")
    return found or (SHOWN_UNITS.get(known.unit, "") if known is not None else "")


def _fact(found: Numbered, name: str, fact: Fact) -> tuple[Term, More]:
    """An input that the answer does not state, with its own rule where it has one."""
    by_rule = None if fact.rule is None else _derived(found, name, fact.value, fact.rule)
    shown, more = by_rule or (PLAIN, {})
    label = name.rsplit(".", 1)[-1].removesuffix("_s").replace("_", " ")
    return Term(
        name=name, label=label, value=fact.value, unit=unit_of(name), how=fact.source, formula=shown.formula,
        inputs=shown.inputs, again=shown.again, code=shown.code,
    ), more  # fmt: skip


def _code(function: Callable[..., object]) -> str:
    """Where a function stands: `economics/billing.py: elapsed_over_productive`."""
    module = inspect.getmodule(function)
    place = "" if module is None else module.__name__.removeprefix("hwmodel.").replace(".", "/") + ".py: "
    return f"hwmodel/{place}{function.__qualname__}"


def _kernel(found: Numbered, path: str) -> KernelTerm | None:
    """The kind of kernel behind a term of a training step, or of a pass of an engine."""
    place, _, name = path.rpartition(".")
    if found.serves and name == "attention_s" and found.latent:
        name = "attention_s (latent)"
    return _named(PASS_TERMS if found.serves else TERMS, name) if place == "step" else None


def _memory_part(found: Numbered, path: str) -> KernelTerm | None:
    """What a part of memory counts, of a stage in training or of an engine."""
    place, _, name = path.rpartition(".")
    if found.serves:
        return _named(SERVED_MEMORY_TERMS, name) if place == "answer" else None
    return _named(MEMORY_TERMS, name) if place.split(".")[0] == "memory" else None


def _named(terms: tuple[KernelTerm, ...], name: str) -> KernelTerm | None:
    return next((one for one in terms if one.name == name), None)


def _of_kernel(found: Numbered, path: str, kernel: KernelTerm) -> tuple[Term, dict[str, str | Fact]]:
    """A term of the step: what it sums, and the formula of one of its kernels with the constants of this machine."""
    of_one = kernel.symbolic is not None and found.value(path)
    how = kernel.what + (f" ({kernel.note or ONE_KERNEL})" if of_one else "")
    term = _leaf(found, path, Worked(code=_code(kernel.function)))
    term = msgspec.structs.replace(term, how=how, sources=(kernel.source,))
    if kernel.symbolic is None or not term.value:
        return term, {}
    expression = kernel.symbolic()
    constants = _constants(found, kernel.name, names_in(expression))
    named = {name: f"{kernel.name}.{name}" for name in constants}
    term = msgspec.structs.replace(term, formula=formula(expression), inputs=named)
    return term, {named[name]: fact for name, fact in constants.items()}


def _constants(found: Numbered, term: str, names: set[str]) -> dict[str, Fact]:
    """The constants of a kernel's formula on the machine of the answer."""
    place = (SERVED_KERNELS if found.serves else KERNELS).get(term, "")
    if not isinstance(found, Answered) or found.machine is None or not place:
        return {}
    holder = found.setting.stack if place == "stack" else getattr(found.machine, place)
    source = f"stack {holder.id}" if place == "stack" else f"{place} constants of {found.machine.part}"
    fields = [name for name in holder.__struct_fields__ if name in names]
    return {name: Fact(value=float(getattr(holder, name)), source=source) for name in fields}
