"""Learners that print nothing."""

from fastai.callback.progress import ProgressCallback
from fastai.learner import Learner

__all__ = ["quiet"]


def quiet(learn: Learner) -> Learner:
    """The learner, without its progress bar and its line per epoch."""
    learn.remove_cbs(learn.cbs.filter(lambda cb: isinstance(cb, ProgressCallback)))
    learn.logger = lambda row: None
    return learn
