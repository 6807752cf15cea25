"""From what a user names an encoder by (a name, a file, a module, a learner) to the module itself."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ..errors import ConfigError, shown
from ..seeds import derive_seed
from .encoders import create_encoder
from .files import load_encoder

__all__ = ["as_encoder", "image_shape", "initialised_with"]


def as_encoder(source, shape: tuple[int, int, int], seed: int | None = None) -> nn.Module:
    """The encoder that `source` stands for, as a module of its own, for images of `shape` (C, H, W).

    `source`: a name (fresh weights, drawn from `seed`), the path of a file by `save_encoder`, a
    module, or a learner (its `.encoder`). Modules are copied, so training one never changes another.
    Raises `ConfigError` where a stored encoder does not fit the images.
    """
    if isinstance(source, str | Path):
        if Path(source).suffix != ".safetensors":
            with initialised_with(seed, "encoder"):
                return create_encoder(str(source), shape[0], shape[1])
        source = load_encoder(source)
    module = getattr(source, "model", source)  # a Learner holds its model
    module = getattr(module, "encoder", module)
    if not isinstance(module, nn.Module):
        name = getattr(source, "__name__", shown(source))
        raise ConfigError(
            f"encoder: found {name}, expected a name ('conv', 'resnet18', 'timm.<model>'), the path of a .safetensors"
            " file by save_encoder, a module to a feature map [N, C, h, w], or a learner"
        )
    module = copy.deepcopy(module)
    for name, wanted in (("channels", shape[0]), ("image_size", shape[1])):
        found = getattr(module, name, wanted)
        if found != wanted:
            raise ConfigError(f"encoder: was made for {name} {found}, these images have {wanted}")
    return module.requires_grad_(True)


@contextmanager
def initialised_with(seed: int | None, part: str) -> Iterator[None]:
    """Weights created inside the block depend on (`seed`, `part`) only; None leaves chance alone."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init", part))
        yield


def image_shape(dls) -> tuple[int, int, int]:
    """(C, H, W) of the images that `dls` (any fastai image DataLoaders) yields; `ConfigError` for what are none."""
    if dls is None:
        raise ConfigError("dls: found None; image_dls(…, unlabelled=0) has no images to pre-train on (its .pretrain)")
    if not hasattr(dls, "train"):
        part = "; of what image_dls gives, take .pretrain or .classify" if hasattr(dls, "pretrain") else ""
        raise ConfigError(f"dls: found {type(dls).__name__}, expected fastai DataLoaders{part}")
    dataset = getattr(dls.train, "dataset", None)
    shape = getattr(dataset, "image_shape", None) or tuple(dls.one_batch()[0].shape[1:])
    if shape[1] != shape[2]:
        raise ConfigError(f"dls: found images of {shape[1]} × {shape[2]} pixels, expected square ones; crop them first")
    return shape
