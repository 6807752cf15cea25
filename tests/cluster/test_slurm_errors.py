"""What a person reads where a cluster cannot run the study as it is called, or does not say how jobs are."""

import asyncio
import logging

import pytest

from sslfast.cluster.slurm import mended, refusals

# as Snakemake 9.27 writes it: the first group was refused, the second ran and failed, so has a log
LOG = """
[Wed Nov 25 23:18:12 2026]
    message: Error in group cells
    jobs:
        rule classify:
            jobid: 5
            output: results/tiny/records/classify/a.json
[Wed Nov 25 23:18:14 2026]
    message: Error in group prepare
    log: .snakemake/slurm_logs/group_prepare/1.log (check log file(s) for error details)
    jobs:
        rule images:
            jobid: 1
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program of a cluster, the only one, that says and ends as told."""

    def make(name, code, said="", error=""):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{said}'\necho '{error}' >&2\nexit {code}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


def ask(*answers):
    """What the plugin hears when its questions have these answers, one after the other."""
    given = iter(answers)

    async def question(command, logger):
        states = next(given)
        return states, None if states is None else 0.1

    states_of_jobs = mended(question)
    return [asyncio.run(states_of_jobs("sacct --name=1", logging.getLogger("plugin"))) for _ in answers]


def test_a_refused_group_is_named_once_and_one_that_ran_is_not():
    lines = refusals(LOG + LOG)
    assert len(lines) == 1
    assert lines[0].startswith("error: SLURM did not take the group cells; none of its jobs has begun")
    assert "\n" not in lines[0]
    assert refusals("Finished jobid: 5 (Rule: classify)") == []


def test_what_sacct_adds_to_a_state_is_left_out():
    assert ask({"1": "CANCELLED by 1000", "2": "RUNNING"}) == [({"1": "CANCELLED", "2": "RUNNING"}, 0.1)]


def test_a_preempted_job_is_waited_for_while_it_is_in_the_queue_and_else_has_failed(program):
    program("squeue", 0, said="2\n3")
    states = {"1": "PREEMPTED", "2": "PREEMPTED", "3": "PENDING"}
    assert ask(states) == [({**states, "1": "CANCELLED"}, 0.1)]


def test_a_preempted_job_is_waited_for_while_the_queue_cannot_be_asked(program):
    program("squeue", 1)
    assert ask({"1": "PREEMPTED"}) == [({"1": "PREEMPTED"}, 0.1)]


def test_no_answer_is_told_once_and_jobs_are_asked_after_again(caplog):
    caplog.set_level(logging.WARNING)
    running = {"1": "RUNNING"}
    assert ask(running, None, None, running, None) == [(running, 0.1), ({}, 0.0), ({}, 0.0), (running, 0.1), ({}, 0.0)]
    told = ["does not answer", "answers again", "does not answer"]
    assert len(caplog.messages) == len(told)
    assert all(message.startswith(f"sacct {words}") for message, words in zip(caplog.messages, told, strict=True))
