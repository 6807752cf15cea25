"""What a person sees while real Snakemake runs a study."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from studies import TINY, Workflow
from terminals import on_terminal

SNAKEMAKE = Path(sys.executable).parent / "snakemake"
RESULTS = "results/tiny"


@pytest.fixture
def less(finished, tmp_path) -> Workflow:
    """The tiny study without its cells over the random encoder and without the report."""
    study = Workflow.at(shutil.copytree(finished.folder, tmp_path / "study", symlinks=True))
    study.configure(TINY)
    for path in (study.folder / RESULTS / "records/classify").glob("random-*"):
        path.unlink()
    (study.folder / "reports/tiny/report.html").unlink()
    return study


def log_of(study: Workflow) -> str:
    """Snakemake's own, of the last call."""
    return max((study.folder / ".snakemake/log").iterdir(), key=os.path.getmtime).read_text()


def test_without_a_terminal_a_run_is_a_few_lines(finished):
    lines = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in finished.output.splitlines()]
    assert "tiny: 0 of 13 jobs done, time left not known yet" in lines
    stages = [line.split(" done; ")[0] for line in lines if " done; " in line]
    assert sorted(stages) == sorted(["images", "split", "pretrain", "head", "supervised", "collect", "examples"])
    assert re.fullmatch(r"tiny: done after \d.*, 13 jobs\.", lines[-3])
    assert lines[-2] == "The report: reports/tiny/report.html"
    assert lines[-1].startswith("Complete log(s): ")
    assert len(lines) < 16 and "\x1b" not in finished.output
    log = Path(lines[-1].removeprefix("Complete log(s): "))  # other tests may have asked this study since
    assert "13 of 14 steps (93%) done" in log.read_text()


def test_on_a_terminal_the_last_screen_stays_and_the_report_is_a_link(less):
    status, shown = on_terminal([SNAKEMAKE, "--cores", "2"], less.folder, 300)
    assert status == 0, shown
    table = {line.split()[0]: line.split("━ ")[-1].strip() for line in shown if "━" in line}
    done = {
        "images": 1,
        "split": 1,
        "pretrain": 2,
        "head": 4,
        "supervised": 2,
        "collect": 1,
        "examples": 1,
        "report": 1,
    }
    assert table == {stage: f"{n} of {n}" for stage, n in done.items()}
    assert re.fullmatch(r"tiny: done after \d+ (s|min), 13 jobs, [4-6] of them now\.", shown[-3])
    assert shown[-2] == f"The report: {(less.folder / 'reports/tiny/report.html').resolve().as_uri()}"
    assert not [line for line in shown if re.search("Execute|Select jobs|Finished jobid|at work", line)]
    assert "Finished jobid" in log_of(less)
    again = less.ask("report")
    assert "The report: reports/tiny/report.html" in again.stderr.splitlines()


def test_an_error_is_one_line_and_which_job_it_was(less):
    encoder = less.folder / RESULTS / "encoders/random-conv-u0-s0.safetensors"
    before = encoder.stat()
    encoder.write_bytes(encoder.read_bytes()[:100])
    os.utime(encoder, ns=(before.st_atime_ns, before.st_mtime_ns))  # Snakemake sees no change
    status, shown = on_terminal([SNAKEMAKE, "--cores", "1"], less.folder, 40)
    text = "".join(shown)  # lines are longer than this terminal is wide
    assert status == 1
    assert text.count("error: ") == 1 and not re.search("Traceback|CalledProcess|RuleException|WorkflowError", text), (
        text
    )
    assert re.search(r"failed: classify over conv \(random\), u 0, l 0\.\d, seed 0; its log: results/tiny/logs/", text)
    assert re.search(r"tiny: ended after .* 1 failed\. The same command goes on from here\.", text)


def test_ctrl_c_ends_in_one_line_too(workflow):
    workflow.configure({**TINY, "pretrain": {"epochs": 100_000}, "unlabelled": [0.2]})
    log = workflow.folder / RESULTS / "logs/pretrain/autoencoder-conv-u0.2-s0.log"
    # once its log tells of the fit; one job at a time, as another that only begins shows a traceback of Python's own
    status, shown = on_terminal(
        [SNAKEMAKE, "--cores", "1"], workflow.folder, 200, interrupt=lambda _: log.exists() and log.stat().st_size > 200
    )
    assert status == 1
    assert not re.search("Traceback|error|failed", text := "\n".join(shown)), text
    assert re.search(r"tiny: stopped after .*, \d of 10 jobs done\. The same command goes on from here\.", text)


@pytest.mark.parametrize("quiet", ["all", "progress", "rules"])
def test_whoever_asks_for_less_gets_what_snakemake_says(less, quiet):
    split = f"{RESULTS}/splits/digits-s0.parquet"
    (less.folder / split).unlink()
    result = less.run(split, "--quiet", quiet)
    assert result.returncode == 0
    said = result.stderr.splitlines()[1:]  # without the line on the profile
    assert not [line for line in said if re.search(r"\d\d:\d\d:\d\d  |The report: ", line)]
    assert bool(said) == (quiet != "all")
    assert any("steps (100%) done" in line for line in said) == (quiet == "rules")
    assert any(line.startswith("Job ") and "split digits, seed 0" in line for line in said) == (quiet == "progress")
