"""What does not belong to a study stops it in one line, whichever way it came into the study's folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from studies import TINY, Workflow, error_line

from sslfast.data.splits import make_split, write_split

ENCODER = "results/tiny/encoders/{}-s0.safetensors"
CELL = "results/tiny/records/classify/autoencoder-conv-u0.2-l{}-s0.json"
BASELINE = "results/tiny/records/supervised/conv-l0.1-s0.json"


@pytest.fixture
def study(finished, tmp_path) -> Workflow:
    """A finished study of one's own."""
    workflow = Workflow.__new__(Workflow)
    workflow.folder = shutil.copytree(finished.folder, tmp_path / "study", symlinks=True)
    return workflow


def edited(path: Path, **changes) -> None:
    """As somebody writes who takes care of the checksum, which is of the content before."""
    held = {**json.loads(path.read_text()), **changes}
    del held["checksum"]
    path.write_text(json.dumps(held))


def other_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-200] ^= 4
    path.write_bytes(content)


def another_encoder(folder: Path) -> None:
    shutil.copy(folder / ENCODER.format("random-conv-u0"), folder / ENCODER.format("autoencoder-conv-u0.2"))


def another_record(folder: Path) -> None:
    shutil.copy(folder / CELL.format("0.5"), folder / CELL.format("0.1"))


COPIED = {  # what was put where; what is said
    "an encoder of another spec": (
        another_encoder,
        ["autoencoder-conv-u0.2-s0.safetensors: method is 'random', expected 'autoencoder'", "delete"],
    ),
    "a record of another cell": (another_record, [CELL.format("0.1"), "holds classify/autoencoder-conv-u0.2-l0.5-s0"]),
    "a record of another schema version": (
        lambda folder: edited(folder / BASELINE, schema_version=1),
        [BASELINE, "schema_version 1, not 5", "delete the file and run again"],
    ),
    "an encoder in which a bit changed": (
        lambda folder: other_bit(folder / ENCODER.format("autoencoder-conv-u0.2")),
        [
            "autoencoder-conv-u0.2-s0.safetensors: ",
            "has changed since it was written",
            "delete",
        ],
    ),
    "a record in which a bit changed": (
        lambda folder: other_bit(folder / BASELINE),
        [BASELINE, "not a readable run record", "delete the file and run again"],
    ),
    "a record of another precision": (
        lambda folder: edited(folder / BASELINE, precision="float16"),
        [BASELINE, "precision float16, but ", "set precision in the config"],
    ),
}


@pytest.mark.parametrize("what", COPIED)
def test_a_file_that_belongs_to_something_else_is_named_with_what_to_do(study, what):
    put: Callable[[Path], None]
    put, words = COPIED[what]
    put(study.folder)
    line = error_line(study.run(config=TINY))
    assert all(word in line for word in words), line


def test_doing_what_the_line_says_mends_the_study(study):
    edited(study.folder / BASELINE, code_version="0123456789ab")
    line = error_line(study.run(config=TINY))
    assert all(word in line for word in ("code_version 0123456789ab, but ", "made the other 5", "delete")), line
    named = study.folder / line.split(": ")[1]
    assert named == study.folder / BASELINE
    named.unlink()
    result = study.run("--until", "collect", config=TINY)
    assert result.returncode == 0, result.stderr
    assert named.exists()


@pytest.mark.long
@pytest.mark.parametrize("seed, valid_fraction", [(1, 0.1), (0, 0.2)])
def test_a_split_of_another_seed_or_share_is_refused_by_its_name(study, digits, seed, valid_fraction):
    write_split(make_split(digits, seed, valid_fraction), study.folder / "results/tiny/splits/digits-s0.parquet")
    line = error_line(study.run(config=TINY))
    assert "digits-s0.parquet: " in line
    assert ("seed is 1, expected 0" if seed else "valid_fraction is 0.2, expected 0.1") in line


@pytest.mark.long
def test_a_split_of_another_data_set_is_refused_by_its_name(study, digits):
    write_split(make_split(digits, 0), study.folder / "results/tiny/splits/digits-s0.parquet")
    other = shutil.copytree(study.folder / "data", study.folder / "other data")
    (images,) = other.glob("cache/*/train_x.npy")
    edited(images.with_name("meta.json"), fingerprint="0123456789abcdef")
    line = error_line(study.run("--forcerun", "pretrain", config={**TINY, "data_root": str(other)}))
    assert "digits-s0.parquet: made for other images (of digits) than digits has now" in line


