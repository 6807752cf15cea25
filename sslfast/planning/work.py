"""How many images each job of a study processes: arithmetic over the config and the sizes of its splits."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..study.base_nets import base_of, encoders_of, teacher_of
from ..study.depends import job_settings
from ..study.grid import Job
from ..study.length import FULL, Length, length_of
from ..study.limits import AUTO_VIEWS, N_STATISTICS
from ..study.names import PIXELS, RANDOM, SHUFFLED
from ..study.stage_table import STAGES, evaluations
from ..study.study import Study

__all__ = ["Sizes", "Work", "cached_views", "is_base", "work_of"]


@dataclass(frozen=True)
class Sizes:
    """How many images a study has. `labelled`: by l; `unlabelled`: by (u, l), where l is None if one encoder serves
    all.

    `n_pool`: all that can be pre-trained on; `n_labelled`: all that have a label. They are those of the study's first
    seed; other seeds can differ by an image a class (see `Split.labelled`).
    """

    n_valid: int
    n_test: int
    n_pool: int
    n_labelled: int
    labelled: Mapping[str, int]
    unlabelled: Mapping[tuple[str, str | None], int]


@dataclass(frozen=True)
class Work:
    """Images that a job processes. `epochs`: rounds, each of which ends with all of `valid` (see `Length`).

    `trained`: images seen in training, over all rounds; `encoded`: by a frozen encoder, once, each view counted;
    `valid` and `test`: images of these sets that it looks at (once an epoch, and once); `fitted`: labelled
    images that `linear`, `knn` or `pixels` is fitted to.
    """

    epochs: int = 0
    trained: int = 0
    encoded: int = 0
    valid: int = 0
    test: int = 0
    fitted: int = 0


def work_of(job: Job, study: Study, sizes: Sizes, views: int | str | None = None) -> Work:
    """The images that `job` processes. `views`: what `classify.views` means for its encoder (see `resolve_views`)."""
    if job.rule == "shuffle":
        n = sizes.n_pool if job.u == "0" else _unlabelled(job, sizes)
        return Work(encoded=min(n, N_STATISTICS), valid=sizes.n_valid)
    if job.stage == "pretrain":
        if job.u == "0":  # nothing trains it
            return Work(encoded=_features(job, study, sizes), valid=sizes.n_valid)
        fit = job_settings(study, job)
        n = _unlabelled(job, sizes)
        length = length_of(job.stage, fit, study.budget, n, fit["batch_size"], job.length)
        return Work(length.rounds, length.images(n), _taught(job, study, sizes), sizes.n_valid)
    if job.l is None:
        return Work()
    n, ready = sizes.labelled[job.l], base_of(study, job.method or "") is not None
    if STAGES[job.stage].trains:
        fit = job_settings(study, job)
        length = length_of(job.stage, fit, study.budget, n, study.batch_size)
        seen = cached_views(study, length, n, views) if job.stage == "classify" and not ready else 0
        encoded = seen * n + (sizes.n_valid if seen else 0) + _ready(job, study, sizes)
        return Work(length.rounds, length.images(n), encoded, sizes.n_valid, sizes.n_test)
    n_valid = min(n, sizes.n_valid)  # as many as it has labels to choose by
    encoded = 0 if job.stage == PIXELS or ready else n + n_valid + sizes.n_test
    encoded += _ready(job, study, sizes)
    return Work(0, 0, encoded, n_valid, sizes.n_test, fitted=n)


def cached_views(study: Study, length: Length, n: int, views: int | str | None = None) -> int:
    """Views whose features a classifier over `n` images computes once (see `CachedViews`), or 0: it sees new images."""
    views = study.classify["views"] if views is None else views
    if views == "fresh":
        return 0
    number = AUTO_VIEWS if views == "auto" else int(views)
    return 0 if length.passes(n) <= number else number


def is_base(job: Job) -> bool:
    """Whether it is of a base net as it is, whose features all jobs share."""
    return job.u == "0" and job.method != RANDOM and not (job.method or "").startswith(SHUFFLED)


def _features(job: Job, study: Study, sizes: Sizes) -> int:
    """Images that go through a base net, a seed's share of them, without those counted as `valid`; 0 for other
    encoders.

    Each job computes the features that it needs, and keeps them for all; here the jobs that make the encoders are said
    to compute them, which gives the same sum. Seeds label and validate on images of their own, some of which coincide.
    """
    if not is_base(job):
        return 0
    n_seeds, n_valid = len(study.seeds), sizes.n_valid
    images = _different(sizes.labelled[study.labelled[-1]] + n_valid, sizes.n_labelled + n_valid, n_seeds)
    return max(0, round((images + sizes.n_test) / n_seeds) - n_valid)


def _taught(job: Job, study: Study, sizes: Sizes) -> int:
    """Images that go through a teacher, a seed's share of them. They do so once for all encoders that learn from it, so
    they are counted with those that see most images; 0 for the others."""
    most = job.u == study.unlabelled[-1] and job.l in (None, study.labelled[0]) and job.length == FULL
    if teacher_of(study, job.method or "") is None or not most:
        return 0
    if job.encoder != encoders_of(study, job.method or "")[0]:
        return 0
    n_seeds = len(study.seeds)
    images = _different(_unlabelled(job, sizes) + sizes.n_valid, sizes.n_pool + sizes.n_valid, n_seeds)
    return round(images / n_seeds)


def _different(n: int, known: int, n_seeds: int) -> float:
    """How many of `known` images are among those of any of `n_seeds` seeds, each of which draws `n`."""
    return known * (1 - (1 - min(1.0, n / known)) ** n_seeds)


def _ready(job: Job, study: Study, sizes: Sizes) -> int:
    """Images that go through a base net that was shuffled or trained further. They do so once for all cells over it, so
    they are counted with one of these; 0 for the others."""
    if base_of(study, job.method or "") is None or is_base(job) or job.l is None:
        return 0
    known, only = evaluations(), study.evaluate_only
    over = [known[name] for name in study.evaluate if job.method in only.get(name, [job.method])]
    first = next((stage.name for stage in over if stage.frozen), None)
    return sizes.n_test + sizes.labelled[job.l] if (job.stage, job.l) == (first, study.labelled[-1]) else 0


def _unlabelled(job: Job, sizes: Sizes) -> int:
    return sizes.unlabelled[job.u or "0", job.l]
