"""Unlabelled images from elsewhere: they are the whole pool, and no image with a label of the study is among them."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from builders import SCHEMA
from hostile import is_one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import grey_parts, write_cifar, write_idx
from PIL import Image

from sslfast import image_dls, load_dataset, make_split
from sslfast.data.images import ImageData, ImageSet
from sslfast.data.listing import listing_of
from sslfast.data.sources import content_of, source_content
from sslfast.data.splits import read_split, write_split
from sslfast.errors import ConfigError, DataError, RecordError
from sslfast.stages.inputs import study_images
from sslfast.study.config import check_config

FOLDER = {"dataset": "folder", "image_size": 8, "channels": 1}


def pixels(images: ImageSet, rows=None) -> list[bytes]:
    return [image.tobytes() for image in images.pixels(rows)]


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "data-root"


@pytest.fixture
def study(image_folder, tmp_path) -> Path:
    """Zeros, ones and twos: 6 each to train on, 3 to test, 4 without a label."""
    return image_folder(tmp_path / "study")


@pytest.fixture
def others(tmp_path, digit_images) -> Path:
    """Seven sevens and an eight, at two depths."""
    folder = tmp_path / "others"
    (folder / "deep/deeper").mkdir(parents=True)
    for i in range(7):
        Image.fromarray(digit_images("seven")[i]).save(folder / f"deep/deeper/{i}.png")
    Image.fromarray(digit_images("eight")[0]).save(folder / "eight.png")
    return folder


def load(study: Path, others, root: Path, **options) -> ImageData:
    return load_dataset(folder=study, unlabelled_from=others, data_root=root, **{**FOLDER, **options})


# ── the pool ────────────────────────────────────────────────────────────────────────────────────


def test_the_pool_is_the_images_from_elsewhere_and_no_others(study, others, root, digit_images):
    data = load(study, others, root)
    split = make_split(data, 0, 0.2)
    expected = [digit_images("eight")[0].tobytes(), *(image.tobytes() for image in digit_images("seven")[:7])]
    assert sorted(pixels(data.train, split.unlabelled(1))) == sorted(expected)
    assert sorted(split.unlabelled(1, "rest", 1)) == sorted(split.unlabelled(1))
    assert len(split.unlabelled(0.5)) == 4
    assert set(split.unlabelled(0.5)) < set(split.unlabelled(1))
    assert len(split.labelled(1)) + len(split.valid) == 18
    assert (data.train.y[split.unlabelled(1).tolist()] == -1).all()


def test_own_images_without_a_label_are_replaced_and_counted(study, others, root):
    data = load(study, others, root)
    assert data.summary()["n_unlabelled_only"] == 8
    assert data.notes["own_unlabelled_left_out"] == 4
    assert data.notes["unlabelled_copies_left_out"] == 0
    assert data.notes["unlabelled_from"] == "a folder"
    assert str(others) not in str(data.summary())  # which may move


def test_statistics_and_the_split_of_labelled_images_are_those_of_the_study_alone(image_folder, others, root, tmp_path):
    study = image_folder(tmp_path / "plain", unlabelled=0)
    alone = make_split(load_dataset(folder=study, data_root=root, **FOLDER), 3, 0.2)
    split = make_split(load(study, others, root), 3, 0.2)
    assert (split.mean, split.std) == (alone.mean, alone.std)
    np.testing.assert_array_equal(split.valid, alone.valid)
    for fraction in (0.2, 0.5, 1):
        np.testing.assert_array_equal(split.labelled(fraction), alone.labelled(fraction))


def test_test_images_are_those_of_the_study(study, others, root):
    data, alone = load(study, others, root), load_dataset(folder=study, data_root=root, **FOLDER)
    assert pixels(data.test) == pixels(alone.test)
    assert data.test.y.tolist() == alone.test.y.tolist()
    assert (data.name, data.classes) == (alone.name, alone.classes)


def test_image_dls_pretrains_on_them(study, others, root):
    dls = image_dls(study, unlabelled_from=others, image_size=8, channels=1, data_root=root, device="cpu", bs=8)
    assert len(dls.pretrain.train_ds) == 8
    assert set(dls.pretrain.train_ds.rows.tolist()) == set(dls.split.unlabelled(1).tolist())


# ── another data set ────────────────────────────────────────────────────────────────────────────


def test_training_images_of_another_data_set_are_scaled_to_the_study_s_size(root, digit_images):
    parts = grey_parts(digit_images)
    write_idx(root / "MNIST/raw", parts)
    data = load_dataset("digits", unlabelled_from="mnist", data_root=root)
    found = pixels(data.train, make_split(data, 0).unlabelled(1))
    small = (Image.fromarray(image).resize((8, 8), Image.Resampling.BICUBIC) for image in parts["train"][0])
    assert sorted(found) == sorted(np.asarray(image).tobytes() for image in small)
    assert data.notes["unlabelled_from"] == "mnist"


def test_images_in_colour_become_grey_and_grey_ones_get_three_channels(root, digit_images, monkeypatch):
    cifar = write_cifar(root, digit_images, monkeypatch)
    write_idx(root / "MNIST/raw", grey_parts(digit_images))
    grey = load_dataset("mnist", unlabelled_from="cifar10", data_root=root)
    rows = make_split(grey, 0).unlabelled(1)
    luma = np.tensordot(cifar["train"].astype(float), [0.299, 0.587, 0.114], axes=(1, 0)).mean()
    assert grey.train.x[rows.tolist()].float().mean() == pytest.approx(luma, abs=1)
    colour = load_dataset("cifar10", unlabelled_from="mnist", data_root=root)
    x = colour.train.x[make_split(colour, 0).unlabelled(1).tolist()]
    assert x.shape[1:] == (3, 32, 32)
    assert (x == x[:, :1]).all()


def test_the_same_data_set_is_an_error(root):
    with pytest.raises(ConfigError, match="unlabelled_from: found digits, the study's own data set"):
        load_dataset("digits", unlabelled_from="digits", data_root=root)


def test_another_name_makes_other_data(root, digit_images, monkeypatch):
    write_idx(root / "MNIST/raw", grey_parts(digit_images))
    write_cifar(root, digit_images, monkeypatch)
    found = [load_dataset("digits", unlabelled_from=name, data_root=root) for name in (None, "mnist", "cifar10")]
    assert len({data.fingerprint for data in found}) == 3


# ── copies ──────────────────────────────────────────────────────────────────────────────────────


def test_the_study_s_own_folder_gives_its_images_without_a_label(study, root):
    data = load(study, study, root)
    assert data.summary()["n_unlabelled_only"] == 4
    assert data.notes["unlabelled_copies_left_out"] == 18 + 9


def test_nothing_but_copies_is_an_error_that_counts_them(study, root):
    shutil.rmtree(study / "unlabelled")
    with pytest.raises(
        DataError, match=r"unlabelled_from: of 27 images of .*, 27 are copies of images of the study"
    ) as e:
        load(study, study, root)
    assert is_one_line(e.value)


@st.composite
def mixtures(draw) -> list[int]:
    """Which of 40 different images (0 to 23 are the study's) are elsewhere, and how often."""
    return draw(st.lists(st.integers(0, 39), min_size=2, max_size=30))


@settings(max_examples=25)
@given(mixtures(), st.integers(0, 2**31 - 1), st.sampled_from([0.2, 0.4]))
def test_no_image_with_a_label_is_ever_in_the_pool(tmp_path_factory, digit_images, chosen, seed, valid_fraction):
    images = digit_images("three")[:40]
    place = tmp_path_factory.mktemp("mixture")
    for i in range(24):  # of each of two classes 8 to train on and 2 to test; 4 without a label
        part = f"train/{i % 2}" if i < 16 else f"test/{i % 2}" if i < 20 else "unlabelled"
        (place / "study" / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i]).save(place / "study" / part / f"{i}.png")
    (place / "others").mkdir()
    for at, i in enumerate(chosen):
        Image.fromarray(images[i]).save(place / "others" / f"{at}.png")
    kept = [images[i].tobytes() for i in chosen if i >= 20]
    if len(kept) < 2:
        with pytest.raises(DataError, match=f"of {len(chosen)} images of .*, {len(chosen) - len(kept)} are copies"):
            load(place / "study", place / "others", place / "root")
        return
    data = load(place / "study", place / "others", place / "root")
    split = make_split(data, seed, valid_fraction)
    assert Counter(pixels(data.train, split.unlabelled(1))) == Counter(kept)
    assert data.notes["unlabelled_copies_left_out"] == len(chosen) - len(kept)
    with_labels = {*pixels(data.train, split.labelled(1)), *pixels(data.train, split.valid), *pixels(data.test)}
    assert len(with_labels) == 20
    assert with_labels.isdisjoint(pixels(data.train, split.unlabelled(1)))
    assert data.notes["test_images_also_in_training"] == 0


