"""What the factories of all methods share: how they are declared, and the image itself as a target."""

from collections.abc import Callable
from typing import TypeVar

from fastai.learner import Learner
from fastcore.meta import delegates

from ..data.augment import TensorTarget
from ..training.callbacks import ReconstructInput

__all__ = ["method", "with_target"]

Factory = TypeVar("Factory", bound=Callable)


def method(*, own_views: bool = False, compare_views: bool = False) -> Callable[[Factory], Factory]:
    """Declares the function below it, `<name>_learner`, to be the factory of a method called `name`.

    `own_views`, `compare_views`: see `sslfast.study.methods.Method`, which reads them without importing the file. The
    factory's `**kwargs` are shown as those of fastai's `Learner`.
    """
    return delegates(Learner.__init__)


def with_target(dls) -> list:
    """The callbacks that give a loss the image itself as target, where loaders of `dls` do not."""
    return [] if isinstance(dls.valid.one_batch()[-1], TensorTarget) else [ReconstructInput()]
