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
from .base import Encoder

__all__ = ["TimmEncoder"]


class TimmEncoder(Encoder):
    """A model of timm without its pooling and classifier: image `[N, C, S, S]` → `[N, out_channels, s, s]`.

    Feature maps of convolutional networks stay as they are. The patch tokens of a transformer are arranged as the
    square of patches that they stand for; class and register tokens are dropped. Most models reduce an image by a
    factor of 32, so 32 pixels become a map of 1 × 1. Weights are always random, and nothing is downloaded. Raises
    `ConfigError` if timm is not installed or has no such model, or if the model cannot take such images or gives no
    square map.

    Source: Wightman, PyTorch image models, github.com/huggingface/pytorch-image-models.
    """

    net: Any  # a module with `forward_features`; timm has no type for those

    def __init__(self, model: str, channels: int = 3, image_size: int = 32):
        name, create_model = f"{TIMM}{model}", _creator(model)
        options = {"pretrained": False, "in_chans": channels, "num_classes": 0}
        try:
            try:  # models with a fixed number of patches need the size; others do not accept it
                net = create_model(model, img_size=image_size, **options)
            except TypeError:
                net = create_model(model, **options)
            found = _shape(net, (channels, image_size, image_size))
        except Exception as error:  # models raise nearly anything on images that they are not made for
            raise ConfigError(
                f"encoders: {name} cannot take images of {image_size} pixels with {channels} channels"
                f" ({' '.join(str(error).split())[:160] or type(error).__name__}); use another encoder or image_size"
            ) from None
        layout = _layout(found, getattr(net, "num_prefix_tokens", None))
        if layout is None:
            raise ConfigError(
                f"encoders: {name} makes {list(found)} of an image of {image_size} pixels, expected a square map"
                " [C, s, s] or the tokens of one; use another encoder"
            )
        kind, side = layout
        super().__init__(channels, image_size, OrderedDict(net=net), (found[0 if kind == "CHW" else -1], side, side))
        self.name, self.kind = name, kind

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, S, S]` → `[N, out_channels, s, s]`."""
        features, side = self.net.forward_features(x), self.out_shape[1]
        if self.kind == "tokens":
            features = features[:, -side * side :].unflatten(1, (side, side))
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


def _layout(shape: tuple[int, ...], n_prefix: int | None) -> tuple[str, int] | None:
    """The order of the dimensions, `CHW`, `HWC` or `tokens`, and the side of the map; None if there is no such map."""
    if len(shape) == 3:
        if shape[1] == shape[2]:
            return "CHW", shape[1]
        return ("HWC", shape[0]) if shape[0] == shape[1] else None
    if len(shape) == 2:
        side = math.isqrt(shape[0] - (n_prefix or 0))
        left = shape[0] - side * side
        if left == n_prefix or (n_prefix is None and left <= 1):  # some models do not say that they have a class token
            return "tokens", side
    return None
