"""Questions drawn from the API's own description: none ends in a fault, each answer is as described.

`make stress` draws 10,000 (HWMODEL_CASES).
"""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from web_client import Served

from hwmodel.web.openapi import document

CASES = int(os.environ.get("HWMODEL_CASES", "300"))
CHECKS = (
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    negative_data_rejection,
)  # fmt: skip
OPERATIONS = sum(len(methods) for methods in document()["paths"].values())
each = settings(
    max_examples=math.ceil(CASES / OPERATIONS), deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
described = schemathesis.openapi.from_dict(document())


@described.parametrize()
@each
@pytest.mark.filterwarnings("ignore")
def test_what_the_description_allows_is_answered_as_described(case: Any, server: Served) -> None:
    case.call_and_validate(base_url=server.url.rstrip("/"), checks=CHECKS, timeout=120)
