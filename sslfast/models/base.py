"""What an encoder is: images `[N, C, H, W]` in, a feature map `[N, channels, h, w]` out."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from ..study.image_size import ImageSize, sides_of

__all__ = ["Encoder", "feature_shape", "halved", "register"]

Kind = TypeVar("Kind", bound="type[Encoder]")


class Encoder(nn.Sequential):
    """Base of encoders: modules in sequence, with the shapes of their input and output.

    Input: images of `channels` channels and `image_size` (see `ImageSize`); output: `out_shape` (C, h, w).
    `layers`: a list of modules, or modules by name. `name`: what `create_encoder` calls it.
    """

    name: str

    def __init__(
        self,
        channels: int,
        image_size: ImageSize,
        layers: list[nn.Module] | OrderedDict[str, nn.Module],
        out_shape: tuple[int, int, int],
    ):
        super().__init__(*([layers] if isinstance(layers, OrderedDict) else layers))
        self.channels, self.image_size, self.out_shape = channels, image_size, out_shape


def halved(size: ImageSize, times: int = 1) -> tuple[int, int]:
    """(height, width) of what is left of images of `size` after so many halvings, each rounded up."""
    height, width = sides_of(size)
    return -(-height // 2**times), -(-width // 2**times)


def register(name: str, *, cost: float | None = None, kilobytes: float | None = None) -> Callable[[Kind], Kind]:
    """Declares the class below it to be the encoder called `name`.

    `cost`, `kilobytes`: see `sslfast.study.encoder_names.EncoderKind`; they are read without importing the file.
    """

    def declare(encoder: Kind) -> Kind:
        encoder.name = name
        return encoder

    return declare


def feature_shape(encoder: nn.Module, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape (C, h, w) of the feature map that `encoder`, any module, makes of images of `image_shape` (C, H, W).

    The module's state stays as it was. Raises `ConfigError` if it cannot take such images or makes no feature map.
    """
    if isinstance(encoder, Encoder):
        return encoder.out_shape
    was_training, parameter = encoder.training, next(encoder.parameters(), torch.empty(0))
    images = torch.zeros(2, *image_shape, device=parameter.device, dtype=parameter.dtype)
    try:
        with torch.no_grad():
            features = encoder.eval()(images)
    except RuntimeError as error:  # torch's, for layers that do not fit
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"encoder: {type(encoder).__name__} cannot take images of {list(image_shape)} (C, H, W): {reason}"
        ) from None
    finally:
        encoder.train(was_training)
    if not isinstance(features, Tensor) or features.ndim != 4:
        raise ConfigError(
            f"encoder: {type(encoder).__name__} gives {getattr(features, 'shape', type(features))},"
            " expected a feature map [N, C, h, w]"
        )
    _, channels, height, width = features.shape
    return channels, height, width
