"""The traced physics and the compiled search against the text of the physics."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import HwModelError
from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.predict import c_text, compiler, exact_in_c
from hwmodel.predict import fastest as searches
from hwmodel.predict import kernel as kernel_module
from hwmodel.predict.bound import SLACK, grid, memory_floor, most_replicas, time_floor
from hwmodel.predict.fastest import fastest, fronts
from hwmodel.predict.kernel import Bound, KernelInputs, bound_kernel, option_columns, traced_search
from hwmodel.predict.layouts import Cases
from hwmodel.predict.policy import policy
from hwmodel.predict.search import Evaluation, evaluate, few_of, pareto, timed
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, resolve
from hwmodel.solve.run.billing import billed_hours
from hwmodel.specs import Workload
from hwmodel.trace import Program, numbers
from tests.predict.fleets import FLEETS, NAMES, QUESTIONS, Question

COMPILES = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler on this machine")


def drawn(asked: Question):
    """A grid of a question, and layouts of it drawn at random with their options."""
    setting = asked.setting
    cases = asked.cases(setting, FLEETS)
    g = grid(cases, float(setting.machine.network.domain), asked.policy)
    case, option = np.nonzero(g.dp[:, g.kind] > 0)
    some = np.random.default_rng(1).integers(0, len(case), 3000)
    option, case = option[some], case[some]
    space = g.layouts(option, case)
    load = Workload(seq_len=cases.seq_len, global_batch_seqs=space.batch_seqs)
    seconds = step(cases.shape, setting.machine, setting.precision, space.layout, load, setting.stack).total_s
    held = peak_memory(cases.shape, setting.precision, space.layout, load, setting.stack).total_bytes
    return setting, g, option, space, seconds, held


@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
def test_the_graph_is_the_text_to_the_bit(asked: Question) -> None:
    setting, g, option, space, seconds, held = drawn(asked)
    records = KernelInputs(g.cases.shape, setting.machine, setting.precision, setting.stack)
    columns = option_columns(g)
    graph, ends = traced_search(records, columns, 1.0)
    given = numbers(records) | {
        f"layout.{n}": v[option] if isinstance(v, np.ndarray) else v for n, v in columns.items()
    }
    given |= {"seq_len": 4096.0, "dp": np.asarray(space.layout.dp), "batch": space.batch_seqs}
    found = Program(graph, [ends.step, ends.held])(given)
    assert np.array_equal(found[0], seconds)
    assert np.array_equal(found[1], held)


def test_most_of_the_physics_does_not_know_the_fleet() -> None:
    setting, g, *_ = drawn(QUESTIONS[0])
    records = KernelInputs(g.cases.shape, setting.machine, setting.precision, setting.stack)
    graph, ends = traced_search(records, option_columns(g), 1.0)
    needed = [graph.levels[place] for place in graph.needed((ends.step, ends.held), 0)]
    assert needed.count(2) < 0.3 * len(needed)
    # Nor do the floors, which need few operations that a step and its memory do not.
    every = [graph.levels[place] for place in graph.needed(ends, 0)]
    assert every.count(2) == needed.count(2)
    assert len(every) < 1.3 * len(needed)


@COMPILES
@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
def test_compiled_layouts_are_the_text(asked: Question) -> None:
    setting, g, option, space, seconds, held = drawn(asked)
    kernel = bound_kernel(g, setting.machine, setting.precision, setting.stack)
    assert kernel is not None
    dp = np.ascontiguousarray(space.layout.dp)
    found = kernel.rows(option, dp, space.batch_seqs)
    assert found[0] == pytest.approx(seconds, rel=1e-12)
    assert found[1] == pytest.approx(held, rel=1e-12)


@COMPILES
@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
def test_compiled_layouts_one_by_one_are_the_text_to_the_bit(asked: Question) -> None:
    setting, g, _, space, seconds, held = drawn(asked)
    kernel = bound_kernel(g, setting.machine, setting.precision, setting.stack)
    assert kernel is not None
    assert kernel.kernel.source.exact is not None
    kernel.kernel.exact = True
    found = kernel.timed(space, lambda: pytest.fail("the text was asked"))
    assert np.array_equal(found[0], seconds)
    assert np.array_equal(found[1], held)


@COMPILES
def test_a_kernel_that_rounds_otherwise_leaves_layouts_to_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    setting, g, _, space, seconds, held = drawn(QUESTIONS[0])
    monkeypatch.setattr(kernel_module, "_KEPT", kernel_module.KeptKernels())
    kernel = bound_kernel(g, setting.machine, setting.precision, setting.stack)
    assert kernel is not None
    few, asked = space.rows(slice(40)), []

    def text():
        asked.append(1)
        return seconds[:40], held[:40]

    monkeypatch.setitem(exact_in_c.ROUNDED, "log", lambda x: np.log(x) * (1.0 + 1e-9))
    kernel.timed(few, text)
    assert kernel.kernel.exact is False
    monkeypatch.setitem(exact_in_c.ROUNDED, "log", np.log)
    kernel.timed(few, text)
    assert len(asked) == 2  # it is not asked again
    kernel.kernel.exact = None  # as where nobody looked
    assert np.array_equal(kernel.timed(few, text)[0], seconds[:40])
    assert kernel.kernel.exact is True
    kernel.timed(few, text)
    assert len(asked) == 3
    kernel.kernel.exact = None
    assert len(kernel.timed(space.rows(slice(0)), lambda: (seconds[:0], held[:0]))[0]) == 0
    assert kernel.kernel.exact is None  # of nothing nothing is seen


@COMPILES
@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
def test_compiled_floors_are_the_text(asked: Question) -> None:
    """Of every option, and of some of them, fewer than a block and more."""
    setting, g, *_ = drawn(asked)
    kernel = bound_kernel(g, setting.machine, setting.precision, setting.stack)
    assert kernel is not None
    lean = memory_floor(g, setting.precision, setting.stack)
    assert kernel.least_bytes(most_replicas(g)) * (1.0 - SLACK) == pytest.approx(lean, rel=1e-12)
    floor = time_floor(g, setting.machine, setting.precision, setting.stack)
    for some in (np.arange(g.width), np.arange(3, g.width, g.width // 50), np.arange(0)):
        stage_s, once_s = kernel.narrowed(some).least_seconds()
        assert stage_s * (1.0 - SLACK) == pytest.approx(floor.stage_s[some], rel=1e-12)
        assert once_s * (1.0 - SLACK) == pytest.approx(floor.once_s[some], rel=1e-12)


@COMPILES
def test_a_question_that_is_asked_again_has_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other fleets too; another machine, length or option has its own."""
    monkeypatch.setattr(kernel_module, "_KEPT", kernel_module.KeptKernels())
    setting = QUESTIONS[0].setting
    cases = QUESTIONS[0].cases(setting, [512.0, 1024.0])
    domain = float(setting.machine.network.domain)

    def bound(accelerators: float = 2048.0, hbm: float = 1.0, **given: float) -> Bound | None:
        some = msgspec.structs.replace(cases, accelerators=np.array([accelerators, 4096.0]), **given)
        machine = msgspec.structs.replace(setting.machine, hbm_bytes=setting.machine.hbm_bytes * hbm)
        g = grid(some, domain, QUESTIONS[0].policy)
        return bound_kernel(g, machine, setting.precision, setting.stack)

    one = bound()
    assert one is not None
    assert bound() is one
    assert bound(8192.0) is one
    others = [bound(hbm=0.5), bound(seq_len=8192.0), bound(trainable_fraction=0.01)]
    assert all(other is not None and other is not one for other in others)
    first = others[1]
    assert first is not None
    assert not np.array_equal(first.constants, one.constants)


