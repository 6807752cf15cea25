"""`snakemake plan`, beside what real Snakemake would do and what records of a real study say."""

import json
import shutil
from collections import Counter

import pytest
import yaml
from builders import SCHEMA
from reruns import runs_again
from studies import ROOT, TINY, Workflow

from sslfast.analysis.planned import time_digest
from sslfast.data.splits import read_split
from sslfast.planning.done_already import done
from sslfast.planning.sizes import sizes_of
from sslfast.planning.work import work_of
from sslfast.study.config import check_config
from sslfast.study.grid import jobs_of
from sslfast.study.records import read_record

GRIDS = [  # all that makes boxes: controls, variants, pool rest, an evaluation that judges, runs of less length
    {
        **TINY,
        "unlabelled": [0, 0.1, 0.25, 1],
        "labelled": [0.05, 0.2],
        "encoders": ["original", "conv_x2"],
        "methods": ["vae", "cool"],
        "variants": {"cool": {"method": "simclr", "temperature": 0.1}},
        "evaluate": ["head", "finetune"],
        "controls": ["pixels", "shuffled"],
        "seeds": 3,
        "pool": pool,
        "pretrain": {"epochs": 2},
        "judged_by": "finetune",
    }
    for pool in ("all", "rest")
]
NAMED = ["methods-quick.yaml", "cifar10-5seeds.yaml"]


@pytest.fixture
def study(finished, tmp_path) -> Workflow:
    """A finished study of one's own."""
    workflow = Workflow.__new__(Workflow)
    workflow.folder = shutil.copytree(finished.folder, tmp_path / "study", symlinks=True)
    return workflow


def jobs_left(workflow: Workflow, config: dict = TINY) -> dict[str, int]:
    """Jobs a rule that a plan would call left."""
    checked, results = check_config(config, SCHEMA), workflow.folder / "results" / config["study"]
    summary = json.loads((results / "images.json").read_text())
    jobs = jobs_of(checked)
    finished = done(jobs, checked, results, workflow.folder / "reports" / config["study"], summary["fingerprint"])
    return dict(Counter(job.rule for job in jobs if job.name not in finished))


def test_the_jobs_of_a_grid_are_those_of_a_real_dry_run(tmp_path):
    configs = [*GRIDS, *(yaml.safe_load((ROOT / "config" / name).read_text()) for name in NAMED)]
    mine = [dict(Counter(job.rule for job in jobs_of(check_config(config, SCHEMA)))) for config in configs]
    assert Workflow(tmp_path / "grids").plans(configs) == mine


def test_images_processed_are_those_that_records_tell(finished):
    results = finished.folder / "results/tiny"
    own = check_config(TINY, SCHEMA)
    sizes = sizes_of(read_split(results / "splits/digits-s0.parquet"), 359, own)
    checked = []
    for job in jobs_of(own):
        path = results / f"records/{job.name}.json"
        if path.exists() and (history := read_record(path).history):
            assert work_of(job, own, sizes).trained == history[-1]["images"], job.name
            assert work_of(job, own, sizes).epochs == len(history)
            checked.append(job.stage)
    assert Counter(checked) == {"pretrain": 1, "classify": 4, "supervised": 2}


CHANGES = {  # what became of a finished study
    "nothing": lambda folder: None,
    "a cell is gone": lambda folder: (folder / "records/classify/random-conv-u0-l0.1-s0.json").unlink(),
    "an encoder's record is gone": lambda folder: (folder / "records/pretrain/autoencoder-conv-u0.2-s0.json").unlink(),
    "an encoder is gone": lambda folder: (folder / "encoders/random-conv-u0-s0.safetensors").unlink(),
    "the baselines are gone": lambda folder: shutil.rmtree(folder / "records/supervised"),
    "the split is gone": lambda folder: (folder / "splits/digits-s0.parquet").unlink(),
    "a table is gone": lambda folder: (folder / "tables/cells.csv").unlink(),
}


