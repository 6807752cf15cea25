"""Data sets by name: what is read, from which files, and what is said where they are missing."""

import hashlib
import urllib.request
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from layouts import (
    CIFAR_CLASSES,
    DIGITS,
    IDX_CLASSES,
    STL10_CLASSES,
    grey_parts,
    write_cifar,
    write_cifar100,
    write_idx,
    write_stl10,
    write_svhn,
)
from PIL import Image

from sslfast import image_dls, load_dataset, make_split
from sslfast.data.splits import read_split, write_split
from sslfast.errors import ConfigError, DataError, RecordError
from sslfast.study.datasets import dataset_names


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Nothing is ever downloaded here."""

    def refuse(*args, **kwargs):
        raise URLError("name resolution failed")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "data-root"


@pytest.fixture
def grey(digit_images):
    return grey_parts(digit_images)


@pytest.fixture
def cifar(root, digit_images, monkeypatch):
    return write_cifar(root, digit_images, monkeypatch)


# ── digits ──────────────────────────────────────────────────────────────────────────────────────


def test_digits_are_1797_small_grey_images_of_ten_classes(digits):
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.train.x.shape[1:] == digits.test.x.shape[1:] == (1, 8, 8)
    assert digits.train.x.dtype == digits.test.x.dtype == torch.uint8
    assert digits.train.y.dtype == digits.test.y.dtype == torch.int64
    assert digits.classes == tuple("0123456789")


def test_every_digit_is_either_for_training_or_for_testing(digits, digit_images):
    for label, name in enumerate(DIGITS):
        found = [im.numpy().tobytes() for part in (digits.train, digits.test) for im in part.x[part.y == label]]
        assert sorted(found) == sorted(image.tobytes() for image in digit_images(name))


def test_digits_use_the_whole_range_of_grey(digits):
    assert (int(digits.train.x.min()), int(digits.train.x.max())) == (0, 255)


def test_a_fifth_of_each_class_of_digits_is_for_testing(digits):
    for label in range(10):
        n_train, n_test = (int((part.y == label).sum()) for part in (digits.train, digits.test))
        assert n_test == round(0.2 * (n_train + n_test))


def test_the_test_fraction_and_seed_of_digits_make_other_data(root):
    found = [load_dataset("digits", data_root=root, **kw) for kw in ({}, {"test_fraction": 0.4}, {"test_seed": 1})]
    assert len({data.fingerprint for data in found}) == 3
    assert len(found[1].test) == pytest.approx(2 * len(found[0].test), abs=10)
    assert not torch.equal(found[0].test.x, found[2].test.x)


# ── MNIST and Fashion-MNIST ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dataset", IDX_CLASSES)
def test_idx_files_in_the_data_root_are_read_without_a_network(dataset, root, grey):
    write_idx(root / IDX_CLASSES[dataset] / "raw", grey)
    data = load_dataset(dataset, data_root=root)
    for found, part in ((data.train, "train"), (data.test, "t10k")):
        x, y = grey[part]
        np.testing.assert_array_equal(found.x.numpy()[:, 0], x)
        np.testing.assert_array_equal(found.y.numpy(), y)
        assert (found.x.dtype, found.y.dtype) == (torch.uint8, torch.int64)
    assert len(data.classes) == 10
    assert data.classes[-1] == {"mnist": "9 - nine", "fashion_mnist": "Ankle boot"}[dataset]


def test_zipped_idx_files_in_the_data_root_are_unpacked_without_a_network(root, grey, monkeypatch):
    import torchvision.datasets as tv

    folder = root / "MNIST" / "raw"
    write_idx(folder, grey, zipped=True)
    sums = [(name, hashlib.md5((folder / name).read_bytes()).hexdigest()) for name, _ in tv.MNIST.resources]
    monkeypatch.setattr(tv.MNIST, "resources", sums)
    np.testing.assert_array_equal(load_dataset("mnist", data_root=root).train.x.numpy()[:, 0], grey["train"][0])


def test_a_data_set_that_was_read_once_needs_its_files_no_more(root, grey):
    import shutil

    write_idx(root / "MNIST" / "raw", grey)
    first = load_dataset("mnist", data_root=root)
    shutil.rmtree(root / "MNIST")
    again = load_dataset("mnist", data_root=root)
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.train.x, first.train.x)


@pytest.mark.parametrize("damage", ["truncated", "a web page", "empty"])
def test_a_damaged_idx_file_is_an_error_that_says_where_the_files_belong(root, grey, damage):
    folder = root / "MNIST" / "raw"
    write_idx(folder, grey)
    path = folder / "train-images-idx3-ubyte"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:1000], "a web page": b"<!DOCTYPE html><title>404", "empty": b""}[damage])
    with pytest.raises(DataError, match="mnist") as caught:
        load_dataset("mnist", data_root=root)
    assert str(folder) in str(caught.value)


def test_other_files_under_the_same_names_are_other_data(root, grey, tmp_path):
    write_idx(root / "MNIST" / "raw", grey)
    x, y = grey["t10k"]
    write_idx(tmp_path / "b" / "MNIST" / "raw", {**grey, "t10k": (x, y[::-1].copy())})
    one, other = (load_dataset("mnist", data_root=place) for place in (root, tmp_path / "b"))
    assert one.fingerprint != other.fingerprint
    write_split(make_split(one, 0), tmp_path / "split.parquet")
    with pytest.raises(RecordError, match="made for other images"):
        read_split(tmp_path / "split.parquet", other)


def test_a_split_of_one_data_set_is_refused_for_another(root, grey, tmp_path):
    for name in IDX_CLASSES.values():
        write_idx(root / name / "raw", grey)
    mnist, fashion = (load_dataset(name, data_root=root) for name in IDX_CLASSES)
    write_split(make_split(mnist, 0), tmp_path / "split.parquet")
    assert read_split(tmp_path / "split.parquet", mnist).dataset == "mnist"
    with pytest.raises(RecordError, match="made for other images"):
        read_split(tmp_path / "split.parquet", fashion)


# ── CIFAR-10 ────────────────────────────────────────────────────────────────────────────────────


def test_cifar10_batches_in_the_data_root_are_read_without_a_network(root, cifar):
    data = load_dataset("cifar10", data_root=root)
    np.testing.assert_array_equal(data.train.x.numpy(), cifar["train"])
    np.testing.assert_array_equal(data.test.x.numpy(), cifar["test"])
    np.testing.assert_array_equal(data.train.y.numpy(), np.tile(np.arange(10), 5))
    assert data.classes == tuple(CIFAR_CLASSES)


def test_image_dls_takes_cifar10_by_its_name(root, cifar):
    dls = image_dls("cifar10", unlabelled=0.5, labelled=1, seed=0, data_root=root, valid_fraction=0.2, device="cpu")
    assert dls.classify.one_batch()[0].shape == (40, 3, 32, 32)
    assert dls.pretrain.one_batch()[0].shape == (20, 3, 32, 32)
    assert dls.classify.vocab[3] == "cat"


def test_a_damaged_cifar10_file_is_an_error_that_says_where_the_files_belong(root, cifar):
    path = root / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="cifar10") as caught:
        load_dataset("cifar10", data_root=root)
    assert str(path.parent) in str(caught.value)


# ── CIFAR-100, SVHN, STL-10 ─────────────────────────────────────────────────────────────────────

WRITERS = {"cifar100": write_cifar100, "svhn": write_svhn, "stl10": write_stl10}


@pytest.mark.parametrize("dataset", ["cifar100", "svhn"])
def test_files_in_the_data_root_are_read_without_a_network(dataset, root, digit_images, monkeypatch):
    parts = WRITERS[dataset](root, digit_images, monkeypatch)
    data = load_dataset(dataset, data_root=root)
    for found, part in ((data.train, "train"), (data.test, "test")):
        x, y = parts[part]
        np.testing.assert_array_equal(found.x.numpy(), x)
        np.testing.assert_array_equal(found.y.numpy(), y)
        assert (found.x.dtype, found.y.dtype) == (torch.uint8, torch.int64)
    names = {"cifar100": [f"thing {c:02}" for c in range(100)], "svhn": list("0123456789")}
    assert data.classes == tuple(names[dataset])


def scaled_by_pillow(x: np.ndarray, size: int) -> np.ndarray:
    images = (Image.fromarray(image.transpose(1, 2, 0)).resize((size, size), Image.Resampling.BICUBIC) for image in x)
    return np.stack([np.asarray(image) for image in images]).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("size", [None, 8, 48, 96])
def test_stl10_is_scaled_and_its_images_without_labels_have_none(root, digit_images, monkeypatch, size):
    parts = write_stl10(root, digit_images, monkeypatch)
    data = load_dataset("stl10", data_root=root, image_size=size)
    expected = {name: scaled_by_pillow(x, size or 32) for name, (x, _) in parts.items()}
    np.testing.assert_array_equal(data.train.x.numpy(), np.concatenate([expected["train"], expected["unlabeled"]]))
    np.testing.assert_array_equal(data.test.x.numpy(), expected["test"])
    np.testing.assert_array_equal(data.train.y.numpy(), [*parts["train"][1], *[-1] * 30])
    np.testing.assert_array_equal(data.test.y.numpy(), parts["test"][1])
    assert data.classes == tuple(STL10_CLASSES)
    assert (data.summary()["n_labelled"], data.summary()["n_unlabelled_only"]) == (50, 30)


def test_each_size_of_stl10_is_stored_for_itself(root, digit_images, monkeypatch):
    write_stl10(root, digit_images, monkeypatch)
    sizes = [load_dataset("stl10", data_root=root, image_size=size).train.image_size for size in (16, 32, 16)]
    assert sizes == [16, 32, 16]


@pytest.mark.parametrize("size", [7, 97])
def test_a_size_that_stl10_cannot_be_scaled_down_to_is_an_error(root, size):
    with pytest.raises(ConfigError, match=rf"image_size: found {size}, expected 8 (pixels or more|to 96 pixels)"):
        load_dataset("stl10", data_root=root, image_size=size)


def test_more_images_than_should_be_in_memory_are_read_by_way_of_a_file(root, digit_images, monkeypatch):
    from sslfast.data import scaling

    write_stl10(root, digit_images, monkeypatch)
    expected = load_dataset("stl10", data_root=root)
    monkeypatch.setattr(scaling, "IN_MEMORY", 1000)
    kinds, make = [], scaling.empty_images
    monkeypatch.setattr(scaling, "empty_images", lambda *a: kinds.append(type(array := make(*a))) or array)
    for path in root.glob("cache/stl10*/*"):
        path.unlink()
    again = load_dataset("stl10", data_root=root)
    assert kinds == [np.memmap, np.memmap]
    assert again.fingerprint == expected.fingerprint
    assert torch.equal(again.train.x, expected.train.x)
    assert {path.name for path in root.iterdir()} == {"cache", "stl10_binary"}


@pytest.mark.parametrize(
    ("dataset", "file"),
    [
        ("cifar100", "cifar-100-python/train"),
        ("svhn", "svhn/test_32x32.mat"),
        ("stl10", "stl10_binary/unlabeled_X.bin"),
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "changed", "gone"])
def test_a_damaged_file_is_an_error_that_says_where_the_files_belong(
    root, digit_images, monkeypatch, dataset, file, damage
):
    WRITERS[dataset](root, digit_images, monkeypatch)
    path = root / file
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:-1], "changed": whole[:-1] + b"!", "gone": b""}[damage])
    if damage == "gone":
        path.unlink()
    with pytest.raises(DataError, match=f"dataset: {dataset} is not in .* or damaged, and could not be") as caught:
        load_dataset(dataset, data_root=root)
    assert str(path.parent) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


# ── not there ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dataset", "folder", "file"),
    [
        ("mnist", "MNIST/raw", "train-images-idx3-ubyte"),
        ("fashion_mnist", "FashionMNIST/raw", "train-images-idx3-ubyte"),
        ("cifar10", "cifar-10-batches-py", "data_batch_1"),
        ("cifar100", "cifar-100-python", "train, test and meta"),
        ("svhn", "svhn", "train_32x32.mat"),
        ("stl10", "stl10_binary", "unlabeled_X.bin"),
    ],
)
def test_without_files_and_network_the_error_says_which_files_to_put_where(root, dataset, folder, file):
    with pytest.raises(DataError, match=f"dataset: {dataset} is not in .* could not be downloaded") as caught:
        load_dataset(dataset, data_root=root)
    message = str(caught.value)
    assert "\n" not in message
    assert str(root / folder) in message
    assert file in message
    assert not [path for path in (root / "cache").iterdir() if path.is_dir()]


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_the_error_says_why_the_download_failed(root, dataset):
    with pytest.raises(DataError, match="name resolution failed"):
        load_dataset(dataset, data_root=root)


def test_files_that_come_after_a_failed_download_are_found(root, grey):
    with pytest.raises(DataError):
        load_dataset("mnist", data_root=root)
    write_idx(root / "put here" / "raw", grey)
    for path in (root / "put here" / "raw").iterdir():
        (root / "MNIST" / "raw").mkdir(parents=True, exist_ok=True)
        path.rename(root / "MNIST" / "raw" / path.name)
    assert len(load_dataset("mnist", data_root=root).train) == 80


@pytest.mark.parametrize("name", ["imagenet", "Digits", ""])
def test_an_unknown_data_set_is_an_error_that_lists_the_known_ones(name):
    with pytest.raises(ConfigError, match=rf"dataset: found '{name}', expected one of {', '.join(dataset_names())}"):
        load_dataset(name)


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_a_data_root_that_cannot_be_written_is_named(dataset, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="data_root: cannot write to") as caught:
        load_dataset(dataset, data_root=tmp_path / "file")
    assert str(tmp_path / "file") in str(caught.value)


def test_data_live_where_the_environment_says_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLFAST_DATA", str(tmp_path / "from the environment"))
    load_dataset("digits")
    assert (tmp_path / "from the environment" / "cache").is_dir()
    load_dataset("digits", data_root=tmp_path / "told")
    assert (tmp_path / "told" / "cache").is_dir()