# ── what is stored ──────────────────────────────────────────────────────────────────────────────


def test_the_same_images_as_the_study_s_own_are_another_study(image_folder, study, root, tmp_path):
    own = load_dataset(folder=study, data_root=root, **FOLDER)
    plain = image_folder(tmp_path / "plain", unlabelled=0)
    elsewhere = load(plain, study / "unlabelled", root)
    assert pixels(own.train) == pixels(elsewhere.train)
    assert own.fingerprint != elsewhere.fingerprint
    write_split(make_split(own, 0), tmp_path / "split.parquet")
    with pytest.raises(RecordError, match="made for other images"):
        read_split(tmp_path / "split.parquet", elsewhere)


def test_a_split_comes_back_as_it_was(study, others, root, tmp_path):
    data = load(study, others, root)
    split = make_split(data, 0)
    write_split(split, tmp_path / "split.parquet")
    found = read_split(tmp_path / "split.parquet", data, seed=0)
    assert found.unlabelled_elsewhere
    np.testing.assert_array_equal(found.unlabelled(1), split.unlabelled(1))


def test_a_split_whose_pool_has_images_of_the_study_is_refused(study, others, root, tmp_path):
    split = make_split(load(study, others, root), 0)
    split.table.loc[split.table.labelled_rank == 0, "unlabelled_rank"] = 8
    write_split(split, tmp_path / "split.parquet")
    with pytest.raises(RecordError, match="its unlabelled_rank cannot be"):
        read_split(tmp_path / "split.parquet")


