"""Random views of clean images, a whole batch at once, with random numbers of its own for each image.

A view is a crop of the image, scaled to full size, perhaps mirrored and with other colours. One CPU thread makes the
two views of 21,000 images of 32 pixels per second: a tenth of the time of training SimCLR with the encoder `conv`.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from .augment import Stream

__all__ = ["Views"]

LONGEST_SIDES = math.log(4 / 3)  # of a crop: ratios from 3 : 4 to 4 : 3, as logarithm
LUMA = (0.299, 0.587, 0.114)
IN_PHASE = (0.5959, -0.2746, -0.3213)
QUADRATURE = (0.2115, -0.5227, 0.3112)


@dataclass(frozen=True)
class Views:
    """How much views may differ from their image. The defaults are SimCLR's for CIFAR-10: strength 0.5, no blur.

    `crop`: the smallest share of the image's area in a view; shares are drawn from there to 1, with sides of 3 : 4 to
    4 : 3. `flip`: the probability of mirroring. `jitter`: the probability of other colours; how much they change is
    `brightness`, `contrast` and `saturation` (the largest change of the factor 1) and `hue` (the largest rotation; 0.5
    is half the circle). `grey`: the probability of removing all colour. Grey images change only in brightness and
    contrast. Raises `ConfigError` for a value out of range.

    Hue is rotated in the YIQ plane, which keeps luma, and not in HSV. So rotation, saturation, contrast and brightness
    are all linear: together they are one matrix per view, in any order, and values are clipped to [0, 1] only once.
    """

    crop: float = 0.08
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2

    def __post_init__(self):
        for key in self.__dataclass_fields__:
            value, (low, high) = getattr(self, key), {"crop": (0.01, 1), "hue": (0, 0.5)}.get(key, (0, 1))
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ConfigError(f"views.{key}: found {value!r}, expected a number from {low} to {high}")

    @classmethod
    def of(cls, changes: "Views | Mapping | None" = None, channels: int = 3, **defaults: float) -> "Views":
        """The defaults for images of `channels` channels, overridden first by `defaults`, then by `changes` (by name).

        Grey images are not mirrored by default, as in `Augment.of`: most are digits and the like.
        Raises `ConfigError` for an unknown name or a wrong value.
        """
        if isinstance(changes, Views):
            return changes
        if not isinstance(changes, Mapping | None):
            raise ConfigError(f"views: found {changes!r}, expected {', '.join(cls.__dataclass_fields__)} by name")
        if unknown := [name for name in changes or {} if name not in cls.__dataclass_fields__]:
            raise ConfigError(f"views: found {unknown[0]!r}, expected {', '.join(cls.__dataclass_fields__)}")
        return cls(**{"flip": cls.flip if channels == 3 else 0, **defaults, **(changes or {})})

    def __call__(self, x: Tensor, stream: Stream, n: int = 2) -> Tensor:
        """`n` views of each image, `[N, n, C, H, W]`; `x`: float32 `[N, C, H, W]` in [0, 1]."""
        # every change has random numbers of its own, so that another strength of one does not affect the others
        draws = torch.rand(11, len(x), n, generator=stream.on(x.device), device=x.device)
        views = self._parts(x, draws[:5]) if self.crop < 1 or self.flip else x[:, None].expand(-1, n, -1, -1, -1)
        return self._colours(views, draws[5:]) if self.jitter or self.grey else views

    def _parts(self, x: Tensor, draws: Tensor) -> Tensor:
        area, ratio, left, top, mirrored = draws
        area = self.crop + (1 - self.crop) * area
        # only ratios with which the area fits into the image: no second draw is needed, and an area of 1 is the image
        longest = (-area.log()).clamp_(max=LONGEST_SIDES)
        ratio = ((2 * ratio - 1) * longest).exp_()
        width, height = (area * ratio).sqrt_(), (area / ratio).sqrt_()
        rows = _resampling(top, height, x.shape[2])
        columns = _resampling(left, width, x.shape[3], mirrored < self.flip)
        return _resampled(x, rows, columns)

    def _colours(self, views: Tensor, draws: Tensor) -> Tensor:
        n, v, c, h, w = views.shape
        jittered, *changes, grey = draws
        strengths = (self.brightness, self.contrast, self.saturation, 2 * math.pi * self.hue)
        changes = [
            s * (2 * change - 1) * (jittered < self.jitter) for s, change in zip(strengths, changes, strict=True)
        ]
        brightness, contrast, saturation = (1 + change for change in changes[:3])
        pixels = views.reshape(n * v, c, h * w)
        matrix, luma = torch.ones(n, v, 1, 1, device=views.device), torch.ones(1, device=views.device)
        if c == 3:
            turn, saturation = changes[3][..., None, None], (saturation * (grey >= self.grey))[..., None, None]
            to_grey, quarter_turn = _colour_matrices(views.device)
            colour = torch.eye(3, device=views.device) - to_grey
            matrix, luma = to_grey + saturation * (turn.cos() * colour + turn.sin() * quarter_turn), to_grey[0]
        middle = (pixels.mean(2) @ luma).view(n, v)  # neither saturation nor hue changes it
        matrix = (brightness * contrast)[..., None, None] * matrix
        offset = brightness * (1 - contrast) * middle
        changed = torch.baddbmm(offset.view(-1, 1, 1), matrix.view(-1, c, c), pixels).clamp_(0, 1)
        return changed.view(n, v, c, h, w)


def _resampling(start: Tensor, length: Tensor, size: int, mirrored: Tensor | bool = False) -> Tensor:
    """Matrices `[…, size, size]` that stretch a part of `size` pixels over all of them, by bilinear interpolation.

    `length`: the part's share of the whole; `start`: where it lies, from 0 (first pixel) to 1 (last).
    """
    pixels = torch.arange(size, device=start.device, dtype=start.dtype)
    middles = pixels + 0.5
    if isinstance(mirrored, Tensor):
        middles = torch.where(mirrored[..., None], size - middles, middles)
    start, length = start[..., None], length[..., None]
    places = (start * (1 - length) * size + length * middles - 0.5).clamp_(0, size - 1)
    return places[..., None].sub(pixels).abs_().neg_().add_(1).clamp_(min=0)


def _resampled(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """`rows` · image · `columns`ᵀ for every view, `[N, n, C, H, W]`, of `[N, n, H, H]` and `[N, n, W, W]`.

    Two matrix products per batch: a quarter of the time of `grid_sample` on a CPU, and exact for the whole image.
    """
    n, c, h, w = x.shape
    views = rows.shape[1]
    part = rows.reshape(n, views * h, h) @ x.permute(0, 2, 1, 3).reshape(n, h, c * w)
    part = part.view(n * views, h * c, w) @ columns.reshape(n * views, w, w).mT
    return part.view(n, views, h, c, w).transpose(2, 3)


@functools.cache
def _colour_matrices(device: torch.device) -> tuple[Tensor, Tensor]:
    """Two matrices `[3, 3]` over RGB: to the grey part, and to the rest, the colour, with its hue rotated by 90°."""
    yiq = torch.tensor([LUMA, IN_PHASE, QUADRATURE], dtype=torch.float64)
    grey, quarter = torch.zeros(2, 3, 3, dtype=torch.float64)
    grey[0, 0], quarter[1, 2], quarter[2, 1] = 1, -1, 1
    return tuple((yiq.inverse() @ m @ yiq).float().to(device) for m in (grey, quarter))
