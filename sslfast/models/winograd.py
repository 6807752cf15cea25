"""Convolutions of small feature maps with fewer multiplications. Most of a study's time goes into those of its heads.

A convolution of stride 1 is a product of polynomials, and a product of polynomials can be computed from their values at
t points: `y = A ((G w) · (B x))` with fixed matrices A, G and B. Along each side, this takes t = output + kernel − 1
multiplications instead of output × kernel. On a map, that is 36 instead of 144 for a 3 × 3 kernel with 4 × 4 outputs,
and 64 instead of 400 for a 5 × 5 kernel with 4 × 4 outputs. Each of them is a matrix product over channels, for which
every processor has a fast library.

Sources: Toom 1963, Cook 1966; Winograd 1980; Lavin and Gray 2015, fast algorithms for convolutional neural networks,
for the use in networks; Barabasz et al. 2020, error analysis of Winograd convolution, for why the points matter.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Conv2d", "ConvTranspose2d"]

# The points for each t, without infinity, which is always one more: of those tried, the ones with the smallest error in
# float32. On random maps this error was below 4e-6 of the result's norm; direct summation has 0.3e-6.
_POINTS = {
    4: (0, 1, -1),
    5: (0.5, -0.5, 2**0.5, -(2**0.5)),
    6: (0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)),
    7: (0.4, -0.4, 0.8, -0.8, 2, -2),
    8: (0, 0.5, -0.5, 1, -1, 2, -2),
}
_KERNELS = (3, 4, 5)  # smaller kernels have little to gain, larger ones lose precision
_FEWEST_CHANNELS = 16  # below, matrix products are too small to gain
_FEWEST_IMAGES = 32  # below, transforming the weights takes longer than it saves


class Conv2d(nn.Conv2d):
    """`nn.Conv2d`, computed with fewer multiplications where that is faster, else by torch.

    It is faster for float32 on a CPU (outside autocast), stride 1, kernels of 3 to 5, square maps of up to 8 pixels per
    side with their padding, and 16 channels and 32 images or more.

    Parameters are the same in both cases, and results are equal up to rounding in float32; but a value that is not
    finite makes all outputs for its image not finite.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in_channels, h, w]` → `[N, out_channels, h', w']`."""
        if _suits(self, x):
            kernel, padding = self.kernel_size[0], int(self.padding[0])  # a number, not `same`: see `_suits`
            out = x.shape[-1] + 2 * padding - kernel + 1
            if _is_small(out, kernel):
                to_output, of_kernel, of_map = _matrices(out, kernel, padding)
                return _convolve(x, of_map, of_kernel, self.weight.permute(2, 3, 1, 0), to_output, self.bias)
        return super().forward(x)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d`, computed faster in the same cases as `Conv2d`, by the same matrices, transposed."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """`[N, in_channels, h, w]` → `[N, out_channels, h', w']`."""
        if output_size is None and _suits(self, x):  # a stride of 1 has no output padding
            kernel, out = self.kernel_size[0], x.shape[-1]  # the output of the convolution that this transposes
            if _is_small(out, kernel):
                to_output, of_kernel, of_map = _matrices(out, kernel, self.padding[0])
                return _convolve(x, to_output.T, of_kernel, self.weight.permute(2, 3, 0, 1), of_map.T, self.bias)
        return super().forward(x, output_size)


def _suits(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> bool:
    """Whether `layer` and `x` meet all conditions of `Conv2d`, except that on the size of the map."""
    return (
        x.device.type == "cpu"
        and x.dtype == layer.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.ndim == 4
        and len(x) >= _FEWEST_IMAGES
        and x.shape[1] == layer.in_channels  # else torch raises a good error
        and x.shape[2] == x.shape[3]
        and min(layer.in_channels, layer.out_channels) >= _FEWEST_CHANNELS
        and isinstance(layer.padding, tuple)  # not the text `same`
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
    # new tensors each time: stored ones might have been made in inference mode, and could not be used in training
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

    To keep rounding errors small, the entries of one point are scaled to the same size in all three matrices.
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
    b = b[:, padding : b.shape[1] - padding]  # columns for the padding would be multiplied by zeros
    return _on_maps(a), _on_maps(g), _on_maps(b)


def _on_maps(matrix: np.ndarray) -> np.ndarray:
    """`matrix`, which acts on the positions of a line, as a matrix that acts on those of a map; float32."""
    return np.kron(matrix, matrix).astype(np.float32)
