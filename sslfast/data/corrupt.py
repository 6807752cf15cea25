"""Corruption of the input of denoising and masked autoencoders: noise on every pixel, hidden patches."""

from collections.abc import Sequence

import torch
from fastai.callback.core import Callback
from fastai.data.transforms import Normalize
from torch import Tensor

from ..errors import ConfigError
from .augment import Stream
from .batches import BatchDL, undistributed

__all__ = ["CorruptInput", "hidden_patches", "normalisation"]


class CorruptInput(Callback):
    """Adds Gaussian noise to the input in training, and hides square patches of it in training and validation.

    `noise`: standard deviation, pixels in [0, 1]. `mask`: the share of patches of `patch` × `patch` pixels that are
    hidden, that is, set to `fill`, by default the mean colour (see `hidden_patches`). Random numbers depend on the seed
    and epoch of the training loader, or, if it has none, on `seed` and the epoch of the fit; in validation they are
    always the same.
    With `give_hidden`, the loss gets the hidden pixels, bool `[N, 1, H, W]`, after the target. Raises `ConfigError` for
    values out of range.
    """

    order = -4  # after ReconstructInput, which takes the whole input as target

    def __init__(
        self, noise: float, mask: float, patch: int, seed: int = 0, give_hidden: bool = False, fill: float = 0.0
    ):
        if not noise >= 0:
            raise ConfigError(f"denoise: found {noise!r}, expected a standard deviation, 0 or more")
        if not 0 <= mask < 1:
            raise ConfigError(f"mask: found {mask!r}, expected a share of the patches, from 0 to below 1")
        if patch < 1:
            raise ConfigError(f"patch: found {patch!r}, expected 1 pixel or more")
        self.noise, self.mask, self.patch, self.seed = noise, mask, patch, seed
        self.give_hidden, self.fill = give_hidden, fill
        self.makes_input = give_hidden
        self.noise_stream, self.mask_stream = Stream("denoise"), Stream("mask")

    def before_train(self):
        train, streams = undistributed(self.dls.train), (self.noise_stream, self.mask_stream)
        for stream in streams:
            stream.restart(*((train.seed, train.epoch) if isinstance(train, BatchDL) else (self.seed, self.epoch)))
        self.scale = self.noise / normalisation(self.dls)[1]

    def before_validate(self):
        train = undistributed(self.dls.train)
        self.mask_stream.restart(train.seed if isinstance(train, BatchDL) else self.seed)

    def before_batch(self):
        given = self.xb[0]
        x = given.as_subclass(Tensor)
        if self.noise and self.training:
            n, c, h, w = x.shape  # drawn channels-last, like the images: filling a tensor in place is far slower
            drawn = torch.randn(n, h, w, c, generator=self.noise_stream.on(x.device), device=x.device)
            x = x + drawn.permute(0, 3, 1, 2) * self.scale.to(x.device)
        if self.mask:
            hidden = hidden_patches(len(x), x.shape[2:], self.mask, self.patch, self.mask_stream.on(x.device))
            x = x.masked_fill(hidden, self.fill)
            if self.give_hidden and self.yb:  # `summary` has no target
                self.learn.yb = (*self.yb, hidden)
        self.learn.xb = (x.as_subclass(type(given)), *self.xb[1:])


def hidden_patches(n: int, sides: Sequence[int], share: float, patch: int, generator: torch.Generator) -> Tensor:
    """Which pixels of `n` images are hidden, bool `[n, 1, *sides]`: equally many random patches in each image.

    Patches lie on a grid; those at the right and lower edges are cut off if it does not fit. In each image at least one
    patch is hidden and at least one is not, so `patch` has to be below the longer side.
    """
    height, width = sides
    down, across = -(-height // patch), -(-width // patch)
    n_hidden = min(max(1, round(share * down * across)), down * across - 1)
    drawn = torch.rand(n, down * across, generator=generator, device=generator.device)
    hidden = torch.zeros_like(drawn, dtype=torch.bool).scatter_(1, drawn.topk(n_hidden).indices, True)
    grid = hidden.view(n, 1, down, across).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return grid[..., :height, :width]


def normalisation(dls) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, `[1, C, 1, 1]`, by which `dls` normalise pixels in [0, 1]; 0, 1 if they do not."""
    for tfm in undistributed(dls.valid).after_batch.fs:
        if isinstance(tfm, Normalize):
            mean, std = (t.as_subclass(Tensor)[..., :1, :1].detach().float().cpu() for t in (tfm.mean, tfm.std))
            return mean, std
    return torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
