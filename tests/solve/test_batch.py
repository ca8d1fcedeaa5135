"""The global batch: capped by the data, priced beyond, and read from tokens so that it divides."""

from __future__ import annotations

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.laws.batch import critical_batch_tokens, tokens_factor
from hwmodel.solve.plan.sides import cheapest_batch
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.question.parse import dividing_batch, parse_request
from hwmodel.solve.run.records import BatchTrade
from hwmodel.solve.run.result import value_of

LAW = load_catalog().law("cbs_zhang_2024")


def test_an_8b_on_15t_tokens_takes_the_batch_of_its_data() -> None:
    found = plan(gpus="1024xB200", params="8B", tokens="15T")
    assert found.batch is not None
    assert found.batch.global_batch_tokens >= 16e6
    assert found.batch.cap_seqs * 4096 == pytest.approx(float(critical_batch_tokens(LAW, 8e9, 15e12)))
    assert found.layout is not None
    assert found.layout.pp == 1


def test_without_tokens_the_size_sets_the_cap() -> None:
    found = plan(gpus="64xH100", time="30d")
    assert found.batch is not None
    size = value_of(found.answer.params)
    assert found.batch.cap_seqs * 4096 == pytest.approx(float(critical_batch_tokens(LAW, size)), rel=1e-6)


def test_tokens_of_a_batch() -> None:
    assert tokens_factor(1.0, 1.0) == pytest.approx(1.0)
    assert tokens_factor(0.0, 1.0) == pytest.approx(1 / 1.2)
    assert tokens_factor(4.0, 1.0) == pytest.approx(1.5)


def test_the_cap_says_what_it_costs() -> None:
    found = plan(gpus="512xH100", params="3B", tokens="60B")
    assert found.batch is not None
    rows = {round(one.tokens_factor, 3): one for one in found.batch.trade}
    assert any(one.days_factor == pytest.approx(1.0, rel=1e-6) for one in rows.values())
    batches = [one.global_batch_seqs for one in found.batch.trade]
    assert batches == sorted(batches)
    assert batches[-1] > batches[0]
    factors = [one.tokens_factor for one in found.batch.trade]
    assert factors == sorted(factors)
    given = plan(gpus="512xH100", params="3B", tokens="60B", global_batch=512).batch
    assert given is not None
    assert given.trade == []


@pytest.mark.parametrize(
    ("seqs", "gpus", "batch"), [(976.56, 384, 1152), (976.56, 1024, 1024), (976.56, None, 1024), (7.2, 8, 8)]
)
def test_a_batch_in_tokens_divides(seqs: float, gpus: int | None, batch: float) -> None:
    assert dividing_batch(seqs, gpus) == batch
    assert abs(batch / seqs - 1) <= 0.2


def test_a_batch_in_tokens_costs_little_and_says_what_it_is() -> None:
    asked = {"gpus": "384xH100", "params": "3B", "tokens": "300B"}
    found = plan(**asked, global_batch_tokens="4M")
    near = [plan(**asked, global_batch=seqs) for seqs in (768, 960, 1152)]
    days = value_of(found.answer.train_days)
    assert days <= 1.1 * min(value_of(one.answer.train_days) for one in near)
    assert any("read as 1,152 sequences" in line for line in found.warnings)
    # What is given in sequences is meant.
    assert parse_request(gpus="384xH100", params="3B", global_batch="977").global_batch_seqs == 977


def test_a_huge_batch_divides_as_quickly_as_a_small_one() -> None:
    # Powers of two and divisors of the fleet are looked at, and nothing is counted up to the batch.
    batch = dividing_batch(3.0e10 + 7.0, 512)
    assert batch % 512 == 0
    assert abs(batch / 3.0e10 - 1.0) <= 0.2
    prime = 999_999_937  # its divisors are 1 and itself
    assert dividing_batch(5.0e9, prime) == 5 * prime


def test_a_batch_that_is_cheaper_at_the_same_loss_is_said_in_both_directions() -> None:
    few = plan(gpus="64xH100", params="7B", tokens="1T")
    assert few.batch is not None
    assert few.batch.cheapest is not None
    assert few.batch.cheapest == min(few.batch.trade, key=lambda row: row.days_factor)
    assert few.batch.cheapest.global_batch_seqs < few.batch.global_batch_seqs
    many = plan(gpus="4096xH100", params="7B", tokens="140B")
    assert many.batch is not None
    assert many.batch.cheapest is not None
    assert many.batch.cheapest.global_batch_seqs > many.batch.cap_seqs
    assert many.batch.cheapest.tokens_factor > 1.0
    assert cheapest_batch([BatchTrade(global_batch_seqs=8.0, tokens_factor=0.98, days_factor=0.98)]) is None
    assert cheapest_batch([]) is None


def test_tokens_that_are_solved_set_the_critical_batch_too() -> None:
    found = plan(gpus="1024xB200", params="8B", time="30d")
    assert found.batch is not None
    tokens = value_of(found.answer.tokens)
    assert tokens > 100 * 8e9
    # The tokens that capped the batch are those before the batch was raised: a little fewer.
    capped = found.batch.cap_seqs * 4096
    assert float(critical_batch_tokens(LAW, 8e9)) * 2 < capped <= float(critical_batch_tokens(LAW, 8e9, tokens)) * 1.001
    assert capped == pytest.approx(float(critical_batch_tokens(LAW, 8e9, tokens)), rel=0.1)
    assert value_of(found.answer.elapsed_days) <= 30.0 * (1 + 1e-6)


def test_a_given_batch_is_held_against_the_critical_one_of_the_tokens_that_it_sees() -> None:
    found = plan(gpus="1024xB200", params="8B", time="30d", global_batch=4096)
    assert not any("exceeds the critical batch" in line for line in found.warnings)
    assert found.batch is not None
    assert found.batch.cap_seqs > 4096


def test_a_fleet_of_tpus_by_their_short_name_plans() -> None:
    found = plan(gpus="1024xTPUv4", tokens="1T")
    assert (found.resolved.accelerator, found.resolved.stack) == ("tpu-v4", "jax")
    assert 20e9 < value_of(found.answer.params) < 100e9
