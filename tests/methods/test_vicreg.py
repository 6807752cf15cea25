"""VICReg's loss against formulas written out, and what its parts see."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslfast.errors import ConfigError
from sslfast.methods.vicreg import VICRegLoss


@st.composite
def embeddings(draw, most=6) -> tuple[torch.Tensor, torch.Tensor]:
    shape = draw(st.integers(2, most)), draw(st.integers(2, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return tuple(torch.randn(2, *shape, generator=generator, dtype=torch.float64))


def parts(z0, z1) -> dict[str, float]:
    """Equations 1 to 5 of Bardes et al. 2022, number by number, scaled as in the authors' code."""
    n, d = z0.shape
    result = {"invariance": sum((z0[i, j] - z1[i, j]) ** 2 for i in range(n) for j in range(d)) / (n * d)}
    result |= {"variance": 0.0, "covariance": 0.0}
    for z in (z0, z1):
        mean = [sum(z[:, j]) / n for j in range(d)]
        for j in range(d):
            for k in range(d):
                covariance = sum((z[i, j] - mean[j]) * (z[i, k] - mean[k]) for i in range(n)) / (n - 1)
                if j == k:
                    result["variance"] += max(0, 1 - np.sqrt(covariance + 1e-4)) / d / 2
                else:
                    result["covariance"] += covariance**2 / d
    return result


@given(z=embeddings(), weights=st.tuples(*[st.floats(0, 30)] * 3))
def test_the_loss_and_its_parts_are_those_of_the_paper(z, weights):
    expected = parts(*(v.numpy() for v in z))
    for name, value in expected.items():
        assert float(getattr(VICRegLoss, name)(*z)) == pytest.approx(value)
    total = sum(w * value for w, value in zip(weights, expected.values(), strict=True))
    assert float(VICRegLoss(*weights)(*z)) == pytest.approx(total)


@given(z=embeddings(most=4))
def test_gradients_of_the_loss_are_right(z):
    assert torch.autograd.gradcheck(VICRegLoss(), [v.requires_grad_() for v in z])


@given(z=embeddings(), shift=st.floats(-10, 10), seed=st.integers(0, 2**31))
def test_the_loss_knows_no_order_of_views_images_or_dimensions_and_no_place(z, shift, seed):
    loss, (z0, z1) = VICRegLoss(), z
    expected, generator = float(loss(z0, z1)), torch.Generator().manual_seed(seed)
    images, dimensions = (torch.randperm(n, generator=generator) for n in z0.shape)
    assert float(loss(z1, z0)) == pytest.approx(expected)
    assert float(loss(z0[images][:, dimensions], z1[images][:, dimensions])) == pytest.approx(expected)
    assert float(loss(z0 + shift, z1 + shift)) == pytest.approx(expected)


def test_collapsed_embeddings_lack_all_variance_and_whitened_equal_ones_cost_nothing():
    same = torch.ones(8, 4)
    assert float(VICRegLoss.variance(same, same)) == pytest.approx(0.99)  # the root of eps is left
    assert float(VICRegLoss.invariance(same, same)) == float(VICRegLoss.covariance(same, same)) == 0
    z = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    white = torch.linalg.qr(z - z.mean(0))[0] * 64**0.5
    assert float(VICRegLoss()(white, white)) == pytest.approx(0, abs=1e-5)


def test_covariance_sees_a_dimension_that_repeats_another():
    z = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    repeated = z[:, [0, 1, 1]]
    assert float(VICRegLoss.covariance(repeated, repeated)) > 5 * float(VICRegLoss.covariance(z, z))


def test_the_loss_of_bfloat16_embeddings_is_computed_in_float32_under_autocast_too():
    z0, z1 = torch.randn(2, 64, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = VICRegLoss()(z0.double(), z1.double())
    with torch.autocast("cpu", torch.bfloat16):
        loss = VICRegLoss()(z0, z1)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_one_image_alone_has_a_finite_loss():
    assert torch.isfinite(VICRegLoss()(torch.rand(1, 3), torch.rand(1, 3)))


@pytest.mark.parametrize("name", ["invariance", "variance", "covariance"])
@pytest.mark.parametrize("weight", [-1, "much", True, float("nan"), float("inf")])
def test_a_wrong_weight_is_named(name, weight):
    with pytest.raises(ConfigError, match=rf"{name}: found .*, expected a weight, 0 or more"):
        VICRegLoss(**{name: weight})
