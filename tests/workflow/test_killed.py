"""A study whose jobs and whose Snakemake are killed at random moments, against one that ran without a break."""

import os
import random
import signal
from pathlib import Path

import pytest
from killed import SIGNALS, STUDY, WHOM, Killed, results, wait_for
from studies import Workflow


def survive(folder: Path, unbroken: dict, n_kills: int, seed: int, *arguments: str) -> None:
    study, chance, studies = Killed(folder, *arguments), random.Random(seed), 1
    kinds = [(whom, number) for whom in WHOM for number in SIGNALS]
    kills = 0
    while kills < n_kills:
        if kills % len(kinds) == 0:
            chance.shuffle(kinds)
        if study.kill(chance, *kinds[kills % len(kinds)]):
            study.check(unbroken)
            study.clear()
            studies += 1
        else:
            kills += 1
    study.finish()
    study.check(unbroken)
    print(f"{n_kills} kills in {studies} studies, all as without a break; {dict(study.seen)}")
    for phase, n in sorted(study.phases.items()):
        print(f"{n:4} {phase}")


def test_a_study_that_is_killed_six_times_ends_as_one_without_a_break(tmp_path, unbroken):
    survive(tmp_path, unbroken, 6, 1, "--until", "collect")


@pytest.mark.long
def test_a_study_that_is_killed_fifty_times_ends_as_one_without_a_break(tmp_path, unbroken):
    survive(tmp_path, unbroken, 50, 2)


@pytest.mark.long  # the killed studies, which have two cores, show as much
def test_jobs_side_by_side_make_the_same_records_as_one_after_the_other(tmp_path, unbroken):
    workflow = Workflow(tmp_path)
    result = workflow.run("--cores", "2", config=STUDY)
    assert result.returncode == 0, result.stderr
    assert results(tmp_path) == unbroken


@pytest.mark.parametrize("when", ["has ended", "still trains"])
def test_what_an_orphan_trains_is_not_trained_again(tmp_path, unbroken, when):
    """Snakemake is killed, its job goes on; the next call deletes the results, or has none, and gets them."""
    study, cell = Killed(tmp_path), "results/tiny/records/classify/autoencoder-conv-u0.2-l0.3-s0.json"
    snakemake = study.start(cell)
    log = tmp_path / "results/tiny/logs/pretrain/autoencoder-conv-u0.2-s0.log"
    wait_for(lambda: log.exists() and "epoch 2 of" in log.read_text())
    os.kill(snakemake.pid, signal.SIGKILL)
    snakemake.wait()
    if when == "still trains":
        orphans = study.jobs()
        for orphan in orphans:
            orphan.send_signal(signal.SIGTSTP)  # which stops its fork, too
    else:
        wait_for(lambda: not study.jobs())
        assert (tmp_path / "results/tiny/records/pretrain/autoencoder-conv-u0.2-s0.json").exists()
    assert study.ask("--unlock").returncode == 0
    snakemake = study.start(cell)
    if when == "still trains":
        wait_for(lambda: "which is doing the same work" in (tmp_path / "output.txt").read_text())
        for orphan in orphans:
            orphan.resume()
    study.ended(snakemake)
    text = log.read_text()
    assert "an earlier attempt ended well" in text
    assert "epoch 1 of" not in text
    made = {name: what for name, what in results(tmp_path).items() if "checkpoints" not in name}  # kept until `collect`
    assert cell in made
    assert made == {name: unbroken[name] for name in made}