def test_a_folder_that_moved_holds_the_same_images(study, others, root, tmp_path):
    before = load(study, others, root)
    content = source_content(others)
    moved = others.rename(tmp_path / "moved")
    assert source_content(moved) == content
    again = load(study, moved, root)
    assert again.fingerprint == before.fingerprint


def test_images_that_were_read_once_are_needed_no_more(study, others, root):
    content = source_content(others)
    before = load(study, others, root)
    shutil.rmtree(others)
    assert load(study, others, root, unlabelled_content=content).fingerprint == before.fingerprint


def test_an_image_that_is_added_or_changed_makes_other_data(study, others, root, digit_images):
    before = load(study, others, root)
    Image.fromarray(digit_images("nine")[0]).save(others / "nine.png")
    after = load(study, others, root)
    assert after.fingerprint != before.fingerprint
    assert after.summary()["n_unlabelled_only"] == 9


def test_a_folder_that_changed_since_the_study_looked_is_an_error(study, others, root):
    content = source_content(others)
    (others / "eight.png").unlink()
    with pytest.raises(DataError, match=r"unlabelled_from: the images under .* changed since the study looked"):
        load(study, others, root, unlabelled_content=content)


def test_a_study_says_where_they_are_in_its_config_and_what_they_are_in_its_params(study, others, root):
    given = {"folder": str(study), "data_root": str(root), "unlabelled": [1], "labelled": [1], **FOLDER}
    study_ = check_config({**given, "unlabelled_from": str(others)}, SCHEMA)
    content = content_of(study_, listing_of(study_))
    assert study_images(content, study_).fingerprint == load(study, others, root).fingerprint
    own = check_config(given, SCHEMA)
    assert not study_images(content_of(own, listing_of(own)), own).unlabelled_elsewhere


def test_looking_at_a_folder_imports_no_torch(others):
    code = (
        f"import sys; from sslfast.data.sources import source_content; source_content({str(others)!r});"
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ── bad input ───────────────────────────────────────────────────────────────────────────────────


def test_an_unreadable_image_is_named_under_its_own_key_or_counted(study, others, root):
    (others / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"^unlabelled_from: cannot read the image .*broken\.png"):
        load(study, others, root)
    data = load(study, others, root, on_bad_image="skip")
    assert data.notes["unlabelled_images_skipped"] == 1
    assert data.summary()["n_unlabelled_only"] == 8


@pytest.mark.parametrize("found", ["nothing", "a file", "no images", "a name"])
def test_what_is_no_folder_of_images_is_an_error_that_says_so(study, others, root, tmp_path, found):
    place = tmp_path / "place"
    if found == "a file":
        place.write_text("")
    elif found == "no images":
        place.mkdir()
        (place / "notes.txt").write_text("")
    source = "imagenet" if found == "a name" else place
    with pytest.raises(DataError, match=f"^unlabelled_from: found {'nothing' if found == 'a name' else found}") as e:
        load(study, source, root)
    assert is_one_line(e.value)
    if found != "no images":
        assert "expected a folder of images or one of digits, mnist" in str(e.value)


def test_a_link_out_of_the_folder_is_an_error_under_its_own_key(study, others, root):
    os.symlink(study / "train/zero/zero-000.png", others / "link.png")
    with pytest.raises(DataError, match=r"^unlabelled_from: .*link\.png is a link out of"):
        load(study, others, root)


def test_a_folder_behind_a_link_is_read(study, others, root, tmp_path):
    os.symlink(others, tmp_path / "link")
    assert load(study, tmp_path / "link", root).summary()["n_unlabelled_only"] == 8