FORMATS = ("bf16", "fp16", "fp8", "mxfp8", "nvfp4", "fp8-block")
MODELS = ("llama-3.1-8b", "mixtral-8x7b", "deepseek-v3")


def every_setting() -> Iterator[tuple[Fleeted, str]]:
    """All parts in all formats that they have, and a model for each in turn."""
    turn = cycle(MODELS)
    for part in load_catalog().parts():
        for number_format in FORMATS:
            with contextlib.suppress(HwModelError):
                found = resolve(parse_request(gpus=f"64x{part.id}", tokens="1T", precision=number_format))
                assert isinstance(found, Fleeted)
                yield found, next(turn)


@COMPILES
def test_one_kernel_serves_all_parts_and_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terms that one of them lacks are computed, and come to nothing: floors and layouts are those of the text."""
    monkeypatch.setattr(kernel_module, "_KEPT", kernel_module.KeptKernels())
    asked = 0
    for setting, model in islice(every_setting(), 0, None, 2):
        asked += 1
        shape = setting.catalog.model(model)
        cases = Cases(shape=shape, accelerators=np.array([64.0, 1000.0]), batch_cap_seqs=np.full(2, 4096.0),
                      batch_given=False, seq_len=4096.0)  # fmt: skip
        whole = grid(cases, float(setting.machine.network.domain), policy(setting.stack, {}))
        kernel = bound_kernel(whole, setting.machine, setting.precision, setting.stack)
        assert kernel is not None
        some = np.arange(asked % 7, whole.width, whole.width // 64)
        g, kernel = whole.narrowed(some), kernel.narrowed(some)
        lean = memory_floor(g, setting.precision, setting.stack)
        assert kernel.least_bytes(most_replicas(g)) * (1.0 - SLACK) == pytest.approx(lean, rel=1e-12)
        floor = time_floor(g, setting.machine, setting.precision, setting.stack)
        for found, text in zip(kernel.least_seconds(), (floor.stage_s, floor.once_s)):
            assert found * (1.0 - SLACK) == pytest.approx(text, rel=1e-12)
        case, option = np.nonzero(g.dp[:, g.kind] > 0)
        space = g.layouts(option, case)
        step_s, held = kernel.rows(option, space.dp, space.batch_seqs)
        text_s, text_held = timed(cases, space, setting.machine, setting.precision, setting.stack)
        fits = np.isfinite(text_s)
        assert step_s[fits] == pytest.approx(text_s[fits], rel=1e-12)
        assert held == pytest.approx(text_held, rel=1e-12)
        kernel.kernel.exact = True
        step_s, held = kernel.timed(space, lambda: pytest.fail("the text was asked"))
        assert np.array_equal(step_s[fits], text_s[fits])
        assert np.array_equal(held, text_held)
    assert asked > 100
    assert len(kernel_module._KEPT.made) < 12


@COMPILES
@pytest.mark.parametrize("where", ["lean", "floor", "search"])
def test_what_is_no_number_excludes_nothing(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A kernel that comes to none leaves the search to the text."""
    asked = QUESTIONS[0]
    cases = asked.cases(asked.setting, FLEETS)
    common = (cases, asked.setting.machine, asked.setting.precision, asked.setting.stack, asked.policy)
    of_text, of_front = fastest(*common), fronts(*common)
    lean, seconds = Bound.least_bytes, Bound.least_seconds

    def spoilt_lean(kernel: Bound, most: np.ndarray) -> np.ndarray:
        return lean(kernel, most) + np.where(np.arange(len(most)) == 7, np.nan, 0.0)

    def spoilt(kernel: Bound) -> tuple[np.ndarray, np.ndarray]:
        stage_s, once_s = seconds(kernel)
        if where == "search":
            kernel.constants.setflags(write=True)
            kernel.constants[:] = np.nan
        else:
            once_s[-1] = np.nan
        return stage_s, once_s

    name, fault = ("least_bytes", spoilt_lean) if where == "lean" else ("least_seconds", spoilt)
    monkeypatch.setattr(Bound, name, fault)
    monkeypatch.setattr(kernel_module, "_KEPT", kernel_module.KeptKernels())
    few, front = fastest(*common, compiled=True), fronts(*common, compiled=True)
    assert few.tally == of_text.tally
    assert front.tally == of_front.tally
    for found, text in ((few, of_text), (front, of_front)):
        assert np.array_equal(found.evaluation.step_s, text.evaluation.step_s)


