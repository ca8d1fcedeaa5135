"""Claims are recomputed, not looked up: verdicts agree with those found by hand, and inputs change them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hwmodel.catalog import load_catalog
from hwmodel.cli.claims import command
from hwmodel.errors import InputError
from hwmodel.validation.claims import find_in_text, judge, read_claims

EXPECTED = yaml.safe_load((Path(__file__).parents[1] / "data" / "claims_expected.yaml").read_text())
CLAIMS = {c.id: c for c in read_claims()}
LAW = load_catalog().law


def test_all_51_are_there():
    assert sorted(CLAIMS) == sorted(EXPECTED) == list(range(1, 52))


@pytest.mark.parametrize("number", sorted(EXPECTED))
def test_verdict_and_numbers_agree_with_those_found_by_hand(number):
    found = judge(CLAIMS[number], LAW)
    assert found.verdict == EXPECTED[number]["verdict"], found.reasons
    for name, value in EXPECTED[number]["computed"].items():
        assert found.computed[name] == pytest.approx(value, rel=5e-3), name


@pytest.mark.parametrize("number", sorted(EXPECTED))
def test_changing_inputs_changes_the_verdict(number):
    claim = CLAIMS[number]
    changed = judge(claim, LAW, claim.mend)
    assert changed.verdict != judge(claim, LAW).verdict
    assert changed.verdict == ("right" if EXPECTED[number]["verdict"] != "right" else "wrong")


def test_an_input_that_a_claim_lacks_is_refused():
    with pytest.raises(InputError, match="has no input 'gpus'"):
        judge(CLAIMS[20], LAW, {"gpus": 4})


TEXT = """# A talk

The Chinchilla rule is C = 20 N, so BERT (trained on 64 TPU chips) was far off.
Kaplan's **Deep Scaling Law** says otherwise.

LLaMA needs 1024 A100 GPUs at 55 % for about
38 days. For 7B parameters, take 140B tokens.
"""


def test_known_phrasings_are_found_with_their_lines():
    found = {(m.id, m.line) for m in find_in_text(TEXT, list(CLAIMS.values()))}
    assert found == {(20, 3), (21, 3), (4, 4), (17, 6), (19, 7)}


def test_an_innocent_text_is_left_alone():
    text = "We train 70B parameters on 1.4T tokens.\n\nThe loss is 1.97 nats, the optimum near 20 tokens a parameter."
    assert find_in_text(text, list(CLAIMS.values())) == []


def test_command_line(tmp_path):
    run = CliRunner().invoke
    listed = json.loads(run(command, ["--format", "json"], catch_exceptions=False).stdout)
    assert len(listed["claims"]) == 51
    shown = json.loads(
        run(command, ["show", "20", "--set", "left=D", "--format", "json"], catch_exceptions=False).stdout
    )
    assert shown["verdict"] == "right"
    path = tmp_path / "talk.md"
    path.write_text(TEXT)
    checked = run(command, ["check", str(path)], catch_exceptions=False).stdout
    assert "Silence proves nothing" in checked
    assert "D = 20 N" in checked
