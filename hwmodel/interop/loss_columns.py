"""Which column of a file of runs holds which quantity, in which unit, and how it counts parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import msgspec

from hwmodel.errors import InputError, unknown

# quantity -> names it goes by, first match wins; single letters as they stand, words without case
ALIASES: Mapping[str, Sequence[str]] = {
    "params": ("params", "N", "n_params", "parameters", "num_params", "n_parameters", "params_total", "total_params",
               "n_params_total", "model_params"),
    "tokens": ("tokens", "D", "n_tokens", "num_tokens", "train_tokens", "training_tokens", "tokens_seen"),
    "flop": ("flop", "flops", "C", "compute", "train_flop", "train_flops", "training_flop", "training_flops",
             "total_flop", "total_flops", "training_compute"),
    "loss": ("loss", "L", "loss_nats", "val_loss_nats", "val_loss", "validation_loss", "eval_loss", "test_loss",
             "final_loss", "final_val_loss"),
    "unique_tokens": ("unique_tokens", "U", "n_unique_tokens", "distinct_tokens"),
    "budget": ("budget", "flop_budget", "budget_flop", "budget_flops", "compute_budget", "c_budget", "target_flop",
               "target_flops", "nominal_flop", "nominal_flops", "isoflop_budget"),
}  # fmt: skip
# convention -> names of a size that is counted so
SIZES: Mapping[str, Sequence[str]] = {
    "total": ALIASES["params"],
    "non_embedding": ("n_params_nonemb", "n_params_no_embed", "params_nonemb", "params_non_embedding",
                      "n_params_non_embedding", "non_embedding_params", "nonembedding_params", "non_embed_params",
                      "n_nonemb", "N_ne", "params_ne"),
    "active": ("n_params_active", "params_active", "active_params", "n_active", "N_active", "active_parameters"),
}  # fmt: skip

PF_DAY = 8.64e19
_COUNTS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "million": 1e6, "millions": 1e6, "mn": 1e6, "billion": 1e9,
           "billions": 1e9, "bn": 1e9, "trillion": 1e12, "trillions": 1e12, "tokens": 1.0,
           "parameters": 1.0}  # fmt: skip
_FLOP = {
    "FLOP": 1.0, "MFLOP": 1e6, "GFLOP": 1e9, "TFLOP": 1e12, "PFLOP": 1e15, "EFLOP": 1e18, "ZFLOP": 1e21, "YFLOP": 1e24,
    "PF-days": PF_DAY, "TF-days": PF_DAY / 1e3,
}  # fmt: skip
# quantity -> unit -> factor to SI; a loss in bits is in nats after ln 2; perplexity is no factor (see `to_si`)
UNITS: Mapping[str, Mapping[str, float]] = {
    "params": _COUNTS,
    "tokens": _COUNTS,
    "unique_tokens": _COUNTS,
    "flop": _FLOP,
    "budget": _FLOP,
    "loss": {"nats": 1.0, "bits": math.log(2.0), "perplexity": 0.0, "ppl": 0.0},
}

_BRACKETED = re.compile(r"(.*?)[\s_]*[(\[]\s*(?:in )?([\w\- ]+?)\s*[)\]]")
_TRAILING = re.compile(r"(.*?)[\s_]+(?:in[\s_]+)?([A-Za-z]+(?:[-_]days?)?)")
_ALONE = re.compile(r"(?:train(?:ing)?_)?([a-z]*flops?|[pt]f_?days?|perplexity|ppl)")


class FoundColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column that was taken: its header and place, and the unit that its header or the user names ('' if none)."""

    quantity: str
    header: str
    place: int
    unit: str = ""

    def to_si(self, value: float) -> float:
        """The value as a count, FLOP or nats. InputError for a perplexity that is no loss."""
        if self.unit in ("perplexity", "ppl"):
            if value <= 1.0:
                raise InputError(f"column {self.header}: a perplexity of {value:g} gives no positive loss")
            return math.log(value)
        return value * (UNITS[self.quantity][self.unit] if self.unit else 1.0)


