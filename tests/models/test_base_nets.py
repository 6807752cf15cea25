"""Base nets: existing nets with weights from elsewhere, as encoders."""

import json
import socket

import pytest
import torch
from base_weights import LITE0, lite0_weights, package_file, write_lite0
from fastai.data.core import DataLoaders
from fastai.data.transforms import Normalize
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.nn import functional as F

from sslfast import base_encoder, classifier_learner, finetune_learner, image_dls, simclr_learner
from sslfast.errors import ConfigError, RecordError
from sslfast.models import as_encoder, load_encoder, save_encoder


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return lite0_weights()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_lite0(tmp_path_factory.mktemp("weights") / "lite0.safetensors")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def dls(digits):
    return image_dls(digits, labelled=0.3, seed=0, bs=64, device="cpu")


def test_its_features_give_the_logits_of_the_whole_net_to_the_bit(weights, file):
    import timm

    whole = timm.create_model("tf_efficientnet_lite0")
    whole.load_state_dict(weights)
    net = base_encoder(LITE0, file, size=64).for_images(3, 64, [0.0] * 3, [1.0] * 3).eval()
    x = torch.randint(0, 256, (4, 3, 64, 64), generator=torch.Generator().manual_seed(0)) / 255
    with torch.no_grad():
        expected = whole.eval()((x - 0.5) / 0.5)
        found = F.linear(net(x).flatten(1), weights["classifier.weight"], weights["classifier.bias"])
    assert torch.equal(found, expected)


@given(seed=st.integers(0, 99), mean=st.floats(0.1, 0.9), std=st.floats(0.05, 0.5), size=st.sampled_from([32, 48]))
@settings(max_examples=5, deadline=None)
def test_features_do_not_depend_on_how_images_are_normalised(file, seed, mean, std, size):
    net = base_encoder(LITE0, file, size=size).eval()
    x = torch.randint(0, 256, (2, 1, 8, 8), generator=torch.Generator().manual_seed(seed)) / 255
    with torch.no_grad():
        plain = net.for_images(1, 8, [0.0], [1.0])(x)
        assert torch.equal(net.for_images(1, 8, [mean], [std])((x - mean) / std), plain)


def test_grey_is_red_green_and_blue_alike(file):
    net = base_encoder(LITE0, file, size=32).eval()
    x = torch.randint(0, 256, (2, 1, 8, 8)) / 255
    with torch.no_grad():
        grey = net.for_images(1, 8, [0.3], [0.2])((x - 0.3) / 0.2)
        assert torch.equal(net.for_images(3, 8, [0.0] * 3, [1.0] * 3)(x.expand(-1, 3, -1, -1)), grey)


def test_what_makes_images_can_learn_through_it(file):
    net = base_encoder(LITE0, file, size=32).for_images(1, 8, [0.3], [0.2]).eval()
    x = torch.randn(2, 1, 8, 8, requires_grad=True)
    net(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_small_images_are_enlarged_and_none_beyond_what_the_net_was_trained_with(file):
    sizes = [base_encoder(LITE0, file, image_size=side).size for side in (8, 96, 128, 512)]
    assert sizes == [96, 96, 128, 224]


def test_it_says_what_it_is(file):
    about = base_encoder(LITE0, file).about
    assert about["source"] == "file lite0.safetensors"
    assert about["left_out"] == "its classifier (classifier.bias, classifier.weight)"
    assert about["digest"] == base_encoder(LITE0, file).about["digest"]
    assert about["digest"] != base_encoder(LITE0, file, size=64).about["digest"]


@pytest.mark.parametrize(
    ("wrap", "prefix"),
    [
        (lambda w: {f"module.{k}": v for k, v in w.items()}, "module."),
        (lambda w: {"epoch": 3, "state_dict": {f"model.{k}": v for k, v in w.items()}}, "state_dict.model."),
        (lambda w: {"state_dict": {k: 0 * v for k, v in w.items()}, "model_ema": w}, "model_ema."),
        (lambda w: {**{f"encoder.{k}": v for k, v in w.items()}, "projector.weight": torch.zeros(3)}, "encoder."),
    ],
)
def test_wrappers_around_weights_are_taken_off_and_named(weights, file, wrap, prefix, tmp_path):
    torch.save(wrap(weights), tmp_path / "wrapped.pth")
    found, plain = base_encoder(LITE0, tmp_path / "wrapped.pth", size=32), base_encoder(LITE0, file, size=32)
    assert found.about["wrapper"] == prefix
    assert found.about["digest"] == plain.about["digest"]


def test_a_classifier_of_other_classes_is_left_out(weights, file, tmp_path):
    other = {**weights, "classifier.weight": torch.zeros(7, 1280), "classifier.bias": torch.zeros(7)}
    save_file(other, tmp_path / "other.safetensors")
    digests = {base_encoder(LITE0, path, size=32).about["digest"] for path in (file, tmp_path / "other.safetensors")}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {k: v for k, v in w.items() if k != "bn1.weight"}, "it has none of bn1.weight"),
        (lambda w: {**w, "extra.weight": torch.zeros(2)}, "it has an entry extra.weight"),
        (lambda w: {**w, "bn1.weight": torch.zeros(5)}, r"bn1.weight is \[5\], expected \[32\]"),
        (lambda w: {}, "holds no tensors"),
    ],
)
def test_weights_that_do_not_fit_are_an_error_that_names_what(weights, change, message, tmp_path):
    torch.save(change(weights), tmp_path / "wrong.pth")
    with pytest.raises(ConfigError, match=message):
        base_encoder(LITE0, tmp_path / "wrong.pth")


