"""RMSE between images against its formula, in [0, 1] pixel units."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast import RMSELoss


@given(st.integers(1, 7), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_rmse_is_the_root_of_the_mean_squared_error_over_all_values(n, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, n, 3, 5, 5))
    expected = np.sqrt(np.mean((a - b) ** 2))
    assert float(RMSELoss()(torch.tensor(a), torch.tensor(b))) == pytest.approx(expected, abs=1e-6)
    each = RMSELoss(reduction="none")(torch.tensor(a), torch.tensor(b))
    assert np.allclose(each.numpy(), np.sqrt(((a - b) ** 2).reshape(n, -1).mean(1)), atol=1e-6)


def test_rmse_loss_has_the_gradient_of_its_formula_and_a_finite_one_at_a_perfect_match():
    a = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    b = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: RMSELoss()(x, b), (a,))
    RMSELoss()(a, a.detach().clone()).backward()
    assert torch.isfinite(a.grad).all()


def test_rmse_loss_refuses_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match="reconstruction is"):
        RMSELoss()(torch.rand(2, 1, 8, 8), torch.rand(2, 3, 8, 8))
