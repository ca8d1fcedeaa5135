"""Steps of reinforcement learning: lengths, rollouts against hand-worked cases, pools and lag."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration, rl_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.catalog.stacks import training_stack
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.predict.formats import formats_of
from hwmodel.predict.rl import RlSetting, lengths_from_histogram, lengths_of, phases, rollout_worker, step_terms
from hwmodel.predict.rl.phases import rollout_s, steady_rollout_s, waited_rollout_s
from hwmodel.predict.service.passes import bulk_s, capacity, step_s
from hwmodel.predict.service.setting import ServiceSetting, Worker
from hwmodel.predict.training import TrainingRun
from hwmodel.specs.rl import ResponseLengths
from hwmodel.specs.serving import ServingLayout, ServingLoad

PROMPT = 100.0


def setting(
    model: str = "llama-3.1-8b", gpus: float = 16.0, lengths: ResponseLengths | None = None, **fields: object
) -> RlSetting:
    """A step of 64 x 16 rollouts on H100s."""
    catalog = load_catalog()
    shape, part = catalog.model(model), catalog.part("h100-sxm5-80gb")
    system, recipe = catalog.default_system(part), catalog.serving_precision("bf16")
    training = catalog.precision("bf16")
    lengths = lengths or lengths_from_histogram([(200, 0.5), (1000, 0.5)])
    worker = Worker(
        machine=machine(part, system, recipe, kernel_calibration()), formats=formats_of(shape, recipe),
        engine=engine_of(serving_calibration(), "vllm", 0.0, part.family, "bf16"), layout=ServingLayout(),
    )  # fmt: skip
    one = ServiceSetting(shape=shape, worker=worker, load=ServingLoad(prompt_tokens=PROMPT, output_tokens=lengths.mean))
    run = TrainingRun(
        shape=shape, machine=machine(part, system, training, kernel_calibration()), precision=training,
        stack=training_stack("megatron-core", part.family), accelerators=gpus,
        seq_len=float(round(PROMPT + lengths.mean)), global_batch_seqs=1024.0,
    )  # fmt: skip
    base = RlSetting(
        rollouts=rollout_worker(one, gpus, 1024.0, 1.0 if model == "llama-3.1-8b" else None), rollout_accelerators=gpus,
        training=run, prompts=64.0, samples=16.0, lengths=lengths,
    )  # fmt: skip
    return msgspec.structs.replace(base, **fields)


@given(limit=st.floats(200, 1e5), share=st.floats(0.05, 0.9), sd=st.floats(0.3, 1.5), count=st.integers(8, 100_000))
@settings(max_examples=60, deadline=None)
def test_lengths_keep_their_mean_and_limit(limit: float, share: float, sd: float, count: int) -> None:
    found = lengths_of(share * limit, limit, sd, count)
    assert found.mean == pytest.approx(share * limit, rel=1e-6)
    assert found.longest <= limit * (1 + 1e-12)
    assert list(found.tokens) == sorted(found.tokens)
    assert math.fsum(found.shares) == pytest.approx(1.0)


def test_more_rollouts_have_a_longer_longest() -> None:
    assert lengths_of(1000, None, 0.8, 10_000).longest > lengths_of(1000, None, 0.8, 100).longest


def test_a_mean_beyond_the_limit_is_refused() -> None:
    with pytest.raises(InputError, match="beyond the limit of 512"):
        lengths_of(600, 512, 1.0, 64)


@pytest.mark.parametrize("pairs", [[], [(0.0, 1.0)], [(100.0, 1.0), (200.0, -1.0)]])
def test_a_histogram_needs_lengths_and_weights(pairs: list[tuple[float, float]]) -> None:
    with pytest.raises(InputError, match="histogram"):
        lengths_from_histogram(pairs)


def test_rollouts_by_hand() -> None:
    """Half of the responses end at 200 tokens, half at 1,000: 200 steps of all, then 800 of half."""
    s = setting()
    one, mine = s.rollouts, 1024.0 / 16.0
    assert float(capacity(one)) > mine

    def at(running: float, context: float) -> float:
        load = ServingLoad(prompt_tokens=context, output_tokens=0.0)
        return float(step_s(msgspec.structs.replace(one, load=load), running))

    reading = 64.0 / 16.0 * float(bulk_s(one, 1.0))
    expected = 200.0 * at(mine, PROMPT + 100.0) + 800.0 * at(mine / 2.0, PROMPT + 600.0) + reading
    assert rollout_s(s) == pytest.approx(expected, rel=1e-9)
    assert rollout_s(s, 0.5) == pytest.approx(200.0 * at(mine, PROMPT + 100.0) + reading, rel=1e-9)


def test_the_longest_rollout_sets_the_time() -> None:
    """A hundredth of the responses four times as long hardly adds tokens and adds most of the time."""
    short = setting(lengths=lengths_from_histogram([(1000, 1.0)]))
    tail = setting(lengths=lengths_from_histogram([(1000, 0.99), (4000, 0.01)]))
    assert tail.lengths.mean < 1.04 * short.lengths.mean
    assert rollout_s(tail) > 2.0 * rollout_s(short)
    assert steady_rollout_s(tail) < 1.1 * steady_rollout_s(short)


def test_more_rollouts_than_the_cache_holds_wait() -> None:
    lengths = lengths_from_histogram([(4000, 1.0)])
    few, many = setting(lengths=lengths, gpus=8.0), setting(lengths=lengths, gpus=8.0, samples=160.0)
    assert float(capacity(many.rollouts)) < 160.0 * 64.0 / 8.0
    assert rollout_s(many) > 3.0 * rollout_s(few)


def test_staleness_shortens_the_wait() -> None:
    """Older weights never make a step wait longer, and a share of the tail left over saves most of it."""
    s = setting(lengths=lengths_of(1200, 16_000, 1.2, 1024), colocated=False)
    waits = [waited_rollout_s(msgspec.structs.replace(s, lag=lag)) for lag in (0.0, 0.1, 0.3)]
    assert waits[0] > 2.0 * waits[1] >= 2.0 * waits[2] * 0.999
    whole = [waited_rollout_s(msgspec.structs.replace(s, lag=lag)) for lag in (1.0, 2.0, 8.0)]
    assert whole[0] == pytest.approx(rollout_s(s))
    assert whole[0] > whole[1] >= whole[2]


def test_two_pools_overlap_and_one_does_not() -> None:
    c = rl_calibration()
    one = step_terms(phases(setting()), c)
    split = setting(colocated=False, lag=1.0)
    two = step_terms(phases(split), c)
    assert one.hidden_s == 0.0
    assert one.switch_s > 0.0 == two.switch_s
    assert two.hidden_s == pytest.approx(min(two.rollout_s, two.logprob_s + two.update_s))
    shown = max(two.rollout_s, two.logprob_s + two.update_s) + two.sync_s + two.other_s
    assert two.total_s == pytest.approx(shown)
    assert split.accelerators == 32.0


def test_scoring_and_updates_count_their_passes() -> None:
    one, two = (phases(setting(scored_passes=n)) for n in (1.0, 2.0))
    assert two.logprob_s == pytest.approx(2.0 * one.logprob_s)
    assert one.logprob_s < 0.5 * one.update_s


def test_a_verifier_adds_its_seconds() -> None:
    p, c = phases(setting()), rl_calibration()
    assert step_terms(p, c, 30.0).total_s == pytest.approx(step_terms(p, c).total_s + 30.0)


def test_rollouts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InfeasibleError, match="rollouts of deepseek-v3"):
        setting(model="deepseek-v3", gpus=8.0)