def test_weights_under_other_names_are_an_error_that_shows_both():
    with pytest.raises(ConfigError, match=r"it has _conv_stem.weight, .* expected conv_stem.weight, "):
        base_encoder(LITE0, package_file())


def test_code_in_a_file_is_not_run(tmp_path):
    torch.save({"weights": print}, tmp_path / "code.pth")
    with pytest.raises(ConfigError, match=r"cannot be read as weights .it holds code, which is never run"):
        base_encoder(LITE0, tmp_path / "code.pth")
    (tmp_path / "garbage.pth").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"cannot be read as weights .it is no file of torch.save"):
        base_encoder(LITE0, tmp_path / "garbage.pth")


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (LITE0, r"weights: timm has none of tf_efficientnet_lite0 here .*model.safetensors of timm/tf_eff"),
        ("torchvision.resnet18", r"weights: torchvision has none of resnet18 here .*download https://.*resnet18"),
        ("timm.resnet18.a7_in1k", r"weights: timm has none of resnet18.a7_in1k here"),
        ("timm.resnet10", r"has no model resnet10; did you mean timm\.resnet10t\?"),
        ("torchvision.resnet19", r"has no model resnet19; did you mean torchvision\.resnet\d+\?"),
        ("conv", r"net: found 'conv', expected timm\.<model>"),
    ],
)
def test_a_net_without_weights_here_is_one_line_that_says_where_to_get_them(net, message):
    with pytest.raises(ConfigError, match=message):
        base_encoder(net)


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v3_small", "vit_b_32"])
def test_nets_of_torchvision_give_what_their_last_layer_got(model, tmp_path):
    from torchvision.models import get_model

    torch.manual_seed(0)
    whole = get_model(model, weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    net = base_encoder(f"torchvision.{model}", tmp_path / "w.pth").for_images(3, 32, [0.0] * 3, [1.0] * 3).eval()
    assert net.size == (224 if model == "vit_b_32" else 96)
    x = torch.rand(2, 3, net.size, net.size).mul(255).round() / 255
    last = [module for module in whole.modules() if isinstance(module, torch.nn.Linear)][-1]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.no_grad():
        torch.testing.assert_close(last(net(x).flatten(1)), whole((x - mean) / std))


def test_a_classifier_over_it_learns_and_leaves_it_as_it_was(dls, file):
    learn = classifier_learner(dls.classify, base_encoder(LITE0, file, size=32), seed=0, dropout=0)
    with learn.no_bar(), learn.no_logging():
        learn.fit(20, 3e-3)  # ends with a proof that nothing of the encoder changed
    assert learn.recorder.values[-1][2] > 0.3  # ten classes


def test_it_can_be_trained_further(dls, file):
    for learn in (
        finetune_learner(dls.classify, base_encoder(LITE0, file, size=32), seed=0),
        simclr_learner(dls.pretrain, base_encoder(LITE0, file, size=32), seed=0),
    ):
        before = learn.encoder.digest if hasattr(learn, "encoder") else learn.model.encoder.digest
        with learn.no_bar(), learn.no_logging():
            learn.fit(1, 1e-3)
        assert learn.model.encoder.digest != before


def test_learners_tell_it_how_their_images_are_normalised(dls, file):
    net = as_encoder(base_encoder(LITE0, file, size=32), dls.classify)
    assert net.given_mean.flatten().tolist() == pytest.approx(list(dls.split.mean))
    assert (net.channels, net.image_size) == (1, 8)


def test_loaders_of_fastai_tell_it_too(file):
    x = torch.rand(8, 3, 16, 16)
    loaders = DataLoaders.from_dsets(*[[(image, 0) for image in x]] * 2, bs=4, after_batch=[Normalize.from_stats([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], cuda=False)], device="cpu")  # fmt: skip # noqa: E501
    net = as_encoder(base_encoder(LITE0, file, size=32), loaders)
    assert net.given_std.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])


def test_without_that_it_says_so(file):
    with pytest.raises(ConfigError, match="does not know how images are normalised"):
        base_encoder(LITE0, file, size=32)(torch.rand(1, 3, 32, 32))


def test_a_file_gives_it_back_with_what_it_is(dls, file, tmp_path):
    net = base_encoder(LITE0, file, size=32, dls=dls.classify).eval()
    save_encoder(net, tmp_path / "e.safetensors", seed=3)
    again = load_encoder(tmp_path / "e.safetensors", encoder=LITE0, seed=3).eval()
    x = torch.randn(2, 1, 8, 8)
    assert again.about == net.about == json.loads(json.dumps(net.about))
    with torch.no_grad():
        assert torch.equal(again(x), net(x))
    with pytest.raises(RecordError, match="seed"):
        load_encoder(tmp_path / "e.safetensors", seed=4)
