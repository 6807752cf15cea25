"""Latent vectors: from feature maps to a normal distribution and back, and those that pictures are made of."""

import torch
from torch import Tensor, nn

from ..seeds import derive_seed

__all__ = ["FromLatent", "ToLatent", "fixed_latents"]

LARGEST_MAP = 8  # larger feature maps are averaged to this, as a layer over all of their values would be huge


class ToLatent(nn.Sequential):
    """One linear layer from feature maps `[N, C, h, w]` of `in_shape` (C, h, w) to `[N, n]`, float32."""

    def __init__(self, in_shape: tuple[int, int, int], n: int):
        channels, *size = in_shape
        small = [min(side, LARGEST_MAP) for side in size]
        pool = [nn.AdaptiveAvgPool2d(tuple(small))] if small != size else []
        super().__init__(*pool, nn.Flatten(), nn.Linear(channels * small[0] * small[1], n))

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features).float()


class FromLatent(nn.Sequential):
    """The way back: `[N, n]` to feature maps `[N, C, h, w]` of `out_shape` (C, h, w), 0 or more."""

    def __init__(self, n: int, out_shape: tuple[int, int, int]):
        channels, *size = out_shape
        small = [min(side, LARGEST_MAP) for side in size]
        grow = [nn.Upsample(tuple(size))] if small != size else []
        linear = nn.Linear(n, channels * small[0] * small[1])
        super().__init__(linear, nn.Unflatten(1, (channels, *small)), nn.ReLU(), *grow)


def fixed_latents(n: int, size: int, device: torch.device) -> Tensor:
    """`[n, size]` standard normal numbers, always the same."""
    generator = torch.Generator().manual_seed(derive_seed(0, "latents"))
    return torch.randn(n, size, generator=generator).to(device)
