"""Studies of a handful of images: every method, evaluation and control works, and no encoder is taken for collapsed."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import DIGIT_NAMES
from every_method import encoder_for, learner_options, options_of
from fastai.learner import Learner
from grids import checked
from torch import nn

from sslfast import classifier_learner, image_dls
from sslfast.data.images import Arrays, ImageData, from_arrays
from sslfast.data.splits import make_split
from sslfast.errors import ConfigError
from sslfast.evaluation import clean_batches, embed_2d
from sslfast.methods.vicreg import vicreg_learner
from sslfast.models import save_encoder
from sslfast.stages import (
    FitSettings,
    RunSettings,
    classify,
    encoder_header,
    pixels,
    pretrain,
    shuffle,
    supervised,
)
from sslfast.stages.inputs import check_pool
from sslfast.study.methods import methods
from sslfast.study.records import read_record, write_record
from sslfast.training.collapse import Collapsed, EffectiveRank, EmbeddingStd, FeatureStd, probed_features

SHAPES = [(2, 2), (2, 3), (2, 14), (3, 5), (10, 20)]  # classes, training images a class
FIT = FitSettings(epochs=2, updates=50, lr=3e-3)


def run(**changes) -> RunSettings:
    return RunSettings(**{"study": "tiny", "batch_size": 32, "budget": "epochs", "precision": "float32", **changes})


@pytest.fixture(scope="session")
def tiny(digits) -> Callable[[int, int], ImageData]:
    """`tiny(2, 14)`: two classes of 14 training and three test images each."""

    def first(images, classes: int, n: int):
        y = images.y.numpy()
        rows = np.concatenate([np.flatnonzero(y == label)[:n] for label in range(classes)])
        return images.pixels(rows), y[rows]

    def build(classes: int, n: int) -> ImageData:
        names = digits.classes[:classes]
        arrays = Arrays(*first(digits.train, classes, n), *first(digits.test, classes, 3), names)
        return from_arrays("digits", arrays, f"{classes:08}{n:08}")

    return build


@pytest.mark.parametrize("method", methods())
@pytest.mark.parametrize(
    ("shape", "budget"), [*((shape, "epochs") for shape in SHAPES), (SHAPES[0], "updates"), (SHAPES[-1], "updates")]
)
def test_every_method_trains_on_a_few_images_to_a_good_end(tiny, tmp_path, shape, method, budget):
    data = tiny(*shape)
    split = make_split(data, 0)
    fit = replace(FIT, options=options_of(method))
    _, record, pictures = pretrain(
        data, split, run(budget=budget), fit, method=method, encoder=encoder_for(method), u="1"
    )
    assert (record.status, record.reason) == ("ok", None)
    enough = len(data.train) >= 16
    measures = ["feature_std", "effective_rank", *["embedding_std"] * (methods()[method].compare_views)]
    for row in record.history:
        assert [row[name] is not None for name in measures] == [enough] * len(measures)
        assert math.isfinite(row["train_loss"]) and math.isfinite(row["valid_loss"])
    assert all(len(found) for found in pictures.values())
    write_record(record, tmp_path / "r.json")
    assert read_record(tmp_path / "r.json") == record


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_evaluation_and_control_has_a_result(tiny, tmp_path, shape):
    data = tiny(*shape)
    split, settings = make_split(data, 0), run()
    encoder, made, _ = pretrain(data, split, settings, FIT, method="vicreg", encoder="conv", u="0.1")
    files = {"encoder_file": tmp_path / "e.safetensors", "pretrain_record": tmp_path / "e.json"}
    save_encoder(encoder, files["encoder_file"], **encoder_header(made))
    write_record(made, files["pretrain_record"])
    records = [shuffle(data, split, settings, **files)[1]]
    for l in ("0.01", "1"):  # noqa: E741
        for evaluate in ("head", "linear", "knn", "finetune"):
            records.append(classify(data, split, settings, FIT, l=l, evaluate=evaluate, **files)[1])
        records.append(supervised(data, split, settings, FIT, encoder="conv", l=l)[1])
        records.append(pixels(data, split, settings, l=l)[1])
    assert [(record.box.name, record.reason) for record in records if record.status != "ok"] == []
    for record in records:
        write_record(record, tmp_path / "r.json")


@pytest.mark.parametrize("method", methods())
@pytest.mark.parametrize("classes, n", [(2, 3), (2, 14), (10, 20)])
def test_every_learner_trains_on_a_folder_of_a_few_images(image_folder, classes, n, method):
    folder = image_folder(classes=DIGIT_NAMES[:classes], train=n, test=0, unlabelled=0)
    options = {"image_size": 16, "augment": {"flip_vertical": 0}, "device": "cpu"}
    dls = image_dls(folder, labelled=0.1, seed=0, **options)
    learn = methods()[method].load()(dls.pretrain, encoder_for(method), seed=0, **learner_options(method))
    learn.metrics = [*learn.metrics, FeatureStd(), EffectiveRank()]
    learn.add_cb(Collapsed())
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(2, 1e-3)
    assert learn.collapsed.epoch_collapsed is None and len(learn.recorder.values) == 2
    classifier = classifier_learner(dls.classify, learn, seed=0)
    with classifier.no_bar(), classifier.no_logging():
        classifier.fit(1, 1e-3)
        scores, _ = classifier.get_preds(dl=dls.test)
    assert scores.shape == (len(dls.data.test), classes) and torch.isfinite(scores).all()


@pytest.mark.parametrize("batch_size", [2, 5, 1000])
@pytest.mark.parametrize("method", methods())
def test_batches_may_be_of_any_size(tiny, method, batch_size):
    data = tiny(3, 3)  # six images to train on
    settings = run(batch_size=batch_size)
    fit = replace(FIT, options=options_of(method))
    encoder = encoder_for(method, "resnet18")
    assert pretrain(data, make_split(data, 0), settings, fit, method=method, encoder=encoder)[1].status == "ok"


def test_a_pool_that_some_labels_leave_empty_is_an_error_before_anything_is_trained(tiny):
    study = checked(pool="rest", unlabelled=[0, 1], labelled=[0.5], seeds=1)
    check_pool(tiny(2, 3), study)
    for small, changes in ((tiny(2, 2), {}), (tiny(2, 3), {"labelled": ["0.5", "0.75"]})):
        with pytest.raises(
            ConfigError, match=r"^pool: rest leaves [01] unlabelled images at labelled 0\.\d+; use a smaller"
        ):
            check_pool(small, replace(study, **changes))
        check_pool(small, replace(study, **{**changes, "pool": "all"}))
        check_pool(small, replace(study, **{**changes, "unlabelled": ("0",)}))


@pytest.mark.parametrize("n, status", [(5, "ok"), (8, "collapsed"), (14, "collapsed"), (100, "collapsed")])
def test_an_encoder_that_has_collapsed_is_found_where_there_are_images_enough(tiny, n, status):
    """Too high a rate leaves the VAE's encoder with features that are the same for all images."""
    data, fit = tiny(2, n), FitSettings(epochs=5, lr=0.1)
    _, record, _ = pretrain(data, make_split(data, 0), run(batch_size=8), fit, method="vae")
    assert record.status == status


