"""BYOL's loss against its formula, and the copy that follows."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from quiet import quiet

from sslfast import Augment, byol_learner, image_dls
from sslfast.errors import ConfigError
from sslfast.methods.byol import BYOLLoss


@st.composite
def pairs(draw, most=6) -> tuple[torch.Tensor, torch.Tensor]:
    """Of two views: prediction and target of some images."""
    shape = draw(st.integers(1, most)), 2, draw(st.integers(2, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return tuple(torch.randn(2, *shape, generator=generator, dtype=torch.float64))


@given(pair=pairs())
def test_the_loss_is_the_papers_squared_distance_on_the_sphere_and_from_0_to_4(pair):
    """Equation 2 of Grill et al. 2020, of both ways, image by image."""
    one, other = ((z / z.norm(dim=2, keepdim=True)).numpy() for z in pair)
    expected = [(sum((a[0] - b[1]) ** 2) + sum((b[0] - a[1]) ** 2)) / 2 for a, b in zip(one, other, strict=True)]
    each = BYOLLoss(reduction="none")(*pair)
    np.testing.assert_allclose(each, expected, atol=1e-9)
    assert float(BYOLLoss()(*pair)) == pytest.approx(np.mean(expected))
    assert 0 <= float(each.min()) <= float(each.max()) <= 4


@given(pair=pairs(), scale=st.floats(1e-3, 1e3))
def test_the_loss_knows_no_order_of_views_and_no_length(pair, scale):
    expected = float(BYOLLoss()(*pair))
    assert float(BYOLLoss()(*reversed(pair))) == pytest.approx(expected)
    assert float(BYOLLoss()(scale * pair[0], pair[1])) == pytest.approx(expected, abs=1e-6)


def test_what_is_predicted_right_costs_nothing_and_its_opposite_4():
    z = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    assert float(BYOLLoss()(z, z.flip(1))) == pytest.approx(0, abs=1e-6)
    assert float(BYOLLoss()(z, -z.flip(1))) == pytest.approx(4, abs=1e-6)


@pytest.fixture
def dls(digits):
    return image_dls(digits, unlabelled=0.2, seed=0, bs=64, device="cpu", augment=Augment()).pretrain


def fitted(dls, momentum: float, epochs: int = 1):
    learn = byol_learner(dls, "conv", momentum=momentum, seed=0)
    quiet(learn)
    online, target = ([*part.parameters()] for part in (learn.model.online, learn.model.target))
    before = [p.detach().clone() for p in target]
    expected = before

    own_step = learn.follow_online.after_step

    def follow():
        nonlocal expected
        own_step()
        step = (1 - momentum) * (1 + math.cos(math.pi * learn.pct_train)) / 2
        expected = [slow + step * (fast.detach() - slow) for slow, fast in zip(expected, online, strict=True)]

    learn.follow_online.after_step = follow
    learn.fit(epochs, 1e-3)
    return learn, before, expected


@pytest.mark.parametrize("momentum", [0.5, 0.99])
def test_the_copy_follows_slower_and_slower_and_is_trained_by_nothing_else(dls, momentum):
    learn, before, expected = fitted(dls, momentum, epochs=2)
    for slow, was in zip(learn.model.target.parameters(), before, strict=True):
        assert slow.grad is None and not slow.requires_grad
        assert not torch.equal(slow, was) or bool((was == was.flatten()[0]).all())
    worst = max(
        float((slow - wanted).abs().max())
        for slow, wanted in zip(learn.model.target.parameters(), expected, strict=True)
    )
    assert worst < 1e-4


def test_with_a_momentum_of_1_it_stays_what_it_was(dls):
    learn, before, _ = fitted(dls, 1.0)
    assert all(torch.equal(slow, was) for slow, was in zip(learn.model.target.parameters(), before, strict=True))


def test_an_image_alone_has_an_embedding_and_two_views_predictions_and_targets(dls):
    model = byol_learner(dls, "conv", projector=(32, 16), seed=0).model.eval()
    assert model(torch.rand(3, 1, 8, 8)).shape == (3, 16)
    assert model(torch.rand(3, 2, 1, 8, 8)).shape == (3, 2, 2, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 2}, r"momentum: found 2, expected a number from 0 to 1"),
        ({"momentum": True}, r"momentum: found True"),
        ({"predictor": 0}, r"predictor: found 0, expected the width of a layer"),
    ],
)
def test_wrong_options_are_named(dls, options, message):
    with pytest.raises(ConfigError, match=message):
        byol_learner(dls, "conv", **options)
