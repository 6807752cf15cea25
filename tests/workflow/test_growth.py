"""A study that grows runs its new cells; one that shrinks keeps the files; studies with a common store train once."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from studies import TINY, Workflow, error_line

from sslfast.study.records import read_record

END = {
    "collect the records of tiny",
    "gather the images that the report shows",
    "report on tiny",
}


def classified(method="autoencoder", u="0.2", l="0.1", seed=0):  # noqa: E741 - the design's word
    return f"classify over conv ({method}), u {u}, l {l}, seed {seed}"


def pretrained(method="autoencoder", u="0.2", seed=0):
    return f"pretrain conv ({method}), u {u}, seed {seed}"


def supervised(l="0.1", seed=0):  # noqa: E741
    return f"supervised conv, l {l}, seed {seed}"


GROWN = {  # key: a larger value than the tiny study's, and the jobs that it takes
    "seeds": (
        2,
        {"split digits, seed 1", pretrained(seed=1), pretrained("random", "0", seed=1)}
        | {classified(l=labels, seed=1) for labels in ("0.1", "0.5")}
        | {classified("random", "0", l=labels, seed=1) for labels in ("0.1", "0.5")}
        | {supervised(labels, seed=1) for labels in ("0.1", "0.5")},
    ),
    "labelled": (
        [0.1, 0.3, 0.5],
        {classified(l="0.3"), classified("random", "0", l="0.3"), supervised("0.3")},
    ),
    "unlabelled": ([0, 0.2, 0.4], {pretrained(u="0.4"), classified(u="0.4"), classified(u="0.4", l="0.5")}),
    "methods": (
        ["autoencoder", "vae"],
        {pretrained("vae"), classified("vae"), classified("vae", l="0.5")},
    ),
}


def messages(output: str) -> list[str]:
    """What each job of a plan is to do."""
    found = re.findall(r"^Job \d+: (.*)$", output, re.MULTILINE)
    return [line for line in found if not line.startswith("the study")]  # of rule `all`


def files(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Content and date of what training left."""
    kinds = ("records", "encoders", "splits", "pictures")
    paths = [p for kind in kinds for p in (folder / "results/tiny" / kind).rglob("*.*")]
    return {p.relative_to(folder): (p.read_bytes(), p.stat().st_mtime_ns) for p in paths}


