"""A disk that is full or read-only: one line, earlier files as they were, and it goes on once there is room."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import grid, realistic, run_record, tables
from grids import checked
from hostile import Disk, is_one_line

from sslfast import load_dataset, make_split
from sslfast.analysis.results import analyse
from sslfast.analysis.summary import write_results
from sslfast.analysis.tables import write_tables
from sslfast.data.splits import write_split
from sslfast.errors import DataError, RecordError, SslfastError, one_line
from sslfast.models import create_encoder, load_encoder, save_encoder
from sslfast.report.page import write_report
from sslfast.study.arrays import write_predictions
from sslfast.study.records import read_record, write_record


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    with Disk.of(tmp_path / "disk", "2m") as disk:
        yield disk


CELLS, HISTORY = tables(grid(realistic, us=["0", "1"], ls=["0.5"]))
RESULTS = analyse(CELLS, HISTORY)
STUDY = checked(title="Digits")


def digits_on(folder: Path):
    return load_dataset("digits", data_root=folder / "data")


WRITERS: dict[str, Callable] = {
    "a record": lambda folder: write_record(run_record(), folder / "run.json"),
    "predictions": lambda folder: write_predictions(np.zeros(100_000, dtype=np.uint8), folder / "p.npy"),
    "an encoder": lambda folder: save_encoder(create_encoder("conv", 1, 8), folder / "e.safetensors", seed=0),
    "tables": lambda folder: write_tables({"cells": CELLS, "history": HISTORY}, [folder]),
    "conclusions": lambda folder: write_results(RESULTS, folder),
    "a report": lambda folder: write_report(CELLS, HISTORY, STUDY, folder),
    "a store of images": digits_on,
}


def refusal(write: Callable, folder: Path) -> str:
    """What a user reads."""
    with pytest.raises((OSError, SslfastError)) as caught:
        write(folder)
    assert is_one_line(one_line(caught.value))
    return one_line(caught.value)


EACH = [pytest.param(what, marks=pytest.mark.long if what == "a report" else ()) for what in WRITERS]


@pytest.mark.parametrize("what", EACH)
def test_a_full_disk_is_one_line_that_names_the_file_and_leaves_what_was_there(disk, what):
    folder, write = disk.path / "results", WRITERS[what]
    folder.mkdir()
    write(folder)
    before = disk.content()
    disk.fill()
    message = refusal(write, folder) if what != "a store of images" else refusal(digits_on, disk.path / "another")
    assert str(disk.path) in message
    assert any(words in message.lower() for words in ("no space left", "storage full", "os error 28"))
    after = {name: content for name, content in disk.content().items() if not name.endswith(".lock")}
    assert {name: after.get(name) for name in before if not name.endswith(".lock")} == {
        name: content for name, content in before.items() if not name.endswith(".lock")
    }
    assert set(after) <= set(before), "something half written is left"
    disk.empty()
    write(folder)
    assert set(disk.content()) == set(before) or what == "a store of images"


@pytest.mark.parametrize("what", EACH)
def test_a_read_only_folder_is_one_line_that_names_the_file(disk, what):
    folder = disk.path / "results"
    folder.mkdir()
    disk.mount("-o", "remount,ro")
    message = refusal(WRITERS[what], folder)
    assert str(folder) in message
    assert "Read-only file system" in message
    disk.mount("-o", "remount,rw")
    WRITERS[what](folder)


def test_a_split_needs_room_too(disk, digits):
    split = make_split(digits, 0)
    disk.fill()
    message = refusal(lambda folder: write_split(split, folder / "s.parquet"), disk.path)
    assert message.startswith(f"{disk.path / 's.parquet'}: no space left on the disk; make room and run again")
    assert set(disk.content()) == set()


def test_stored_images_can_be_read_where_nothing_may_be_written(disk):
    before = digits_on(disk.path)
    disk.mount("-o", "remount,ro")
    assert digits_on(disk.path).fingerprint == before.fingerprint


def test_a_store_of_images_says_where_else_it_may_go(disk):
    disk.fill()
    with pytest.raises(DataError, match=r"data_root: cannot write to .*; make room there, or set data_root"):
        digits_on(disk.path)


def test_files_written_before_the_disk_was_full_can_still_be_read(disk):
    write_record(run_record(accuracy=0.5), disk.path / "run.json")
    save_encoder(create_encoder("conv", 1, 8), disk.path / "e.safetensors", seed=0)
    disk.fill()
    with pytest.raises(OSError):
        write_record(run_record(accuracy=0.9), disk.path / "run.json")
    with pytest.raises((OSError, RecordError)):
        save_encoder(create_encoder("conv", 1, 8), disk.path / "e.safetensors", seed=1)
    assert read_record(disk.path / "run.json").test["accuracy"] == 0.5
    assert load_encoder(disk.path / "e.safetensors", seed=0).name == "conv"
