"""Fast dropout: torch's takes a fifth of a small head's training time on a CPU."""

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]

_STEPS = 2**16


class Dropout(nn.Dropout):
    """`nn.Dropout` with faster masks on CPUs: from 16 random bits per value, where torch draws a floating-point number.

    `p` is rounded to a multiple of 2⁻¹⁶; the expected value of the output is exactly the input.
    """

    def forward(self, x: Tensor) -> Tensor:
        kept = round((1 - self.p) * _STEPS)
        if not self.training or x.device.type != "cpu" or kept in (0, _STEPS):
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()]
        mask = (bits < kept - _STEPS // 2).to(x.dtype).mul_(_STEPS / kept)
        return x * mask.as_strided(x.shape, x.stride())  # in the memory layout of x