@pytest.fixture
def copy(finished, tmp_path) -> Workflow:
    """A copy of the finished tiny study, dates and all."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    return Workflow.at(tmp_path / "copy")


def test_a_study_that_grows_plans_its_new_cells_and_nothing_else(pretended):
    plans = pretended.outputs([{**TINY, key: larger} for key, (larger, _) in GROWN.items()])
    found = dict(zip(GROWN, map(messages, plans), strict=True))
    assert {key: len(jobs) for key, jobs in found.items()} == {key: len(j | END) for key, (_, j) in GROWN.items()}
    assert {key: set(jobs) for key, jobs in found.items()} == {key: jobs | END for key, (_, jobs) in GROWN.items()}


def test_a_study_that_shrinks_plans_its_tables_and_report_alone(tmp_path):
    workflow = Workflow(tmp_path / "study")
    large = {**TINY, **{key: larger for key, (larger, _) in GROWN.items()}}
    workflow.pretend(large)
    plans = workflow.outputs([large, *({**large, key: TINY.get(key, ["autoencoder"])} for key in GROWN)])
    assert messages(plans.pop(0)) == []
    assert dict(zip(GROWN, map(messages, plans), strict=True)) == {key: sorted(END) for key in GROWN}


def grows(workflow: Workflow, key: str) -> None:
    """Grow the tiny study by `key`, and run it: all that was there is as it was, what is new is in the report, too."""
    before, (larger, jobs) = files(workflow.folder), GROWN[key]
    result = workflow.run(config={**TINY, key: larger})
    assert result.returncode == 0, result.stderr
    after = files(workflow.folder)
    assert {path: after[path] for path in before} == before
    new = [path for path in after if path not in before and path.suffix == ".json"]
    trained = [job for job in jobs if not job.startswith("split")]
    assert len(new) == len(trained)
    for name in ("results/tiny/tables/cells.csv", "reports/tiny/tables/cells.csv"):
        cells = pd.read_csv(workflow.folder / name)
        assert len(cells) == 6 + sum(not job.startswith("pretrain") for job in trained)


def shrinks(workflow: Workflow) -> None:
    """Back to the tiny study: every file stays, and only its cells are in tables and report."""
    before = files(workflow.folder)
    result = workflow.run(config=TINY)
    assert result.returncode == 0, result.stderr
    assert files(workflow.folder) == before
    for name in ("results/tiny/tables/cells.csv", "reports/tiny/tables/cells.csv"):
        cells = pd.read_csv(workflow.folder / name)
        assert len(cells) == 6
        assert set(cells.u.dropna()) == {0, 0.2}
        assert set(cells.l) == {0.1, 0.5}
        assert set(cells.seed) == {0}
        assert set(cells.method) == {"random", "autoencoder", "supervised"}


def test_an_unlabelled_fraction_more_leaves_the_rest_as_it_was_and_one_less_all_of_it(copy):
    grows(copy, "unlabelled")
    shrinks(copy)


@pytest.mark.long
@pytest.mark.parametrize("key", GROWN)
def test_whatever_grows_leaves_the_rest_as_it_was_and_shrunk_again_all_of_it(copy, key):
    grows(copy, key)
    shrinks(copy)


def without_times(path: Path) -> dict:
    record = json.loads(path.read_text())
    del record["checksum"]  # which is of the times, too
    for row in [record, *record["history"]]:
        del row["seconds"]
    return record


def test_studies_with_a_common_store_train_an_encoder_once(finished, workflow, tmp_path):
    """The second has another name and other labels; what it makes is as without a store."""
    store, box = str(tmp_path / "shared"), "autoencoder-conv-u0.2-s0"
    other = {**TINY, "study": "other", "labelled": [0.3], "unlabelled": [0.2], "encoder_store": store}
    result = workflow.run(f"results/other/records/pretrain/{box}.json", config=other)
    assert result.returncode == 0, result.stderr
    cell = "records/classify/autoencoder-conv-u0.2-l0.1-s0.json"
    random = "results/tiny/encoders/random-conv-u0-s0.safetensors"
    result = workflow.run(f"results/tiny/{cell}", random, config={**TINY, "encoder_store": store})
    assert result.returncode == 0, result.stderr
    log = (workflow.folder / f"results/tiny/logs/pretrain/{box}.log").read_text()
    assert "trained by study other: nothing is trained here" in log
    assert "epoch 1 of" not in log
    alone, shared = finished.folder / "results/tiny", workflow.folder / "results/tiny"
    for name in (f"encoders/{box}.safetensors", f"pictures/{box}.npz"):
        assert (alone / name).read_bytes() == (shared / name).read_bytes()
    assert without_times(alone / cell) == without_times(shared / cell)
    record = f"records/pretrain/{box}.json"
    assert without_times(shared / record) == {**without_times(alone / record), "notes": {"trained_by": "other"}}
    trained = read_record(workflow.folder / f"results/other/{record}")
    assert read_record(shared / record).seconds == trained.seconds
    assert read_record(shared / cell).seconds["pretrain"] == trained.seconds["pretrain"]
    assert len(list(Path(store).iterdir())) == 1  # a random encoder costs nothing


def test_a_store_that_cannot_be_one_stops_the_study_at_once(workflow):
    line = error_line(workflow.ask("-n", config={**TINY, "encoder_store": "Snakefile/shared"}))
    assert line.startswith("error: config: encoder_store: found ")
    assert line.endswith("/Snakefile, which is no folder; name another")
