"""Plans shown as reports in a notebook: imported with `hwmodel.plan` and `hwmodel.compare`."""

from __future__ import annotations

from hwmodel.report.plan import plan_markdown
from hwmodel.solve.run.result import Plan

Plan.shown_by = plan_markdown
