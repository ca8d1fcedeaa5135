"""A real server for the tests of the API and of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web_client import Served, start, stop


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = start(tmp_path_factory.mktemp("ui"))
    yield served
    stop(served)
