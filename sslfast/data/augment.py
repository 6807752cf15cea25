"""Augmentation as fastai transforms over whole batches, acting on the training set only.

They run in this order: flips on uint8 images (exact, no interpolation), conversion to [0, 1],
the clean image set aside as target where an image is to be reconstructed, noise on the input,
normalisation. Each draws from a named stream of its own, restarted every epoch (see `Stream`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from fastai.data.transforms import IntToFloatTensor, Normalize
from fastai.torch_core import TensorBase, TensorImage
from fasttransform import DisplayedTransform, ItemTransform

from ..errors import ConfigError
from ..seeds import derive_seed

__all__ = ["Augment", "FlipHorizontal", "FlipVertical", "GaussianNoise", "ReconstructionTarget", "TensorTarget"]


class TensorTarget(TensorBase):
    """A clean image to reconstruct: float32 `[N, C, H, W]` in [0, 1], never augmented with noise."""


class Stream:
    """A named stream of random numbers that follows the device and can be restarted."""

    def __init__(self, name: str, seed: int = 0):
        self.name, self.seed, self._generator = name, seed, None

    def restart(self, *names: int) -> None:
        """Begin the sub-stream `names` (seed, epoch) anew."""
        self.seed, self._generator = derive_seed(names[0], "augment", self.name, *names[1:]), None

    def on(self, device: torch.device) -> torch.Generator:
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self.seed)
        return self._generator

    def __getstate__(self):  # generators cannot be pickled, and an exported learner has no use for them
        return {"name": self.name, "seed": self.seed, "_generator": None}


class _Flip(DisplayedTransform):
    split_idx, order, dim = 0, 1, -1

    def __init__(self, p: float = 0.5):
        self.p, self.stream = p, Stream(type(self).__name__)

    def encodes(self, x: TensorImage):
        chosen = torch.rand(len(x), generator=self.stream.on(x.device), device=x.device) < self.p
        rows = chosen.nonzero().squeeze(1)
        plain = x.as_subclass(torch.Tensor)
        # on a copy that keeps the channels-last layout, which `index_copy` would not
        return TensorImage(plain.clone().index_copy_(0, rows, plain[rows].flip(self.dim)))


class FlipHorizontal(_Flip):
    """Mirror each image of a batch left to right with probability `p`."""

    dim = -1


class FlipVertical(_Flip):
    """Turn each image of a batch upside down (a mirror, not a rotation) with probability `p`."""

    dim = -2


class GaussianNoise(DisplayedTransform):
    """Add noise of standard deviation `std` (pixels in [0, 1]) to the input, not to the target."""

    split_idx, order = 0, 30

    def __init__(self, std: float = 0.1):
        self.std, self.stream = std, Stream(type(self).__name__)

    def encodes(self, x: TensorImage):
        plain = x.as_subclass(torch.Tensor)
        noise = torch.empty_like(plain).normal_(0, self.std, generator=self.stream.on(x.device))
        return TensorImage(plain + noise)


class ReconstructionTarget(ItemTransform):
    """`(image,)` → `(image, target)`: the image as it is now, flipped but without noise, is the target."""

    order = 20

    def encodes(self, b):
        x = b[0]
        return x, TensorTarget(x.as_subclass(torch.Tensor))


@dataclass(frozen=True)
class Augment:
    """How strongly training images are changed: probabilities of flips, standard deviation of noise."""

    flip_horizontal: float = 0.0
    flip_vertical: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        for key, highest in (("flip_horizontal", 1), ("flip_vertical", 1), ("noise", math.inf)):
            value = getattr(self, key)
            if not isinstance(value, int | float) or not 0 <= value <= highest:
                expected = "a probability from 0 to 1" if highest == 1 else "a standard deviation, 0 or more"
                raise ConfigError(f"augment.{key}: found {value!r}, expected {expected}")

    @classmethod
    def of(cls, dataset: str, changes: "Augment | Mapping | None" = None) -> "Augment":
        """The default for `dataset`, with `changes` (by name) on top.

        Digits and clothes are not flipped, a mirrored 2 is no 2; natural images are, and all get
        noise, as in the original study.
        """
        if isinstance(changes, Augment):
            return changes
        grey = dataset in ("digits", "mnist", "fashion_mnist")
        default = {"noise": 0.1} if grey else {"flip_horizontal": 0.5, "flip_vertical": 0.5, "noise": 0.1}
        names = set(cls.__dataclass_fields__)
        if unknown := sorted(set(changes or {}) - names):
            raise ConfigError(f"augment: found {unknown[0]!r}, expected {', '.join(sorted(names))}")
        return cls(**{**default, **(changes or {})})

    def transforms(self, mean, std, *, reconstruct: bool) -> list:
        """The batch transforms for images with these statistics (a value a channel, in [0, 1])."""
        tfms: list = [IntToFloatTensor(), Normalize.from_stats(list(mean), list(std), cuda=False)]
        if self.flip_horizontal:
            tfms.append(FlipHorizontal(self.flip_horizontal))
        if self.flip_vertical:
            tfms.append(FlipVertical(self.flip_vertical))
        if self.noise:
            tfms.append(GaussianNoise(self.noise))
        if reconstruct:
            tfms.append(ReconstructionTarget())
        return tfms
