"""Drawing images of a batch, with classes or beside reconstructions."""

import torch

from ..errors import printable

__all__ = ["show_images"]


def show_images(
    x, others=(), *, vocab=None, beside="target", titles=None, max_n=9, axes=None, figsize=None, nrows=None, ncols=None
):
    """Draw up to `max_n` images of `x` with what belongs to them; returns the matplotlib axes.

    `nrows`, `ncols`: of images; by default about as many of one as of the other. `axes`: where to, instead.

    `x`: `[N, C, H, W]`, uint8 range or [0, 1]. `others`: class indices give a title (true, then
    predicted, red where they differ); images give a column beside the input, headed `beside`. `titles`: one more line
    over each image.
    """
    import matplotlib.pyplot as plt

    n = min(max_n, len(x))
    columns = [x] + [other for other in others if other.ndim == 4]
    labels = [other for other in others if other.ndim == 1]
    if axes is None:
        groups = ncols or (-(-n // nrows) if nrows else min(n, max(1, round(n**0.5))))
        shape = (nrows or -(-n // groups), groups * len(columns))
        figsize = figsize or (1.8 * shape[1], 2.0 * shape[0])
        _, axes = plt.subplots(*shape, figsize=figsize, squeeze=False, layout="constrained")
        axes = axes.ravel()
    for i, axis in enumerate(axes):
        axis.axis("off")
        row, column = divmod(i, len(columns))
        if row >= n:
            continue
        axis.imshow(_pixels(columns[column][row]), cmap="gray", vmin=0, vmax=255)
        if labels:
            text = [vocab[int(label[row])] if vocab else str(int(label[row])) for label in labels]
            color = "black" if len(set(text)) == 1 else "firebrick"
            text = [*(titles[row : row + 1] if titles else ()), *text]
            # names of classes are those of folders: never formulas, and not always printable
            axis.set_title("\n".join(map(printable, text)), color=color, fontsize=9, parse_math=False)
        elif titles and not column:
            axis.set_title(titles[row], fontsize=8)
        elif len(columns) > 1:
            axis.set_title(("input", beside)[column], fontsize=8)
    return axes


def _pixels(image: torch.Tensor):
    """`[C, H, W]` in [0, 1] or [0, 255] → uint8 `[H, W]` or `[H, W, 3]`."""
    image = image.detach().cpu().as_subclass(torch.Tensor)
    image = (image * 255).round() if image.is_floating_point() else image
    image = image.clamp(0, 255).to(torch.uint8)
    return image[0].numpy() if image.shape[0] == 1 else image.permute(1, 2, 0).numpy()
