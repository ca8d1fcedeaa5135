from __future__ import annotations

from collections.abc import Callable

import pytest

from hwmodel.catalog.laws import read_law
from hwmodel.catalog.places import catalog_root
from hwmodel.specs.law import LawSpec


@pytest.fixture(scope="session")
def law() -> Callable[[str], LawSpec]:
    roots = [catalog_root()]
    return lambda name: read_law(roots, name)
