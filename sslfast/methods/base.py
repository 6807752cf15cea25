"""What the factories of all methods share: how they are declared, and the image itself as a target."""

from collections.abc import Callable
from typing import TypeVar

from fastai.learner import Learner
from fastai.torch_core import TensorImage
from fastcore.meta import delegates
from torch import Tensor

from ..data.augment import TensorTarget
from ..data.show import show_images
from ..training.callbacks import ReconstructInput
from ..training.lean import LeanLearner

__all__ = ["as_shown", "method", "show_rebuilt", "with_target"]

Factory = TypeVar("Factory", bound=Callable)


def method(
    *,
    own_views: bool = False,
    compare_views: bool = False,
    teacher: bool = False,
    square: bool = False,
    encoders: tuple[str, ...] = (),
) -> Callable[[Factory], Factory]:
    """Declares the function below it, `<name>_learner`, to be the factory of a method called `name`.

    Its arguments: see `sslfast.study.methods.Method`, which reads them without importing the file. The factory's
    `**kwargs` are shown as those of `LeanLearner`.
    """
    return delegates(LeanLearner.__init__)


def with_target(dls) -> list:
    """The callbacks that make the image itself the target of the loss; none if the loaders of `dls` already do so."""
    return [] if isinstance(dls.valid.one_batch()[-1], TensorTarget) else [ReconstructInput()]


def as_shown(learn: Learner, x: Tensor) -> Tensor:
    """Images `x` `[N, C, H, W]` as pixels for `show_images`: the normalisation by the loaders of `learn` is undone."""
    return learn.dls.valid.after_batch.decode((TensorImage(x),))[0]


def show_rebuilt(learn: Learner, batch: tuple, max_n: int = 9, **kwargs):
    """Draw images of `batch` as the model saw them, each beside its reconstruction; returns the matplotlib axes."""
    x, _, _, rebuilt = learn.get_preds(dl=[batch], with_input=True, with_decoded=True)
    return show_images(as_shown(learn, x.nan_to_num()), (rebuilt,), beside="reconstruction", max_n=max_n, **kwargs)
