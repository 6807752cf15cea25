"""The protocol that makes the numbers true (docs/design.md), on every data set and on random folders.

Lines 1 to 3 are proved here. Line 4 (one seed, named streams): tests/data/test_loaders.py, tests/test_learners.py;
5 (macro-F1): tests/training/test_metrics.py; 6 (RMSE): tests/test_learners.py; 7 (budgets) and 9 (the same again):
tests/stages/test_stages.py; 8 (not reached): tests/analysis/test_times.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import IDX_CLASSES, grey_parts, write_cifar, write_cifar100, write_idx, write_stl10, write_svhn
from PIL import Image
from safetensors.torch import load_file

from sslfast import load_dataset, make_split
from sslfast.data.batches import BatchDL
from sslfast.data.images import ImageData, ImageSet
from sslfast.data.loaders import ImageRows
from sslfast.data.splits import Split
from sslfast.models import save_encoder
from sslfast.stages import FitSettings, RunSettings, classify, classifying, encoder_header, pretrain, supervised
from sslfast.study.records import RunRecord, write_record

WRITERS = {"cifar10": write_cifar, "cifar100": write_cifar100, "svhn": write_svhn, "stl10": write_stl10}
DATASETS = ["digits", *IDX_CLASSES, *WRITERS, "folder with test/", "folder without test/", "unlabelled elsewhere"]
STRONG = {"flip_horizontal": 1.0, "flip_vertical": 1.0, "noise": 0.5}
RUN = RunSettings(budget="epochs", batch_size=16, augment=STRONG, precision="float32")
FIT = FitSettings(epochs=3, views=2)  # fewer views than epochs: features of the frozen encoder are computed once
U, L = "0.5", "0.3"
STAGES = ["classify, cached views", "classify, fresh views", "supervised"]

_loaded: dict[str, ImageData] = {}
_trained: dict[tuple[str, str, str], Callable[[Path], None]] = {}


@pytest.fixture(params=DATASETS)
def data(request, digits, digit_images, image_folder, tmp_path_factory) -> ImageData:
    """Each data set, read as a study reads it: those that are downloaded, from files in their layout."""
    name = request.param
    if name not in _loaded:
        root = tmp_path_factory.mktemp("protocol")
        if name == "digits":
            _loaded[name] = digits
        elif name in WRITERS:
            with pytest.MonkeyPatch.context() as patch:
                WRITERS[name](root, digit_images, patch)
                _loaded[name] = load_dataset(name, image_size=8 if name == "stl10" else None, data_root=root)
        elif name == "unlabelled elsewhere":  # among them copies of images of each part of the study
            options = {"image_size": 8, "channels": 1, "data_root": root, "unlabelled_from": root}
            folder = image_folder(root / "images", train=12, test=4, unlabelled=9)
            _loaded[name] = load_dataset("folder", folder=folder, **options)
        elif name.startswith("folder"):
            folder = image_folder(root / "images", train=12, test=4 if "with " in name else 0, unlabelled=9)
            _loaded[name] = load_dataset("folder", folder=folder, image_size=8, channels=1, data_root=root)
        else:
            write_idx(root / IDX_CLASSES[name] / "raw", grey_parts(digit_images))
            _loaded[name] = load_dataset(name, data_root=root)
    return _loaded[name]


def run(stage: str, data: ImageData, folder: Path, *, pool: str = "all", encoder: str = "original") -> RunRecord:
    """One cell; its encoder, which is pre-trained once for all tests, goes to `folder`."""
    split = make_split(data, 0, 0.2)
    if stage == "supervised":
        return supervised(data, split, RUN, FIT, l=L, encoder=encoder)[1]
    encoder_of(data, pool, encoder)(folder)
    files = {"encoder_file": folder / "e.safetensors", "pretrain_record": folder / "e.json"}
    fit = replace(FIT, views=FIT.views if "cached" in stage else "fresh")
    return classify(data, split, RUN, fit, l=L, **files)[1]


def encoder_of(data: ImageData, pool: str = "all", encoder: str = "original", again: bool = False):
    """What writes the files of an encoder to a folder; it is trained once for all tests, or `again` if asked for."""
    if again or (data.fingerprint, pool, encoder) not in _trained:
        _trained[data.fingerprint, pool, encoder] = train(data, pool, encoder)
    return _trained[data.fingerprint, pool, encoder]


def train(data: ImageData, pool: str, encoder: str) -> Callable[[Path], None]:
    l = L if pool == "rest" else None  # noqa: E741
    found, made, _ = pretrain(data, make_split(data, 0, 0.2), RUN, FIT, u=U, pool=pool, encoder=encoder, l=l)

    def write(folder: Path) -> None:
        save_encoder(found, folder / "e.safetensors", **encoder_header(made))
        write_record(made, folder / "e.json")

    return write


class Reading(NamedTuple):
    """A batch: of which images, whether for training, whether with labels, which rows."""

    images: ImageSet
    training: bool
    labels: bool
    rows: list[int]


@contextmanager
def readings() -> Iterator[list[Reading]]:
    """Every reading of images while the block runs."""
    found, batch = [], ImageRows.batch

    def watched(self, positions):
        found.append(Reading(self.images, self.split_idx == 0, self.labels, self.rows[positions].tolist()))
        return batch(self, positions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageRows, "batch", watched)
        yield found


def rows_read(found: list[Reading], images: ImageSet, *, training: bool) -> set[int]:
    return {row for batch in found if batch.images is images and batch.training == training for row in batch.rows}


def pixels(images: ImageSet, rows=None) -> list[bytes]:
    x = images.x if rows is None else images.x[np.asarray(rows).tolist()]
    return [image.contiguous().numpy().tobytes() for image in x]


# ── 1. the test set is used once a cell, at the end; neither it nor validation is augmented ─────


@pytest.mark.parametrize("stage", STAGES)
def test_1_test_images_are_read_once_a_cell_at_the_end(data, stage, tmp_path):
    encoder_of(data)(tmp_path)  # pre-training is watched in a test of its own
    with readings() as found:
        run(stage, data, tmp_path)
    of_test = [reading.images is data.test for reading in found]
    first = of_test.index(True)
    assert not any(of_test[:first])
    assert all(of_test[first:])
    assert [row for reading in found[first:] for row in reading.rows] == list(range(len(data.test)))


def test_1_pretraining_reads_no_test_image(data):
    with readings() as found:
        pretrain(data, make_split(data, 0, 0.2), RUN, FIT, u=1)
    assert found
    assert all(reading.images is data.train for reading in found)


def test_1_other_test_images_and_labels_change_the_test_results_and_nothing_else(data, tmp_path):
    n = len(data.test) // 2
    noise = torch.randint(0, 256, data.test.x[:n].shape, dtype=torch.uint8)
    other = replace(data, test=ImageSet(noise, data.test.y[-n:], data.classes))
    for stage in STAGES:
        (tmp_path / stage).mkdir()
        ours, theirs = (run(stage, each, tmp_path / stage) for each in (data, other))
        curves = [[{k: v for k, v in row.items() if k != "seconds"} for row in r.history] for r in (ours, theirs)]
        assert curves[0] == curves[1]
        assert (np.sum(ours.test["confusion"]), np.sum(theirs.test["confusion"])) == (len(data.test), n)


@pytest.mark.parametrize("stage", ["pretrain", *STAGES])
def test_1_validation_and_test_images_reach_the_network_as_they_are(data, stage, tmp_path, monkeypatch):
    split, batches, plain, augmented = make_split(data, 0, 0.2), BatchDL._batches, [], []
    valid = set(split.valid.tolist())

    def watched(self, positions):
        images, at = self.dataset, 0
        for batch in batches(self, positions):
            if isinstance(images, ImageRows):
                x = batch[0].as_subclass(torch.Tensor)
                rows = images.rows[positions[at : at + len(x)]]
                same = torch.allclose(x, normalised(images.images.x[rows], split), atol=1e-6)
                as_they_are = images.images is data.test or set(rows.tolist()) <= valid
                (plain if as_they_are else augmented).append(same)
                at += len(x)
            yield batch

    monkeypatch.setattr(BatchDL, "_batches", watched)
    if stage == "pretrain":
        pretrain(data, split, RUN, FIT, u=U)
    else:
        run(stage, data, tmp_path)
    assert plain and all(plain)
    assert augmented and not any(augmented)


def normalised(x: torch.Tensor, split: Split) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (split.mean, split.std))
    return (x.float() / 255 - mean) / std


# ── 2. labelled, validation and test images never overlap, nor do pre-training and the last two ─


def check_no_overlap(data: ImageData, split: Split) -> None:
    """By index and, as no image of these data sets occurs twice, by content."""
    test, valid = set(pixels(data.test)), set(pixels(data.train, split.valid))
    assert len(test) == len(data.test) > 0
    assert len(valid) == len(split.valid) > 0
    assert test.isdisjoint(valid)
    for rows in (split.labelled(L), split.labelled(1), split.unlabelled(1), split.unlabelled(U, "rest", L)):
        used = set(pixels(data.train, rows))
        assert len(used) == len(rows) > 0
        assert used.isdisjoint(test | valid)
        assert set(rows.tolist()).isdisjoint(split.valid.tolist())
    assert set(split.unlabelled(1, "rest", L)).isdisjoint(split.labelled(L))
    assert (data.train.y[split.labelled(1).tolist()] >= 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_2_no_picture_is_in_two_of_training_validation_and_test(data, seed):
    check_no_overlap(data, make_split(data, seed, 0.2))


@st.composite
def folders(draw) -> dict:
    """Which images a folder holds: how many of each class in train/ and in test/ (None: no test/), how many without."""
    classes = draw(st.integers(2, 4))
    with_test = draw(st.booleans())
    return {
        "train": draw(st.lists(st.integers(4, 9), min_size=classes, max_size=classes)),
        "test": draw(st.lists(st.integers(1, 4), min_size=classes, max_size=classes)) if with_test else None,
        "unlabelled": draw(st.integers(0, 8)),
        "tree": not with_test and draw(st.booleans()),
        "seed": draw(st.integers(0, 2**31 - 1)),
    }


@settings(max_examples=40)
@given(folders(), st.sampled_from([0.1, 0.2, 0.5]))
def test_2_no_picture_of_a_random_folder_is_in_two_of_them(tmp_path_factory, folder, valid_fraction):
    root, rng = tmp_path_factory.mktemp("folder"), np.random.default_rng(folder["seed"])

    def write(place, n: int) -> None:
        place.mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(place / f"{i}.png")

    for part in ("train", "test"):
        for name, n in zip("abcd", folder[part] or (), strict=False):
            write((root if folder["tree"] else root / part) / name, n)
    if folder["unlabelled"]:
        write(root / "unlabelled", folder["unlabelled"])
    data = load_dataset("folder", folder=root, image_size=8, channels=1, data_root=tmp_path_factory.mktemp("store"))
    n_files = sum(folder["train"]) + sum(folder["test"] or ()) + folder["unlabelled"]
    assert len(data.train) + len(data.test) == n_files
    check_no_overlap(data, make_split(data, folder["seed"], valid_fraction))


@pytest.mark.parametrize("pool", ["all", "rest"])
def test_2_a_whole_cell_trains_on_its_own_images_only(data, pool, tmp_path):
    split = make_split(data, 0, 0.2)
    with readings() as found:
        encoder_of(data, pool, again=True)
        run("classify, cached views", data, tmp_path, pool=pool)
    of_classifier = next(i for i, reading in enumerate(found) if reading.labels)
    for part, own in (
        (found[:of_classifier], split.unlabelled(U, pool, L)),
        (found[of_classifier:], split.labelled(L)),
    ):
        assert rows_read(part, data.train, training=True) == set(own.tolist())
        assert rows_read(part, data.train, training=False) == set(split.valid.tolist())
    assert rows_read(found, data.test, training=True) == set()


def test_2_copies_of_an_image_are_counted(image_folder, tmp_path):
    folder = image_folder(train=6, test=3)
    (folder / "train/one/copy.png").write_bytes((folder / "test/one/one-000.png").read_bytes())
    (folder / "train/two/copy.png").write_bytes((folder / "train/two/two-001.png").read_bytes())
    data = load_dataset("folder", folder=folder, image_size=8, channels=1, data_root=tmp_path)
    assert data.notes["test_images_also_in_training"] == 1
    assert data.notes["training_images_repeated"] == 1


# ── 3. frozen is frozen ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoder", ["original", "conv"])
@pytest.mark.parametrize("stage", ["classify, cached views", "classify, fresh views"])
def test_3_after_a_cell_the_encoder_is_its_file_bit_for_bit(data, stage, encoder, tmp_path, monkeypatch):
    kept, learner = [], classifying.classifier_learner
    monkeypatch.setattr(classifying, "classifier_learner", lambda *a, **k: kept.append(learner(*a, **k)) or kept[0])
    run(stage, data, tmp_path, encoder=encoder)
    stored, used = load_file(tmp_path / "e.safetensors"), kept[0].model.encoder.state_dict()
    assert stored.keys() == used.keys()
    assert ("conv" in encoder) == any("running_mean" in name for name in stored)
    assert all(torch.equal(stored[name], used[name]) for name in stored)
