"""Nets where fastai's users write them: `classifier_learner(dls, resnet18, pretrained=True)`."""

import pytest
import torch
from fastai.callback.progress import ProgressCallback
from torchvision.models import MobileNet_V3_Small_Weights, mobilenet_v3_small, resnet18

from sslfast import classifier_learner, finetune_learner, image_dls, simclr_learner, supervised_learner
from sslfast.errors import ConfigError
from sslfast.models import BaseNet


@pytest.fixture(scope="module")
def dls(digits):
    return image_dls(digits, labelled=0.03, seed=0, bs=16, device="cpu")


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Weights where torchvision keeps those that it has downloaded: random ones, as there is no network."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        weights = mobilenet_v3_small(weights=None).state_dict()
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    torch.save(weights, folder / MobileNet_V3_Small_Weights.DEFAULT.url.rpartition("/")[2])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return weights


@pytest.mark.parametrize("net", [mobilenet_v3_small, "torchvision.mobilenet_v3_small"])
def test_a_function_or_a_name_with_pretrained_is_the_net_with_its_librarys_weights(dls, stored, net):
    learn = classifier_learner(dls.classify, net, pretrained=True, seed=0)
    assert isinstance(learn.model.encoder, BaseNet)
    assert learn.model.frozen
    found = learn.model.encoder.net.state_dict()
    assert len(found) > 200
    assert all(torch.equal(value, stored[name]) for name, value in found.items())
    learn.remove_cb(ProgressCallback)
    with learn.no_logging():
        learn.fit(1)
    assert learn.get_preds()[0].shape == (len(dls.classify.valid_ds), 10)
    assert not finetune_learner(dls.classify, net, pretrained=True, seed=0).model.frozen


def test_without_pretrained_weights_they_are_drawn_from_the_seed(dls):
    one, same, other = (
        supervised_learner(dls.classify, mobilenet_v3_small, pretrained=False, seed=seed).model.encoder.state_dict()
        for seed in (0, 0, 1)
    )
    first = next(name for name in one if name.endswith("weight"))
    assert all(torch.equal(value, same[name]) for name, value in one.items())
    assert not torch.equal(one[first], other[first])


def test_weights_that_cannot_be_had_are_one_line_that_says_where_from(dls, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(ConfigError, match="weights: torchvision has none of mobilenet_v3_small here"):
        classifier_learner(dls.classify, mobilenet_v3_small, pretrained=True)


def refuse(*_, **__):
    raise OSError("no network")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda dls: classifier_learner(dls.classify, resnet18), "found the function resnet18; add pretrained=True"),
        (lambda dls: classifier_learner(dls.classify, "conv", pretrained=True), "'conv', which is no net of others"),
        (lambda dls: finetune_learner(dls.classify, dls, pretrained=True), "which is no net of others; leave it out"),
        (
            lambda dls: simclr_learner(dls.pretrain, resnet18),
            r"found resnet18, .* base_encoder\('torchvision.resnet18'\)",
        ),
    ],
)
def test_what_is_meant_has_to_be_said(dls, make, message):
    with pytest.raises(ConfigError, match=message) as error:
        make(dls)
    assert "\n" not in str(error.value)
