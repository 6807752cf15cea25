"""An encoder as a module, from a name, a file, a module or a learner."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType

import torch
from fastai.data.transforms import Normalize
from torch import nn

from ..errors import ConfigError, shown
from ..seeds import derive_seed
from ..study.base_nets import check_net
from ..study.image_size import ImageSize, image_size_of, sides_of
from .base_nets import BaseNet
from .encoders import create_encoder
from .files import load_encoder
from .library_nets import Net, library_net
from .weight_files import load_weights

__all__ = ["as_encoder", "base_encoder", "image_shape", "initialised_with", "net_of"]

SIDE = 96  # pixels to which smaller images are enlarged for a base net, which sees little at 32 (docs/base-nets.md)


def as_encoder(source, images, seed: int | None = None) -> nn.Module:
    """The encoder that `source` stands for, as a new module, for `images`: DataLoaders, or a shape (C, H, W).

    `source`: a name (new weights, drawn from `seed`), the path of a file written by `save_encoder`, a module, or a
    learner (its `.encoder`). A module is copied, so training the copy never changes `source`. If `images` are
    DataLoaders, a base net is adapted to their normalisation. Raises `ConfigError` for any other `source`, and for an
    encoder that was made for other images.
    """
    shape = images if isinstance(images, tuple) else image_shape(images)
    if isinstance(source, str | Path):
        if Path(source).suffix != ".safetensors":
            with initialised_with(seed, "encoder"):
                return create_encoder(str(source), shape[0], image_size_of(shape[1:]))
        source = load_encoder(source)
    module = getattr(source, "model", source)  # a Learner holds its model
    module = getattr(module, "encoder", module)
    if not isinstance(module, nn.Module):
        name = getattr(source, "__name__", shown(source))
        hint = f"; for that of torchvision, base_encoder('torchvision.{name}')" if _is_arch(source) else ""
        raise ConfigError(
            f"encoder: found {name}, expected a name ('conv', 'resnet18', 'timm.<model>'), the path of a .safetensors"
            f" file by save_encoder, a module to a feature map [N, C, h, w], or a learner{hint}"
        )
    module = copy.deepcopy(module)
    if isinstance(module, BaseNet) and images is not shape:
        module.for_images(shape[0], image_size_of(shape[1:]), *_normalisation(images))
    for name, wanted in (("channels", shape[0]), ("image_size", image_size_of(shape[1:]))):
        found = getattr(module, name, wanted)
        if found != wanted:
            raise ConfigError(f"encoder: was made for {name} {found}, these images have {wanted}")
    return module.requires_grad_(True)


def net_of(source, dls, pretrained: bool | None, seed: int | None = None):
    """What `classifier_learner(dls, source, pretrained=…)` means: with None `source` itself, else the net of others
    that it names or makes, for the images of `dls`.

    `source`: a function of torchvision (`resnet18`), `torchvision.<model>` or `timm.<model>`. `pretrained`: with its
    library's weights, or with random ones, drawn from `seed`. Raises `ConfigError` for what is no such net, and for a
    function where `pretrained` does not say which.
    """
    if not _is_arch(source) and pretrained is None:
        return source
    if pretrained is None:
        name = source.__name__
        raise ConfigError(
            f"encoder: found the function {name}; add pretrained=True for torchvision's weights or pretrained=False for"
            f" random ones, or name an encoder ('conv', 'resnet18', 'timm.<model>')"
        )
    name = f"torchvision.{source.__name__}" if _is_arch(source) else source
    if not isinstance(name, str) or not name.startswith(("timm.", "torchvision.")):
        raise ConfigError(
            f"pretrained: found {pretrained} with the encoder {shown(source)}, which is no net of others; leave it out,"
            " or name one: 'timm.<model>', 'torchvision.<model>', or a function of torchvision.models"
        )
    if pretrained:
        return base_encoder(name, dls=dls)
    shape = image_shape(dls)
    with initialised_with(seed, "encoder"):
        made = library_net(check_net(name), pretrained=False)
    about, image_size = {**dict.fromkeys(made.about), "net": name, "source": "random weights"}, image_size_of(shape[1:])
    encoder = BaseNet(made, _side(made, None, image_size), about)
    return encoder.for_images(shape[0], image_size, *_normalisation(dls))


def base_encoder(
    net: str, weights: str | Path | None = None, size: int | None = None, dls=None, image_size: ImageSize | None = None
) -> BaseNet:
    """The existing net called `net`, without its classifier, as an encoder: `timm.<model>` or `torchvision.<model>`.

    `weights`: None for the library's own (timm's by tag, `timm.resnet18.a1_in1k`; downloaded once, into the library's
    cache), or a file (`.safetensors`, or `.pth`, read without running pickles) whose entries all have to fit the net.
    `size`: pixels to which the shorter side of images is scaled; default: its length (`image_size`), at least 96 and at
    most the size that the net was trained with (if that is larger). `dls`: DataLoaders of the images that the encoder
    is for; not needed if the encoder is passed to a learner, which sets this. `.about`: a dict that describes the
    weights.
    Raises `ConfigError` for a net or file that cannot be used.

    Example: `classifier_learner(dls.classify, base_encoder("timm.tf_efficientnet_lite0"))`.
    """
    name = check_net(net)
    own = weights is None or str(weights) == name.library
    if dls is not None and image_size is None:
        image_size = image_size_of(image_shape(dls)[1:])
    made = library_net(name, pretrained=own)
    side = _side(made, size, image_size)
    if own:
        about = made.about
    else:
        path = Path(str(weights)).expanduser()
        said = load_weights(made.net, path, made.classifier)
        about = {**dict.fromkeys(made.about), "net": net, "source": f"file {path.name}", **said}
    encoder = BaseNet(made, side, about)
    encoder.about["digest"] = f"sha256:{encoder.digest[:16]}"
    if dls is None:
        return encoder
    channels, *sides = image_shape(dls)
    return encoder.for_images(channels, image_size_of(sides), *_normalisation(dls))


@contextmanager
def initialised_with(seed: int | None, part: str) -> Iterator[None]:
    """Inside the block, new weights depend on `seed` and `part` only; with `seed=None`, nothing changes."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init", part))
        yield


