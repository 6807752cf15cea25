"""What a person sees while Snakemake runs: its events, as it logs them, and what is written then."""

import io
import logging
import os
import pty
import re
import time
from types import SimpleNamespace

import pytest
from terminals import screen_after

from sslfast.planning import watch as module
from sslfast.planning.progress import Step
from sslfast.planning.watch import watch

STEPS = [
    Step(0, "split", "split"),
    Step(1, "head", "head", needs=(0,)),
    Step(2, "head", "head", needs=(0,)),
    Step(3, "report", "report", needs=(1, 2)),
]


class Snakemake:
    """A logger with the handler that Snakemake's has, and its events."""

    def __init__(self, stream, page="no/such/report.html", **options):
        self.logger = logging.Logger("snakemake", logging.INFO)
        handler = logging.StreamHandler(stream)
        handler.name = "DefaultStreamHandler"
        self.logger.addHandler(handler)
        self.watch = watch(self.logger, "digits", page, **options)

    def say(self, text, event=None, **told):
        self.logger.log(
            logging.ERROR if "error" in (event or "") else logging.INFO, text, extra={"event": event, **told}
        )

    def start(self, id):
        self.say("", "job_info", jobid=id, rule_msg=f"job number {id}", rule_name="rule")

    def finish(self, *ids):
        for id in ids:
            self.say(f"Finished jobid: {id}", "job_finished", job_id=id)

    def run(self, *ids):
        for id in ids:
            self.start(id)
            self.finish(id)

    def fail(self, id, log, exit="returned non-zero exit status 1."):
        if exit:
            self.say(f"RuleException:\nCommand 'python x.py' {exit}", "error", exception="RuleException")
        self.say("", "job_error", jobid=id, rule_name="rule", log=[str(log)])


@pytest.fixture
def plain():
    """Snakemake without a terminal; `plain.read()`: the lines so far, without the times before them."""
    stream = io.StringIO()
    found = Snakemake(stream)
    found.read = lambda: re.sub(r"^\d\d:\d\d:\d\d  ", "", stream.getvalue(), flags=re.MULTILINE).splitlines()
    yield found
    found.watch.close()


@pytest.fixture
def live(monkeypatch):
    """Snakemake on a terminal of 60 columns and 20 lines; `live.read()`: what is on it."""
    monkeypatch.setenv("TERM", "xterm")
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        found = Snakemake(stream, colour=False)
        found.fd, found.raw = writing, b""

        def read() -> list[str]:
            os.set_blocking(reading, False)
            while True:
                try:
                    found.raw += os.read(reading, 1 << 16)
                except BlockingIOError:
                    return screen_after(found.raw, 80, 24)

        found.read = read
        yield found
        found.watch.close()
    os.close(reading)


def test_without_a_terminal_a_line_says_that_a_stage_is_done(plain):
    plain.say("Provided cores: 2", "resources_info")
    plain.say("Job stats:\n…", "run_info")
    plain.watch.begin(STEPS, 2)
    plain.run(0, 1)
    plain.say("Select jobs to execute...")
    plain.run(2, 3)
    plain.watch.end()
    assert plain.read() == [
        "digits: 0 of 4 jobs done, time left not known yet",
        "split done; 1 of 4 jobs done, time left not known yet",
        "head done; 3 of 4 jobs done, time left not known yet",
        "digits: done after 0 s, 4 jobs.",
    ]
    assert "\x1b" not in "".join(plain.read())


