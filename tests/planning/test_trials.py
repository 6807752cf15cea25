"""What short trials measure, on real images by the real stages."""

import time

import pytest
from every_method import TEACHER, teacher_file
from grids import checked

from sslfast.data.splits import make_split
from sslfast.planning.measure import measure_speeds
from sslfast.planning.sizes import portion, sizes_of
from sslfast.planning.trials import measure
from sslfast.stages import run_settings


@pytest.fixture(scope="module")
def split(digits):
    return make_split(digits, 0)


def tried(kind, digits, split, tmp_path, **changes):
    study = checked(encoders=["conv"], batch_size=32, device="cpu", **changes)
    options = {"views": 8, "images": 64, "seconds": 0.5, "folder": tmp_path / "trial"}
    return measure(kind, digits, split, run_settings(study, 1), study, **options)


@pytest.mark.parametrize("kind", ["pretrain/autoencoder/conv", "classify/conv", "supervised/conv"])
def test_a_fit_is_ended_early_and_tells_seconds_an_image(kind, digits, split, tmp_path):
    start = time.perf_counter()
    found = tried(kind, digits, split, tmp_path)
    whole = time.perf_counter() - start
    assert 0 < found.trained < whole
    assert 0 < found.valid < whole
    assert found.once + 64 * found.trained + 64 * found.valid < whole
    assert found.memory > 1e7
    assert found.files > 1000
    assert found.checkpoint > found.row > 0
    assert (found.tested > 0) == (kind != "pretrain/autoencoder/conv")
    assert kind != "classify/conv" or found.encoded > 0


@pytest.mark.parametrize("kind", ["pretrain/random/conv", "shuffle/conv", "linear/conv", "knn/conv", "pixels"])
def test_what_trains_no_network_is_measured_too(kind, digits, split, tmp_path):
    found = tried(kind, digits, split, tmp_path)
    assert found.trained == 0
    assert found.fitted > 0 or found.outside > 0
    assert found.files > 1000


def test_a_teachers_pass_is_told_apart_from_training(digits, split, tmp_path):
    net = {"net": TEACHER, "weights": str(teacher_file()), "size": 32}
    found = tried("pretrain/distill/conv", digits, split, tmp_path, methods=["distill"], base=net)
    assert 0 < found.encoded < 0.1 and found.trained > 0


def test_a_part_of_the_images_has_all_classes_and_no_image_twice(digits, split):
    part, own = portion(digits, split, 100, 40)
    assert len(part.classes) == len(set(part.train.y[own.valid].tolist())) == len(set(part.test.y.tolist())) == 10
    assert own.n_labelled == 100
    assert len(own.valid) == 40
    taken = {image.tobytes() for image in part.train.pixels()}
    assert len(taken) == 140
    assert taken <= {image.tobytes() for image in digits.train.pixels()}


@pytest.mark.parametrize("pool", ["all", "rest"])
def test_sizes_are_those_of_the_split(digits, split, pool):
    study = checked(pool=pool)
    found = sizes_of(split, len(digits.test), study)
    assert found.labelled == {label: len(split.labelled(label)) for label in ("0.1", "0.5")}
    assert found.n_valid + found.n_pool == len(digits.train)
    key = ("1", "0.5" if pool == "rest" else None)
    assert found.unlabelled[key] == found.n_pool - (found.labelled["0.5"] if pool == "rest" else 0)


def test_a_kind_that_fails_is_named_and_the_others_are_measured(split, monkeypatch):
    monkeypatch.setattr("sslfast.planning.measure.IN_ALL", 1)
    study = checked(encoders=["conv"], device="cpu", autoencoder={"mask": 0.5, "patch": 500})  # larger than the images
    found = measure_speeds(["pretrain/autoencoder/conv", "pixels"], split, study, {}, side_by_side=1)
    assert set(found.problems) == {"pretrain/autoencoder/conv"}
    assert "patch" in found.problems["pretrain/autoencoder/conv"]
    assert found.kinds["pixels"].fitted > 0
    assert found.start > 0
