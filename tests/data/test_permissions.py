"""Folders and files that a user may not read or write are named, also where the tests run as root."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import is_one_line

from sslfast import load_dataset
from sslfast.errors import DataError

NOBODY = 65534


@pytest.fixture
def folder(image_folder) -> Iterator[Path]:
    """Images in a folder that everybody may read and write; meanwhile, root is nobody in particular."""
    root = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    image_folder(root / "images")
    for path in [root, *root.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield root
    if user == 0:
        os.seteuid(0)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o777)
    shutil.rmtree(root)


def close(path: Path, mode: int = 0) -> None:
    """Take the rights away, as the owner may."""
    user = os.geteuid()
    os.seteuid(path.stat().st_uid if user == NOBODY else user)
    path.chmod(mode)
    os.seteuid(user)


def refusal(folder: Path, **options) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset("folder", folder=folder / "images", image_size=8, data_root=folder / "data", **options)
    assert is_one_line(caught.value)
    return str(caught.value)


def test_an_image_that_may_not_be_read_is_named_or_skipped(folder):
    path = folder / "images/train/one/one-000.png"
    close(path)
    assert f"cannot read the image {path}" in (message := refusal(folder))
    assert "Permission denied" in message
    data = load_dataset(
        "folder", folder=folder / "images", image_size=8, data_root=folder / "data", on_bad_image="skip"
    )
    assert data.notes["skipped"] == ["train/one/one-000.png"]


@pytest.mark.parametrize("part", ["", "train", "train/one", "unlabelled"])
def test_a_folder_that_may_not_be_read_is_named(folder, part):
    close(folder / "images" / part)
    assert f"not allowed to read {folder / 'images' / part}" in refusal(folder)


def test_a_folder_that_may_not_be_entered_is_named(folder):
    close(folder / "images/train", 0o444)
    assert f"{folder / 'images/train'}" in refusal(folder)


def test_a_folder_above_that_may_not_be_entered_is_named(folder):
    (folder / "above").mkdir()
    (folder / "above").chmod(0)
    with pytest.raises(DataError, match=r"cannot look at .*Permission denied") as caught:
        load_dataset("folder", folder=folder / "above/images", data_root=folder / "data")
    assert is_one_line(caught.value)


def test_a_data_root_that_may_not_be_written_is_named_with_what_to_do(folder):
    close(folder, 0o555)
    assert refusal(folder).startswith(f"data_root: cannot write to {folder / 'data'} (Permission denied)")