OTHER = [  # other configs of the study
    {"labelled": [0.1, 0.3, 0.5]},
    {"pretrain": {"epochs": 2}},
    {"classify": {"epochs": 3}},
    {"supervised": {"epochs": 3}},
    {"evaluate": ["head", "knn"]},
    {"augment": {"noise": 0.3}},
    {"valid_fraction": 0.2},
    {"budget": "updates", "pretrain": {"updates": 60}, "classify": {"updates": 60}},
]
QUICK = ("nothing", "an encoder's record is gone")


@pytest.mark.parametrize("what", [w if w in QUICK else pytest.param(w, marks=pytest.mark.long) for w in CHANGES])
def test_what_is_left_of_a_study_is_what_snakemake_would_do(what, study):
    CHANGES[what](study.folder / "results/tiny")
    assert jobs_left(study) == study.planned(config=TINY)


def test_what_a_change_of_the_config_leaves_to_do_is_what_runs_again(finished):
    """Which is what Snakemake would do (test_reruns.py)."""
    for config in ({**TINY, **change} for change in OTHER):
        assert jobs_left(finished, config) == runs_again(TINY, config)


def test_snakemake_plan_needs_no_flags_says_what_is_left_and_trains_nothing(study):
    results = study.folder / "results/tiny"
    for path in (results / "records/classify").glob("autoencoder-*"):
        path.unlink()
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.*") if "logs" not in path.parts}
    first = study.run("plan", config=TINY)
    assert first.returncode == 0, first.stderr
    plan = json.loads((results / "plan.json").read_text())
    assert {row["rule"]: row["jobs"] for row in plan["stages"] if row["jobs"]} == study.planned(config=TINY)
    assert set(plan["estimates"]) == {
        *(f"classify/autoencoder-conv-u0.2-l{label}-s0" for label in ("0.1", "0.5")), "collect", "examples", "report",
    }  # fmt: skip
    assert all(seconds > 0 for seconds, *_ in plan["estimates"].values())
    assert plan["wall_clock"] <= plan["seconds"]
    text = (results / "plan.txt").read_text()
    assert "Plan of tiny: 5 of 13 jobs are left" in text
    assert text in first.stdout + first.stderr
    after = {path: path.stat().st_mtime_ns for path in results.rglob("*.*") if "logs" not in path.parts}
    assert set(after) - set(before) == {results / "plan.json", results / "plan.txt"}
    assert before == {path: after[path] for path in before}
    # it is no part of the study, and whoever asks again gets a new one
    assert "plan" not in study.planned(config=TINY)
    assert study.planned("plan", config=TINY) == {"plan": 1}


def test_a_report_shows_a_plan_that_was_there_and_none_is_made_for_one_that_comes_later(study):
    results = study.folder / "results/tiny"
    page = study.folder / "reports/tiny/report.html"
    assert "Planned and measured time" not in page.read_text()
    own = check_config(TINY, SCHEMA)
    estimates = {job.name: [9.0, 6.0, 300] for job in jobs_of(own)}
    digests = {job.name: time_digest(own, job) for job in jobs_of(own)}
    plan = {"settings": digests, "estimates": estimates, "made": "2026-11-25 12:00:00"}
    (results / "plan.json").write_text(json.dumps(plan))
    assert study.planned(config=TINY) == {}
    page.unlink()
    result = study.run("report", config=TINY)
    assert result.returncode == 0, result.stderr
    shown = page.read_text()
    assert "Planned and measured time" in shown
    section = shown[shown.index("Planned and measured time") :]
    table = section[: section.index("</table>")]
    assert [table.count(f">{stage}</th>") for stage in ("pretrain", "classify", "supervised", "all")] == [1, 1, 1, 1]
    # one trained encoder, four cells, two baselines, at 6 s each
    assert [f"<td>{minutes}</td>" in table for minutes in ("0.1", "0.4", "0.2", "0.7")] == [True] * 4