@COMPILES
@pytest.mark.parametrize("fleets", [[1024.0], [6144.0, 2000.0]])
def test_compiled_winners_of_one_fleet_and_of_two(fleets: list[float]) -> None:
    """Fewer than the text searches behind floors."""
    asked = QUESTIONS[2]
    cases = asked.cases(asked.setting, fleets)
    common = (cases, asked.setting.machine, asked.setting.precision, asked.setting.stack, asked.policy)
    whole, few = evaluate(*common), fastest(*common, compiled=True)
    assert few.tally.layouts == whole.space.count
    assert few.evaluation.space.count < 0.02 * whole.space.count
    assert np.all(whole.best >= 0)
    for case in range(cases.count):
        assert rows_of(few.evaluation, few_of(few.evaluation, case, 1)) == rows_of(whole, few_of(whole, case, 1))


ONE = {"tp": 1.0, "cp": 1.0, "pp": 1.0, "vpp": 1.0, "zero": 1.0, "micro_batch": 1.0}


@COMPILES
@pytest.mark.parametrize(("fixed", "options"), [({"tp": 3.0}, 0), (ONE, 1)])
def test_no_option_and_one_without_a_setting(fixed: dict[str, float], options: int) -> None:
    """What all options agree on is no input of the kernel: one option of ones has none."""
    asked = QUESTIONS[4]
    setting, cases = asked.setting, asked.cases(asked.setting, FLEETS)
    plain = policy(setting.stack, fixed, again=("none",))
    for fleets in (cases, asked.cases(setting, FLEETS[:1])):
        common = (fleets, setting.machine, setting.precision, setting.stack, plain)
        whole, few, front = evaluate(*common), fastest(*common, compiled=True), fronts(*common, compiled=True)
        assert grid(fleets, 8.0, plain).width == options
        assert few.tally.layouts == front.tally.layouts == whole.space.count
        for case in range(fleets.count):
            assert rows_of(few.evaluation, few_of(few.evaluation, case, 1)) == rows_of(whole, few_of(whole, case, 1))
            assert rows_of(front.evaluation, pareto(front.evaluation, case)) == rows_of(whole, pareto(whole, case))


