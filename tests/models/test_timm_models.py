"""Encoders of timm: any model that gives a square map, by its name, untrained."""

import importlib.util
import socket
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslfast import classifier_learner, image_dls, supervised_learner
from sslfast.data.images import ImageData, ImageSet
from sslfast.errors import ConfigError
from sslfast.models import as_encoder, create_encoder, load_encoder, save_encoder

needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed: pip install 'sslfast[timm]'"
)
CONVOLUTIONAL, TOKENS, CHANNELS_LAST = "timm.test_convnext", "timm.test_vit", "timm.swin_tiny_patch4_window7_224"
SMALL = [CONVOLUTIONAL, TOKENS, "timm.test_resnet", "timm.test_efficientnet", "timm.test_mambaout"]


def larger(data: ImageData) -> ImageData:
    """The same images, four times as large."""
    train, test = (
        ImageSet(part.x.repeat_interleave(4, 2).repeat_interleave(4, 3), part.y, part.classes)
        for part in (data.train, data.test)
    )
    return replace(data, train=train, test=test)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_without_timm_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"encoders: timm\.resnet10t needs the package timm .*'sslfast\[timm\]'"):
        create_encoder("timm.resnet10t")


@needs_timm
@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=6)
@given(size=st.sampled_from([32, 48, 64, 96]), channels=st.sampled_from([1, 3]))
def test_the_shape_that_is_told_is_the_shape_that_comes(name, size, channels):
    encoder = create_encoder(name, channels, size)
    features = encoder(torch.randn(2, channels, size, size))
    assert tuple(features.shape[1:]) == encoder.out_shape
    assert (encoder.name, encoder.channels, encoder.image_size) == (name, channels, size)


@needs_timm
def test_a_map_that_ends_in_channels_is_turned():
    encoder = create_encoder(CHANNELS_LAST, 3, 64).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        found, plain = encoder(x), encoder.net.forward_features(x)
    assert encoder.out_shape == (768, 2, 2)
    assert torch.equal(found, plain.permute(0, 3, 1, 2))


@needs_timm
def test_tokens_lie_where_their_patches_are():
    encoder = create_encoder(TOKENS, 3, 64).eval()
    assert encoder.net.num_prefix_tokens == 1
    grey = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        plain = encoder(grey)
        for row in range(4):
            for column in range(4):
                x = grey.clone()
                x[..., 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = torch.randn(3, 16, 16)
                change = (encoder(x) - plain).square().sum(1)[0]
                assert int(change.argmax()) == 4 * row + column


@needs_timm
@pytest.mark.parametrize("name", [CONVOLUTIONAL, TOKENS])
def test_a_seed_fixes_the_weights_and_files_give_them_back(name, tmp_path, no_network):
    one, again, other = (as_encoder(name, (1, 32, 32), seed) for seed in (0, 0, 1))
    weights = one.state_dict()
    assert all(torch.equal(weights[key], tensor) for key, tensor in again.state_dict().items())
    assert any(not torch.equal(weights[key], tensor) for key, tensor in other.state_dict().items())
    save_encoder(one, tmp_path / "encoder.safetensors")
    found = load_encoder(tmp_path / "encoder.safetensors", encoder=name)
    x = torch.randn(2, 1, 32, 32)
    assert torch.equal(found.eval()(x), one.eval()(x))
    assert found.out_shape == one.out_shape


@needs_timm
def test_finding_the_shape_leaves_training_mode_weights_and_chance_alone():
    torch.manual_seed(0)
    encoder = create_encoder("timm.test_resnet", 3, 32)
    after = torch.rand(3)
    assert encoder.training
    assert all(int(n) == 0 for key, n in encoder.state_dict().items() if key.endswith("num_batches_tracked"))
    import timm

    torch.manual_seed(0)
    plain = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    assert torch.equal(after, torch.rand(3))
    assert all(torch.equal(encoder.net.state_dict()[key], tensor) for key, tensor in plain.state_dict().items())


@needs_timm
def test_it_learns_with_its_head_and_stands_still_when_frozen(digits):
    dls = image_dls(larger(digits), bs=64, device="cpu").classify
    learn = supervised_learner(dls, "timm.test_resnet", dropout=0, seed=0)
    with learn.no_bar(), learn.no_logging():
        learn.fit(2, 3e-3)
    frozen = classifier_learner(dls, learn, dropout=0, seed=0)
    with frozen.no_bar(), frozen.no_logging():
        frozen.fit(2, 3e-3)  # which ends with a proof that nothing of the encoder changed
    assert learn.recorder.values[-1][2] > 0.4  # ten classes
    assert frozen.recorder.values[-1][2] > 0.4  # ten classes


@needs_timm
def test_images_that_end_before_the_network_does_are_an_error():
    """Of 8 pixels, the last stage would step by 2 over a single one."""
    with pytest.raises(ConfigError, match=r"cannot take images of 8 pixels .*\(a step of 2 over a map of 1\)"):
        create_encoder("timm.test_resnet", 1, 8)


@needs_timm
def test_a_model_that_timm_does_not_have_is_an_error_with_the_closest_name():
    with pytest.raises(ConfigError, match=r"encoders: timm .* has no model resnet10; did you mean timm\.resnet10t\?"):
        create_encoder("timm.resnet10")


@needs_timm
@pytest.mark.parametrize("name", ["inception_v3", "efficientformer_l1"])
def test_a_model_that_cannot_take_such_images_is_an_error_that_names_both(name):
    with pytest.raises(ConfigError, match=rf"encoders: timm\.{name} cannot take images of 64 pixels with 1 channels"):
        create_encoder(f"timm.{name}", 1, 64)


@needs_timm
def test_a_model_without_a_map_is_an_error_that_says_what_it_gives():
    with pytest.raises(ConfigError, match=r"timm\.coat_tiny makes .* expected a map"):
        create_encoder("timm.coat_tiny", 3, 64)
