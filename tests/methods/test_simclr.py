"""SimCLR's loss and what is measured of its embeddings, against formulas written out, and what it learns."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sslfast.errors import ConfigError
from sslfast.methods import simclr
from sslfast.methods.simclr import NTXent, alignment, uniformity


@st.composite
def embeddings(draw, most=6) -> tuple[torch.Tensor, torch.Tensor]:
    shape = draw(st.integers(2, most)), draw(st.integers(2, 5))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return tuple(torch.randn(2, *shape, generator=generator, dtype=torch.float64))


def nt_xent(z0, z1, temperature) -> list[float]:
    """Equation 1 of Chen et al. 2020, pair by pair: the loss of each image, mean over its two views."""
    z = [v / math.sqrt(sum(v**2)) for v in np.concatenate([z0, z1])]
    n = len(z0)

    def one(i, j):
        others = sum(math.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k != i)
        return -math.log(math.exp(z[i] @ z[j] / temperature) / others)

    return [(one(i, i + n) + one(i + n, i)) / 2 for i in range(n)]


@given(z=embeddings(), temperature=st.floats(0.1, 2))
def test_the_loss_is_that_of_the_paper(z, temperature):
    expected = nt_xent(*(v.numpy() for v in z), temperature)
    assert float(NTXent(temperature)(*z)) == pytest.approx(np.mean(expected))
    np.testing.assert_allclose(NTXent(temperature, reduction="none")(*z), expected)


@given(z=embeddings(most=4))
def test_gradients_of_the_loss_are_right(z):
    assert torch.autograd.gradcheck(NTXent(0.5), [v.requires_grad_() for v in z])


@given(z=embeddings(), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 2**31))
def test_the_loss_knows_no_order_of_views_or_images_and_no_length_of_embeddings(z, scale, seed):
    loss, (z0, z1) = NTXent(0.5), z
    expected = float(loss(z0, z1))
    order = torch.randperm(len(z0), generator=torch.Generator().manual_seed(seed))
    assert float(loss(z1, z0)) == pytest.approx(expected)
    assert float(loss(z0[order], z1[order])) == pytest.approx(expected)
    assert float(loss(scale * z0, z1)) == pytest.approx(expected)


@given(z=embeddings())
def test_no_embeddings_have_a_lower_loss_than_aligned_ones_spread_as_far_as_can_be(z):
    """Corners of a regular simplex, which n points in n dimensions can be, each in both of its views."""
    n = len(z[0])
    corners = torch.eye(n, dtype=torch.float64) - 1 / n
    best = float(NTXent(0.5)(corners, corners))
    assert best == pytest.approx(math.log(1 + (2 * n - 2) * math.exp(-2 * (1 / (n - 1) + 1))))
    assert float(NTXent(0.5)(*z)) >= best


def test_the_loss_of_bfloat16_embeddings_is_computed_in_float32_under_autocast_too():
    z0, z1 = torch.randn(2, 64, 16, generator=torch.Generator().manual_seed(0)).bfloat16()
    expected = NTXent(0.1)(z0.double(), z1.double())
    with torch.autocast("cpu", torch.bfloat16):
        loss = NTXent(0.1)(z0, z1)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_one_image_alone_has_nothing_to_be_told_from():
    assert float(NTXent(0.5)(torch.ones(1, 3), torch.rand(1, 3))) == 0


@given(z=embeddings())
def test_alignment_and_uniformity_are_those_of_wang_and_isola(z):
    u, v = (w.numpy() / np.linalg.norm(w.numpy(), axis=1, keepdims=True) for w in z)
    assert float(alignment(*z)) == pytest.approx(np.mean([sum((a - b) ** 2) for a, b in zip(u, v, strict=True)]))
    spread = []
    for w in (u, v):
        pairs = [(a, b) for i, a in enumerate(w) for j, b in enumerate(w) if i != j]
        spread.append(math.log(np.mean([math.exp(-2 * sum((a - b) ** 2)) for a, b in pairs])))
    assert float(uniformity(*z)) == pytest.approx(np.mean(spread))


def test_uniformity_of_many_images_is_that_of_some_evenly_spaced(monkeypatch):
    z = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(simclr, "MOST_PAIRED", 30)
    assert float(uniformity(z, z)) == pytest.approx(float(uniformity(z[::4], z[::4])))
    assert float(uniformity(z, z)) != pytest.approx(float(uniformity(z[:25], z[:25])))


@pytest.mark.parametrize("temperature", [0, -1, "warm", True, float("nan"), None])
def test_a_wrong_temperature_is_named(temperature):
    with pytest.raises(ConfigError, match=r"temperature: found .*, expected a number above 0"):
        NTXent(temperature)
