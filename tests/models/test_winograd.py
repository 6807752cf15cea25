"""Convolutions by fewer multiplications, against torch's own."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslfast.models import create_decoder, create_encoder, create_head, winograd
from sslfast.models.winograd import Conv2d, ConvTranspose2d

TORCHS = {Conv2d: nn.Conv2d, ConvTranspose2d: nn.ConvTranspose2d}


@pytest.fixture
def used(monkeypatch) -> list:
    """Grows by one whenever a layer takes the fast way."""
    calls, convolve = [], winograd._convolve
    monkeypatch.setattr(winograd, "_convolve", lambda *args: calls.append(1) or convolve(*args))
    return calls


def relative(found: torch.Tensor, true: torch.Tensor) -> float:
    return float((found.detach().double() - true.detach()).norm() / true.detach().norm())


def in_float64(layer: nn.Module) -> nn.Module:
    """The same layer, computed by torch's own code in float64."""
    exact = copy.deepcopy(layer).double()
    exact.__class__ = TORCHS[type(layer)]
    return exact


@st.composite
def small_maps(draw):
    """A kind of layer with its options, and the size of its maps, for which the fast way is taken."""
    kind = draw(st.sampled_from([Conv2d, ConvTranspose2d]))
    kernel, out = draw(st.tuples(st.integers(3, 5), st.integers(2, 6)).filter(lambda sides: sum(sides) <= 9))
    padding = draw(st.integers(0, (kernel - 1) // 2))
    c_in, c_out = draw(st.tuples(st.integers(16, 40), st.integers(16, 40)))
    options = {"in_channels": c_in, "out_channels": c_out, "kernel_size": kernel, "padding": padding}
    side = out if kind is ConvTranspose2d else out + kernel - 1 - 2 * padding
    return kind, {**options, "bias": draw(st.booleans())}, side


@settings(max_examples=200)
@given(small_maps(), st.integers(32, 40), st.booleans(), st.sampled_from([1e-6, 1.0, 1e6]), st.integers(0, 2**31))
def test_results_and_gradients_are_those_of_a_convolution_to_rounding(used, case, n, channels_last, scale, seed):
    kind, options, side = case
    torch.manual_seed(seed)
    layer, before = kind(**options), len(used)
    x = torch.randn(n, layer.in_channels, side, side) * scale
    x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    out, exact = [], in_float64(layer)
    for module, image in ((layer, x.requires_grad_()), (exact, x.detach().double().requires_grad_())):
        y = module(image)
        torch.manual_seed(seed)
        gradient = torch.randn(y.shape)
        out.append((y, *torch.autograd.grad(y, [image, *module.parameters()], gradient.to(y.dtype))))
    assert len(used) == before + 1 and out[0][0].dtype == torch.float32
    assert [t.shape for t in out[0]] == [t.shape for t in out[1]]
    assert all(relative(found, true) < 1e-5 for found, true in zip(*out, strict=True))


@pytest.mark.parametrize("kernel, padding, side", [(3, 1, 4), (3, 1, 3), (3, 1, 2), (3, 1, 6), (4, 1, 6), (5, 0, 8)])
def test_small_maps_of_a_study_take_the_fast_way(used, kernel, padding, side):
    y = Conv2d(16, 64, kernel, padding=padding)(torch.rand(32, 16, side, side))
    assert ConvTranspose2d(64, 16, kernel, padding=padding)(y).shape[-1] == side
    assert len(used) == 2


def test_networks_of_a_study_take_it_where_they_can(used):
    encoder = create_encoder("original", 3, 32)
    images = torch.rand(32, 3, 32, 32)
    create_decoder(encoder)(encoder(images))
    assert len(used) == 2  # the 5 x 5 ones
    create_head(encoder.out_shape, 10)(encoder(images))
    assert len(used) == 5
    create_head((128, 4, 4), 10)(torch.rand(32, 128, 4, 4))
    assert len(used) == 7


@pytest.mark.parametrize(
    "options, shape",
    [
        ({"stride": 2}, (16, 6, 6)),
        ({"dilation": 2}, (16, 6, 6)),
        ({"groups": 2}, (16, 6, 6)),
        ({"padding": "same"}, (16, 6, 6)),
        ({"padding": 1, "padding_mode": "reflect"}, (16, 6, 6)),
        ({"padding": (1, 0)}, (16, 6, 6)),
        ({}, (16, 9, 9)),
        ({}, (16, 6, 5)),
        ({}, (16, 3, 3)),
        ({"in_channels": 15}, (15, 6, 6)),
        ({"out_channels": 15}, (16, 6, 6)),
        ({"kernel_size": (3, 2)}, (16, 6, 6)),
        ({"kernel_size": 2}, (16, 5, 5)),
        ({"kernel_size": 6}, (16, 8, 8)),
        ({"padding": 2}, (16, 4, 4)),
    ],
)
def test_everything_else_is_torchs_own_to_the_bit(used, options, shape):
    layer = Conv2d(**{"in_channels": 16, "out_channels": 16, "kernel_size": 3, **options})
    x = torch.rand(32, *shape)
    assert torch.equal(layer(x), nn.Conv2d.forward(layer, x))
    assert not used


@pytest.mark.parametrize("layer", [Conv2d(32, 16, 3, padding=1), ConvTranspose2d(32, 16, 3, padding=1)])
def test_so_are_few_images_and_one_without_a_batch(used, layer):
    for x in (torch.rand(31, 32, 4, 4), torch.rand(1, 32, 4, 4), torch.rand(32, 4, 4)):
        assert torch.equal(layer(x), TORCHS[type(layer)].forward(layer, x))
    assert not used
    layer(torch.rand(32, 32, 4, 4))
    assert used


def test_so_are_transposed_ones_with_a_stride_or_a_wanted_size(used):
    x = torch.rand(32, 16, 4, 4)
    strided = ConvTranspose2d(16, 16, 3, stride=2, padding=1, output_padding=1)
    assert torch.equal(strided(x), nn.ConvTranspose2d.forward(strided, x))
    plain = ConvTranspose2d(16, 16, 3)
    assert torch.equal(plain(x, [6, 6]), nn.ConvTranspose2d.forward(plain, x, [6, 6]))
    assert not used


@pytest.mark.parametrize(
    "layer, shape",
    [
        (Conv2d(16, 16, 3, padding=1), (32, 17, 4, 4)),
        (ConvTranspose2d(16, 16, 3, padding=1), (32, 17, 4, 4)),
    ],
)
def test_what_torch_refuses_it_refuses_in_torchs_words(layer, shape):
    x = torch.rand(shape)
    with pytest.raises(RuntimeError) as theirs:
        TORCHS[type(layer)].forward(layer, x)
    with pytest.raises(RuntimeError) as ours:
        layer(x)
    assert str(ours.value) == str(theirs.value)


def test_other_number_formats_are_torchs_own(used):
    layer, x = Conv2d(16, 16, 3, padding=1), torch.rand(32, 16, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.double()(x.double()).dtype == torch.float64
    assert not used


def test_maps_keep_their_layout_and_an_empty_batch_is_none():
    for layer in (Conv2d(16, 24, 3, padding=1), ConvTranspose2d(16, 24, 3, padding=1)):
        x = torch.rand(32, 16, 4, 4)
        assert layer(x).is_contiguous()
        assert layer(x.contiguous(memory_format=torch.channels_last)).is_contiguous(memory_format=torch.channels_last)
        assert layer(x[:0]).shape == (0, 24, 4, 4)


@pytest.mark.parametrize("layer", [Conv2d(16, 24, 3, padding=1), ConvTranspose2d(16, 24, 3, padding=1)])
def test_gradients_have_gradients_for_penalties(layer):
    torch.manual_seed(0)
    x, found = torch.randn(32, 16, 4, 4), []
    for module in (layer, in_float64(layer)):
        image = x.to(module.weight.dtype).requires_grad_()
        slope = torch.autograd.grad(module(image).square().sum(), image, create_graph=True)[0]
        found.append(torch.autograd.grad(slope.norm(), module.weight)[0])
    assert relative(*found) < 2e-5


def test_an_images_result_is_its_own():
    """An image with a value that is not a number spoils no other of its batch."""
    layer, x = Conv2d(16, 16, 3, padding=1), torch.rand(32, 16, 4, 4)
    whole = layer(x)
    x[1, 0, 0, 0] = torch.nan
    spoilt = layer(x)
    assert spoilt[1].isnan().any() and torch.equal(spoilt[2:], whole[2:]) and torch.equal(spoilt[0], whole[0])


def test_training_works_after_a_first_use_in_inference_mode():
    winograd._matrices.cache_clear()
    layer, x = Conv2d(16, 16, 3, padding=1), torch.rand(32, 16, 4, 4)
    with torch.inference_mode():
        layer(x)
    layer(x).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_parameters_are_those_of_torchs_layers():
    for ours, theirs in TORCHS.items():
        torch.manual_seed(0)
        layer = ours(16, 24, 3)
        torch.manual_seed(0)
        other = theirs(16, 24, 3)
        assert all(torch.equal(p, q) for p, q in zip(layer.parameters(), other.parameters(), strict=True))
        other.load_state_dict(layer.state_dict())
        again, x = pickle.loads(pickle.dumps(layer)), torch.rand(32, 16, 4, 4)
        assert torch.equal(again(x), layer(x)) and torch.allclose(other(x), layer(x), atol=1e-5)
