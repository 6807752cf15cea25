"""What a learner's `seed` fixes: a fit is the same whatever was drawn before, a second one goes on from the first."""

import random

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from methods.generative_checks import folder_loaders
from quiet import quiet

from sslfast import (
    autoencoder_learner,
    byol_learner,
    classifier_learner,
    gan_learner,
    image_dls,
    rotation_learner,
    simclr_learner,
    supervised_learner,
    vae_learner,
)
from sslfast.errors import ConfigError

METHODS = [autoencoder_learner, vae_learner, gan_learner, simclr_learner, byol_learner, rotation_learner]
LEARNERS = [*METHODS, classifier_learner, supervised_learner]


@pytest.fixture(scope="module")
def ours(digits):
    return image_dls(digits, unlabelled=0.15, labelled=0.15, seed=0, bs=32, device="cpu")


def made(make, dls, seed: int | None = 0):
    part = dls if not hasattr(dls, "pretrain") else dls.pretrain if make in METHODS else dls.classify
    return quiet(make(part, "original", seed=seed))


def drawn_elsewhere(dls) -> None:
    """Uses up what a fit could draw from: global generators, passes over loaders."""
    torch.rand(3), random.random(), np.random.rand()
    for loaders in (dls.pretrain, dls.classify) if hasattr(dls, "pretrain") else (dls,):
        list(loaders.train)


def outcome(learn) -> list:
    return [*learn.recorder.values[-1], *(p.detach().double().sum().item() for p in learn.model.parameters())]


@pytest.mark.parametrize("make", LEARNERS)
@pytest.mark.parametrize("where", ["ours", "ordinary"])
def test_the_same_seed_is_the_same_fit_whatever_was_drawn_before(ours, image_folder, make, where):
    dls = ours if where == "ours" else folder_loaders(image_folder(train=8, test=0, unlabelled=0), 16)
    found = []
    for _ in range(2):
        drawn_elsewhere(dls)
        learn = made(make, dls)
        drawn_elsewhere(dls)
        learn.fit(2, 1e-3)
        found.append(outcome(learn))
    assert found[0] == found[1]
    other = made(make, dls, seed=1)
    other.fit(2, 1e-3)
    assert outcome(other) != found[0]


class Batches(Callback):
    """The sum of each training batch, and what torch's generator would give next."""

    order = 80

    def __init__(self):
        self.seen = []

    def before_batch(self):
        if self.training:
            self.seen.append((float(self.xb[0].double().sum()), torch.get_rng_state().sum().item()))


def test_a_second_fit_goes_on_as_one_long_fit_does(ours):
    seen = []
    for epochs in ((4,), (1, 3)):
        learn = made(supervised_learner, ours)
        learn.add_cb(batches := Batches())
        for n in epochs:
            learn.fit(n, 1e-3)
        seen.append(batches.seen)
    assert seen[0] == seen[1]
    n = len(seen[0]) // 4
    assert len({tuple(seen[0][i * n : i * n + n]) for i in range(4)}) == 4, "each epoch draws its own"


def test_looking_for_a_rate_or_at_scores_changes_no_fit(ours):
    found = []
    for look in (lambda learn: None, lambda learn: (learn.lr_find(num_it=20, show_plot=False), learn.validate())):
        learn = made(supervised_learner, ours)
        look(learn)
        learn.fit(1, 1e-3)
        look(learn)
        learn.fit(1, 1e-3)
        found.append(outcome(learn))
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", [None, 0])
def test_lr_find_uses_up_no_epoch_of_the_loader(ours, seed):
    ours.classify.train.epoch = 3
    made(supervised_learner, ours, seed).lr_find(num_it=20, show_plot=False)
    assert ours.classify.train.epoch == 3


def test_learners_that_share_loaders_each_count_their_own_epochs(ours):
    alone = made(supervised_learner, ours)
    alone.fit(2, 1e-3)
    one, other = made(supervised_learner, ours), made(supervised_learner, ours, seed=5)
    for learn in (one, other, one):
        learn.fit(1, 1e-3)
    assert outcome(one)[3:] == outcome(alone)[3:]


def test_without_a_seed_chance_is_left_alone(ours):
    found = []
    for _ in range(2):
        learn = made(supervised_learner, ours, seed=None)
        learn.fit(1, 1e-3)
        found.append(outcome(learn))
    assert found[0] != found[1]


def test_generators_are_as_they_were_before_the_fit(ours, image_folder):
    for dls in (ours, folder_loaders(image_folder(train=8, test=0, unlabelled=0), 16)):
        learn = made(vae_learner, dls)
        before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
        learn.fit(1, 1e-3)
        assert torch.equal(torch.get_rng_state(), before[0])
        if dls is ours:  # fastai's own loaders draw from Python's generator where they begin a validation
            assert random.getstate() == before[1]
        assert (np.random.get_state()[1] == before[2]).all()


@pytest.mark.parametrize("make", [simclr_learner])
def test_images_without_others_to_compare_with_are_refused(digits, make):
    dls = image_dls(digits, unlabelled=0.1, seed=0, bs=1, device="cpu").pretrain
    with pytest.raises(ConfigError, match="bs: found batches of 1, expected 2 or more"):
        make(dls, "original")


def test_views_are_made_of_images_without_flips_and_noise(digits):
    dls = image_dls(digits, unlabelled=0.1, seed=0, device="cpu", augment={"flip_vertical": 1, "noise": 0.5}).pretrain
    learn = made(simclr_learner, dls)
    clean = image_dls(digits, unlabelled=0.1, seed=0, device="cpu", augment={"noise": 0}).pretrain
    for part in range(2):
        assert torch.equal(learn.dls.train.one_batch()[part], clean.train.one_batch()[part])
    assert not torch.equal(dls.train.one_batch()[1], clean.train.one_batch()[1])
