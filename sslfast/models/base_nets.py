"""Existing nets with weights from elsewhere, as encoders: what the net's own classifier would have got."""

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ConfigError
from ..study.base_nets import check_net
from ..study.image_size import ImageSize, image_size_of, sides_of, size_text
from .base import Encoder
from .library_nets import Net, library_net

__all__ = ["BaseNet", "blank_net"]


class BaseNet(Encoder):
    """Images `[N, C, H, W]`, normalised as the study's are → pooled features `[N, D, 1, 1]` of an existing net.

    The normalisation is undone and the net's own applied, images are scaled as the net's were (without cropping), their
    shorter side to `size` pixels (both, if the net takes squares alone), and grey ones are given to it as red, green
    and blue alike, as grey photographs were. Values are rounded to whole levels of 256: so features of an image are the
    same to the bit, whatever statistics it was normalised by. `about`: what the net is, plain values.
    """

    net: nn.Module
    given_mean: Tensor
    given_std: Tensor
    own_mean: Tensor
    own_std: Tensor

    def __init__(self, made: Net, size: int, about: Mapping):
        net, width = made.net, _width(made.net, (size, size))
        super().__init__(3, size, OrderedDict(net=net), (width, 1, 1))
        self.name, self.size, self.about = made.name, size, {**about, "size": size}
        self.square, self.sides = made.fixed, (size, size)
        self.interpolation = made.interpolation
        self.register_buffer("given_mean", torch.zeros(0))
        self.register_buffer("given_std", torch.zeros(0))
        self.register_buffer("own_mean", _values(made.mean), persistent=False)
        self.register_buffer("own_std", _values(made.std), persistent=False)

    def for_images(
        self, channels: int, image_size: ImageSize, mean: Sequence[float], std: Sequence[float]
    ) -> "BaseNet":
        """This net, told of images of `channels` and `image_size` that are normalised by `mean` and `std`.

        Raises `ConfigError` for images of a shape that it cannot take.
        """
        if channels not in (1, 3):
            raise ConfigError(f"channels: found {channels}, expected 1 (grey) or 3 (colour)")
        high, wide = sides_of(image_size)
        if not self.square and high != wide:
            sides = round(self.size * high / min(high, wide)), round(self.size * wide / min(high, wide))
            if sides != self.sides:
                _width(self.net, sides)
            self.sides = sides
        else:
            self.sides = self.size, self.size
        self.channels, self.image_size = channels, image_size
        device = self.own_mean.device
        self.given_mean, self.given_std = _values(mean).to(device), _values(std).to(device)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` → `[N, D, 1, 1]`."""
        if not self.given_mean.numel():
            raise ConfigError("encoder: this base net does not know how images are normalised; give it dls=")
        x = x * self.given_std + self.given_mean
        if not x.requires_grad:  # else what made the image is to learn through it
            x = (x * 255).round() / 255
        if tuple(x.shape[2:]) != self.sides:
            x = F.interpolate(x, self.sides, mode=self.interpolation, antialias=True)
        return self.net((x - self.own_mean) / self.own_std)[..., None, None]

    @property
    def digest(self) -> str:
        """A text that changes with the weights and with how the net is used, not with the images that it is for."""
        digest = hashlib.sha256(repr((self.name, self.size, self.interpolation)).encode())
        for name, tensor in sorted(self.net.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


def blank_net(spec: Mapping) -> BaseNet:
    """The base net that the header `spec` of an encoder's file describes, its weights still to be filled in."""
    about = spec["base_net"]
    encoder = BaseNet(library_net(check_net(spec["encoder"]), pretrained=False), about["size"], about)
    neutral = [0.0] * spec["channels"]
    return encoder.for_images(spec["channels"], spec["image_size"], neutral, neutral)


def _values(values: Sequence[float]) -> Tensor:
    return torch.tensor([float(value) for value in values], dtype=torch.float32).view(1, -1, 1, 1)


def _width(net: nn.Module, sides: tuple[int, int]) -> int:
    """How many features the net makes of an image of `sides` (H, W)."""
    failure: Exception
    for device in ("meta", "cpu"):  # the first computes shapes alone; some models hold tensors that do not go there
        try:
            with torch.no_grad():
                found = copy.deepcopy(net).eval().to(device)(torch.zeros(1, 3, *sides, device=device))
            break
        except Exception as error:  # models raise nearly anything on images that they are not made for
            failure = error
    else:
        raise ConfigError(
            f"size: found {size_text(image_size_of(sides))}, which this net cannot take"
            f" ({' '.join(str(failure).split())[:160]})"
        ) from None
    if not isinstance(found, Tensor) or found.ndim != 2:
        raise ConfigError(f"net: makes {getattr(found, 'shape', type(found))} of an image, expected features [N, D]")
    return found.shape[1]