def image_shape(dls) -> tuple[int, int, int]:
    """(C, H, W) of the images of `dls`, any fastai DataLoaders of images.

    Raises `ConfigError` if `dls` are no DataLoaders, or not of images.
    """
    if dls is None:
        raise ConfigError("dls: found None; image_dls(…, unlabelled=0) has no images to pre-train on (its .pretrain)")
    if not hasattr(dls, "train"):
        part = "; of what image_dls gives, take .pretrain or .classify" if hasattr(dls, "pretrain") else ""
        raise ConfigError(f"dls: found {type(dls).__name__}, expected fastai DataLoaders{part}")
    if shape := getattr(getattr(dls.train, "dataset", None), "image_shape", None):
        return shape
    if (n := getattr(dls.train, "n_inp", 1)) > 1:
        raise ConfigError(
            f"dls: found {n} inputs an item, expected one image (n_inp=1, or one ImageBlock before the last)"
        )
    x = dls.one_batch()[0]
    if not isinstance(x, torch.Tensor) or x.ndim != 4:
        found = f"{type(x).__name__} {list(getattr(x, 'shape', []))}"
        raise ConfigError(f"dls: found batches of {found}, expected images [N, C, H, W]")
    _, channels, height, width = x.shape
    shape = channels, height, width
    return shape


def _is_arch(source) -> bool:
    """Whether it is a function that makes a net, as fastai's `vision_learner` takes it."""
    return isinstance(source, FunctionType) and source.__module__.startswith("torchvision.models")


def _side(made: Net, size: int | None, image_size: ImageSize | None) -> int:
    if made.fixed:
        if size not in (None, made.side):
            raise ConfigError(f"size: found {size}, but {made.name} takes images of {made.side} pixels only")
        return made.side
    return size or min(max(SIDE, min(sides_of(image_size or SIDE))), max(SIDE, made.side))


def _normalisation(dls) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel by which `dls` normalise images in [0, 1]; 0 and 1 if they do not."""
    for tfm in dls.valid.after_batch.fs:
        if isinstance(tfm, Normalize):
            mean, std = (part[0, :, 0, 0].tolist() for part in (tfm.mean, tfm.std))
            return mean, std
    channels = image_shape(dls)[0]
    return [0.0] * channels, [1.0] * channels
