"""What a larger model gains, against the laws' own formulas, and the doubt beside laws without a band."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hwmodel.catalog import load_catalog
from hwmodel.cli.law import command
from hwmodel.errors import InputError
from hwmodel.solve.law.gain import gains

SPECS = load_catalog().laws()


def test_gain_at_fixed_data_is_the_difference_of_the_size_terms():
    found = {r.law: r for r in gains(SPECS, 1e10, 1e11, 2e12).rows}
    c = load_catalog().law("besiroglu_2024").constants
    exact = c["A"] * (1e10 ** -c["alpha"] - 1e11 ** -c["alpha"])
    gain = found["besiroglu_2024"].gain_nats
    assert gain.value == pytest.approx(exact, rel=1e-9)
    assert gain.low < gain.value < gain.high
    assert len(found) >= 2  # a second law stands beside it


def test_best_data_gain_more_than_the_same_data():
    best, same = (gains(SPECS, 1e10, 1e11, tokens) for tokens in (None, 2e11))
    row = {r.law: r for r in best.rows}["besiroglu_2024"]
    assert row.tokens_large > 5 * row.tokens_small
    assert best.gain_low > same.gain_low
    assert 0.0 < row.gain_share.value < 1.0
    assert best.gain_low <= row.gain_nats.value <= best.gain_high


def test_sizes_out_of_order_and_laws_that_cannot_say():
    with pytest.raises(InputError, match="the smaller first"):
        gains(SPECS, 1e11, 1e10, None)
    refused = gains(SPECS, 1e10, 1e11, None).refused
    assert "non-embedding" in refused["kaplan_2020/L_ND"]
    assert "llama3_2024" in refused


def test_a_law_without_a_band_shows_the_other_laws():
    run = CliRunner().invoke(command, ["optimum", "llama3_2024", "--flops", "5.76e23", "--format", "json"])
    ensemble = json.loads(run.stdout)["ensemble"]
    assert ensemble["params"]["low"] == pytest.approx(55.9e9, rel=0.01)
    assert ensemble["params"]["high"] == pytest.approx(82e9, rel=0.01)
    text = CliRunner().invoke(command, ["optimum", "llama3_2024", "--flops", "5.76e23"]).stdout
    assert "size under other laws" in text
    own = CliRunner().invoke(command, ["optimum", "besiroglu_2024", "--flops", "5.76e23"]).stdout
    assert "size under other laws" not in own


def test_gain_on_the_command_line():
    text = CliRunner().invoke(command, ["gain", "--from", "10B", "--to", "100B"], catch_exceptions=False).stdout
    assert "besiroglu_2024" in text
    assert "levels of two laws do not compare, gains do" in text
    thresholds = CliRunner().invoke(command, ["eval", "wei_emergent_2022", "--flop", "1e24"]).stdout
    flops = CliRunner().invoke(command, ["eval", "wei_emergent_2022", "--flops", "1e24"]).stdout
    assert "A threshold belongs to its metric" in thresholds + flops
