"""hwmodel: what to train on the hardware you have, in which precision, laid out how, at what cost, and how sure.

import hwmodel as hm
plan = hm.plan(gpus="1024xA100", tokens="1.4T")
plan.answer.train_days          # Band(value=..., low=..., high=...)
plan.to_frame("laws")           # pandas; also to_dict, to_json, to_markdown, to_text, to_csv
hm.law.optimum("besiroglu_2024", flops="5.76e23")["params"]
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from hwmodel.version import __version__

if TYPE_CHECKING:
    from hwmodel import catalog
    from hwmodel.answers import Answer
    from hwmodel.api import law, prices
    from hwmodel.api.verbs import (
        accuracy,
        budget,
        compare,
        explain,
        fit,
        load_catalog,
        plan,
        serve,
        sweep,
        train,
        validate,
    )
    from hwmodel.errors import CatalogError, HwModelError, InfeasibleError, InputError

# Imported when first used, so that `import hwmodel` costs nothing; what stands in neither table is a verb.
_HOMES = {
    **dict.fromkeys(("HwModelError", "InputError", "InfeasibleError", "CatalogError"), "hwmodel.errors"),
    "Answer": "hwmodel.answers",
}
_MODULES = {"catalog": "hwmodel.catalog", "law": "hwmodel.api.law", "prices": "hwmodel.api.prices"}

__all__ = [
    "Answer",
    "CatalogError",
    "HwModelError",
    "InfeasibleError",
    "InputError",
    "__version__",
    "accuracy",
    "budget",
    "catalog",
    "compare",
    "explain",
    "fit",
    "law",
    "load_catalog",
    "plan",
    "prices",
    "serve",
    "sweep",
    "train",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return _import_module(_MODULES[name])
    if name not in __all__:
        raise AttributeError(f"module 'hwmodel' has no attribute {name!r}")
    return getattr(_import_module(_HOMES.get(name, "hwmodel.api.verbs")), name)


def __dir__() -> list[str]:
    return __all__
