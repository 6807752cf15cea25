"""Projectors: small networks that methods train on top of an encoder and throw away afterwards."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from ..errors import ConfigError
from .heads import _TwoParts

__all__ = ["Embedder", "MeanOverPositions", "create_projector"]


class MeanOverPositions(nn.Module):
    """Feature map `[N, C, h, w]` → features `[N, C]`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def create_projector(n_features: int, widths: Sequence[int], n_out: int | None = None) -> nn.Sequential:
    """A network from a feature map `[N, n_features, h, w]` to an embedding `[N, widths[-1]]`, or `[N, n_out]` if given.

    The mean over positions, then one fully connected layer for each of `widths` (and one for `n_out`), with BatchNorm
    and ReLU between the layers for `widths`.
    Raises `ConfigError` if `widths` is not one or more whole numbers from 1.
    """
    if isinstance(widths, str) or not isinstance(widths, Sequence) or not widths or not all(map(_is_width, widths)):
        raise ConfigError(f"projector: found {widths!r}, expected widths of its layers, such as [256, 128]")
    widths = [n_features, *widths, *([] if n_out is None else [n_out])]
    layers: list[nn.Module] = [MeanOverPositions()]
    for n_in, width in pairwise(widths[:-1]):
        layers += [nn.Linear(n_in, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


class Embedder(_TwoParts):
    """Encoder and projector: images `[N, C, H, W]` (normalised) → embeddings `[N, D]`, float32.

    Also n views of each image, `[N, n, C, H, W]` → `[N, n, D]`; all views are one batch for BatchNorm.
    """

    def forward(self, x: Tensor) -> Tensor:
        with self.autocast(x.device):
            return super().forward(x.as_subclass(Tensor).flatten(0, -4)).float().unflatten(0, x.shape[:-3])


def _is_width(width: object) -> bool:
    return isinstance(width, int) and not isinstance(width, bool) and width >= 1
