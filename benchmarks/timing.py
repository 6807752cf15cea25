"""What benchmarks share: fits without output, clocks, and ratios of contestants that take turns."""

import time
from collections.abc import Callable

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.progress import ProgressCallback
from torch import nn

from sslfast.runtime.memory import keep_freed_memory

keep_freed_memory()  # as the scripts of the workflow do, for all that is compared

__all__ = ["TrainingClock", "fitted", "quiet", "ratio_text", "side_by_side", "table", "with_torchs_layers"]


class TrainingClock(Callback):
    """Training images per second of a fit, without validation; `epochs`: the seconds of each epoch.

    Work that is done once before an epoch, such as computing the features of a frozen encoder, is left out, too.
    """

    order = 80  # after `CachedViews`

    def before_fit(self):
        self.epochs, self.images = [], 0

    def before_train(self):
        self.start = time.perf_counter()

    def after_batch(self):
        if self.learn.training:
            self.images += len(self.learn.xb[0])

    def after_train(self):
        self.epochs.append(time.perf_counter() - self.start)

    @property
    def rate(self) -> float:
        return self.images / sum(self.epochs)


def quiet(learn):
    """The learner, without its progress bar and its line per epoch."""
    learn.remove_cbs(learn.cbs.filter(lambda cb: isinstance(cb, ProgressCallback)))
    learn.logger = lambda row: None
    return learn


def fitted(learn, epochs: int):
    """`(learner, seconds)` after a fit of `epochs` without output, at the learning rate of the studies."""
    start = time.perf_counter()
    quiet(learn).fit(epochs, 1e-3, wd=0)
    return learn, time.perf_counter() - start


def side_by_side(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, np.ndarray]:
    """What each contestant returns in each round, `[rounds]`. They take turns, after one round to warm up."""
    names = list(contestants)
    results: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-1, rounds):
        for name in names if turn % 2 else reversed(names):
            value = contestants[name]()
            if turn >= 0:
                results[name].append(value)
    return {name: np.array(values) for name, values in results.items()}


def with_torchs_layers(model: nn.Module, *kinds: type[nn.Module]) -> nn.Module:
    """`model`, changed in place: layers of these `kinds` become the torch layers that they derive from."""
    for layer in model.modules():
        if type(layer) in kinds:
            layer.__class__ = type(layer).__base__  # which has the same parameters
    return model


def ratio_text(first: np.ndarray, second: np.ndarray) -> str:
    """The median of the ratios of paired rounds, with the lowest and highest."""
    ratios = first / second
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def table(rows: list[tuple[str, ...]]) -> str:
    """`rows` as a Markdown table; the first row is the header."""
    header, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, tuple("---" for _ in header), *body])
