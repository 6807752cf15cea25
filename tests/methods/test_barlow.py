"""Barlow Twins' loss against formulas written out, and what its parts see."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslfast.errors import ConfigError
from sslfast.methods.barlow import BarlowTwinsLoss, cross_correlation


@st.composite
def embeddings(draw, fewest=4, most=8) -> tuple[torch.Tensor, torch.Tensor]:
    shape = draw(st.integers(fewest, most)), draw(st.integers(2, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return tuple(torch.randn(2, *shape, generator=generator, dtype=torch.float64))


@given(z=embeddings(), weight=st.floats(0, 2))
def test_the_loss_is_that_of_the_paper_with_numpys_correlations(z, weight):
    """Equations 1 and 2 of Zbontar et al. 2021."""
    d = z[0].shape[1]
    correlation = np.corrcoef(z[0].numpy().T, z[1].numpy().T)[:d, d:]
    np.testing.assert_allclose(cross_correlation(*z), correlation, atol=2e-3)
    invariance = sum((1 - correlation[i, i]) ** 2 for i in range(d))
    redundancy = sum(correlation[i, j] ** 2 for i in range(d) for j in range(d) if i != j)
    assert float(BarlowTwinsLoss.invariance(*z)) == pytest.approx(invariance, abs=1e-2)
    assert float(BarlowTwinsLoss.redundancy(*z)) == pytest.approx(redundancy, abs=1e-2)
    assert float(BarlowTwinsLoss(weight)(*z)) == pytest.approx(invariance + weight * redundancy, abs=3e-2)


@given(z=embeddings(most=5))
def test_gradients_of_the_loss_are_right(z):
    assert torch.autograd.gradcheck(BarlowTwinsLoss(0.5), [v.requires_grad_() for v in z])


@given(z=embeddings(), scale=st.floats(1, 100), shift=st.floats(-10, 10), seed=st.integers(0, 2**31))
def test_the_loss_knows_no_order_of_views_images_or_dimensions_no_scale_and_no_place(z, scale, shift, seed):
    loss, (z0, z1) = BarlowTwinsLoss(0.1), z
    expected, generator = float(loss(z0, z1)), torch.Generator().manual_seed(seed)
    images, dimensions = (torch.randperm(n, generator=generator) for n in z0.shape)
    assert float(loss(z1, z0)) == pytest.approx(expected)
    assert float(loss(z0[images][:, dimensions], z1[images][:, dimensions])) == pytest.approx(expected)
    assert float(loss(scale * z0 + shift, z1)) == pytest.approx(expected, rel=1e-2, abs=1e-2)


def test_views_that_agree_in_dimensions_that_tell_different_things_cost_nothing():
    z = torch.randn(64, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    white = torch.linalg.qr(z - z.mean(0))[0] * 8
    assert float(BarlowTwinsLoss(1.0)(white, white)) == pytest.approx(0, abs=1e-6)
    repeated = white[:, [0, 1, 1]]
    assert float(BarlowTwinsLoss.redundancy(repeated, repeated)) == pytest.approx(2, abs=1e-3)  # one pair, both ways
    assert float(BarlowTwinsLoss.invariance(white, -white)) == pytest.approx(4 * 5, abs=1e-2)
    alike = torch.ones(8, 5)
    assert float(BarlowTwinsLoss()(alike, alike)) == pytest.approx(5)


@given(z=embeddings())
def test_losses_of_images_have_the_loss_of_the_batch_as_their_mean(z):
    each = BarlowTwinsLoss(reduction="none")(*z)
    assert each.shape == (len(z[0]),)
    assert float(each.mean()) == pytest.approx(float(BarlowTwinsLoss()(*z)))


def test_the_loss_of_bfloat16_embeddings_is_computed_in_float32_under_autocast_too():
    z0, z1 = torch.randn(2, 64, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = BarlowTwinsLoss()(z0.double(), z1.double())
    with torch.autocast("cpu", torch.bfloat16):
        loss = BarlowTwinsLoss()(z0, z1)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)


def test_one_image_alone_has_a_finite_loss_and_embeddings_of_two_shapes_none():
    assert torch.isfinite(BarlowTwinsLoss()(torch.rand(1, 3), torch.rand(1, 3)))
    with pytest.raises(ValueError, match="expected two of one shape"):
        BarlowTwinsLoss()(torch.rand(4, 3), torch.rand(1, 3))


@pytest.mark.parametrize("weight", [-1, "much", True, float("nan"), float("inf")])
def test_a_wrong_weight_is_named(weight):
    with pytest.raises(ConfigError, match=r"redundancy: found .*, expected a weight, 0 or more"):
        BarlowTwinsLoss(weight)
