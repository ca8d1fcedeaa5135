"""Names as people type them, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from hwmodel.errors import InputError, unknown

VENDOR_WORDS = ("nvidia-", "amd-", "intel-", "google-", "aws-", "amazon-", "huawei-", "instinct-", "tesla-")


def normalise(name: str) -> str:
    """Lower case, `_` and space as `-`; the form in which ids and aliases are compared."""
    return "-".join(name.strip().lower().replace("_", " ").replace("-", " ").split())


def resolve(kind: str, given: str, names: Mapping[str, str], where: str = "") -> str:
    """The id that `given` means: exact, then without vendor words, then as the only name that starts so.

    Raises InputError naming the nearest known names, or all candidates of an ambiguous beginning.
    """
    key = normalise(given)
    if key in names:
        return names[key]
    bare = key
    for word in VENDOR_WORDS * 2:
        bare = bare.removeprefix(word)
        if bare in names:
            return names[bare]
    starts = sorted({names[n] for n in names if len(bare) >= 3 and n.startswith(bare)})
    if len(starts) == 1:
        return starts[0]
    if starts:
        place = f" in {where}" if where else ""
        raise InputError(f"{kind} {given!r}{place} could be {', '.join(starts[:8])}; name one of them")
    raise unknown(kind, given, names, where)


MODEL_SUFFIXES = frozenset(
    ("instruct", "chat", "it", "hf", "base", "pt", "preview", "fp8", "nvfp4", "fp4", "mxfp4", "bf16", "fp16", "int4",
     "int8", "awq", "gptq", "w4a16", "w8a8", "quantized", "v0.1", "v0.2", "v0.3", "v1", "2507", "tokendrop", "mlperf")
)  # fmt: skip


def squash(name: str) -> str:
    """Letters, digits and points only: the form in which model names are compared (`Llama3.1-8B` = `llama-3.1-8b`)."""
    return "".join(c for c in name.lower() if c.isalnum() or c == ".")


def model_spellings(name: str) -> list[str]:
    """What a model's name may be without its owner, without a remark in brackets, without its format or tuning."""
    bare = name.split("(")[0].strip() or name
    forms = [name, bare, name.rpartition("/")[2], bare.rpartition("/")[2]]
    words = normalise(forms[-1]).split("-")
    while len(words) > 1 and words[-1] in MODEL_SUFFIXES:
        words = words[:-1]
        forms.append("-".join(words))
    return forms + [form.removeprefix("meta-") for form in forms if form.startswith("meta-")]


def resolve_model(given: str, names: Mapping[str, str]) -> str:
    """The id of a model under any spelling of `model_spellings`; InputError with the nearest names otherwise."""
    squashed = {squash(n): target for n, target in names.items()}
    for form in model_spellings(given):
        found = squashed.get(squash(form))
        if found is not None:
            return found
    return resolve("model", model_spellings(given)[-1], names)
