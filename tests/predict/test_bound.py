"""The premises of the exact floors of time and memory, drawn: what they exclude could not have won."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.errors import InputError
from hwmodel.physics.memory import peak_memory
from hwmodel.physics.shape import shape_for_params
from hwmodel.physics.training import step
from hwmodel.predict.bound import A_MICRO_BATCH, grid, memory_floor, time_floor
from hwmodel.predict.layouts import Cases, layout_space
from hwmodel.predict.policy import Policy, policy
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, resolve
from hwmodel.specs import Layout, Shape, Workload
from hwmodel.specs.layout import SCHEDULES

PARTS = ("A100", "H100", "B200", "MI300X", "TPU v5p", "V100")
MODELS = ("llama-3.1-70b", "mixtral-8x7b", "deepseek-v3", "gpt-3-175b")


@cache
def asked(part: str, precision: str) -> Fleeted | None:
    """The setting of a part in a recipe; None where the part lacks it."""
    try:
        found = resolve(parse_request(gpus=f"64x{part}", tokens="1T", precision=precision))
    except InputError:
        return None
    assert isinstance(found, Fleeted)
    return found


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Fleeted, Shape, Cases, Policy]:
    """A setting, a model, some fleets with their batch, and the layouts that a question may fix."""
    setting = asked(draw(st.sampled_from(PARTS)), draw(st.sampled_from(("bf16", "fp8", "mxfp8", "nvfp4"))))
    setting = setting or asked("H100", "fp8")
    assert setting is not None
    model = draw(st.sampled_from((*MODELS, "")))
    shape = setting.catalog.model(model) if model else shape_for_params(10.0 ** draw(st.floats(8.0, 12.0)))
    sizes = np.array(sorted({float(draw(st.integers(1, 20_000))) for _ in range(3)}))
    cap = float(draw(st.sampled_from((1, 7, 216, 1024, 4096))))
    fixed: dict[str, float | tuple[float, ...]] = draw(
        st.sampled_from([{}, {"tp": 8.0}, {"zero": 3.0}, {"pp": 4.0, "vpp": 2.0}, {"micro_batch": (1.0, 3.0)}])
    )
    offload = draw(st.sampled_from([("none",), ("none", "optimizer"), ("activations",)]))
    cases = Cases(
        shape=shape, accelerators=sizes, batch_cap_seqs=np.full(len(sizes), cap), batch_given=draw(st.booleans()),
        seq_len=float(draw(st.sampled_from((2048, 4096, 32_768)))),
        trainable_fraction=draw(st.sampled_from((1.0, 0.01))),
    )  # fmt: skip
    schedules = draw(st.sampled_from([(), SCHEDULES, ("zb-h2", "dualpipe"), ("dualpipev",)]))
    return setting, shape, cases, policy(setting.stack, fixed, offload=offload, schedules=schedules)


@settings(max_examples=20, deadline=None)
@given(fleets())
def test_no_layout_is_below_its_floors(drawn: tuple[Fleeted, Shape, Cases, Policy]) -> None:
    assert_floors_hold(*drawn)


def test_schedules_where_the_host_launches_too_slowly() -> None:
    """A hundredth of DeepSeek-V3 trained in fp8 under DualPipe: casts of weights are longer in few micro-batches, the
    host then waits less, and the bubble of paired passes is shorter than in many."""
    setting = asked("H100", "fp8")
    assert setting is not None
    cases = Cases(
        shape=setting.catalog.model("deepseek-v3"), accelerators=np.array([8192.0]), batch_cap_seqs=np.array([1024.0]),
        batch_given=True, seq_len=2048.0, trainable_fraction=0.01,
    )  # fmt: skip
    fixed = policy(setting.stack, {"tp": 2.0, "cp": 8.0, "pp": 8.0, "ep": 1.0}, schedules=SCHEDULES)
    assert_floors_hold(setting, cases.shape, cases, fixed)


def assert_floors_hold(setting: Fleeted, shape: Shape, cases: Cases, fixed: Policy) -> None:
    """Every layout of the space takes at least its floor of time and of memory."""
    domain = float(setting.machine.network.domain)
    space, whole = layout_space(cases, domain, fixed), grid(cases, domain, fixed)
    case, option = np.nonzero(whole.dp[:, whole.kind] > 0)
    assert space.count == len(case)
    assert np.array_equal(space.case, case)
    if not space.count:
        return
    load = Workload(seq_len=cases.seq_len, global_batch_seqs=space.batch_seqs,
                    trainable_fraction=cases.trainable_fraction)  # fmt: skip
    terms = step(shape, setting.machine, setting.precision, space.layout, load, setting.stack)
    assert all(np.min(value) >= 0.0 for value in msgspec.structs.astuple(terms))
    floor, kind = time_floor(whole, setting.machine, setting.precision, setting.stack), whole.kind[option]
    least = floor.stage_s[option] * floor.rounds[case, kind] + floor.once_s[option] * floor.share[case, kind]
    assert np.all(least <= terms.total_s / space.batch_seqs)
    held = peak_memory(shape, setting.precision, space.layout, load, setting.stack).total_bytes
    assert np.all(memory_floor(whole, setting.precision, setting.stack)[option] <= held)


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
@pytest.mark.parametrize("model", MODELS)
def test_a_micro_batch_does_not_know_the_replicas(model: str, precision: str) -> None:
    """Seconds of a micro-batch on the slowest stage are the same on any number of replicas; what weights cast once a
    step add to one falls with its micro-batches."""
    setting = asked("H100", precision)
    assert setting is not None
    shape = setting.catalog.model(model)

    def stage(dp: float, rounds: float) -> float:
        layout = Layout(tp=4.0, pp=4.0, ep=8.0 if shape.blocks[-1].n_experts > 0 else 1.0, dp=dp, micro_batch=2.0)
        load = Workload(seq_len=4096.0, global_batch_seqs=2.0 * dp * rounds)
        terms = step(shape, setting.machine, setting.precision, layout, load, setting.stack)
        return (sum(float(getattr(terms, n)) for n in A_MICRO_BATCH) - float(setting.stack.step_s)) / rounds

    few, many, more = stage(8.0, 16.0), stage(512.0, 16.0), stage(8.0, 1024.0)
    assert few == pytest.approx(many, rel=1e-12)
    assert more <= few * (1.0 + 1e-12)
    assert precision == "fp8" or more == pytest.approx(few, rel=1e-12)


def test_the_floor_is_near_the_step() -> None:
    """A floor of nothing would be exact too: this one is most of the step."""
    setting = asked("H100", "bf16")
    assert setting is not None
    cases = Cases(shape=shape_for_params(70e9), accelerators=np.array([1024.0]), batch_cap_seqs=np.array([1024.0]),
                  batch_given=False, seq_len=4096.0)  # fmt: skip
    whole = grid(cases, 8.0, policy(setting.stack, {}))
    case, option = np.nonzero(whole.dp[:, whole.kind] > 0)
    space, kind = whole.layouts(option, case), whole.kind[option]
    load = Workload(seq_len=4096.0, global_batch_seqs=space.batch_seqs)
    total = step(cases.shape, setting.machine, setting.precision, space.layout, load, setting.stack).total_s
    floor = time_floor(whole, setting.machine, setting.precision, setting.stack)
    least = floor.stage_s[option] * floor.rounds[case, kind] + floor.once_s[option] * floor.share[case, kind]
    assert np.median(least * space.batch_seqs / total) > 0.8
