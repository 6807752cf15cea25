"""Decoders: the mirror image of an encoder, from its feature map back to pixels in [0, 1]."""

from torch import Tensor, nn

from ..errors import ConfigError
from .encoders import Conv, Encoder, Original

__all__ = ["Decoder", "create_decoder"]


class Decoder(nn.Sequential):
    """Layers back to the image, then the original study's tanh, moved from (−1, 1) to (0, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """`[N, out_channels, s, s]` → `[N, C, S, S]` in (0, 1)."""
        return (super().forward(x).tanh() + 1) / 2


def create_decoder(encoder: nn.Module) -> Decoder:
    """A fresh decoder that mirrors `encoder`; `ConfigError` for an encoder that is not of this package."""
    if isinstance(encoder, Original):
        return _original(encoder)
    if isinstance(encoder, Conv):
        return _conv(encoder)
    raise ConfigError(
        f"decoder: none is known for {type(encoder).__name__}; pass decoder=, a module from its feature map"
        " to images in [0, 1]"
    )


def _original(encoder: Encoder) -> Decoder:
    size = encoder.image_size
    half, quarter = -(-size // 2), -(-size // 4)
    kernel = quarter - encoder.out_shape[1] + 1
    return Decoder(
        nn.ConvTranspose2d(64, 32, kernel),
        nn.ReLU(),
        _double(32, 16, half),
        nn.ReLU(),
        _double(16, encoder.channels, size),
    )


def _conv(encoder: Encoder) -> Decoder:
    sizes = [encoder.image_size]
    for _ in range(2):
        sizes.insert(0, -(-sizes[0] // 2))
    widths, layers = (128, 64, 32, encoder.channels), []
    for c_in, c_out, size in zip(widths[:-1], widths[1:], sizes, strict=True):
        layers += [_double(c_in, c_out, size), nn.BatchNorm2d(c_out), nn.ReLU()]
    return Decoder(*layers[:-2])


def _double(c_in: int, c_out: int, size: int) -> nn.ConvTranspose2d:
    """Undoes a 3 × 3 convolution of stride 2 on an image of `size`, odd or even."""
    return nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=int(size % 2 == 0))
