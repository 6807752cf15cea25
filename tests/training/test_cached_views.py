"""Features of a frozen encoder, computed once: what the head sees, and what it costs in memory."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.mixup import CutMix, MixUp
from PIL import Image
from quiet import quiet
from torch import nn

from sslfast import classifier_learner, image_dls
from sslfast.data.augment import Augment
from sslfast.data.loaders import classify_dls
from sslfast.data.splits import make_split
from sslfast.errors import ConfigError
from sslfast.models import Features
from sslfast.training import cached_views
from sslfast.training.cached_views import CachedViews, FeatureRows, resolve_views
from sslfast.training.callbacks import History

PLAIN = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "noise": 0.0}


def make(digits, views, *, augment=None, encoder="conv", precision="float32", **kwargs):
    dls = image_dls(digits, labelled=0.3, seed=0, bs=32, device="cpu", augment=augment, **kwargs)
    learn = quiet(classifier_learner(dls.classify, encoder, seed=0, views=views, precision=precision, dropout=0.0))
    learn.add_cb(History())
    return dls, learn


def without_seconds(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("encoder", ["original", "conv"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_without_augmentation_cached_features_train_the_same_head(digits, encoder, precision):
    histories = []
    for views in ("fresh", 1, 3):
        _, learn = make(digits, views, augment=PLAIN, encoder=encoder, precision=precision)
        learn.fit(4, 5e-3)
        histories.append(learn.history.rows)
    for rows in histories[1:]:
        for ours, fresh in zip(without_seconds(rows), without_seconds(histories[0]), strict=True):
            # batches of another size may round differently
            assert ours == pytest.approx(fresh, rel=2e-2 if precision == "bfloat16" else 1e-3)


def test_encoder_sees_each_view_of_each_image_once_a_fit(digits):
    dls, learn = make(digits, 3)
    seen = []
    learn.model.encoder.register_forward_hook(lambda module, x, out: seen.append(len(out)))
    learn.fit(5, 5e-3)
    assert sum(seen) == 3 * len(dls.classify.train_ds) + len(dls.classify.valid_ds)


def test_fits_too_short_to_gain_from_views_see_fresh_images(digits):
    (_, cached), (_, fresh) = make(digits, 8), make(digits, "fresh")
    for learn in (cached, fresh):
        learn.fit(8, 5e-3)
    assert without_seconds(cached.history.rows) == without_seconds(fresh.history.rows)


def test_each_epoch_sees_every_image_in_one_of_its_views_under_its_own_label(digits):
    views = 3
    dls, learn = make(digits, views)
    rows, labels, epochs = [], [], []

    class Spy(CachedViews):
        def before_train(self):
            super().before_train()
            batch = partial(FeatureRows.batch, self.train_features.dataset)

            def noted(positions):
                rows.append(positions)
                labels.append(batch(positions)[1])
                return batch(positions)

            self.train_features.dataset.batch = noted
            epochs.append(len(rows))

    learn.remove_cbs(CachedViews)
    learn.add_cb(Spy(views))
    learn.fit(4, 5e-3)
    train = dls.classify.train_ds
    per_epoch = [torch.cat(rows[a:b]) for a, b in zip(epochs, [*epochs[1:], len(rows)], strict=True)]
    for positions in per_epoch:
        assert sorted((positions % len(train)).tolist()) == list(range(len(train)))
        assert set((positions // len(train)).tolist()) == {0, 1, 2}
    assert not torch.equal(*(p.sort().values for p in per_epoch[:2]))  # the draw of views is another every epoch
    assert torch.equal(torch.cat(labels), train.images.y[train.rows][torch.cat(rows) % len(train)])


def test_views_are_augmented_and_differ_while_validation_images_have_one_as_they_are(digits):
    dls, learn = make(digits, 2, augment={"noise": 0.2})
    kept = {}

    class Spy(CachedViews):
        def after_validate(self):
            kept.update(
                train=self.train_features.dataset.features.clone(), valid=self.valid_features.dataset.features.clone()
            )

    learn.remove_cbs(CachedViews)
    learn.add_cb(Spy(2))
    learn.fit(3, 1e-3)
    n = len(dls.classify.train_ds)
    assert not torch.allclose(kept["train"][:n], kept["train"][n:], atol=1e-3)
    with torch.no_grad():
        plain = learn.model.eval().features(dls.classify.valid.new(bs=2000).one_batch()[0].as_subclass(torch.Tensor))
    assert torch.allclose(kept["valid"].permute(0, 3, 1, 2), plain, atol=1e-5)


def test_same_seed_gives_the_same_fit_and_the_next_fit_draws_anew(digits):
    runs = []
    for _ in range(2):
        _, learn = make(digits, 3)
        torch.manual_seed(0)
        learn.fit(4, 5e-3)
        first = without_seconds(learn.history.rows)
        learn.fit(4, 5e-3)
        runs.append((first, without_seconds(learn.history.rows)))
        assert learn.dls.train.epoch == 8
    assert runs[0] == runs[1]


def test_predictions_and_scores_after_a_fit_see_images(digits):
    dls, learn = make(digits, 3)
    learn.fit(4, 5e-3)
    assert learn.dls is dls.classify
    probabilities, _ = learn.get_preds(dl=dls.test)
    with torch.no_grad():
        by_hand = torch.cat([learn.model.eval()(x) for x, _ in dls.test]).softmax(1)
    assert torch.allclose(probabilities, by_hand, atol=1e-5)
    assert learn.validate()[-1] == pytest.approx(learn.history.rows[-1]["macro_f1"], abs=0.02)
    assert learn.predict(Image.fromarray(digits.test.x[0, 0].numpy()))[0] in digits.classes


def test_unfrozen_encoder_is_trained_on_images_again(digits):
    _, learn = make(digits, 3)
    learn.fit(4, 5e-3)
    before = {k: v.clone() for k, v in learn.model.encoder.state_dict().items()}
    learn.unfreeze()
    learn.fit(1, 5e-3)
    assert any(not torch.equal(v, before[k]) for k, v in learn.model.encoder.state_dict().items())


@pytest.mark.parametrize("views", [2, 30])
def test_a_fit_counted_in_updates_takes_as_many_with_views_which_serve_images_that_are_seen_more_often(digits, views):
    split = make_split(digits, 0)
    rows = split.labelled(0.1)
    dls = classify_dls(digits, split, rows, bs=32, augment=Augment(), device="cpu", n_batches=40)
    learn = quiet(classifier_learner(dls, "original", seed=0, views=views))
    learn.add_cb(History())
    seen = []
    learn.model.encoder.register_forward_hook(lambda module, x, out: seen.append(len(out)))
    learn.fit(3, 1e-3)
    assert [(row["updates"], row["images"]) for row in learn.history.rows] == [(40 * e, 40 * 32 * e) for e in (1, 2, 3)]
    often = views * len(rows) < 3 * 40 * 32
    assert often == (views == 2)
    assert sum(seen) == (2 * len(rows) + len(split.valid) if often else 3 * (40 * 32 + len(split.valid)))


def test_large_features_lie_in_a_file_that_leaves_nothing_behind(digits, monkeypatch, tmp_path):
    monkeypatch.setattr(cached_views, "IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, filed = make(digits, 2)
    filed.fit(3, 5e-3)
    monkeypatch.setattr(cached_views, "IN_MEMORY", 2**28)
    _, kept = make(digits, 2)
    kept.fit(3, 5e-3)
    assert without_seconds(filed.history.rows) == without_seconds(kept.history.rows)
    assert not list(tmp_path.iterdir())


def test_own_encoders_and_heads_can_be_cached_too(digits):
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU())
    dls = image_dls(digits, labelled=0.3, seed=0, bs=32, device="cpu")
    learn = quiet(classifier_learner(dls.classify, encoder, seed=0, views=2))
    learn.fit(3, 1e-2)
    assert np.isfinite(learn.recorder.values[-1]).all()


@pytest.mark.parametrize(("n", "expected"), [(1000, 8), (10**7, "fresh")])
def test_auto_is_eight_views_while_they_fit(n, expected):
    assert resolve_views("auto", n, (64, 4, 4), "float32") == expected


@pytest.mark.parametrize("views", [0, -1, "many", 2.5, True, None])
def test_views_that_make_no_sense_are_refused(views):
    with pytest.raises(ConfigError, match=r"^views: found .*, expected auto, fresh or a number of views from 1$"):
        resolve_views(views, 10, (64, 4, 4), "float32")


def test_foreign_loaders_always_see_fresh_images(digits):
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader

    dls = image_dls(digits, labelled=0.3, seed=0, bs=32, device="cpu")
    batches = list(dls.classify.train)
    loaders = DataLoaders(*(DataLoader(batches, bs=None) for _ in range(2)), device=torch.device("cpu"))
    loaders.c = 10
    learn = classifier_learner(loaders, "original", seed=0)
    assert not learn.cbs.filter(lambda cb: isinstance(cb, CachedViews))
    with pytest.raises(ConfigError, match="views: found 4, but these DataLoaders are not of image_dls; use fresh"):
        classifier_learner(loaders, "original", seed=0, views=4)


def test_features_are_told_from_images_by_their_type(digits):
    _, learn = make(digits, 1)
    model = learn.model.eval()
    x = digits.test.x[:5].float()
    with torch.no_grad():
        assert torch.equal(model(model.features(x).as_subclass(Features)), model(x))


@pytest.mark.parametrize("mixes", [MixUp, CutMix])
def test_callbacks_that_mix_images_get_images_whatever_the_number_of_epochs(digits, mixes):
    """And it is said: cached features cannot be mixed as images are."""
    shapes = {}
    for views in ("auto", "fresh"):
        _, learn = make(digits, views, precision="bfloat16")
        learn.model.encoder.register_forward_hook(lambda m, x, out, v=views: shapes.setdefault(v, []).append(out.shape))
        with (
            pytest.warns(UserWarning, match=f"views: {mixes(1).name} is to see the images")
            if views == "auto"
            else nullcontext()
        ):
            torch.manual_seed(0)
            np.random.seed(0)
            learn.fit(10, 1e-3, cbs=mixes(1.0))
    assert shapes["auto"] == shapes["fresh"]


def test_a_callback_of_ones_own_sees_images_in_long_fits_as_in_short_ones(digits):
    class Sees(Callback):
        def before_batch(self):
            shapes.add(tuple(self.xb[0].shape[1:]))

    shapes: set[tuple] = set()
    _, learn = make(digits, "auto")
    learn.fit(2, 1e-3, cbs=Sees())
    with pytest.warns(UserWarning, match="views: sees is to see the images"):
        learn.fit(10, 1e-3, cbs=Sees())
    assert shapes == {(1, 8, 8)}
