"""Decoders: from an encoder's feature map back to pixels in [0, 1]."""

from torch import Tensor, nn

from ..errors import ConfigError
from .base import Encoder, feature_shape
from .encoders import Conv, Original
from .winograd import ConvTranspose2d

__all__ = ["Decoder", "create_decoder", "growing_decoder"]

WIDEST = 512


class Decoder(nn.Sequential):
    """Layers from a feature map to an image, then tanh, as in the original study, scaled from (−1, 1) to (0, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """`[N, out_channels, s, s]` → `[N, C, S, S]` in (0, 1)."""
        return (super().forward(x).tanh() + 1) / 2


def create_decoder(encoder: nn.Module, image_shape: tuple[int, int, int] | None = None) -> Decoder:
    """A new decoder from the feature maps of `encoder` to images of `image_shape` (C, S, S).

    For `Original` and `Conv` it mirrors their layers; for any other encoder it is a `growing_decoder`. `image_shape` is
    needed only for a module that is no `Encoder`; raises `ConfigError` if it is missing there.
    """
    if isinstance(encoder, Original):
        return _original(encoder)
    if isinstance(encoder, Conv):
        return _conv(encoder)
    if isinstance(encoder, Encoder):
        image_shape = encoder.channels, encoder.image_size, encoder.image_size
    if image_shape is None:
        raise ConfigError(
            f"decoder: none is known for {type(encoder).__name__}; pass decoder=, a module from its feature map"
            " to images in [0, 1]"
        )
    return growing_decoder(feature_shape(encoder, image_shape), image_shape)


def growing_decoder(in_shape: tuple[int, int, int], image_shape: tuple[int, int, int]) -> Decoder:
    """A decoder that doubles feature maps of `in_shape` (C, h, w) until they are images of `image_shape` (C, S, S).

    Each doubling halves the channels, down to 16. Sizes are found by halving S, rounded up; if the map has none of
    these sizes, it is first stretched to the nearest.
    """
    (c_in, height, width), (channels, size, _) = in_shape, image_shape
    sizes = [size]
    while sizes[0] > 1.5 * max(height, width):
        sizes.insert(0, -(-sizes[0] // 2))
    layers: list[nn.Module] = [] if height == width == sizes[0] else [nn.Upsample((sizes[0], sizes[0]))]
    if len(sizes) == 1:
        return Decoder(*layers, nn.Conv2d(c_in, channels, 3, padding=1))
    for target in sizes[1:-1]:
        c_out = max(16, min(c_in // 2, WIDEST))
        layers += [_grow(c_in, c_out, target), nn.BatchNorm2d(c_out), nn.ReLU()]
        c_in = c_out
    return Decoder(*layers, _grow(c_in, channels, size))


def _original(encoder: Original) -> Decoder:
    size, kernel = encoder.image_size, _convolutions(encoder)[-1].kernel_size[0]
    first, second, third = _widths(encoder)
    return Decoder(
        ConvTranspose2d(third, second, kernel),
        nn.ReLU(),
        _double(second, first, -(-size // 2)),
        nn.ReLU(),
        _double(first, encoder.channels, size),
    )


def _conv(encoder: Conv) -> Decoder:
    widths, sizes, layers = [encoder.channels, *_widths(encoder)], [encoder.image_size], []
    for _ in widths[2:]:
        sizes.insert(0, -(-sizes[0] // 2))
    widths.reverse()
    for c_in, c_out, size in zip(widths[:-1], widths[1:], sizes, strict=True):
        layers += [_double(c_in, c_out, size), nn.BatchNorm2d(c_out), nn.ReLU()]
    return Decoder(*layers[:-2])


def _widths(encoder: Encoder) -> list[int]:
    """The number of output channels of each convolution, in order."""
    return [layer.out_channels for layer in _convolutions(encoder)]


def _convolutions(encoder: Encoder) -> list[nn.Conv2d]:
    return [layer for layer in encoder if isinstance(layer, nn.Conv2d)]


def _double(c_in: int, c_out: int, size: int) -> nn.ConvTranspose2d:
    """A layer that undoes a 3 × 3 convolution of stride 2 on an image of `size` pixels, odd or even."""
    return nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=int(size % 2 == 0))


def _grow(c_in: int, c_out: int, size: int) -> nn.ConvTranspose2d:
    """A layer that doubles an image to `size` pixels.

    For an even size the kernel is 4 × 4, so that all pixels are sums of equally many terms: 3 × 3 leaves a chequered
    pattern.
    Source: Odena et al. 2016, deconvolution and checkerboard artifacts.
    """
    return nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1) if size % 2 == 0 else _double(c_in, c_out, size)