def test_without_a_terminal_a_long_stage_is_heard_of_now_and_then(plain, monkeypatch):
    monkeypatch.setattr(module, "LINES_EVERY", 0.2)
    monkeypatch.setattr(module, "TICK", 0.05)
    plain.watch.begin(STEPS, 2)
    plain.start(1)
    deadline = time.monotonic() + 20
    while not any("at work: 1 head" in line for line in plain.read()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_no_progress_is_said_as_ever(plain):
    plain.watch.begin(STEPS, 2)
    plain.say("class one: 7 images")
    plain.logger.warning("a warning")
    assert plain.read()[1:] == ["class one: 7 images", "a warning"]


def test_snakemake_says_all_itself_where_no_jobs_are_told_of(plain):
    plain.say("Provided cores: 2", "resources_info")
    plain.say("Building DAG of jobs...")
    plain.run(0)
    assert plain.read() == ["Building DAG of jobs...", "Provided cores: 2", "", "Finished jobid: 0"]


@pytest.mark.parametrize("jobs_speak", [True, False])
def test_an_error_is_the_line_of_the_jobs_log(plain, tmp_path, jobs_speak):
    (tmp_path / "a.log").write_text("Traceback …\nerror: folder: found nothing, after 3.1 s\n")
    plain.watch.begin(STEPS, 2, jobs_speak=jobs_speak)
    plain.start(1)
    plain.fail(1, tmp_path / "a.log", exit="returned non-zero exit status 1." if jobs_speak else "")
    plain.say("Exiting because a job execution failed. Look above for error messages")
    plain.watch.end()
    plain.say("WorkflowError:\nAt least one job did not complete successfully.", "error", exception="WorkflowError")
    assert plain.read()[1:] == [
        *([] if jobs_speak else ["error: folder: found nothing"]),  # else the job itself has written it
        f"  failed: job number 1; its log: {tmp_path / 'a.log'}",
        "digits: ended after 0 s, 0 of 4 jobs done, 1 failed. The same command goes on from here.",
    ]


def test_a_job_that_was_killed_is_one_line_too(plain, tmp_path):
    (tmp_path / "a.log").write_text("2026-11-30  classify\nepoch 1\n")
    plain.watch.begin(STEPS, 2)
    plain.start(1)
    plain.fail(1, tmp_path / "a.log", exit="died with <Signals.SIGKILL: 9>.")
    assert plain.read()[1] == "error: it ended without a word, by SIGKILL: was there too little memory?"


def test_an_error_of_which_nothing_is_known_is_told_by_snakemake(plain, tmp_path):
    plain.watch.begin(STEPS, 2)
    plain.start(1)
    plain.say("MissingOutputException in rule rule:\n…", "error", exception="MissingOutputException")
    plain.say("Error in rule rule, jobid: 1", "job_error", jobid=1, rule_name="rule", log=[str(tmp_path / "no.log")])
    assert plain.read()[1:] == ["MissingOutputException in rule rule:", "…", "Error in rule rule, jobid: 1"]


def test_jobs_that_a_person_stopped_have_not_failed(plain, tmp_path):
    (tmp_path / "a.log").write_text("stopped by SIGINT, after 3.1 s\n")
    plain.watch.begin(STEPS, 2)
    plain.start(1)
    plain.start(2)
    plain.fail(1, tmp_path / "a.log")
    plain.fail(2, tmp_path / "none.log")  # stopped before it began its log
    plain.watch.end()
    assert plain.read()[1:] == ["digits: stopped after 0 s, 0 of 4 jobs done. The same command goes on from here."]


def test_a_job_that_is_begun_again_has_not_failed(plain, tmp_path):
    (tmp_path / "a.log").write_text("error: no space, after 3.1 s\n")
    plain.watch.begin(STEPS, 2)
    plain.run(0)
    plain.start(1)
    plain.fail(1, tmp_path / "a.log")
    plain.say("Trying to restart job 1.")
    plain.run(1, 2, 3)
    plain.watch.end()
    assert plain.read()[-1] == "digits: done after 0 s, 4 jobs."


def test_a_group_shares_its_time(plain):
    plain.watch.begin([*STEPS[1:3], Step(4, "head", "head")], 1)
    plain.say("", "group_info", group_id="x", jobs=[SimpleNamespace(jobid=1), SimpleNamespace(jobid=2)])
    plain.start(1)
    plain.start(2)
    began = time.time()
    time.sleep(0.2)
    plain.finish(1, 2)
    assert plain.watch.progress.left(0).seconds == pytest.approx((time.time() - began) / 2, abs=0.05)


def test_a_plugin_that_writes_to_the_terminal_stays(tmp_path):
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    before = list(logger.handlers)
    assert watch(logger, "digits", tmp_path) is None
    assert logger.handlers == before


def test_the_report_is_pointed_to_at_the_end_and_where_nothing_is_to_be_done(tmp_path):
    page = tmp_path / "a report.html"
    page.touch()
    stream = io.StringIO()
    snakemake = Snakemake(stream, page)
    snakemake.say("Nothing to be done (all requested files are present and up to date).")
    assert stream.getvalue().splitlines()[-1] == f"The report: {page}"
    for steps, told in ((STEPS, 2), (STEPS[:1], 2)):  # the second call is not of the report
        snakemake.watch.begin(steps, 1)
        snakemake.run(*(step.id for step in steps))
        snakemake.watch.end()
        assert stream.getvalue().count("The report: ") == told
    snakemake.watch.close()


def test_on_a_terminal_the_screen_is_kept_up_to_date_and_its_last_state_stays(live):
    live.say("Building DAG of jobs...")
    live.watch.begin(STEPS, 2)
    live.run(0)
    live.start(1)
    live.say("a word")
    shown = live.read()
    assert shown[:8] == [
        "Building DAG of jobs...",
        "a word",
        "",
        "digits: 1 of 4 jobs done, time left not known yet",
        "  split   ━━━━━━━━━━━━━━━━━━━━━━━━  1 of 1",
        "  head    ────────────────────────  0 of 2  1 at work",
        "  report  ────────────────────────  0 of 1",
        "at work",
    ]
    assert shown[8].startswith("  job number 1")
    live.finish(1)
    live.run(2, 3)
    live.watch.end()
    assert live.read() == [
        "Building DAG of jobs...",
        "a word",
        "  split   ━━━━━━━━━━━━━━━━━━━━━━━━  1 of 1",
        "  head    ━━━━━━━━━━━━━━━━━━━━━━━━  2 of 2",
        "  report  ━━━━━━━━━━━━━━━━━━━━━━━━  1 of 1",
        "digits: done after 0 s, 4 jobs.",
    ]
    assert b"\x1b[3" not in live.raw  # no colour


def test_what_a_job_writes_itself_stands_above_the_screen(live, monkeypatch):
    from sslfast.runtime import jobs

    live.watch.begin(STEPS, 2)
    live.start(0)
    line = "a line that is longer than this terminal is wide, " * 3
    with os.fdopen(os.dup(live.fd), "w") as own:
        monkeypatch.setattr(jobs.sys, "__stderr__", own)
        jobs.say(line)
    live.say("a word")
    shown = live.read()
    assert "".join(shown[:2]) == line.rstrip()
    assert shown[2:5] == ["a word", "", "digits: 0 of 4 jobs done, time left not known yet"]
    assert sum("digits:" in row for row in shown) == 1


def test_a_terminal_that_can_do_nothing_gets_lines(live, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    live.watch.begin(STEPS, 2)
    live.run(0)
    live.read()
    assert b"\x1b" not in live.raw and b"split done" in live.raw