@pytest.mark.parametrize("damage", ["pixels", "length"])
def test_images_that_changed_where_they_are_stored_are_named(study, damage):
    (stored,) = study.folder.glob("data/cache/*/train_x.npy")
    whole = stored.read_bytes()
    if damage == "pixels":
        x = np.load(stored)
        x[0, 0, 0] ^= 1
        np.save(stored, x)
        assert len(stored.read_bytes()) == len(whole)
    else:
        stored.write_bytes(whole[:-100])
    (study.folder / "results/tiny/images.json").unlink()
    line = error_line(study.run(config=TINY, SSLFAST_DATA=str(study.folder / "data")))
    assert f"the images stored in {stored.parent} are damaged" in line
    assert "delete that folder and run again" in line


def test_results_copied_under_another_name_are_not_taken_for_that_study(study):
    shutil.copytree(study.folder / "results/tiny", study.folder / "results/mine")
    line = error_line(study.run(config={**TINY, "study": "mine"}))
    assert "results/mine/records/" in line
    assert "made with study tiny, the config says mine" in line


def test_results_of_another_config_copied_from_another_clone_are_not_reported_as_this_ones(study):
    for name in (".snakemake", "reports"):
        shutil.rmtree(study.folder / name)
    line = error_line(study.run(config={**TINY, "pretrain": {"epochs": 7}}))
    assert "made with autoencoder.epochs 1, the config says 7; delete the file(s)" in line
    line = error_line(study.run(config={**TINY, "test_fraction": 0.4}))
    assert "images.json: images were read with test_fraction 0.2, the config says 0.4" in line
    line = error_line(study.run(config={**TINY, "labelled": [0.1]}))
    assert "results/tiny/tables: made for labelled 0.1, 0.5, the config says 0.1" in line
    assert not (study.folder / "reports").exists()


@pytest.mark.long
def test_results_copied_from_another_clone_of_the_same_config_are_welcome(study):
    for name in (".snakemake", "reports"):
        shutil.rmtree(study.folder / name)
    assert study.planned(config=TINY) == {"report": 1}
    result = study.run(config=TINY)
    assert result.returncode == 0, result.stderr


@pytest.mark.long
def test_files_that_were_marked_as_done_in_spite_of_a_change_are_named(study):
    changed = {**TINY, "classify": {"epochs": 3}}
    assert study.ask("--touch", "--forceall", config=changed).returncode == 0
    line = error_line(study.run("--forcerun", "collect", config=changed))
    assert "made with classify.epochs 2, the config says 3" in line


@pytest.mark.long
def test_cells_that_an_ignored_change_would_mix_are_named(study):
    """`--rerun-triggers mtime` keeps old cells, and adds new ones over encoders made another way."""
    changed = {**TINY, "pretrain": {"epochs": 2}, "labelled": [0.1, 0.3, 0.5]}
    line = error_line(study.run("--rerun-triggers=mtime", config=changed))
    assert "made with autoencoder.epochs 1, the config says 2" in line


@pytest.mark.parametrize(
    "target", [pytest.param([], marks=pytest.mark.long), ["report"]], ids=["snakemake", "snakemake report"]
)
def test_a_change_is_not_forgotten_if_a_job_that_it_reran_failed(workflow, target):
    """Snakemake deletes what a failed job had made before, and asks nothing of files that are not there."""
    workflow.pretend(TINY)
    changed = {**TINY, "pretrain": {"epochs": 2}}
    rerun = workflow.planned(*target, config=changed)
    assert rerun == {"pretrain": 1, "classify": 2, "collect": 1, "examples": 1, "report": 1}
    failed = workflow.run(config={**changed, "data_root": str(workflow.folder / "Snakefile")})
    assert "data_root: cannot write to" in error_line(failed)
    assert workflow.planned(*target, config=changed) == rerun


RULES = ["images", "split", "pretrain", "classify", "supervised", "collect", "examples", "report"]


@pytest.mark.parametrize("rule", RULES)
def test_a_file_that_is_gone_is_made_again(pretended, rule):
    folder = pretended.folder
    path = {
        "images": "results/tiny/images.json",
        "split": "results/tiny/splits/digits-s0.parquet",
        "pretrain": ENCODER.format("random-conv-u0"),
        "classify": CELL.format("0.5"),
        "supervised": BASELINE,
        "collect": "results/tiny/tables/cells.csv",
        "examples": "results/tiny/examples.npz",
        "report": "reports/tiny/summary.md",
    }[rule]
    (folder / path).rename(folder / "away")
    try:
        (plan,) = pretended.plans([TINY])
        assert plan[rule] == 1
        assert plan["report"] == 1
    finally:
        (folder / "away").rename(folder / path)
