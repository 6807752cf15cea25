"""How fastai's `Interpretation.plot_top_losses` draws images beside what was made of them."""

from fastai.interpret import plot_top_losses
from fastai.torch_core import TensorImage

from .augment import TensorTarget
from .show import show_images

__all__ = ["rebuilt_top_losses"]


@plot_top_losses.dispatch
def rebuilt_top_losses(x: TensorImage, y: TensorTarget, samples, outs, raws, losses, **kwargs):
    """Draw images beside their reconstructions, each under its loss; returns the matplotlib axes."""
    axes = show_images(x, (raws,), beside="reconstruction", max_n=len(losses), **kwargs)
    for axis, loss in zip(axes[::2], losses, strict=False):
        axis.set_title(f"loss {float(loss):.3f}", fontsize=8)
    return axes
