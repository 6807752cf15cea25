"""What losses over embeddings of two views have in common."""

import torch
from torch import Tensor

from ..errors import ConfigError

__all__ = ["check_pair", "check_weight", "precise"]


def precise(z: Tensor) -> Tensor:
    """`z` in float32, or what precision above that it has, and without fastai's tensor type."""
    return z.as_subclass(Tensor).to(torch.promote_types(z.dtype, torch.float32))


def check_pair(z0: Tensor, z1: Tensor) -> None:
    """Raises `ValueError` unless both are embeddings of one shape `[N, D]`: torch would broadcast others."""
    if z0.ndim != 2 or z0.shape != z1.shape:
        raise ValueError(f"embeddings are {list(z0.shape)} and {list(z1.shape)}, expected two of one shape [N, D]")


def check_weight(name: str, weight: float) -> None:
    """Raises `ConfigError` for a weight of a part of a loss, the option called `name`, that is no number from 0."""
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < torch.inf:
        raise ConfigError(f"{name}: found {weight!r}, expected a weight, 0 or more")
