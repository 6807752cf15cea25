"""Encoders and decoders: shapes for any image, and weights that a seed fixes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslfast import autoencoder_learner, classifier_learner, image_dls, random_encoder, supervised_learner
from sslfast.errors import ConfigError
from sslfast.models import (
    ENCODERS,
    as_encoder,
    create_decoder,
    create_encoder,
    create_head,
    feature_shape,
    initialised_with,
)

NAMES = sorted(ENCODERS)


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(size=st.integers(8, 64), channels=st.sampled_from([1, 3]))
def test_encoder_decoder_and_head_fit_images_of_any_size(name, size, channels):
    encoder = create_encoder(name, channels, size)
    x = torch.randn(2, channels, size, size)
    features = encoder(x).detach()
    assert tuple(features.shape[1:]) == encoder.out_shape == feature_shape(encoder, (channels, size, size))
    rebuilt = create_decoder(encoder)(features).detach()
    assert rebuilt.shape == x.shape
    assert 0 <= float(rebuilt.min()) <= float(rebuilt.max()) <= 1
    assert create_head(encoder.out_shape, 7)(features).shape == (2, 7)


def test_the_original_encoder_is_the_one_of_the_study():
    encoder = create_encoder("original", 3, 32)
    assert encoder.out_shape == (64, 4, 4)
    assert [layer.out_channels for layer in encoder if isinstance(layer, nn.Conv2d)] == [16, 32, 64]
    assert not [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert sum(p.numel() for p in encoder.parameters()) == 448 + 4_640 + 51_264


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_of_encoder_and_decoder_gets_a_gradient(name):
    encoder = create_encoder(name, 1, 11)
    decoder = create_decoder(encoder)
    decoder(encoder(torch.randn(4, 1, 11, 11))).square().sum().backward()
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        assert parameter.grad is not None
        assert float(parameter.grad.abs().sum()) > 0


def test_the_feature_shape_of_any_module_is_found_and_its_state_left_alone():
    module = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.BatchNorm2d(5)).train()
    before = state(module)
    assert feature_shape(module, (3, 9, 9)) == (5, 4, 4)
    assert module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_a_module_that_gives_no_feature_map_is_an_error():
    with pytest.raises(ConfigError, match=r"encoder: Flatten gives .*expected a feature map"):
        feature_shape(nn.Flatten(), (1, 8, 8))


# ── weights ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**31 - 1))
def test_a_seed_fixes_the_weights(name, seed):
    one, again, other = (as_encoder(name, (1, 8, 8), s) for s in (seed, seed, seed + 1))
    assert same(one, again)
    assert not same(one, other)


def test_weights_from_a_seed_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    as_encoder("conv", (1, 8, 8), seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_seed_weights_are_left_to_chance():
    assert not same(as_encoder("conv", (1, 8, 8)), as_encoder("conv", (1, 8, 8)))


def test_parts_of_a_model_start_from_different_streams():
    with initialised_with(0, "encoder"):
        one = torch.randn(5)
    with initialised_with(0, "head"):
        other = torch.randn(5)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_all_methods_start_from_the_same_encoder_at_the_same_seed(digits, name):
    dls = image_dls(digits, labelled=0.1, bs=32, device="cpu")
    control = random_encoder(dls.classify, name, seed=3)
    assert same(autoencoder_learner(dls.pretrain, name, seed=3).encoder, control)
    assert same(supervised_learner(dls.classify, name, seed=3).model[0], control)
    assert same(classifier_learner(dls.classify, name, seed=3).model[0], control)


def test_classifiers_start_from_the_same_head_whatever_their_encoder_learned(digits):
    dls = image_dls(digits, labelled=0.1, bs=32, device="cpu").classify
    one, other = (classifier_learner(dls, random_encoder(dls, seed=s), seed=0).model for s in (1, 2))
    assert same(one[1], other[1])
    assert not same(one[0], other[0])


# ── what an encoder may be named by ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["a module", "a model of two parts", "something that holds a model"])
def test_an_encoder_is_copied_so_that_training_one_never_changes_another(how):
    encoder = create_encoder("conv", 1, 8).requires_grad_(False)
    before = state(encoder)
    holder = nn.Module()
    holder.encoder = encoder
    source = {"a module": encoder, "a model of two parts": holder}.get(how)
    if source is None:
        source = nn.Module()
        source.model = holder
    copy = as_encoder(source, (1, 8, 8))
    assert same(copy, encoder)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.add_(1)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    assert all(parameter.requires_grad for parameter in copy.parameters())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_an_encoder_for_other_images_is_an_error_that_says_which():
    encoder = create_encoder("original", 3, 32)
    with pytest.raises(ConfigError, match="made for channels 3, these images have 1"):
        as_encoder(encoder, (1, 32, 32))
    with pytest.raises(ConfigError, match="made for image_size 32, these images have 28"):
        as_encoder(encoder, (3, 28, 28))


@pytest.mark.parametrize("make", [create_encoder, lambda name: as_encoder(name, (3, 32, 32))])
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(make):
    with pytest.raises(ConfigError, match=r"encoders: found 'resnet18', expected one of conv, original"):
        make("resnet18")


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_other_channels_than_1_and_3_are_an_error(channels):
    with pytest.raises(ConfigError, match=f"channels: found {channels}, expected 1 .* or 3"):
        create_encoder("conv", channels, 32)


@pytest.mark.parametrize("size", [0, 7])
def test_images_below_8_pixels_are_an_error(size):
    with pytest.raises(ConfigError, match=f"image_size: found {size}, expected 8"):
        create_encoder("original", 3, size)


def test_a_decoder_for_an_unknown_encoder_is_an_error_that_says_what_to_pass():
    with pytest.raises(ConfigError, match=r"decoder: none is known for Linear; pass decoder="):
        create_decoder(nn.Linear(2, 2))