@pytest.mark.parametrize("n, status", [(2, "ok"), (20, "collapsed")])
def test_features_that_are_all_alike_are_a_collapse_of_16_images_and_say_nothing_of_fewer(tiny, monkeypatch, n, status):
    """Two classes; all features are made alike, whatever the images."""
    for kind in (FeatureStd, EffectiveRank):
        monkeypatch.setattr(kind, "probe", staticmethod(lambda *_: torch.ones(2 * n, 8)))
    data = tiny(2, n)
    assert pretrain(data, make_split(data, 0), run(), FIT, encoder="conv")[1].status == status


def learner(data: ImageData) -> Learner:
    dls = image_dls(data, seed=0, bs=32, augment={"noise": 0.5}, device="cpu").pretrain
    learn = vicreg_learner(dls, "conv", seed=0, precision="float32")
    learn.metrics = [FeatureStd(), EffectiveRank(), EmbeddingStd()]
    return learn


def test_training_images_are_looked_at_as_they_are_and_change_nothing(tiny):
    learn = learner(data := tiny(2, 14))
    images, epoch = [], learn.dls.train.epoch
    with torch.no_grad():
        handle = learn.encoder.register_forward_hook(lambda _, x, __: images.append(x[0].clone()))
        first, second = probed_features(learn), probed_features(learn)
        handle.remove()
    assert torch.equal(first, second) and len(first) == 28
    assert learn.dls.train.epoch == epoch and learn.dls.train.dataset.split_idx == 0
    seen = torch.cat(images[: len(images) // 2])
    rows = np.concatenate([dl.dataset.rows for dl in (learn.dls.valid, learn.dls.train)])
    assert torch.equal(seen, torch.cat(list(clean_batches(data.train, rows, make_split(data, 0)))))


def test_with_a_large_validation_set_no_training_image_is_looked_at(digits):
    learn = learner(digits)
    assert len(probed_features(learn)) == len(learn.dls.valid_ds) > 64


def test_features_that_half_precision_cannot_hold_are_kept_by_their_direction(tiny, monkeypatch):
    """BatchNorm of a deep network that has seen two images can scale up what it sees at rest; here one is made up."""
    monkeypatch.setattr("sslfast.stages.pretraining.create_encoder", lambda *_: Enlarging())
    data = tiny(2, 14)
    features = pretrain(data, make_split(data, 0), run(), FIT, method="random", u="0")[2]["features"]
    assert features.dtype == np.float16 and np.abs(features).max() == 1
    assert np.isfinite(embed_2d(features)).all()


class Enlarging(nn.Module):
    def forward(self, x):
        return 1e20 * x
