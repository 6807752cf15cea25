"""A study's progress in words."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sslfast.planning.progress import Left, Progress, Step
from sslfast.planning.screen import Style, ending, line_of, screen_of, stage_line

PLAIN = Style(colour=False)


def under_way() -> Progress:
    """Two stages, one of them done, jobs at work, one that failed."""
    steps = [Step("split", "split", "split"), *(Step(i, "pretrain", "pretrain", seconds=40.0) for i in range(12))]
    progress = Progress(steps, 2, 0.0, keep_going=True)
    progress.start("split", 0.0)
    progress.finish("split", 2.0)
    for i in range(5):
        progress.start(i, 10.0, f"pretrain conv (autoencoder), u 0.2, seed {i}")
    progress.finish(0, 50.0)
    progress.fail(1)
    return progress


def test_a_screen_says_what_is_done_what_runs_and_how_long_it_will_take():
    progress = under_way()
    assert screen_of("digits", progress, Left(200.0), 65.0, 80, 24, PLAIN) == [
        "digits: 2 of 13 jobs done, 1 failed after 65 s, about 3 min left",
        "  split     ━━━━━━━━━━━━━━━━━━━━━━━━   1 of  1",
        "  pretrain  ━━──────────────────────   1 of 12  3 at work  1 failed",
        "at work",
        *(f"  pretrain conv (autoencoder), u 0.2, seed {i}  55 s" for i in (2, 3, 4)),
    ]
    assert (
        "pretrain conv (autoencoder), u 0.2, seed 2  20 s of about 40 s"
        in screen_of("digits", progress, Left(200.0), 30.0, 80, 24, PLAIN)[4]
    )


def test_it_is_told_in_a_line_too():
    progress = under_way()
    assert line_of(progress, Left(200.0, True), 65.0) == (
        "2 of 13 jobs done, 1 failed after 65 s, at least 3 min left; at work: 3 pretrain"
    )
    assert line_of(progress, Left(0.0, True), 0.0).endswith("time left not known yet; at work: 3 pretrain")
    assert stage_line("split", progress, Left(7.0)) == "split done; 2 of 13 jobs done, 1 failed, about 7 s left"


def test_an_end_says_whether_all_is_done_and_else_what_to_do():
    assert ending("digits", under_way(), 100.0) == (
        "digits: ended after 2 min, 2 of 13 jobs done, 1 failed. The same command goes on from here."
    )
    progress = Progress([Step(0, "plan", "plan")], 1, 0.0)
    assert ending("digits", progress, 5.0).startswith("digits: stopped after 5 s, 0 of 1 job done.")
    progress.finish(0, 5.0)
    assert ending("digits", progress, 5.0) == "digits: done after 5 s, 1 job."
    progress = Progress([Step(0, "images", "images", done=True), Step(1, "split", "split")], 1, 0.0)
    progress.finish(1, 5.0)
    assert ending("digits", progress, 5.0) == "digits: done after 5 s, 2 jobs, 1 of them now."


@given(
    st.integers(20, 200), st.integers(1, 60), st.integers(1, 30), st.integers(0, 70), st.integers(0, 70), st.booleans()
)
def test_a_screen_fits_any_terminal(columns, lines, stages, running, failed, colour):
    steps = [Step((i, k), f"stage {i}", f"stage {i}", seconds=3.0) for i in range(stages) for k in range(5)]
    progress = Progress(steps, 4, 0.0)
    for step in steps[:running]:
        progress.start(step.id, 0.0, "pretrain conv (autoencoder), u 0.2, seed 100")
    for step in steps[:failed]:
        progress.fail(step.id)
    for left in (Left(1e6, True), None):
        shown = screen_of("a-study", progress, left, 1e5, columns, lines, Style(colour))
        bare = [re.sub(r"\x1b\[\d+m", "", line) for line in shown]
        assert 1 <= len(bare) <= lines
        assert max(map(len, bare)) <= columns
        assert colour or bare == shown
        assert bare[0].startswith("a-study: 0 of"[: columns - 1])


def test_where_there_is_little_room_what_is_under_way_stays():
    shown = screen_of("digits", under_way(), Left(200.0), 65.0, 80, 2, PLAIN)
    assert [line.split()[0] for line in shown] == ["digits:", "pretrain"]


def test_more_jobs_than_fit_are_counted():
    progress = Progress([Step(i, "head", "head") for i in range(64)], 64, 0.0)
    for i in range(64):
        progress.start(i, 0.0, f"cell {i}")
    shown = screen_of("digits", progress, Left(1.0), 1.0, 80, 40, PLAIN)
    named = [line for line in shown if line.startswith("  cell ")]
    assert f"  and {64 - len(named)} more" in shown and 3 < len(named) < 20


def test_where_characters_are_few_a_bar_is_of_ascii():
    shown = screen_of("digits", under_way(), Left(1.0), 65.0, 80, 24, Style(colour=False, unicode=False))
    assert all(line.isascii() for line in shown)
