"""Latent vectors: layers from feature maps to latents and back, and fixed latents for pictures."""

import torch
from torch import Tensor, nn

from ..seeds import derive_seed

__all__ = ["FromLatent", "ToLatent", "fixed_latents"]

LARGEST_MAP = 8  # pixels; larger feature maps are first averaged to this, since a linear layer over them would be huge


class ToLatent(nn.Sequential):
    """One linear layer from feature maps `[N, C, h, w]` of `in_shape` (C, h, w) to `[N, n]`, float32."""

    def __init__(self, in_shape: tuple[int, int, int], n: int):
        channels, *sides = in_shape
        high, wide = (-(-side // LARGEST_MAP) for side in sides)
        pool = [nn.AvgPool2d((high, wide), ceil_mode=True)] if max(high, wide) > 1 else []
        height, width = _small(sides)
        super().__init__(*pool, nn.Flatten(), nn.Linear(channels * height * width, n))

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features).float()


class FromLatent(nn.Sequential):
    """One linear layer and ReLU from `[N, n]` to feature maps `[N, C, h, w]` of `out_shape` (C, h, w)."""

    def __init__(self, n: int, out_shape: tuple[int, int, int]):
        channels, *sides = out_shape
        small = _small(sides)
        grow = [nn.Upsample(tuple(sides))] if small != sides else []
        linear = nn.Linear(n, channels * small[0] * small[1])
        super().__init__(linear, nn.Unflatten(1, (channels, *small)), nn.ReLU(), *grow)

    def forward(self, latents: Tensor) -> Tensor:
        # channels-last, like batches of images, so that the layers after it run as fast as on images
        return super().forward(latents).contiguous(memory_format=torch.channels_last)


def fixed_latents(n: int, size: int, device: torch.device) -> Tensor:
    """`n` latents of `size` standard normal numbers, `[n, size]`, always the same."""
    generator = torch.Generator().manual_seed(derive_seed(0, "latents"))
    return torch.randn(n, size, generator=generator).to(device)


def _small(sides: list[int]) -> list[int]:
    return [-(-side // -(-side // LARGEST_MAP)) for side in sides]
