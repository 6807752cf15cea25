"""A small vision transformer, which can also be asked for some patches of an image alone."""

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..study.image_size import ImageSize, sides_of
from .base import Encoder, register

__all__ = ["Block", "ViT", "positions"]

ALONG = 8  # patches along the side of a square, about
HEAD = 32  # features that a head of attention works on


@register("vit", cost=11, kilobytes=4)
class ViT(Encoder):
    """A vision transformer of four blocks and 96 features, over about 64 square patches of the image.

    96 × 8 × 8 features for a 32-pixel image, whose patches have 4 × 4 pixels; 22 million multiply-adds an RGB image,
    304,000 parameters. A batch takes 8 (bfloat16) to 11 times as long as with `conv` (128 images, one CPU thread,
    forward and back). Where patches do not fit, the image ends in pixels of the mean colour. Positions are sines and
    cosines, no patch stands for the class. Twice the `width` takes 3.7 times the multiply-adds and 3.9 times the
    parameters.

    Source: Dosovitskiy et al. 2021, An image is worth 16 × 16 words.
    """

    patches: nn.Conv2d
    blocks: nn.Sequential
    norm: nn.LayerNorm
    places: Tensor

    def __init__(self, channels: int = 3, image_size: ImageSize = 32, width: float = 1):
        features = HEAD * max(1, round(3 * width))
        high, wide = sides_of(image_size)
        patch = math.ceil(math.sqrt(high * wide) / ALONG)
        along = -(-high // patch), -(-wide // patch)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            patches=nn.Conv2d(channels, features, patch, stride=patch),
            blocks=nn.Sequential(*(Block(features) for _ in range(4))),
            norm=nn.LayerNorm(features),
        )
        super().__init__(channels, image_size, layers, (features, *along))
        self.patch = patch
        self.register_buffer("places", positions(along, features), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` → `[N, features, h, w]`."""
        return self.tokens(x).mT.unflatten(2, self.out_shape[1:])

    def tokens(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """Features of the patches of `x`, row by row: `[N, h·w, features]`; or of the `visible` ones alone, which are
        then all that it sees: their numbers `[N, k]` → `[N, k, features]`."""
        below, right = (self.patch * n - side for n, side in zip(self.out_shape[1:], x.shape[2:], strict=True))
        x = F.pad(x, (0, right, 0, below)) if below or right else x
        tokens = self.patches(x).flatten(2).mT + self.places
        if visible is not None:
            tokens = tokens.gather(1, visible[..., None].expand(-1, -1, tokens.shape[2]))
        return self.norm(self.blocks(tokens))


class Block(nn.Module):
    """Attention among tokens, then two layers on each, both added to what came in: `[N, T, D]` → the same."""

    def __init__(self, features: int):
        super().__init__()
        self.heads = max(1, features // HEAD)
        self.norm, self.attend, self.project = (
            nn.LayerNorm(features), nn.Linear(features, 3 * features), nn.Linear(features, features),
        )  # fmt: skip
        self.each = nn.Sequential(
            nn.LayerNorm(features), nn.Linear(features, 2 * features), nn.GELU(), nn.Linear(2 * features, features)
        )

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, features = x.shape
        parts = self.attend(self.norm(x)).view(n, tokens, 3, self.heads, features // self.heads)
        asked, offered, said = parts.permute(2, 0, 3, 1, 4).unbind(0)
        # not torch's own attention, which a gradient penalty (gan_learner) cannot be trained through
        weights = (asked @ offered.mT / asked.shape[-1] ** 0.5).softmax(-1)
        found = weights.to(said.dtype) @ said
        x = x + self.project(found.transpose(1, 2).reshape(n, tokens, features))
        return x + self.each(x)


def positions(along: tuple[int, int], features: int) -> Tensor:
    """What tells the place of each of h × w patches (`along`), row by row: `[h·w, features]`, sines and cosines.

    A quarter of the features each: sine and cosine of the row, sine and cosine of the column, at as many frequencies.
    Source: Vaswani et al. 2017, in two dimensions as in He et al. 2022.
    """
    n = features // 4
    frequency = torch.exp(-math.log(10_000) * torch.arange(n) / n)
    angle = torch.arange(max(along))[:, None] * frequency
    place = torch.cat([angle.sin(), angle.cos()], 1)
    high, wide = along
    rows, columns = place[:high, None].expand(-1, wide, -1), place[None, :wide].expand(high, -1, -1)
    return torch.cat([rows, columns], 2).flatten(0, 1)
