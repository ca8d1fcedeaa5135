"""Models as published rows spell them: with owners, remarks, tunings and formats that the catalog's names lack.

A row states its precision in a cell of its own, so a format at the end of a model's name says nothing more.
"""

from __future__ import annotations

from hwmodel.catalog import Catalog
from hwmodel.errors import InputError
from hwmodel.specs.shape import Shape

MODEL_SUFFIXES = frozenset(
    ("instruct", "chat", "it", "hf", "base", "pt", "preview", "fp8", "nvfp4", "fp4", "mxfp4", "bf16", "fp16", "int4",
     "int8", "awq", "gptq", "w4a16", "w8a8", "quantized", "v0.1", "v0.2", "v0.3", "v1", "2507", "tokendrop", "mlperf")
)  # fmt: skip


def spellings(name: str) -> list[str]:
    """What a model's name may be: as it stands, without its owner, a remark in brackets, its format or tuning."""
    bare = name.split("(")[0].strip() or name
    forms = [name, bare, name.rpartition("/")[2], bare.rpartition("/")[2]]
    words = forms[-1].lower().replace("_", "-").replace(" ", "-").split("-")
    while len(words) > 1 and words[-1] in MODEL_SUFFIXES:
        words = words[:-1]
        forms.append("-".join(words))
    return forms + [form.removeprefix("meta-") for form in forms if form.startswith("meta-")]


def model_of(catalog: Catalog, name: str) -> Shape:
    """The shape of the first spelling that the catalog knows. InputError where it knows none."""
    failure: InputError | None = None
    for form in spellings(name):
        try:
            return catalog.model(form)
        except InputError as error:
            failure = failure or error
    assert failure is not None
    raise failure
