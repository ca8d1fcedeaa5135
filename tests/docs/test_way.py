"""The way of one request on the architecture page is the way that a plan takes through the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType

import pytest
from click.testing import CliRunner

from hwmodel.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "hwmodel"
SECTION = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## The way of one request\n")[1]
WAY = SECTION.split("\n## ")[0]
NAMED = re.findall(r"`([\w/]+\.py): ([\w.]+)`", WAY)


def entered(arguments: list[str]) -> list[tuple[str, str]]:
    """Functions of the package that a command enters, each where it first does."""
    found: dict[tuple[str, str], None] = {}

    def seen(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            found.setdefault((path.relative_to(PACKAGE).as_posix(), frame.f_code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        done = CliRunner().invoke(cli, arguments)
    finally:
        sys.setprofile(before)
    assert done.exit_code == 0, done.output
    return list(found)


def test_a_plan_enters_the_functions_of_the_page_in_its_order() -> None:
    """On a fleet that no other test asks for, so that nothing is remembered from one."""
    places = {name: place for place, name in enumerate(entered(["plan", "--gpus", "1016xA100", "--tokens", "1.37T"]))}
    assert len(NAMED) > 20
    missing = [": ".join(name) for name in NAMED if name not in places]
    assert not missing, f"a plan does not enter them: {missing}"
    order = [places[name] for name in NAMED]
    later = [": ".join(a) for a, first, then in zip(NAMED, order, order[1:], strict=False) if first >= then]
    assert not later, f"entered after what the page names next: {later}"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.py)\b", WAY))))
def test_files_of_the_page_exist(path: str) -> None:
    assert (PACKAGE / path).is_file()
