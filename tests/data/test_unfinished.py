"""Decoding goes on where it was stopped, and gives what it gives unbroken."""

import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sslfast import load_dataset
from sslfast.data import decoding, folder
from sslfast.data.unfinished import DONE, WEEK, Unfinished
from sslfast.errors import DataError


def read(root, store, **options):
    return load_dataset("folder", folder=root, data_root=store, image_size=8, **options)


def stopped_after(n: int, monkeypatch) -> list[str]:
    """Lets decoding be stopped after `n` files; the files that were decoded."""
    seen: list[str] = []

    def decode(path, *args, **kwargs):
        if len(seen) == n:
            raise KeyboardInterrupt
        seen.append(path)
        return original(path, *args, **kwargs)

    original = decoding.decode
    monkeypatch.setattr(decoding, "decode", decode)
    return seen


def deep_grey(path, i):
    values = np.full((9, 9), 900 + 40 * i, np.uint16)
    values[:4] += 7 * i
    Image.fromarray(values).save(path)


@pytest.mark.parametrize("kind", ["plain", "deep grey"])
@pytest.mark.parametrize("n", [0, 7, 20])
def test_who_is_stopped_decodes_the_rest_alone_and_has_the_same_images(n, kind, image_folder, tmp_path, monkeypatch):
    root = image_folder(tmp_path / "images", train=12)
    if kind == "deep grey":
        for i, path in enumerate(sorted(root.rglob("*.png"))):
            deep_grey(path, i % 9)
    whole = read(root, tmp_path / "one")
    with monkeypatch.context() as patch:
        first = stopped_after(n, patch)
        with pytest.raises(KeyboardInterrupt):
            read(root, tmp_path / "two")
        assert not list((tmp_path / "two/cache").glob("folder-*/meta.json"))
    with monkeypatch.context() as patch:
        rest = stopped_after(10**6, patch)
        again = read(root, tmp_path / "two")
    n_files = len(list(root.rglob("*.png")))
    assert len(set(first)) == n
    assert len(rest) == (n_files - n if kind == "plain" else 2 * n_files - n)  # of deep grey, each is looked at twice
    assert again.fingerprint == whole.fingerprint
    assert again.notes == whole.notes
    left = [path.name for path in (tmp_path / "two/cache").iterdir() if not path.name.endswith(".lock")]
    assert left == [path.name for path in (tmp_path / "one/cache").iterdir() if not path.name.endswith(".lock")]


def test_unreadable_files_are_known_again(image_folder, tmp_path, monkeypatch):
    root = image_folder(tmp_path / "images", train=12)
    broken = sorted(root.rglob("*.png"))[3]
    broken.write_bytes(b"nothing")
    whole = read(root, tmp_path / "one", on_bad_image="skip")
    with monkeypatch.context() as patch:
        stopped_after(15, patch)
        with pytest.raises(KeyboardInterrupt):
            read(root, tmp_path / "two", on_bad_image="skip")
    again = read(root, tmp_path / "two", on_bad_image="skip")
    assert again.notes == whole.notes and again.notes["images_skipped"] == 1
    assert again.fingerprint == whole.fingerprint


@pytest.mark.parametrize(("options", "broken"), [({}, 1), ({"on_bad_image": "skip"}, 11)])
def test_of_files_that_make_no_data_set_nothing_is_kept(image_folder, tmp_path, options, broken):
    root = image_folder(tmp_path / "images", train=12)
    for path in sorted((root / "train").rglob("*.png"))[:broken]:
        path.write_bytes(b"nothing")
    with pytest.raises(DataError):
        read(root, tmp_path / "store", **options)
    assert not [path for path in (tmp_path / "store/cache").iterdir() if path.is_dir()]


def test_large_sets_of_images_lie_in_files_and_are_the_same(image_folder, tmp_path, monkeypatch):
    root = image_folder(tmp_path / "images", train=12)
    whole = read(root, tmp_path / "one")
    monkeypatch.setattr("sslfast.data.scaling.IN_MEMORY", 100)
    kinds = []
    taken = folder.taken
    monkeypatch.setattr(folder, "taken", lambda *args: kinds.append(type(found := taken(*args))) or found)
    assert read(root, tmp_path / "two").fingerprint == whole.fingerprint
    assert set(kinds) == {np.memmap}


@given(st.lists(st.integers(0, 9), unique=True), st.booleans())
def test_only_what_was_kept_counts_as_done(tmp_path_factory, done, kept):
    place, paths = tmp_path_factory.mktemp("work"), [f"{i}.png" for i in range(10)]
    work = Unfinished(place, paths, (2, 2, 1))
    assert not work.state.any()
    for i in done:
        work.x[i], work.state[i] = i + 1, DONE
    if kept:
        work.keep()
    again = Unfinished(place, paths, (2, 2, 1))
    assert set(np.flatnonzero(again.state == DONE)) == (set(done) if kept else set())
    assert all((again.x[i] == i + 1).all() for i in done if kept)
    assert not Unfinished(place, paths[:9], (2, 2, 1)).state.any()  # of other files nothing is known
    assert not Unfinished(place, paths, (3, 3, 1)).state.any()  # nor of another size


def test_what_nobody_went_on_with_for_a_week_is_removed(image_folder, tmp_path, monkeypatch):
    root = image_folder(tmp_path / "images", train=12)
    with monkeypatch.context() as patch:
        stopped_after(5, patch)
        with pytest.raises(KeyboardInterrupt):
            read(root, tmp_path / "store")
    (left,) = (tmp_path / "store/cache").glob(".*-unfinished")
    image_folder(root, classes=("seven",), train=12)
    read(root, tmp_path / "store")
    assert left.exists()
    for file in left.iterdir():
        os.utime(file, (time.time() - WEEK - 60,) * 2)
    image_folder(root, classes=("eight",), train=12)
    read(root, tmp_path / "store")
    assert not left.exists()
