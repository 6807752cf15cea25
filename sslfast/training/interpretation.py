"""fastai's `Interpretation` for learners whose predictions are no classes (see `shows` of `LeanLearner`)."""

from collections.abc import Sequence

from fastai.interpret import Interpretation
from fastcore.basics import patch
from fastcore.foundation import L

__all__ = ["plot_top_losses", "show_results"]

_of_fastai = Interpretation.plot_top_losses, Interpretation.show_results


@patch
def plot_top_losses(self: Interpretation, k: int | Sequence[int], largest: bool = True, **kwargs):
    """Draw the images of `k` losses, the largest or the smallest first, under their loss; `k`: a number, or the places.

    For methods that draw by chance (views, patches, turns), chance is drawn anew, and not as it was for the loss.
    """
    if getattr(self.learn, "shows", None) is None:
        return _of_fastai[0](self, k, largest, **kwargs)
    losses, rows = self.top_losses(k if isinstance(k, int) else None, largest)
    if not isinstance(k, int):
        losses, rows = losses[list(k)], rows[list(k)]
    return _shown(self, rows.tolist(), titles=[f"loss {float(loss):.3f}" for loss in losses], **kwargs)


@patch
def show_results(self: Interpretation, idxs: int | Sequence[int], **kwargs):
    """Draw what the learner makes of the images at `idxs`, as its own `show_results` does."""
    if getattr(self.learn, "shows", None) is None:
        return _of_fastai[1](self, idxs, **kwargs)
    return _shown(self, L(idxs.tolist() if hasattr(idxs, "tolist") else idxs), **kwargs)


def _shown(found: Interpretation, rows: Sequence[int], **kwargs):
    items = getattr(found.dl.items, "iloc", L(found.dl.items))[list(rows)]
    loader = found.learn.dls.test_dl(items, with_labels=True, bs=len(items))
    return found.learn.shows(found.learn, loader.one_batch(), len(items), **kwargs)
