"""hwmodel: what to train on the hardware you have, in which precision, laid out how, at what cost, and how sure.

import hwmodel as hm
plan = hm.plan(gpus="1024xA100", tokens="1.4T")
plan.answer.train_days          # Band(value=..., low=..., high=...)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hwmodel.catalog import load_catalog
    from hwmodel.errors import CatalogError, HwModelError, InfeasibleError, InputError
    from hwmodel.solve.plan.compare import compare
    from hwmodel.solve.plan.solver import plan

# Imported when first used, so that `import hwmodel` costs nothing.
_HOMES = {
    "plan": "hwmodel.solve.plan.solver",
    "compare": "hwmodel.solve.plan.compare",
    "load_catalog": "hwmodel.catalog",
    "HwModelError": "hwmodel.errors",
    "InputError": "hwmodel.errors",
    "InfeasibleError": "hwmodel.errors",
    "CatalogError": "hwmodel.errors",
}

__all__ = [
    "CatalogError",
    "HwModelError",
    "InfeasibleError",
    "InputError",
    "__version__",
    "compare",
    "load_catalog",
    "plan",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hwmodel' has no attribute {name!r}")
    if name in ("plan", "compare"):
        import_module("hwmodel.report.notebook")
    return getattr(import_module(_HOMES[name]), name)
