"""Encoders by name: image `[N, C, H, W]` (normalised) → feature map `[N, out_channels, h, w]`.

To add an encoder, add a class marked with `@register`, here or in another file of this folder. Its docstring says what
the encoder costs, and what it is better at.
"""

from torch import nn

from ..errors import ConfigError
from ..study.encoder_names import check_encoder, encoders
from ..study.image_size import ImageSize, checked_size
from ..study.source import Source
from .base import Encoder, halved, register
from .own_encoder import OwnEncoder
from .winograd import Conv2d

__all__ = ["Conv", "Original", "create_encoder"]


def create_encoder(name: str, channels: int = 3, image_size: ImageSize = 32) -> Encoder:
    """A newly initialised encoder for images of `image_size` (see `ImageSize`) and `channels` channels (1 or 3).

    `name`: an encoder in this folder; `conv_x2` or `original_x0.5` for the same with other numbers of channels, each
    multiplied by the factor and rounded; `timm.<model>` for any model of timm that gives a feature map,
    untrained (needs `sslfast[timm]`); or the place of one of your own, `my_nets.py:Small` (see `OwnEncoder`). Raises
    `ConfigError` for an unknown name, other channels, or images of fewer than 8 pixels.
    """
    own = Source.of(name, "encoders") if ":" in str(name) else None
    parts = check_encoder(own.name if own else name)
    if channels not in (1, 3):
        raise ConfigError(f"channels: found {channels}, expected 1 (grey) or 3 (colour)")
    image_size = checked_size(image_size)
    if parts.base == "timm" and parts.model:
        from .timm_models import TimmEncoder  # needs timm, an optional package

        return TimmEncoder(parts.model, channels, image_size)
    if own:
        return OwnEncoder(own, channels, image_size)
    if parts.base == "own":
        raise ConfigError(f"encoders: found {name!r}; name an encoder of your own by its file, as my_nets.py:Small")
    kind = encoders()[parts.base].source.load()
    encoder = kind(channels, image_size, *([] if parts.width == 1 else [parts.width]))
    encoder.name = name
    return encoder


@register("original", cost=1, kilobytes=1.5)
class Original(Encoder):
    """The original study's encoder: two 3 × 3 convolutions of stride 2 and one 5 × 5, with 16, 32 and 64 channels.

    Without BatchNorm. 64 × 4 × 4 features for a 32-pixel image; 1.2 million multiply-adds per RGB image, 56,000
    parameters. On images so small that fewer than 5 × 5 pixels reach the last convolution, its kernel is that size.
    Twice the `width` takes 3.7 times the multiply-adds and 4 times the parameters.
    """

    def __init__(self, channels: int = 3, image_size: ImageSize = 32, width: float = 1):
        first, second, third = (round(width * n) for n in (16, 32, 64))
        size = halved(image_size, 2)
        kernel = min(5, size[0]), min(5, size[1])
        layers = [
            nn.Conv2d(channels, first, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            Conv2d(second, third, kernel),
        ]
        super().__init__(channels, image_size, layers, (third, size[0] - kernel[0] + 1, size[1] - kernel[1] + 1))


@register("conv", cost=1, kilobytes=1.5)
class Conv(Encoder):
    """A wider encoder with BatchNorm: three 3 × 3 convolutions of stride 2, with 32, 64 and 128 channels.

    128 × 4 × 4 features for a 32-pixel image; 2.6 million multiply-adds per RGB image, 93,000 parameters. Twice the
    `width` takes 3.8 times the multiply-adds and 4 times the parameters.

    Compared with `original`: the autoencoder's RMSE is 0.060 instead of 0.076, and macro-F1 over the frozen encoder is
    0.037 [0.026, 0.048] higher (0.406); pre-training takes 1.7 times as long, and the classifier 1.2 times. The
    supervised baseline gains nothing with so few labels. Measured by `benchmarks/encoders.py` on CIFAR-10 (JPEG copy),
    4,500 unlabelled and 4,500 labelled images, 10 + 20 epochs, 3 seeds, one CPU thread, float32, fresh views.
    """

    def __init__(self, channels: int = 3, image_size: ImageSize = 32, width: float = 1):
        layers, c_in = [], channels
        for c_out in (round(width * n) for n in (32, 64, 128)):
            layers += [
                nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(c_out),
                nn.ReLU(),
            ]
            c_in = c_out
        super().__init__(channels, image_size, layers, (c_in, *halved(image_size, 3)))