def find_columns(
    header: Sequence[str], named: Mapping[str, str], units: Mapping[str, str], convention: str | None, where: str
) -> tuple[dict[str, FoundColumn], str]:
    """(the column of each quantity that the file has, how its size counts parameters).

    `named` maps a quantity to its header, `units` to its unit; both win over what names suggest. Without a
    convention asked for, a total count is taken before a non-embedding one, and that before an active one. Raises
    InputError for a quantity, unit or header that does not exist.
    """
    for name in (*named, *units):
        if name not in ALIASES:
            raise unknown("quantity", name, ALIASES, "--column and --unit")
    found: dict[str, FoundColumn] = {}
    for name, aliases in ALIASES.items():
        if name == "params" and name not in named:
            continue
        column = _named(header, name, named[name], where) if name in named else _matching(header, name, aliases)
        if column is not None:
            found[name] = column
    counted = convention or "total"
    if "params" not in found:
        for kind, aliases in SIZES.items() if convention is None else [(convention, SIZES.get(convention, ()))]:
            size = _matching(header, "params", aliases)
            if size is not None:
                found["params"], counted = size, kind
                break
    elif convention is None:
        counted = next((kind for kind, names in SIZES.items() if _fold(found["params"].header) in _folded(names)),
                       "total")  # fmt: skip
    for name, text in units.items():
        if name not in found:
            raise InputError(f"{where}: --unit {name}={text}: the file has no column for {name}")
        found[name] = msgspec.structs.replace(found[name], unit=_unit(name, text))
    return found, counted


def _named(header: Sequence[str], name: str, wanted: str, where: str) -> FoundColumn:
    """The column of this very header."""
    if wanted not in header:
        raise InputError(f"{where}: no column {wanted!r} for {name}; the file has {', '.join(header)}")
    return FoundColumn(quantity=name, header=wanted, place=header.index(wanted), unit=_readings(name, wanted)[-1][1])


def _matching(header: Sequence[str], name: str, aliases: Sequence[str]) -> FoundColumn | None:
    """The column whose header, with or without its unit, is the earliest of the aliases."""
    read = [_readings(name, text) for text in header]
    for alias in _folded(aliases):
        for place, readings in enumerate(read):
            for stem, unit in readings:
                if _fold(stem) == alias:
                    return FoundColumn(quantity=name, header=header[place], place=place, unit=unit)
    return None


def _folded(names: Sequence[str]) -> list[str]:
    return [_fold(name) for name in names]


def _fold(text: str) -> str:
    """A header without case and separators; a single letter keeps its case (N, D, C are not n, d, c)."""
    plain = re.sub(r"[\s\-_.]+", "_", text.strip()).strip("_")
    return plain if len(plain) == 1 or plain.startswith("N_") else plain.lower()


def _readings(name: str, header: str) -> list[tuple[str, str]]:
    """What a header may mean, as (name, unit): itself, a name and its unit, a unit alone.

    'tokens_B', 'N (M)', 'compute [PF-days]', 'Tokens in billions', 'loss_bits'; 'GFLOPs', 'train_pf_days', 'ppl'.
    """
    readings = [(header, "")]
    text = header.strip()
    for pattern in (_BRACKETED, _TRAILING):
        match = pattern.fullmatch(text)
        if match is not None and (unit := _known(name, match[2])):
            readings.append((match[1], unit))
    alone = _ALONE.fullmatch(_fold(header))
    if alone is not None and name in ("flop", "loss") and (unit := _known(name, alone[1])):
        readings.append((ALIASES[name][0], unit))
    return readings


def _known(name: str, text: str) -> str:
    """The unit of the quantity that a text names, or ''."""
    try:
        return _unit(name, text)
    except InputError:
        return ""


def _unit(name: str, text: str) -> str:
    """The unit of the quantity that a text names. InputError with those that it may have."""
    known = UNITS[name]
    plain = re.sub(r"[\s_\-]+", "", text.strip()).lower()
    folded = {re.sub(r"[\s_\-]+", "", unit).lower(): unit for unit in known}
    for candidate in (plain, plain.removesuffix("s"), f"{plain}s"):
        if candidate in folded:
            return folded[candidate]
    raise InputError(f"--unit {name}={text}: one of {', '.join(known)}")
