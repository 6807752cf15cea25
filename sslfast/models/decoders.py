"""Decoders: from an encoder's feature map back to pixels in [0, 1]."""

from torch import Tensor, nn

from ..errors import ConfigError
from ..study.image_size import sides_of
from .base import Encoder, feature_shape, halved
from .encoders import Conv, Original
from .winograd import ConvTranspose2d

__all__ = ["Decoder", "create_decoder", "growing_decoder"]

WIDEST = 512


class Decoder(nn.Sequential):
    """Layers from a feature map to an image, then tanh, as in the original study, scaled from (−1, 1) to (0, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """`[N, out_channels, h, w]` → `[N, C, H, W]` in (0, 1)."""
        return (super().forward(x).tanh() + 1) / 2


def create_decoder(encoder: nn.Module, image_shape: tuple[int, int, int] | None = None) -> Decoder:
    """A new decoder from the feature maps of `encoder` to images of `image_shape` (C, H, W).

    For `Original` and `Conv` it mirrors their layers; for any other encoder it is a `growing_decoder`. `image_shape` is
    needed only for a module that is no `Encoder`; raises `ConfigError` if it is missing there.
    """
    if isinstance(encoder, Original):
        return _original(encoder)
    if isinstance(encoder, Conv):
        return _conv(encoder)
    if isinstance(encoder, Encoder):
        image_shape = encoder.channels, *sides_of(encoder.image_size)
    if image_shape is None:
        raise ConfigError(
            f"decoder: none is known for {type(encoder).__name__}; pass decoder=, a module from its feature map"
            " to images in [0, 1]"
        )
    return growing_decoder(feature_shape(encoder, image_shape), image_shape)


def growing_decoder(in_shape: tuple[int, int, int], image_shape: tuple[int, int, int]) -> Decoder:
    """A decoder that doubles feature maps of `in_shape` (C, h, w) until they are images of `image_shape` (C, H, W).

    Each doubling halves the channels, down to 16. Sizes are found by halving H and W, rounded up; if the map has none
    of these sizes, it is first stretched to the nearest.
    """
    (c_in, *start), (channels, *sides) = in_shape, image_shape
    sizes = [(sides[0], sides[1])]
    while min(sizes[0]) > 1.5 * min(start):
        sizes.insert(0, halved(sizes[0]))
    layers: list[nn.Module] = [] if tuple(start) == sizes[0] else [nn.Upsample(sizes[0])]
    if len(sizes) == 1:
        return Decoder(*layers, nn.Conv2d(c_in, channels, 3, padding=1))
    for target in sizes[1:-1]:
        c_out = max(16, min(c_in // 2, WIDEST))
        layers += [_grow(c_in, c_out, target), nn.BatchNorm2d(c_out), nn.ReLU()]
        c_in = c_out
    return Decoder(*layers, _grow(c_in, channels, sizes[-1]))


def _original(encoder: Original) -> Decoder:
    size, (high, wide) = sides_of(encoder.image_size), _convolutions(encoder)[-1].kernel_size
    first, second, third = _widths(encoder)
    return Decoder(
        ConvTranspose2d(third, second, (high, wide)),
        nn.ReLU(),
        _double(second, first, halved(size)),
        nn.ReLU(),
        _double(first, encoder.channels, size),
    )


def _conv(encoder: Conv) -> Decoder:
    widths, sizes, layers = [encoder.channels, *_widths(encoder)], [sides_of(encoder.image_size)], []
    for _ in widths[2:]:
        sizes.insert(0, halved(sizes[0]))
    widths.reverse()
    for c_in, c_out, size in zip(widths[:-1], widths[1:], sizes, strict=True):
        layers += [_double(c_in, c_out, size), nn.BatchNorm2d(c_out), nn.ReLU()]
    return Decoder(*layers[:-2])


def _widths(encoder: Encoder) -> list[int]:
    """The number of output channels of each convolution, in order."""
    return [layer.out_channels for layer in _convolutions(encoder)]


def _convolutions(encoder: Encoder) -> list[nn.Conv2d]:
    return [layer for layer in encoder if isinstance(layer, nn.Conv2d)]


def _double(c_in: int, c_out: int, size: tuple[int, int]) -> nn.ConvTranspose2d:
    """A layer that undoes a 3 × 3 convolution of stride 2 on an image of `size` (h, w), each odd or even."""
    even = size[0] % 2 == 0, size[1] % 2 == 0
    return nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=(int(even[0]), int(even[1])))


def _grow(c_in: int, c_out: int, size: tuple[int, int]) -> nn.ConvTranspose2d:
    """A layer that doubles an image to `size` (h, w).

    Along an even side the kernel has 4 pixels, so that all pixels are sums of equally many terms: 3 leave a chequered
    pattern.
    Source: Odena et al. 2016, deconvolution and checkerboard artifacts.
    """
    kernel = 4 - size[0] % 2, 4 - size[1] % 2
    return nn.ConvTranspose2d(c_in, c_out, kernel, stride=2, padding=1)
