"""The documentation: links lead somewhere, the command reference is that of the commands, pages stand in the index."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "reports").glob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the usual renderers make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        of_site = page.is_relative_to(ROOT / "docs") and target.suffix == ".md"
        assert not of_site or target.is_relative_to(ROOT / "docs"), f"{link}: the site has no such page"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_the_command_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "cli_reference.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, "run python docs/cli_reference.py"


def test_every_page_stands_in_the_site_and_in_the_index() -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    named = {page for section in site for pages in section.values() for page in pages}
    own = {p.name for p in (ROOT / "docs").glob("*.md")}
    assert {name for name in named if "/" not in name} == own
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {name for name in own if f"]({name})" not in index} <= {"README.md"}


def test_no_page_names_a_workplace() -> None:
    for page in PAGES:
        assert not re.search(r"/(work|tmp|home)/\w", page.read_text(encoding="utf-8")), page
