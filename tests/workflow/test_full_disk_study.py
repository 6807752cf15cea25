"""A study meets a full disk, a read-only folder or a damaged record: one line, nothing lost, and on it goes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import Disk, is_one_line
from studies import TINY, Workflow, error_line

from sslfast.study.records import read_record


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    with Disk.of(tmp_path / "disk", "6m") as disk:
        yield disk


@pytest.fixture
def workflow(disk, tmp_path) -> Workflow:
    workflow = Workflow(disk.path)
    workflow.config = {**TINY, "data_root": str(tmp_path / "data")}
    return workflow


def results(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.glob("results/**/*") if path.is_file() and path.suffix != ".log")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_disk_that_is_full_from_the_start_is_one_line_before_anything_starts(workflow, disk):
    disk.fill()
    result = workflow.ask()
    line = error_line(result)
    assert line.startswith(f"error: {disk.path}: no space left on the disk; make room and run again")
    assert is_one_line(line)


def test_a_read_only_folder_is_one_line_before_anything_starts(workflow, disk):
    disk.mount("-o", "remount,ro")
    assert error_line(workflow.ask()).startswith(f"error: {disk.path}: not allowed to write here")


@pytest.mark.long
@pytest.mark.parametrize("room", [1030_000, 1400_000], ids=["while training", "while reporting"])
def test_a_disk_that_fills_in_the_middle_loses_nothing_and_the_study_goes_on(workflow, disk, room):
    first = workflow.run("--until", "split", config=workflow.config)
    assert first.returncode == 0, first.stderr
    disk.fill(leaving=room)
    result = workflow.run("--keep-going")
    assert result.returncode != 0
    assert "error: " in result.stderr and "no space left on the disk" in result.stderr.lower(), result.stderr
    before = results(disk.path)
    assert not [name for name in before if Path(name).name.startswith(".")], "something half written is left"
    for name in before:
        if name.endswith(".json") and "records" in name:
            assert read_record(disk.path / name).status == "ok"
    disk.empty()
    again = workflow.run()
    assert again.returncode == 0, again.stderr
    after = results(disk.path)
    kept = [name for name in before if "tables" not in name and "checkpoints" not in name]  # which go at the end
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}, "what was finished was kept"
    assert (disk.path / "reports/tiny/report.html").exists()
    assert "Nothing to be done" in (last := workflow.run()).stdout + last.stderr


@pytest.mark.long
def test_damaged_files_of_a_study_are_named_and_made_anew_once_they_are_deleted(tmp_path):
    workflow = Workflow(tmp_path)
    assert workflow.run(config=TINY).returncode == 0
    whole = results(tmp_path)
    again = ["results/tiny/tables/*", "reports/tiny/*.html"]  # what a grown study would make anew
    for pattern, made_of_it in {
        "results/tiny/records/classify/random-*-l0.1-*.json": [],
        "results/tiny/records/pretrain/random-*.json": ["results/tiny/records/classify/random-*"],
        "results/tiny/encoders/random-*.safetensors": ["results/tiny/records/classify/random-*"],
        "results/tiny/splits/*.parquet": ["results/tiny/records/supervised/*"],
    }.items():
        (damaged,) = tmp_path.glob(pattern)
        damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
        for path in (path for other in [*made_of_it, *again] for path in tmp_path.glob(other)):
            path.unlink()
        result = workflow.run()
        lines = {line for line in result.stderr.splitlines() if line.startswith("error: ")}
        assert result.returncode != 0 and lines, pattern
        assert all(damaged.name in line and is_one_line(line) for line in lines), lines
        damaged.unlink()
        result = workflow.run()
        assert result.returncode == 0, result.stderr
        assert results(tmp_path).keys() == whole.keys()
