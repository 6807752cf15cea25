"""Which turns the model sees, and how their loss is taken."""

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.progress import ProgressCallback
from fastai.vision.augment import DihedralItem, Resize, aug_transforms
from fastai.vision.data import ImageDataLoaders

from sslfast import image_dls
from sslfast.errors import ConfigError
from sslfast.methods.rotation import TurnLoss, rotation_learner

PLAIN = {"crop": 1, "flip": 0}


class Batches(Callback):
    """Keeps what the model and its loss were given in validation."""

    order = 90

    def before_validate(self):
        self.x, self.y = [], []

    def before_batch(self):
        if not self.learn.training:
            self.x.append(self.xb[0])
            self.y.append(self.yb[0])


@pytest.fixture
def learn(digits):
    dls = image_dls(digits, unlabelled=0.3, seed=0, bs=64, device="cpu")
    learn = rotation_learner(dls.pretrain, "original", seed=0, views=PLAIN)
    learn.remove_cb(ProgressCallback)
    learn.logger = lambda row: None
    return learn


def test_each_image_is_seen_in_all_four_quarter_turns_each_with_its_number(learn):
    learn.add_cb(batches := Batches())
    learn.validate()
    clean = torch.cat([y for _, y in learn.dls.valid]).numpy()
    x, y = torch.cat(batches.x).numpy(), torch.cat(batches.y).numpy()
    assert x.shape == (len(clean), 4, *clean.shape[1:])
    assert (y == np.arange(4)).all()
    mean, std = clean[:, 0].mean(), clean[:, 0].std()
    slope, offset = np.polyfit(clean.ravel(), x[:, 0].ravel(), 1)  # what normalisation did
    assert slope == pytest.approx(1 / std, rel=0.05)
    assert offset == pytest.approx(-mean / std, abs=0.05)
    for images, pixels in zip(x, clean, strict=True):
        for turns in range(4):
            np.testing.assert_allclose(images[turns], slope * np.rot90(pixels, turns, (1, 2)) + offset, atol=1e-5)


def test_the_loss_is_the_mean_cross_entropy_over_images_and_turns():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(5, 4, 4, generator=generator, dtype=torch.float64)
    turns = torch.randint(4, (5, 4), generator=generator)
    each = [
        np.mean([np.log(np.exp(s).sum()) - s[t] for s, t in zip(image, true, strict=True)])
        for image, true in zip(scores.numpy(), turns.numpy(), strict=True)
    ]
    assert float(TurnLoss()(scores, turns)) == pytest.approx(np.mean(each))
    np.testing.assert_allclose(TurnLoss(reduction="none")(scores, turns), each)
    assert torch.autograd.gradcheck(lambda s: TurnLoss()(s, turns), scores.requires_grad_())


def test_accuracy_is_the_share_of_turns_recognised_over_the_whole_validation_set(learn):
    learn.fit(3, 5e-3)
    probabilities, turns = learn.get_preds()
    assert probabilities.shape == (len(learn.dls.valid_ds), 4, 4)
    assert torch.allclose(probabilities.sum(2), torch.ones(()))
    assert (turns == torch.arange(4)).all()
    share = (probabilities.argmax(2) == torch.arange(4)).float().mean()
    assert learn.recorder.values[-1][-1] == pytest.approx(float(share), abs=1e-6)


def test_flips_of_image_dls_are_left_out(digits):
    dls = image_dls(digits, unlabelled=0.1, seed=0, device="cpu", augment={"flip_vertical": 1, "noise": 0.5}).pretrain
    learn = rotation_learner(dls, "original", views=PLAIN)
    plain = image_dls(digits, unlabelled=0.1, seed=0, device="cpu", augment={"noise": 0}).pretrain
    assert torch.equal(learn.dls.train.one_batch()[0], plain.train.one_batch()[0])
    assert not torch.equal(dls.train.one_batch()[0], plain.train.one_batch()[0])


@pytest.mark.parametrize(
    ("options", "item_tfms", "found"),
    [
        ({"flip_vert": True}, [], r"Dihedral \(flip_vert=True\)"),
        ({"max_rotate": 45}, [], "Rotate by up to 45°"),
        ({}, [DihedralItem(p=0.5)], "DihedralItem"),
        ({}, [], None),  # up to 10°, as fastai has it
    ],
)
def test_ordinary_loaders_that_turn_images_are_refused(image_folder, options, item_tfms, found):
    dls = ImageDataLoaders.from_folder(
        image_folder(train=8, test=0, unlabelled=0), train="train", valid_pct=0.3, seed=0, bs=8, num_workers=0,
        device="cpu", item_tfms=[Resize(28), *item_tfms], batch_tfms=aug_transforms(**options),
    )  # fmt: skip
    if found is None:
        assert rotation_learner(dls, "original", seed=0).dls is dls
    else:
        with pytest.raises(ConfigError, match=f"dls: found {found} among the transforms"):
            rotation_learner(dls, "original")
