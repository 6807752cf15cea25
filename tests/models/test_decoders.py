"""Decoders for any encoder: back to images of the right size, each weight of use."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslfast.errors import ConfigError
from sslfast.models import create_decoder
from sslfast.models.base import Encoder
from sslfast.models.decoders import growing_decoder


@settings(max_examples=25)
@given(side=st.integers(1, 40), size=st.integers(8, 80), channels=st.sampled_from([1, 3]), odd=st.booleans())
def test_feature_maps_of_any_size_grow_to_images_of_any_size(side, size, channels, odd):
    shape = (18, side, side + odd)
    rebuilt = growing_decoder(shape, (channels, size, size))(torch.randn(2, *shape)).detach()
    assert rebuilt.shape == (2, channels, size, size)
    assert 0 <= float(rebuilt.min()) <= float(rebuilt.max()) <= 1


def test_channels_are_halved_by_each_doubling():
    convolutions = [m for m in growing_decoder((128, 4, 4), (3, 64, 64)) if isinstance(m, nn.ConvTranspose2d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == [(128, 64), (64, 32), (32, 16), (16, 3)]


def test_every_pixel_of_an_even_image_is_made_of_as_many_values():
    """Equal weights and features give an even picture, but for its edge: no chequered pattern."""
    decoder = growing_decoder((4, 8, 8), (1, 32, 32)).eval()
    for layer in decoder:
        if isinstance(layer, nn.ConvTranspose2d):
            nn.init.constant_(layer.weight, 0.01)
    inner = decoder(torch.ones(1, 4, 8, 8)).detach()[0, 0, 6:-6, 6:-6]
    assert float(inner.std()) < 1e-6


@pytest.mark.parametrize("size", [28, 32, 33])
def test_an_encoder_of_ones_own_gets_a_decoder_all_of_which_learns(size):
    layers = [nn.Conv2d(3, 12, 7, stride=4), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 40, 3, stride=2)]
    module = nn.Sequential(*layers)
    x = torch.randn(4, 3, size, size)
    features = module(x)
    for encoder, shape in ((module, (3, size, size)), (Encoder(3, size, layers, tuple(features.shape[1:])), None)):
        decoder = create_decoder(encoder, shape)
        rebuilt = decoder(features.detach())
        assert rebuilt.shape == x.shape
        rebuilt.square().sum().backward()
        assert all(bool(p.grad.any()) for name, p in decoder.named_parameters() if "weight" in name)


def test_a_module_whose_images_are_not_known_is_an_error_that_says_what_to_pass():
    with pytest.raises(ConfigError, match=r"decoder: none is known for Sequential; pass decoder="):
        create_decoder(nn.Sequential(nn.Conv2d(1, 4, 3)))
