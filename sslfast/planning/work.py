"""How many images each job of a study processes: arithmetic over the config and the sizes of its splits."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..config import method_settings
from ..names import PIXELS, RANDOM
from .grid import FITS, Job

__all__ = ["Sizes", "Work", "cached_views", "images_an_epoch", "work_of"]

N_STATISTICS = 10_000  # see `sslfast.stages.pretraining`
AUTO_VIEWS = 8  # see `sslfast.features`


@dataclass(frozen=True)
class Sizes:
    """How many images there are. `labelled` by l; `unlabelled` by (u, l), where l is None if one encoder serves all.

    `n_pool`: all that can be pre-trained on, `n_labelled`: all that have a label. Those of a study's first seed: others
    can differ by an image a class (see `Split.labelled`).
    """

    n_valid: int
    n_test: int
    n_pool: int
    n_labelled: int
    labelled: Mapping[str, int]
    unlabelled: Mapping[tuple[str, str | None], int]


@dataclass(frozen=True)
class Work:
    """Images that a job processes. `epochs`: passes, each of which ends with all of `valid`.

    `trained`: images seen in training, over all epochs; `encoded`: by a frozen encoder, once, each view counted;
    `valid` and `test`: images of these sets that it looks at (once an epoch, and once); `fitted`: that an evaluation
    without epochs is made from.
    """

    epochs: int = 0
    trained: int = 0
    encoded: int = 0
    valid: int = 0
    test: int = 0
    fitted: int = 0


def work_of(job: Job, config: Mapping, sizes: Sizes, views: int | str | None = None) -> Work:
    """The images that `job` processes. `views`: what `classify.views` means for its encoder (see `resolve_views`)."""
    if job.rule == "shuffle":
        return Work(encoded=min(_unlabelled(job, sizes), N_STATISTICS), valid=sizes.n_valid)
    if job.stage == "pretrain":
        if job.method == RANDOM:
            return Work(valid=sizes.n_valid)
        fit = method_settings(config, job.method)
        n = _unlabelled(job, sizes)
        trained = fit["epochs"] * images_an_epoch(n, fit["batch_size"], config["budget"], sizes.n_pool)
        return Work(fit["epochs"], trained, 0, sizes.n_valid)
    if job.l is None:
        return Work()
    n = sizes.labelled[job.l]
    if job.stage in FITS:
        epochs = config[job.stage]["epochs"]
        trained = epochs * images_an_epoch(n, config["batch_size"], config["budget"], sizes.n_labelled)
        seen = cached_views(config, views) if job.stage == "classify" else 0
        encoded = seen * n + (sizes.n_valid if seen else 0)
        return Work(epochs, trained, encoded, sizes.n_valid, sizes.n_test)
    encoded = 0 if job.stage == PIXELS else n + sizes.n_valid + sizes.n_test
    return Work(0, 0, encoded, sizes.n_valid, sizes.n_test, fitted=n)


def images_an_epoch(n: int, batch_size: int, budget: str, n_full: int) -> int:
    """Training images of an epoch over `n`; with a budget of steps, as many batches as `n_full` have.

    A last batch of one image is left out, which BatchNorm cannot normalise.
    """
    if budget == "steps":
        return -(-n_full // batch_size) * batch_size
    return n - (n > batch_size and n % batch_size == 1)


def cached_views(config: Mapping, views: int | str | None = None) -> int:
    """Views whose features a classifier computes once; 0 where it sees new images every epoch (see `CachedViews`)."""
    views = config["classify"]["views"] if views is None else views
    views = AUTO_VIEWS if views == "auto" else views
    return 0 if views == "fresh" or config["classify"]["epochs"] <= views else int(views)


def _unlabelled(job: Job, sizes: Sizes) -> int:
    return sizes.unlabelled[job.u, job.l]
