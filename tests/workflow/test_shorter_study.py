"""A study by updates that checks whether its verdict depends on the length of training, run by real Snakemake."""

import json
import shutil

import pandas as pd
import pytest
from builders import SCHEMA
from studies import HALVED, Workflow

from sslfast.data.splits import read_split
from sslfast.planning.done_already import done
from sslfast.planning.sizes import sizes_of
from sslfast.planning.work import work_of
from sslfast.study.config import check_config
from sslfast.study.grid import jobs_of, shorter_jobs
from sslfast.study.records import RunRecord, read_record

STUDY = check_config(HALVED, SCHEMA)
ENCODER = "pretrain/autoencoder-conv"
LOST = "supervised/conv-l0.3-s0-half"


@pytest.fixture(scope="module")
def records(halved) -> dict[str, RunRecord]:
    found = (halved.folder / "results/tiny/records").rglob("*.json")
    return {record.box.name: record for record in map(read_record, found)}


def test_every_run_is_made_and_named_by_its_length(records):
    assert set(records) == {job.name for job in jobs_of(STUDY) if "/s" not in job.name and "/" in job.name}
    shorter = {name: record.spec.length for name, record in records.items() if record.spec.length != "full"}
    assert shorter == {
        f"{ENCODER}-u1-s0-half": "half",
        "classify/autoencoder-conv-u1-l0.3-s0-half": "half",
        LOST: "half",
        f"{ENCODER}-u0.2-s0-passes": "passes",
        "classify/autoencoder-conv-u0.2-l0.3-s0-passes": "passes",
    }


def test_halves_have_half_of_the_updates_and_equal_passes_shrink_with_the_images(records):
    updates = {name: record.history[-1]["updates"] for name, record in records.items()}
    assert {name: record.settings["updates"] for name, record in records.items()} == updates
    assert [updates[f"{ENCODER}-{end}"] for end in ("u0.2-s0", "u1-s0", "u1-s0-half", "u0.2-s0-passes")] == [
        20, 20, 10, 4,
    ]  # fmt: skip
    assert (updates["supervised/conv-l0.3-s0"], updates[LOST]) == (80, 40)
    whole, half, passes = (
        records[f"classify/autoencoder-conv-{end}"] for end in ("u1-l0.3-s0", "u1-l0.3-s0-half", "u0.2-l0.3-s0-passes")
    )
    assert [record.settings["updates"] for record in (whole, half, passes)] == [80, 40, 80]
    # each is built over the encoder of its own length
    assert [record.settings["pretrain"]["updates"] for record in (whole, half, passes)] == [20, 10, 4]
    assert half.seconds["pretrain"] == records[f"{ENCODER}-u1-s0-half"].seconds["pretrain"]


def test_a_plan_reckons_with_what_each_run_really_processes(halved, records):
    results = halved.folder / "results/tiny"
    sizes = sizes_of(read_split(results / "splits/digits-s0.parquet"), 359, STUDY)
    for job in jobs_of(STUDY):
        if job.seed == 0 and job.name in records:
            work, history = work_of(job, STUDY, sizes), records[job.name].history
            assert (work.trained, work.epochs) == (history[-1]["images"], len(history)), job.name
    fingerprint = json.loads((results / "images.json").read_text())["fingerprint"]
    jobs = jobs_of(STUDY)
    assert done(jobs, STUDY, results, halved.folder / "reports/tiny", fingerprint) == {job.name for job in jobs}
    assert halved.planned(config=HALVED) == {}


def test_shorter_runs_have_a_table_of_their_own_and_what_they_show_is_reported(halved):
    cells, shorter = (pd.read_csv(halved.folder / f"results/tiny/tables/{name}.csv") for name in ("cells", "shorter"))
    assert (len(cells), len(shorter)) == (3 * (2 + 1), len(shorter_jobs(STUDY)) - 2)  # no encoders
    assert shorter.length.tolist() == ["passes", "half", "half"]
    tables = halved.folder / "reports/tiny/tables"
    check, passes = (pd.read_csv(tables / f"{name}.csv") for name in ("length_check", "equal_passes"))
    full, half = (
        t.set_index(["method", "u", "seed"]).test_macro_f1 for t in (cells, shorter[shorter.length == "half"])
    )
    (row,) = check.itertuples()
    assert row.n_seeds == 1
    assert row.gain == pytest.approx(full["autoencoder", 1, 0] - half["autoencoder", 1, 0])
    assert row.difference_half == pytest.approx(half["autoencoder", 1, 0] - half["supervised"].item())
    assert passes[["u", "n_seeds"]].to_numpy().tolist() == [[0.2, 1]]
    assert "- length of training: " in (halved.folder / "reports/tiny/summary.md").read_text()
    assert "runs that check it" in (halved.folder / "reports/tiny/report.html").read_text()


def test_a_shorter_run_that_diverged_stops_no_report_and_is_said_in_one_line(halved, tmp_path):
    study = Workflow.at(shutil.copytree(halved.folder, tmp_path / "study", symlinks=True))
    path = study.folder / f"results/tiny/records/{LOST}.json"
    record = json.loads(path.read_text())
    del record["checksum"]
    record |= {"status": "diverged", "reason": "a loss was not finite after 2 updates", "test": None}
    path.write_text(json.dumps(record))
    result = study.run(config=HALVED)
    assert result.returncode == 0, result.stderr
    lines = (study.folder / "reports/tiny/summary.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("- length of training: ")]
    n = record["spec"]["n_labelled"]
    assert line.endswith(
        f"was not checked: with {n} labels it cannot be told, as the baseline's run of half the length has no result"
    )
