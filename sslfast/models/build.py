"""From what a user names an encoder by (a name, a file, a module, a learner) to the module itself."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from fastai.data.transforms import Normalize
from torch import nn

from ..errors import ConfigError
from ..seeds import derive_seed
from .base_nets import BaseNet
from .encoders import create_encoder
from .files import load_encoder

__all__ = ["as_encoder", "image_shape", "initialised_with"]


def as_encoder(source, images, seed: int | None = None) -> nn.Module:
    """The encoder that `source` stands for, as a module of its own, for `images`: DataLoaders, or a shape (C, H, W).

    `source`: a name (fresh weights, drawn from `seed`), the path of a file by `save_encoder`, a
    module, or a learner (its `.encoder`). Modules are copied, so training one never changes another. A base net learns
    from DataLoaders how their images are normalised. Raises `ConfigError` where a stored encoder does not fit.
    """
    shape = images if isinstance(images, tuple) else image_shape(images)
    if isinstance(source, str | Path):
        if Path(source).suffix != ".safetensors":
            with initialised_with(seed, "encoder"):
                return create_encoder(str(source), shape[0], shape[1])
        source = load_encoder(source)
    module = getattr(source, "model", source)  # a Learner holds its model
    module = copy.deepcopy(getattr(module, "encoder", module))
    if isinstance(module, BaseNet) and images is not shape:
        module.for_images(*shape[:2], *_normalisation(images, shape[0]))
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
    """(C, H, W) of the images that `dls` (any fastai image DataLoaders) yields."""
    dataset = getattr(dls.train, "dataset", None)
    shape = getattr(dataset, "image_shape", None) or tuple(dls.one_batch()[0].shape[1:])
    if shape[1] != shape[2]:
        raise ConfigError(f"dls: found images of {shape[1]} × {shape[2]} pixels, expected square ones; crop them first")
    return shape


def _normalisation(dls, channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation, a value a channel, by which `dls` normalise images in [0, 1]."""
    for tfm in dls.valid.after_batch.fs:
        if isinstance(tfm, Normalize):
            return tuple(part[0, :, 0, 0].tolist() for part in (tfm.mean, tfm.std))
    return [0.0] * channels, [1.0] * channels
