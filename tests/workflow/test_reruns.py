"""What Snakemake runs again after a change is what `runs_again` reckons; tests/study/test_depends.py has every key."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from reruns import END, runs_again
from studies import TINY, Workflow, jobs_of

import sslfast

ALL = {"images": 1, "split": 1, "pretrain": 2, "classify": 4, "supervised": 2, **END}
WHOLE = {  # a job of each rule, and runs of less length
    **TINY,
    "unlabelled": [0.2, 1],
    "labelled": [0.5],
    "seeds": 3,
    "evaluate": ["head", "knn"],
    "controls": ["pixels", "shuffled"],
    "pretrain": {"epochs": 2},
    "supervised": {"lr": 0.01},
}
CHANGES = [  # each rule is the first to be affected by one of these
    {"test_fraction": 0.3},
    {"valid_fraction": 0.2},
    {"autoencoder": {"lr": 0.1}, "supervised": {"lr": 0.1}},
    {"classify": {"epochs": 2, "lr": 0.1}},
    {"batch_size": 32},
    {"unlabelled": [0.2, 0.5, 1], "seeds": [0, 1]},
    {"judged_by": "knn"},
    {"title": "Other"},
    {"threads": 2, "data_root": "elsewhere"},
]


def test_a_change_of_the_config_reruns_what_is_asked_otherwise_and_what_stands_on_that(tmp_path):
    workflow = Workflow(tmp_path / "study")
    workflow.pretend(WHOLE)
    configs = [WHOLE, *({**WHOLE, **change} for change in CHANGES)]
    plans = workflow.plans(configs)
    assert plans == [runs_again(WHOLE, config) for config in configs]
    assert plans[0] == plans[-1] == {}
    assert set().union(*plans) == {*ALL, "shuffle", "pixels"}


def test_a_study_follows_the_images_of_its_folder_and_not_the_folder(image_folder, tmp_path):
    root = image_folder(train=8, test=0)
    rows = [f"{path.stem},{path.parent.name}" for path in sorted(root.glob("train/*/*"))]
    (root / "same.csv").write_text("\n".join(["picture,digit", *rows]) + "\n")
    workflow = Workflow(tmp_path / "study")
    base = {**TINY, "dataset": "folder", "folder": str(root), "image_size": 8, "channels": 1}
    workflow.pretend(base)
    moved = {**base, "folder": str(shutil.copytree(root, tmp_path / "moved", copy_function=shutil.copy2))}
    table = {**base, "labels": "same.csv", "image_column": "picture", "class_column": "digit"}
    configs = [base, moved, table, {**base, "fit": "squash"}, {**base, "test_seed": 1}]
    assert workflow.plans(configs) == [runs_again(base, config) for config in configs] == [{}, {}, {}, ALL, ALL]


EDITS = {  # file, what stands there, what is to stand there; jobs that run again (more in tests/study/test_version.py)
    "the method": (
        "methods/autoencoder.py", "patch: int = 4", "patch: int = 5", {"pretrain": 1, "classify": 2, **END},
    ),
    "reading": ("data/decoding.py", "65535 if image", "65534 if image", ALL),
    "the report": ("report/page.py", "LONGEST = 100", "LONGEST = 200", END),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_a_change_of_the_code_reruns_what_depends_on_it(pretended, what, tmp_path):
    name, old, new, jobs = EDITS[what]
    package = Path(shutil.copytree(Path(sslfast.__file__).parent, tmp_path / "sslfast"))
    source = (package / name).read_text()
    assert source.count(old) == 1
    (package / name).write_text(source.replace(old, new))
    result = pretended.run("-n", config=TINY, PYTHONPATH=str(tmp_path))
    assert jobs_of(result.stdout + result.stderr) == jobs


@pytest.mark.long  # for an unlabelled fraction, test_growth.py shows as much
def test_what_a_smaller_grid_leaves_out_stays_on_disk_and_leaves_the_tables(finished):
    smaller = {**TINY, "labelled": [0.5]}
    before = {p: p.stat().st_mtime_ns for p in (finished.folder / "results/tiny/records").rglob("*.*")}
    assert finished.planned(config=smaller) == END
    try:
        result = finished.run(config=smaller)
        assert result.returncode == 0, result.stderr
        for table in ("results/tiny/tables/cells.csv", "reports/tiny/tables/cells.csv"):
            assert pd.read_csv(finished.folder / table).l.unique().tolist() == [0.5]
        assert before == {p: p.stat().st_mtime_ns for p in (finished.folder / "results/tiny/records").rglob("*.*")}
        assert finished.planned(config=TINY) == END
    finally:
        result = finished.run(config=TINY)
    assert result.returncode == 0, result.stderr
    assert len(pd.read_csv(finished.folder / "results/tiny/tables/cells.csv")) == 6
