"""A user's own net as an encoder."""

from collections import OrderedDict
from pathlib import Path

from torch import nn

from ..errors import ConfigError, one_line
from ..study.image_size import ImageSize, sides_of, size_text
from ..study.source import Source
from .base import Encoder, feature_shape

__all__ = ["OwnEncoder"]


class OwnEncoder(Encoder):
    """The net made by a user's own class or function, which is called with `channels` and `image_size` (for images that
    are not square: (height, width)).

    Images `[N, C, H, W]` (normalised) → a feature map `[N, channels, h, w]`. `name` is `my_nets.Small` for `Small` of
    `my_nets.py`. Raises `ConfigError` if the call fails, or does not give such a net.
    """

    def __init__(self, source: Source, channels: int, image_size: ImageSize):
        kind = source.load()
        try:
            net = kind(channels, image_size)
            if not isinstance(net, nn.Module):
                raise ConfigError(f"it makes a {type(net).__name__}, expected a torch module")
            shape = feature_shape(nn.Sequential(net), (channels, *sides_of(image_size)))
        except Exception as error:  # a user's code may raise anything
            raise ConfigError(
                f"encoders: {source.text} is no encoder of images of {size_text(image_size)} pixels with {channels}"
                f" channels ({one_line(error)[:200]}); it is called as {source.attribute}(channels, image_size), and"
                " makes a module from [N, C, H, W] to a feature map [N, channels, h, w]"
            ) from error
        super().__init__(channels, image_size, OrderedDict(net=net), shape)
        self.name, self.source = source.name, f"{Path(source.place).name}:{source.attribute}"
