"""Encoders and decoders: shapes for any image, and weights that a seed fixes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sslfast import autoencoder_learner, classifier_learner, image_dls, random_encoder, supervised_learner
from sslfast.errors import ConfigError
from sslfast.models import (
    as_encoder,
    create_decoder,
    create_encoder,
    create_head,
    feature_shape,
    initialised_with,
)
from sslfast.study.encoder_names import encoders
from sslfast.study.image_size import sides_of

DECODED = ["conv", "original"]
ENCODERS = [*encoders()]
NAMES = [*ENCODERS, "conv_x2", "original_x0.5"]
SIZES = st.one_of(st.integers(8, 100), st.tuples(st.integers(8, 64), st.integers(8, 64)))


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(size=SIZES, channels=st.sampled_from([1, 3]))
def test_encoder_and_head_fit_images_of_any_size_and_shape(name, size, channels):
    encoder = create_encoder(name, channels, size)
    features = encoder(torch.randn(2, channels, *sides_of(size))).detach()
    assert tuple(features.shape[1:]) == encoder.out_shape == feature_shape(encoder, (channels, *sides_of(size)))
    assert create_head(encoder.out_shape, 7)(features).shape == (2, 7)
    assert encoder.name == name


@pytest.mark.parametrize("name", [*DECODED, "vit"])
@settings(max_examples=15)
@given(size=SIZES, channels=st.sampled_from([1, 3]))
def test_decoders_fit_images_of_any_size_and_shape(name, size, channels):
    encoder = create_encoder(name, channels, size)
    x = torch.randn(2, channels, *sides_of(size))
    features = encoder(x).detach()
    rebuilt = create_decoder(encoder)(features).detach()
    assert rebuilt.shape == x.shape
    assert 0 <= float(rebuilt.min()) <= float(rebuilt.max()) <= 1


def test_the_original_encoder_is_the_one_of_the_study():
    encoder = create_encoder("original", 3, 32)
    assert encoder.out_shape == (64, 4, 4)
    assert [layer.out_channels for layer in encoder if isinstance(layer, nn.Conv2d)] == [16, 32, 64]
    assert not [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert sum(p.numel() for p in encoder.parameters()) == 448 + 4_640 + 51_264


@pytest.mark.parametrize("name", DECODED)
def test_every_weight_of_encoder_and_decoder_gets_a_gradient(name):
    encoder = create_encoder(name, 1, 11)
    decoder = create_decoder(encoder)
    decoder(encoder(torch.randn(4, 1, 11, 11))).square().sum().backward()
    for parameter in (*encoder.parameters(), *decoder.parameters()):
        assert parameter.grad is not None
        assert float(parameter.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", ENCODERS)
def test_no_convolution_steps_over_more_pixels_than_are_left(name):
    """Of such a step, torch 2.13 gives the weights uninitialised numbers as bfloat16 gradients on CPUs."""

    def check(convolution, inputs):
        assert min(inputs[0].shape[-2:]) >= max(convolution.stride)

    for size in (*range(8, 20), 31, 33, 63, 64, 65, 66, 97, 129, 511, 512):
        with torch.device("meta"):
            encoder = create_encoder(name, 3, size)
            for module in encoder.modules():
                if isinstance(module, nn.Conv2d):
                    module.register_forward_pre_hook(check)
            assert tuple(encoder(torch.empty(2, 3, size, size)).shape[1:]) == encoder.out_shape


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("size", [8, 11, 65])
def test_gradients_in_bfloat16_are_those_of_float32_within_its_precision(name, size):
    encoder = as_encoder(name, (3, size, size), seed=0).eval()
    x = torch.randn(16, 3, size, size, generator=torch.Generator().manual_seed(0))
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        encoder.zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            features = encoder(x.contiguous(memory_format=torch.channels_last))
        features.float().square().mean().backward()
        found.append(torch.cat([p.grad.flatten() for p in encoder.parameters()]))
    assert torch.nn.functional.cosine_similarity(*found, dim=0) > 0.98


# ── widths ──────────────────────────────────────────────────────────────────────────────────────


def original_as_ever() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 5)
    )


def conv_as_ever() -> nn.Sequential:
    layers = []
    for c_in, c_out in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(c_in, c_out, 3, 2, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(("name", "as_ever"), [("original", original_as_ever), ("conv", conv_as_ever)])
def test_without_a_width_an_encoder_has_the_weights_that_it_always_had(name, as_ever):
    with initialised_with(3, "encoder"):
        expected = as_ever()
    assert same(as_encoder(name, (3, 32, 32), seed=3), expected)


@settings(max_examples=30)
@given(base=st.sampled_from(["original", "conv"]), width=st.sampled_from([0.1, 0.25, 0.5, 0.7, 1.5, 2, 3.1]))
def test_a_width_multiplies_the_channels_of_every_layer(base, width):
    def channels(encoder) -> list[int]:
        return [layer.out_channels for layer in encoder if isinstance(layer, nn.Conv2d)]

    wide = create_encoder(f"{base}_x{width:g}", 1, 16)
    assert channels(wide) == [max(1, round(width * n)) for n in channels(create_encoder(base, 1, 16))]
    assert wide.out_shape[0] == channels(wide)[-1]
    assert [layer.in_channels for layer in wide if isinstance(layer, nn.Conv2d)] == [1, *channels(wide)[:-1]]


# ── ResNet-18 ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [32, 64, 65, 96])
def test_resnet18_computes_what_torchvision_computes(size):
    from torchvision.models import resnet18

    theirs = resnet18(weights=None)
    if size <= 64:  # SimCLR's stem for small images
        theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    theirs.avgpool, theirs.fc = nn.Identity(), nn.Identity()
    ours = create_encoder("resnet18", 3, size)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(2, 3, size, size)
    for training in (True, False):  # the first also moves the statistics of BatchNorm
        expected = theirs.train(training)(x).view(2, *ours.out_shape)
        torch.testing.assert_close(ours.train(training)(x), expected, rtol=1e-4, atol=1e-4)
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, theirs.state_dict()[name])


def test_resnet18_starts_from_he_s_weights():
    encoder = as_encoder("resnet18", (3, 32, 32), seed=0)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            n_out = module.out_channels * math.prod(module.kernel_size)
            assert float(module.weight.detach().std()) == pytest.approx((2 / n_out) ** 0.5, rel=0.05)
            assert abs(float(module.weight.detach().mean())) < 0.05 * (2 / n_out) ** 0.5
        elif isinstance(module, nn.BatchNorm2d):
            assert bool((module.weight == 1).all()) and not bool(module.bias.any())


@pytest.mark.parametrize(("size", "side"), [(8, 1), (28, 4), (32, 4), (64, 8), (65, 3), (96, 3), (224, 7)])
def test_resnet18_divides_small_images_by_8_and_large_ones_by_32(size, side):
    assert create_encoder("resnet18", 3, size).out_shape == (512, side, side)


# ── modules of a user ───────────────────────────────────────────────────────────────────────────


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
@settings(max_examples=5)
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


@pytest.mark.parametrize("name", DECODED)
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
    with pytest.raises(ConfigError, match=r"encoders: found 'vgg', expected one of conv, original, resnet18, vit"):
        make("vgg")


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
