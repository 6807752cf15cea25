"""What an encoder is: images `[N, C, S, S]` in, a feature map `[N, channels, s, s]` out."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import ConfigError

__all__ = ["Encoder", "feature_shape", "register"]

Kind = TypeVar("Kind", bound="type[Encoder]")


class Encoder(nn.Sequential):
    """An encoder that knows its own shape: `channels` and `image_size` in, `out_shape` (C, s, s) out.

    `layers`: modules, or modules by name. `name` is what `create_encoder` makes it by.
    """

    name: str

    def __init__(
        self,
        channels: int,
        image_size: int,
        layers: list[nn.Module] | OrderedDict[str, nn.Module],
        out_shape: tuple[int, int, int],
    ):
        super().__init__(*([layers] if isinstance(layers, OrderedDict) else layers))
        self.channels, self.image_size, self.out_shape = channels, image_size, out_shape


def register(name: str, *, cost: float | None = None, kilobytes: float | None = None) -> Callable[[Kind], Kind]:
    """Declares the class below it to be the encoder called `name`.

    `cost`, `kilobytes`: see `sslfast.study.encoder_names.EncoderKind`; they are read without importing the file.
    """

    def declare(encoder: Kind) -> Kind:
        encoder.name = name
        return encoder

    return declare


def feature_shape(encoder: nn.Module, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(C, h, w) of what any `encoder` makes of images of `image_shape`; its state is left as it was."""
    if isinstance(encoder, Encoder):
        return encoder.out_shape
    was_training, parameter = encoder.training, next(encoder.parameters(), torch.empty(0))
    images = torch.zeros(2, *image_shape, device=parameter.device, dtype=parameter.dtype)
    try:
        with torch.no_grad():
            features = encoder.eval()(images)
    except RuntimeError as error:  # of torch: layers that do not fit
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
