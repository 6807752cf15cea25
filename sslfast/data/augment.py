"""Augmentation as fastai transforms over whole batches; only training images are changed at random.

The transforms run in this order: flips of uint8 images (exact, without interpolation); conversion to [0, 1]; for
methods that rebuild images, a copy of the clean image as target; noise on the input; normalisation. Each random
transform draws from a named stream of its own, which is restarted every epoch (see `Stream`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from fastai.data.transforms import IntToFloatTensor, Normalize
from fastai.torch_core import TensorBase, TensorCategory, TensorImage
from fastcore.foundation import L
from fasttransform import DisplayedTransform, ItemTransform
from torch import Tensor

from ..errors import ConfigError
from ..seeds import derive_seed
from ..study.datasets import NAMED
from ..study.image_size import ImageSize, sides_of

__all__ = [
    "AUGMENTATIONS",
    "Augment",
    "FlipHorizontal",
    "FlipVertical",
    "GaussianNoise",
    "ImagesToFloat",
    "NormalizeImages",
    "ReconstructionTarget",
    "TensorTarget",
]


BANK = 2**22
_as = Tensor.as_subclass  # torch's: that of fastai's tensors also looks for attributes to copy; ours have none


class TensorTarget(TensorBase):
    """A clean image to reconstruct: float32 `[N, C, H, W]` in [0, 1], never augmented with noise."""


_BESIDE = (TensorCategory, TensorTarget)


def _is_ours(b) -> bool:
    """Whether `b` is a batch made by `BatchDL`."""
    return type(b) is tuple and bool(b) and type(b[0]) is TensorImage and all(type(part) in _BESIDE for part in b[1:])


class Stream:
    """A named stream of random numbers, for any device, that can be restarted."""

    _generator: torch.Generator | None

    def __init__(self, name: str):
        self.name = name
        self.restart(0)

    def restart(self, seed: int, *names: int) -> None:
        """Start the numbers for `seed` and `names` (the epoch, for instance) from the beginning."""
        self.root, self.seed, self._generator = seed, derive_seed(seed, "augment", self.name, *names), None

    def on(self, device: torch.device) -> torch.Generator:
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self.seed)
        return self._generator

    def __getstate__(self):  # generators cannot be pickled, and an exported learner has no use for them
        return {**self.__dict__, "_generator": None}


class _ImageTransform(DisplayedTransform):
    """Applies `change` to the images of a batch, and leaves the rest of the batch as it is.

    A batch of our loaders, `(images, …)`, is handled directly, since fastai's dispatch by type takes longer than many
    of the changes. For all other input there is an `encodes` for every type: if none fits, fastai's dispatch raises and
    catches an error, whose traceback keeps the batch in memory until the next garbage collection.
    """

    def __call__(self, b, split_idx=None, **kwargs):
        if not _is_ours(b):
            return super().__call__(b, split_idx=split_idx, **kwargs)
        if self.split_idx is not None and split_idx != self.split_idx:
            return b
        return (_as(self.change(_as(b[0], Tensor)), TensorImage), *b[1:])

    def encodes(self, x: TensorBase):
        return x

    def encodes(self, x: TensorImage):  # type: ignore[no-redef] # noqa: F811 - fastai takes the one for the type
        return TensorImage(self.change(x.as_subclass(Tensor)))


class ImagesToFloat(_ImageTransform, IntToFloatTensor):
    """uint8 images → float32 in [0, 1]."""

    def change(self, x: Tensor) -> Tensor:
        return x.float().div_(self.div)


class _Flip(_ImageTransform):
    split_idx, order, dim = 0, 1, 2

    def __init__(self, p: float = 0.5):
        self.p, self.stream = p, Stream(type(self).__name__)

    def change(self, x: Tensor) -> Tensor:
        n, device = len(x), x.device
        chosen = torch.rand(n, generator=self.stream.on(device), device=device) < self.p
        images = x.permute(0, 2, 3, 1)  # contiguous, as batches are channels-last
        if device.type != "cpu":  # mirroring all costs nothing there, but counting the chosen ones is a wait
            return torch.where(chosen.view(-1, 1, 1, 1), images.flip(self.dim), images).permute(0, 3, 1, 2)
        mirrored = images.index_select(0, chosen.nonzero().squeeze(1)).flip(self.dim)
        # select every image from the originals and the mirrored ones: writing into a uint8 batch is slower
        place = torch.where(chosen, n - 1 + chosen.cumsum(0), torch.arange(n, device=device))
        return torch.cat([images, mirrored]).index_select(0, place).permute(0, 3, 1, 2)


class FlipHorizontal(_Flip):
    """Mirror each image of a batch left to right with probability `p`."""

    dim = 2


class FlipVertical(_Flip):
    """Turn each image of a batch upside down (a mirror, not a rotation) with probability `p`."""

    dim = 1


class GaussianNoise(_ImageTransform):
    """Add noise of standard deviation `std` (pixels in [0, 1]) to the input, not to the target.

    Four million normal numbers are drawn once per seed. The noise of a batch is a window into them, at a random place
    and with a random sign: drawing new numbers for every batch took longer than all other transforms together.
    """

    split_idx, order = 0, 30

    _bank: tuple[int, Tensor] | None  # seed and numbers

    def __init__(self, std: float = 0.1):
        self.std, self.stream, self._bank = std, Stream(type(self).__name__), None

    def change(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        if (places := BANK - x.numel()) < BANK // 2:  # large batches: their windows would overlap too much
            noise = torch.empty_like(x).normal_(generator=self.stream.on(x.device))
            return torch.add(x, noise, alpha=self.std)
        draw = int(torch.randint(2 * places, (), generator=self.stream.on(torch.device("cpu"))))
        window = self._numbers(x.device)[draw // 2 : draw // 2 + x.numel()]
        noise = window.view(n, h, w, c).permute(0, 3, 1, 2)  # channels-last, as the images are
        return torch.add(x, noise, alpha=self.std if draw % 2 else -self.std)

    def _numbers(self, device: torch.device) -> Tensor:
        """The bank of this seed, float32 `[BANK]`, the same on every device."""
        if self._bank is None or self._bank[0] != self.stream.root:
            generator = torch.Generator().manual_seed(derive_seed(self.stream.root, "augment", "noise bank"))
            self._bank = self.stream.root, torch.empty(BANK).normal_(generator=generator)
        if self._bank[1].device != device:
            self._bank = self.stream.root, self._bank[1].to(device)
        return self._bank[1]

    def __getstate__(self):  # an exported learner has no use for the bank
        return {**self.__dict__, "_bank": None}


AUGMENTATIONS = (_Flip, GaussianNoise)


class ReconstructionTarget(ItemTransform):
    """`(image,)` → `(image, target)`; the target is the image at this point, flipped but without noise."""

    order = 20

    def __call__(self, b, split_idx=None, **kwargs):
        return self._with_target(b) if _is_ours(b) else super().__call__(b, split_idx=split_idx, **kwargs)

    def encodes(self, b):
        return self._with_target(b)

    @staticmethod
    def _with_target(b):
        return b[0], _as(b[0], TensorTarget)


class NormalizeImages(_ImageTransform, Normalize):
    """fastai's `Normalize` in one pass, for square images of `size` pixels in [0, 1], stored channels-last.

    `mean` and `std`: one value per channel. They are expanded to a whole image: with `[1, C, 1, 1]`, the innermost loop
    over channels-last images has only C steps, which takes several times as long.
    """

    parameters = L("mean", "std", "scale", "shift")

    def __init__(self, mean: Sequence[float], std: Sequence[float], size: ImageSize):
        super().__init__(*(_spread(values, size) for values in (mean, std)))
        self.scale, self.shift = 1 / self.std, -self.mean / self.std

    @property
    def name(self):
        return f"{type(self).__name__} -- {self.mean[0, :, 0, 0].tolist()}, {self.std[0, :, 0, 0].tolist()}"

    def change(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale)


def _spread(values: Sequence[float], size: ImageSize) -> Tensor:
    one = torch.tensor(list(values), dtype=torch.float32).view(1, -1, 1, 1)
    return one.expand(1, -1, *sides_of(size)).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Augment:
    """How strongly training images are changed.

    `flip_horizontal`, `flip_vertical`: probabilities of a mirrored image, left to right and upside down; `noise`: the
    standard deviation of Gaussian noise on the input, pixels in [0, 1].
    """

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
        """The default for `dataset`, with the values in `changes` (by name) instead of its own.

        As in the original study, all images get noise, and natural images are flipped; digits and clothes are not,
        since a mirrored 2 is no 2. A user's own images are mirrored but not turned upside down, which costs accuracy on
        photographs (docs/decisions.md). Raises `ConfigError` for an unknown name or a wrong value.
        """
        if isinstance(changes, Augment):
            return changes
        as_they_are = dataset in NAMED and not NAMED[dataset].mirrored
        upside_down = 0.5 if dataset in NAMED else 0.0
        default = {"noise": 0.1}
        if not as_they_are:
            default |= {"flip_horizontal": 0.5, "flip_vertical": upside_down}
        names = set(cls.__dataclass_fields__)
        if unknown := sorted(set(changes or {}) - names):
            raise ConfigError(f"augment: found {unknown[0]!r}, expected {', '.join(sorted(names))}")
        return cls(**{**default, **(changes or {})})

    def transforms(self, mean, std, image_size: ImageSize, *, reconstruct: bool) -> list:
        """The batch transforms for images of `image_size`.

        `mean`, `std`: one value per channel, for pixels in [0, 1]; `reconstruct`: add the clean image as target.
        """
        tfms: list = [ImagesToFloat(), NormalizeImages(mean, std, image_size)]
        if self.flip_horizontal:
            tfms.append(FlipHorizontal(self.flip_horizontal))
        if self.flip_vertical:
            tfms.append(FlipVertical(self.flip_vertical))
        if self.noise:
            tfms.append(GaussianNoise(self.noise))
        if reconstruct:
            tfms.append(ReconstructionTarget())
        return tfms
