"""Dropout against its definition and against torch's own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sslfast.errors import ConfigError
from sslfast.models import dropout_of
from sslfast.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.4, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_drops_a_share_of_p_and_keeps_the_expected_value(p, dtype):
    torch.manual_seed(0)
    n = 400_000
    out = Dropout(p)(torch.ones(n, dtype=dtype)).float()
    kept = (out > 0).float().mean()
    assert abs(float(kept) - (1 - p)) < 5 * (p * (1 - p) / n) ** 0.5
    assert float(out.max()) == pytest.approx(1 / (1 - p), rel=1e-2 if dtype == torch.bfloat16 else 1e-4)
    assert set(out.unique().tolist()) == {0.0, float(out.max())}


def test_values_are_dropped_independently():
    torch.manual_seed(0)
    out = (Dropout(0.4)(torch.ones(1_000_000)) > 0).double() - 0.6
    for lag in (1, 2, 3, 4, 8, 64):
        assert abs(float((out[lag:] * out[:-lag]).mean())) < 5 * 0.24 / 1000


def test_one_mask_is_not_the_next():
    x = torch.ones(64)
    layer = Dropout(0.5)
    assert not torch.equal(layer(x), layer(x))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans())
def test_any_shape_and_layout_keeps_values_and_gradients_where_it_keeps_them(shape, channels_last):
    x = torch.rand(shape).add_(0.5)
    if len(shape) == 4 and channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    out = Dropout(0.5)(x)
    out.sum().backward()
    assert out.shape == x.shape
    assert torch.equal(out, x * x.grad)
    assert set(x.grad.unique().tolist()) <= {0.0, 2.0}


def test_does_nothing_in_evaluation_or_with_p_zero_and_everything_with_p_one():
    x = torch.rand(100)
    assert torch.equal(Dropout(0.4).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any()


def test_same_seed_gives_the_same_mask_and_it_is_a_torch_dropout():
    x, masks = torch.ones(500), []
    for _ in range(2):
        torch.manual_seed(3)
        masks.append(Dropout(0.4)(x))
    assert torch.equal(*masks)
    assert isinstance(Dropout(0.4), nn.Dropout)


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_auto_is_less_with_more_labels_and_within_what_was_measured(n, more):
    few, many = sorted((n, more))
    assert 0.2 <= dropout_of("auto", many) <= dropout_of("auto", few) <= 0.35


@pytest.mark.parametrize(("n", "rate"), [(54, 0.35), (5_000, 0.35), (10_000, 0.275), (20_000, 0.2), (22_500, 0.2)])
def test_auto_at_the_numbers_of_labels_that_were_tried(n, rate):
    assert dropout_of("auto", n) == pytest.approx(rate)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 10**7))
def test_a_rate_is_what_it_says_with_any_number_of_labels(rate, n):
    assert dropout_of(rate, n) == rate


@pytest.mark.parametrize("strange", ["some", 1, -0.1, None, float("nan")])
def test_another_rate_is_one_line(strange):
    with pytest.raises(ConfigError, match=r"^dropout: found .*, expected auto or a number from 0 and below 1$"):
        dropout_of(strange, 100)
