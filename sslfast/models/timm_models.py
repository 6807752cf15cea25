"""Untrained models of timm (PyTorch image models) as encoders."""

import copy
import difflib
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .._torchvision import make_importable
from ..errors import ConfigError
from ..study.encoder_names import TIMM
from ..study.image_size import ImageSize, sides_of, size_text
from .base import Encoder

__all__ = ["TimmEncoder"]


class TimmEncoder(Encoder):
    """A model of timm without its pooling and classifier: image `[N, C, H, W]` → `[N, out_channels, h, w]`.

    Feature maps of convolutional networks stay as they are. The patch tokens of a transformer are arranged as the
    patches that they stand for; class and register tokens are dropped. Most models reduce an image by a
    factor of 32, so 32 pixels become a map of 1 × 1. Weights are always random, and nothing is downloaded. Raises
    `ConfigError` if timm is not installed or has no such model, or if the model cannot take such images or gives no map
    of such a shape.

    Source: Wightman, PyTorch image models, github.com/huggingface/pytorch-image-models.
    """

    net: Any  # a module with `forward_features`; timm has no type for those

    def __init__(self, model: str, channels: int = 3, image_size: ImageSize = 32):
        name, create_model = f"{TIMM}{model}", _creator(model)
        options = {"pretrained": False, "in_chans": channels, "num_classes": 0}
        try:
            try:  # models with a fixed number of patches need the size; others do not accept it
                net = create_model(model, img_size=image_size, **options)
            except TypeError:
                net = create_model(model, **options)
            found = _shape(net, (channels, *sides_of(image_size)))
        except Exception as error:  # models raise nearly anything on images that they are not made for
            raise ConfigError(
                f"encoders: {name} cannot take images of {size_text(image_size)} pixels with {channels} channels"
                f" ({' '.join(str(error).split())[:160] or type(error).__name__}); use another encoder or image_size"
            ) from None
        layout = _layout(found, getattr(net, "num_prefix_tokens", None), sides_of(image_size))
        if layout is None:
            raise ConfigError(
                f"encoders: {name} makes {list(found)} of an image of {size_text(image_size)} pixels, expected a map"
                " [C, h, w] of its shape or the tokens of one; use another encoder"
            )
        kind, along = layout
        super().__init__(channels, image_size, OrderedDict(net=net), (found[0 if kind == "CHW" else -1], *along))
        self.name, self.kind = name, kind

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` → `[N, out_channels, h, w]`."""
        features, (high, wide) = self.net.forward_features(x), self.out_shape[1:]
        if self.kind == "tokens":
            features = features[:, -high * wide :].unflatten(1, (high, wide))
        return features if self.kind == "CHW" else features.permute(0, 3, 1, 2)


def _creator(model: str) -> Callable[..., nn.Module]:
    make_importable()
    try:
        import timm
    except ImportError as error:
        raise ConfigError(
            f"encoders: {TIMM}{model} needs the package timm ({error}); pip install 'sslfast[timm]'"
        ) from None
    if not timm.is_model(model):
        close = difflib.get_close_matches(model, timm.list_models(), n=1)
        hint = f"did you mean {TIMM}{close[0]}?" if close else "timm.list_models() lists them"
        raise ConfigError(f"encoders: timm {timm.__version__} has no model {model}; {hint}")
    return timm.create_model


def _shape(net: nn.Module, image_shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The shape of the features of one image, without the batch dimension; () if they are not one tensor."""
    failure: Exception
    for device in ("meta", "cpu"):  # `meta` computes only shapes, but some models hold tensors that cannot be there
        try:
            probe: Any = copy.deepcopy(net).eval().to(device)  # a copy, as models may keep what they computed
            for module in probe.modules():
                if isinstance(module, nn.Conv2d):
                    module.register_forward_pre_hook(_check_stride)
            with torch.no_grad():
                features = probe.forward_features(torch.zeros(1, *image_shape, device=device))
            return tuple(features.shape[1:]) if isinstance(features, Tensor) else ()
        except Exception as error:
            failure = error
    raise failure


def _check_stride(convolution: nn.Conv2d, inputs: tuple[Tensor, ...]) -> None:
    """Raises `ValueError` if a convolution's stride is larger than its input.

    Such a convolution has nothing to learn from, and on CPUs, torch 2.13 gives its weights bfloat16 gradients of
    uninitialised numbers.
    """
    if min(inputs[0].shape[-2:]) < max(convolution.stride):
        raise ValueError(f"a step of {max(convolution.stride)} over a map of {min(inputs[0].shape[-2:])}")


def _layout(shape: tuple[int, ...], n_prefix: int | None, sides: tuple[int, int]) -> tuple[str, tuple[int, int]] | None:
    """The order of the dimensions, `CHW`, `HWC` or `tokens`, and (h, w) of the map of an image of `sides`; None if this
    is no such map."""
    high, wide = sides
    if len(shape) == 3:
        kinds = {"CHW": (shape[1], shape[2]), "HWC": (shape[0], shape[1])}
        for kind, (h, w) in kinds.items():  # whose sides are a part of the image's, rounded up or down
            if h == w if high == wide else abs(h * wide - w * high) < high + wide:
                return kind, (h, w)
    if len(shape) == 2:
        n = shape[0] - (n_prefix or 0)
        along = math.isqrt(n * high // wide), math.isqrt(n * wide // high)
        left = shape[0] - along[0] * along[1]
        if left == n_prefix or (n_prefix is None and left <= 1):  # some models do not say that they have a class token
            return "tokens", along
    return None