@COMPILES
@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
def test_compiled_winners_are_those_of_the_whole_space(asked: Question, billed: bool) -> None:
    setting = asked.setting
    cases = asked.cases(setting, FLEETS)
    bill = billed_hours(setting, cases.shape) if billed else None
    common = (cases, setting.machine, setting.precision, setting.stack, asked.policy, bill)
    whole, few = evaluate(*common), fastest(*common, compiled=True)
    assert few.evaluation.space.count < 0.02 * whole.space.count + 64 * cases.count
    assert few.tally.layouts == whole.space.count
    assert np.array_equal(few.layouts, np.bincount(whole.space.case, minlength=cases.count))
    for case in range(cases.count):
        row, other = int(whole.best[case]), int(few.evaluation.best[case])
        assert (row < 0) == (other < 0)
        if row < 0:  # as many bytes as the leanest layout holds
            bytes_of = [f.memory_bytes[f.space.case == case] for f in (whole, few.evaluation)]
            assert len(bytes_of[0]) == 0 or bytes_of[0].min() == bytes_of[1].min()
            assert len(bytes_of[1]) < 0.1 * len(bytes_of[0]) + 1
            continue
        assert whole.step_s[row] == few.evaluation.step_s[other]
        one, same = whole.space.rows(np.array([row])), few.evaluation.space.rows(np.array([other]))
        for name in one.layout.__struct_fields__:
            assert np.asarray(getattr(one.layout, name)) == np.asarray(getattr(same.layout, name)), name


def rows_of(found: Evaluation, rows: list[int]) -> list[tuple[float, ...]]:
    """Layouts with their figures, to the bit."""
    some = found.space.rows(np.array(rows, dtype=np.int64))
    layout = [np.broadcast_to(getattr(some.layout, n), len(rows)) for n in some.layout.__struct_fields__]
    figures = [found.billed_s[rows], found.step_s[rows], found.memory_bytes[rows], some.batch_seqs]
    return list(zip(*(column.tolist() for column in (*layout, *figures))))


