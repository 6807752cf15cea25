"""Convolutions of small feature maps by fewer multiplications: most of a study's time goes into those of heads.

A convolution of stride 1 is a product of polynomials. Their values at t points, multiplied point by point, give it
back, as in `y = A ((G w) · (B x))` with fixed matrices, where t = output + kernel − 1 products a side take the place
of output × kernel: 36 instead of 144 for a 3 × 3 kernel over 4 × 4 features, 64 instead of 400 for a 5 × 5 one
that makes 4 × 4 of 8 × 8. The products are matrix products over channels, for which every processor has a fast library.

Sources: Toom 1963, Cook 1966; Winograd 1980; Lavin and Gray 2015, fast algorithms for convolutional neural networks,
for the use in networks; Barabasz et al. 2020, error analysis of Winograd convolution, for why the points matter.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Conv2d", "ConvTranspose2d"]

# The points by t, one more of which is infinity: of those tried, the ones of smallest error in float32. On random
# maps it was below 4e-6 of a result's norm, where summing directly has 0.3e-6.
_POINTS = {
    4: (0, 1, -1),
    5: (0.5, -0.5, 2**0.5, -(2**0.5)),
    6: (0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)),
    7: (0.4, -0.4, 0.8, -0.8, 2, -2),
    8: (0, 0.5, -0.5, 1, -1, 2, -2),
}
_KERNELS = (3, 4, 5)  # smaller ones have little to save, larger ones lose digits
_FEWEST_CHANNELS = 16  # below, matrix products are too small to gain
_FEWEST_IMAGES = 32  # below, bringing weights to the points takes longer than it saves


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, computed with fewer multiplications where that is faster: float32 on a CPU (outside autocast),
    stride 1, kernels of 3 to 5, square maps of up to 8 pixels a side with their padding, 16 channels and 32 images or
    more. Elsewhere it is torch's own.

    Parameters are the same in both cases, and so are results to the rounding of float32; but a value that is not
    finite spoils the whole map of its image.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in_channels, h, w]` → `[N, out_channels, h', w']`."""
        if _suits(self, x):
            kernel, padding = self.kernel_size[0], int(self.padding[0])  # a number, as `_suits` saw
            out = x.shape[-1] + 2 * padding - kernel + 1
            if _is_small(out, kernel):
                to_output, of_kernel, of_map = _matrices(out, kernel, padding)
                return _convolve(x, of_map, of_kernel, self.weight.permute(2, 3, 1, 0), to_output, self.bias)
        return super().forward(x)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d`, as `Conv2d` is to torch's: by the same matrices, transposed."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """`[N, in_channels, h, w]` → `[N, out_channels, h', w']`."""
        if output_size is None and _suits(self, x):  # a stride of 1 has no output padding
            kernel, out = self.kernel_size[0], x.shape[-1]  # the output of the convolution that this transposes
            if _is_small(out, kernel):
                to_output, of_kernel, of_map = _matrices(out, kernel, self.padding[0])
                return _convolve(x, to_output.T, of_kernel, self.weight.permute(2, 3, 0, 1), of_map.T, self.bias)
        return super().forward(x, output_size)


def _suits(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> bool:
    """Whether all is as it must be but for the size of the map."""
    return (
        x.device.type == "cpu"
        and x.dtype == layer.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.ndim == 4
        and len(x) >= _FEWEST_IMAGES
        and x.shape[1] == layer.in_channels  # torch says it well where not
        and x.shape[2] == x.shape[3]
        and min(layer.in_channels, layer.out_channels) >= _FEWEST_CHANNELS
        and isinstance(layer.padding, tuple)  # and not `same`
        and len({*layer.kernel_size}) == len({*layer.padding}) == 1
        and layer.kernel_size[0] in _KERNELS
        and 2 * layer.padding[0] < layer.kernel_size[0]
        and {*layer.stride, *layer.dilation, layer.groups} == {1}
        and layer.padding_mode == "zeros"
    )


def _is_small(out: int, kernel: int) -> bool:
    return out > 1 and out + kernel - 1 in _POINTS


def _convolve(
    x: Tensor, into: np.ndarray, of_kernel: np.ndarray, weight: Tensor, out_of: np.ndarray, bias: Tensor | None
) -> Tensor:
    """`out_of ((of_kernel · weight) · (into · x))`: `[N, C, h, h]` and weights `[k, k, C, K]` → `[N, K, s, s]`.

    `into` `[t², h²]`, `of_kernel` `[t², k²]` and `out_of` `[s², t²]` act on positions, the product between on channels.
    """
    n, c_in, side, _ = x.shape
    c_out = weight.shape[-1]
    # tensors anew each time: kept ones might come from inference mode, which training could not use
    b, g, a = (torch.from_numpy(matrix) for matrix in (into, of_kernel, out_of))
    pixels = x.permute(0, 2, 3, 1).reshape(n, side * side, c_in)  # a view of channels-last maps
    values = torch.bmm(b.expand(n, -1, -1), pixels).transpose(0, 1)
    weights = (g @ weight.reshape(-1, c_in * c_out)).view(-1, c_in, c_out)
    products = torch.bmm(values, weights).transpose(0, 1)
    a = a.expand(n, -1, -1)
    y = torch.bmm(a, products) if bias is None else torch.baddbmm(bias, a, products)
    side = math.isqrt(y.shape[1])
    y = y.view(n, side, side, c_out).permute(0, 3, 1, 2)
    return y if x.is_contiguous(memory_format=torch.channels_last) else y.contiguous()  # the layout that x has


@cache
def _matrices(out: int, kernel: int, padding: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`A` `[out², t²]`, `G` `[t², kernel²]` and `B` `[t², h²]`, h = t − 2 padding, of `y = A ((G w) · (B x))`.

    For the sake of rounding, what belongs to a point is scaled to the same size in all three.
    """
    points = np.array(_POINTS[out + kernel - 1])
    others = [np.delete(points, i) for i in range(len(points))]
    differences = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    infinity = len(points)  # the last row of G and B and the last column of A: highest coefficients
    a, g, b = np.zeros((out, infinity + 1)), np.zeros((infinity + 1, kernel)), np.zeros((infinity + 1, infinity + 1))
    a[:, :infinity] = np.vander(points, out, increasing=True).T
    g[:infinity] = np.vander(points, kernel, increasing=True) / np.array(differences)[:, None]
    b[:infinity, :infinity] = [np.poly(rest)[::-1] for rest in others]
    a[-1, infinity] = g[infinity, -1] = 1
    b[infinity] = np.poly(points)[::-1]
    sizes = np.array([np.abs(a).max(0), np.abs(g).max(1), np.abs(b).max(1)])
    to_a, to_g, to_b = np.prod(sizes, axis=0) ** (1 / 3) / sizes
    a, g, b = a * to_a, g * to_g[:, None], b * to_b[:, None]
    b = b[:, padding : b.shape[1] - padding]  # the padding's part would be multiplied by zeros
    return _on_maps(a), _on_maps(g), _on_maps(b)


def _on_maps(matrix: np.ndarray) -> np.ndarray:
    """What acts on the positions of a map, float32, where `matrix` acts on those of a line."""
    return np.kron(matrix, matrix).astype(np.float32)
