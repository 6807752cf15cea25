"""How far a study is and how long it will still take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslfast.planning.progress import Progress, Row, Step
from sslfast.planning.steps import Asked, steps_of


def steps(n: int, seconds: float | None = None, stage: str = "head", needs: tuple = ()) -> list[Step]:
    return [Step(f"{stage} {i}", stage, f"{stage}/conv", needs, seconds) for i in range(n)]


@st.composite
def runs(draw):
    """Steps, some planned and some that need others, how many times as long each takes as planned, and slots."""
    found, planned = [], st.one_of(st.none(), st.floats(0.1, 100))
    for i in range(draw(st.integers(1, 10))):
        needs = draw(st.sets(st.integers(0, i - 1), max_size=2)) if i else ()
        found.append(Step(i, draw(st.sampled_from("abc")), draw(st.sampled_from("xyz")), tuple(needs), draw(planned)))
    took = draw(st.lists(st.floats(0, 200), min_size=len(found), max_size=len(found)))
    return found, took, draw(st.integers(1, 4))


@given(runs())
def test_time_left_is_never_negative_and_is_nothing_at_the_end(run):
    found, took, slots = run
    progress, now = Progress(found, slots, 0.0), 0.0
    for step, seconds in zip(found, took, strict=True):
        progress.start(step.id, now)
        for _ in range(2):
            assert progress.left(now).seconds >= 0
            now += seconds / 2
        assert not progress.is_over
        progress.finish(step.id, now)
    assert progress.is_over
    assert progress.left(now).seconds == 0 and not progress.left(now).at_least


def test_before_anything_was_seen_it_is_the_plan():
    assert Progress(steps(6, 10.0), 2, 0.0).left(0.0).seconds == pytest.approx(30)


@given(st.floats(0.2, 8), st.integers(20, 60))
def test_a_plan_is_corrected_by_what_was_seen(times, n):
    progress, now = Progress(steps(n + 10, 100.0), 1, 0.0), 0.0
    for step in steps(n):
        progress.start(step.id, now)
        now += 100 * times
        progress.finish(step.id, now)
    assert progress.left(now).seconds == pytest.approx(10 * 100 * times, rel=0.02)


def test_one_short_job_does_not_throw_a_plan_over():
    progress = Progress([*steps(1, 0.5, "split"), *steps(10, 100.0)], 1, 0.0)
    progress.start("split 0", 0.0)
    progress.finish("split 0", 3.0)  # six times as long as planned
    assert 1000 <= progress.left(3.0).seconds < 1300


def test_what_one_stage_takes_corrects_others_less_than_its_own():
    progress = Progress([*steps(6, 100.0, "pretrain"), *steps(1, 100.0, "head")], 1, 0.0)
    for i in range(5):
        progress.start(f"pretrain {i}", 200.0 * i)
        progress.finish(f"pretrain {i}", 200.0 * (i + 1))
    progress.start("pretrain 5", 1000.0)
    progress.start("head 0", 1000.0)
    own, other = (one.expected for one in progress.running(1000.0))
    assert own == pytest.approx(200, rel=0.01) and 150 < other <= own


def test_without_a_plan_it_is_what_such_jobs_took_and_at_least_that_where_a_stage_is_not_seen():
    progress = Progress([*steps(5), *steps(1, None, "report")], 1, 0.0)
    assert progress.left(0.0).at_least and progress.left(0.0).seconds == 0
    for i in range(2):
        progress.start(f"head {i}", 10.0 * i)
        progress.finish(f"head {i}", 10.0 * (i + 1))
    assert progress.left(20.0).seconds == pytest.approx(30) and progress.left(20.0).at_least
    progress.start("report 0", 20.0)
    progress.finish("report 0", 24.0)
    assert progress.left(24.0).seconds == pytest.approx(30) and not progress.left(24.0).at_least


def test_a_job_that_takes_longer_than_expected_is_not_about_to_end_for_ever():
    progress = Progress(steps(1, 10.0), 1, 0.0)
    progress.start("head 0", 0.0)
    assert progress.left(4.0).seconds == pytest.approx(6)
    assert progress.left(100.0).seconds == pytest.approx(10)


def test_jobs_that_are_begun_as_one_share_its_time():
    progress = Progress(steps(4), 1, 0.0)
    for i in range(2):
        progress.start(f"head {i}", 0.0, together=2)
    for i in range(2):
        progress.finish(f"head {i}", 20.0)
    assert progress.left(20.0).seconds == pytest.approx(20)


@pytest.mark.parametrize("keep_going, left", [(False, 10), (True, 20)])
def test_what_needs_a_job_that_failed_is_not_waited_for(keep_going, left):
    chain = [*steps(2, 10.0, "pretrain"), *steps(1, 1000.0, "report", ("pretrain 0",))]
    progress = Progress([*chain, *steps(1, 20.0)], 3, 0.0, keep_going=keep_going)
    for i in range(2):
        progress.start(f"pretrain {i}", 0.0)
    progress.fail("pretrain 0")
    assert progress.left(0.0).seconds == pytest.approx(left)


def test_a_job_that_is_begun_again_counts_as_failed_no_more():
    progress = Progress(steps(2, 10.0), 2, 0.0)
    progress.start("head 0", 0.0)
    progress.fail("head 0")
    assert progress.rows() == [Row("head", 2, 0, 0, 1)]
    progress.again("head 0")
    assert progress.rows() == [Row("head", 2, 0, 0, 0)]
    progress.start("head 0", 5.0)
    assert progress.rows() == [Row("head", 2, 0, 1, 0)]
    assert progress.left(5.0).seconds == pytest.approx(10)


def test_what_was_done_before_is_counted_and_takes_no_time():
    progress = Progress(
        [Step(0, "images", "images", done=True), Step(1, "split", "split", needs=(0,), seconds=5.0)], 1, 0.0
    )
    assert progress.rows() == [Row("images", 1, 1, 0, 0), Row("split", 1, 0, 0, 0)]
    assert progress.left(0.0).seconds == pytest.approx(5)


def test_jobs_are_shown_by_stage_in_the_order_of_a_study_with_the_seconds_of_the_plan():
    root = "anywhere/results/study"
    cell, probe = (f"records/{stage}/autoencoder-conv-u0.2-l0.1-s0" for stage in ("classify", "linear"))
    jobs = [
        Asked(0, "report", {}, ["reports/study/report.html"], (1, 2)),
        Asked(1, "classify", {"stage": "linear", "seed": "0"}, [f"{root}/{probe}.json", f"{root}/{probe}.npy"], (3,)),
        Asked(2, "classify", {"stage": "classify", "seed": "0"}, [f"{root}/{cell}.json", f"{root}/{cell}.npy"], (3,)),
        Asked(3, "split", {"seed": "0"}, [f"{root}/splits/digits-s0.parquet"], (), True),
    ]
    estimates = {"split/s0": (1, 0, 0), cell.removeprefix("records/"): (7.5, 7, 300), "report": (None, None, 0)}
    found = steps_of(jobs, {"estimates": estimates})
    assert [(step.id, step.stage, step.seconds, step.done) for step in found] == [
        (3, "split", 1, True), (1, "linear", None, False), (2, "head", 7.5, False), (0, "report", None, False),
    ]  # fmt: skip
    assert [step.kind for step in found] == ["split", "linear/conv", "classify/conv", "report"]
    assert [step.seconds for step in steps_of(jobs, None)] == [None] * 4