@COMPILES
@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
def test_compiled_few_and_fronts_are_those_of_the_whole_space(asked: Question, billed: bool) -> None:
    setting = asked.setting
    cases = asked.cases(setting, FLEETS)
    bill = billed_hours(setting, cases.shape) if billed else None
    common = (cases, setting.machine, setting.precision, setting.stack, asked.policy, bill)
    whole, few, front = evaluate(*common), fastest(*common, keep=7, compiled=True), fronts(*common, compiled=True)
    for found in (few, front):
        assert found.tally.layouts == whole.space.count
        assert found.tally.evaluated < 0.5 * whole.space.count
        assert np.array_equal(found.layouts, np.bincount(whole.space.case, minlength=cases.count))
    for case in range(cases.count):
        best = few_of(whole, case, 7)
        assert rows_of(few.evaluation, few_of(few.evaluation, case, 7)) == rows_of(whole, best)
        assert rows_of(front.evaluation, pareto(front.evaluation, case)) == rows_of(whole, pareto(whole, case))


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=COMPILES), False])
def test_blocks_of_fleets_change_nothing(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """Nor do fleets out of order, blocks without a layout that fits, and the layouts with fewer replicas."""
    setting = QUESTIONS[1].setting
    cases = QUESTIONS[1].cases(setting, FLEETS)
    common = (cases, setting.machine, setting.precision, setting.stack, QUESTIONS[1].policy)
    whole = evaluate(*common)
    monkeypatch.setattr(searches, "MOST_CASES", 7)
    monkeypatch.setattr(searches, "MOST_ROWS", 20_000)
    few, front = fastest(*common, keep=3, compiled=compiled), fronts(*common, compiled=compiled)
    assert few.tally.layouts == front.tally.layouts == whole.space.count
    for case in range(cases.count):
        assert few.layouts[case] == front.layouts[case] == np.sum(whole.space.case == case)
        assert rows_of(few.evaluation, few_of(few.evaluation, case, 3)) == rows_of(whole, few_of(whole, case, 3))
        assert rows_of(front.evaluation, pareto(front.evaluation, case)) == rows_of(whole, pareto(whole, case))
        row, leanest = whole.pick(case), front.evaluation.pick(case)
        assert row >= 0 or leanest < 0
        assert row < 0 or whole.memory_bytes[row] == front.evaluation.memory_bytes[leanest]


@COMPILES
def test_a_full_front_excludes_less_and_nothing_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwmodel.predict import compiled, wanted

    setting = QUESTIONS[0].setting
    cases = QUESTIONS[0].cases(setting, FLEETS)
    common = (cases, setting.machine, setting.precision, setting.stack, QUESTIONS[0].policy)
    large = fronts(*common, compiled=True)
    for module in (compiled, wanted):
        monkeypatch.setattr(module, "FRONT_SIZE", 5)
    small = fronts(*common, compiled=True)
    assert small.tally.evaluated > large.tally.evaluated
    for case in range(cases.count):
        one, same = (rows_of(f.evaluation, pareto(f.evaluation, case)) for f in (large, small))
        assert one == same


@COMPILES
def test_a_front_that_drops_too_much_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above dies of a floor of memory that is a quarter too high."""
    true = Bound.least_bytes
    monkeypatch.setattr(Bound, "least_bytes", lambda *given: 1.25 * true(*given))
    with pytest.raises(AssertionError):
        test_compiled_few_and_fronts_are_those_of_the_whole_space(QUESTIONS[0], billed=False)


@COMPILES
def test_a_small_return_space_is_filled_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwmodel.predict import compiled

    setting = QUESTIONS[0].setting
    cases = QUESTIONS[0].cases(setting, FLEETS)
    common = (cases, setting.machine, setting.precision, setting.stack, QUESTIONS[0].policy)
    many = fastest(*common, compiled=True)
    monkeypatch.setattr(compiled, "SPACE", 1)
    few = fastest(*common, compiled=True)
    assert few.tally == many.tally
    assert np.array_equal(few.evaluation.step_s, many.evaluation.step_s)


def test_without_a_compiler_the_text_searches(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for setting in ("", "no-such-compiler", "false"):  # none wanted, none there, one that fails
        monkeypatch.setenv(compiler.OFF, setting)
        compiler.compiler.cache_clear()
        assert compiler.load("whole wrong(void)", tmp_path) is None
    monkeypatch.undo()
    compiler.compiler.cache_clear()
    assert not list(tmp_path.iterdir())


@COMPILES
def test_a_spoilt_library_is_not_used(tmp_path) -> None:
    text = "double twice(double x) { return 2.0 * x; }"
    assert compiler.load(text, tmp_path) is not None
    (made,) = tmp_path.iterdir()
    made.unlink()  # not written over: this process has it mapped
    made.write_bytes(b"not a library")
    done = subprocess.run(
        [sys.executable, "-c", "import sys, pathlib; from hwmodel.predict import compiler; "
         "print(compiler.load(sys.argv[1], pathlib.Path(sys.argv[2])))", text, str(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "None" not in done.stdout


def test_every_operation_has_a_c_spelling() -> None:
    from hwmodel.trace import FUNCTIONS

    spelt = {*c_text.INFIX, *c_text.CALLS, "where", "maximum", "minimum"}
    assert spelt == set(FUNCTIONS)
