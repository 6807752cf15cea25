"""Differences paired by seed, with variances moderated over the numbers of labels: a moderated t test with a trend.

Three to five seeds say little about the spread of one difference, so its own t interval is valid, but wide. A study has
the same difference at several numbers of labels, and its spread changes gradually over them. Therefore each variance is
shrunk towards a trend over the numbers of labels (Smyth 2004, Linear models and empirical Bayes methods; the trend as
in limma), but never below its own value, so a number of labels above the trend keeps its variance. Amounts of
unlabelled data do not share variances, since the largest amount, on which verdicts rest, may vary more than the others.
`sslfast.analysis.simulate` shows that the error rates hold.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special  # not stats, which takes half a second to import

from .intervals import MIN_SEEDS

__all__ = ["MIN_LEVELS", "Paired", "moderated", "suspects"]

MIN_LEVELS = 3  # with fewer numbers of labels there is no trend, and each difference has its own variance
WEIGHT = 3.0  # weight of the trend, in degrees of freedom
CAUTION = 0.95  # factor on the degrees of freedom, since the delta method gives a few too many where p is small
STEPS = 30  # iterations to fit a trend of two coefficients
FAR = 8.0  # a run is suspect if it is so many robust standard deviations from the median,
FAR_POINTS = 0.05  # and at least so far


@dataclass(frozen=True)
class Paired:
    """Mean differences over seeds; all fields are arrays of one shape.

    `mean`; its standard error `se`, NaN below three seeds and if all seeds are identical; degrees of freedom `free`;
    number of seeds `n`.
    """

    mean: np.ndarray
    se: np.ndarray
    free: np.ndarray
    n: np.ndarray

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """`(low, high)` of two-sided t intervals, cut to −1 to 1, the range of differences of scores."""
        half = special.stdtrit(self.free, (1 + level) / 2) * self.se
        return np.clip(self.mean - half, -1, 1), np.clip(self.mean + half, -1, 1)

    def above(self, than: float = 0.0) -> np.ndarray:
        """One-sided p-values of 'the true mean is not above `than`'."""
        return special.stdtr(self.free, (than - self.mean) / self.se)

    def below(self, than: float = 0.0) -> np.ndarray:
        """One-sided p-values of 'the true mean is not below `than`'."""
        return special.stdtr(self.free, (self.mean - than) / self.se)

    def two_sided(self) -> np.ndarray:
        """p-values of 'the true mean is 0'."""
        return 2 * special.stdtr(self.free, -np.abs(self.mean / self.se))

    def within(self, delta: float) -> np.ndarray:
        """p-values of 'the true mean lies outside ± `delta`' (two one-sided tests)."""
        return np.maximum(self.above(-delta), self.below(delta))

    def with_variance(self, variance: np.ndarray) -> "Paired":
        """These differences with a known `variance` added to that over seeds; degrees of freedom by Satterthwaite."""
        ours = self.se**2
        total = ours + variance
        with np.errstate(invalid="ignore", divide="ignore"):
            free = np.where(total > 0, self.free * (total / ours) ** 2, self.free)
        return Paired(self.mean, np.sqrt(total), np.minimum(free, 1e6), self.n)


def moderated(
    differences: np.ndarray, n_labelled: np.ndarray | None = None, suspect: np.ndarray | None = None
) -> Paired:
    """The means over seeds of `differences` `[S, L, K]` (seeds, numbers of labels, comparisons), as `Paired` `[L, K]`.

    A missing pair is NaN and affects its own comparison only. `n_labelled` `[L]`: the numbers of labels; with None, or
    fewer than three, each difference has its own variance (a plain paired t test). `suspect` `[S, L, K]`: outliers (see
    `suspects`); a comparison with one keeps its own variance and has no part in the trend.

    The variance of any other comparison is (3 · trend + (n − 1) · own) / (n + 2), or its own if that is larger. Each of
    the K comparisons has its trend, log-linear in the number of labels. The degrees of freedom are those of a weighted
    sum of variances.
    """
    known = np.isfinite(differences)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, differences, 0).sum(axis=0) / np.where(n, n, np.nan)
        own = (np.where(known, differences - mean, 0.0) ** 2).sum(axis=0) / np.where(n > 1, n - 1, np.nan)
        own = np.where(own > 1e-18, own, np.nan)  # identical in all seeds, which says nothing about chance
    variance, free = own.copy(), np.maximum(n - 1.0, 1)
    lends = np.isfinite(own) & (n >= MIN_SEEDS)
    if suspect is not None:
        lends &= ~suspect.any(axis=0)
    if n_labelled is not None:
        for levels in np.unique(lends, axis=1).T:
            if levels.sum() < MIN_LEVELS:
                continue
            at = np.ix_(levels, (lends == levels[:, None]).all(axis=0))
            trend, hat = _trend(np.log(n_labelled[levels]), own[at])
            lent = WEIGHT / (n[at] + WEIGHT - 1)
            variance[at] = np.maximum(lent * trend + (1 - lent) * own[at], own[at])
            free[at] = _degrees(n[at], hat, lent)
    se = np.sqrt(variance / np.maximum(n, 1))
    return Paired(mean, np.where(n >= MIN_SEEDS, se, np.nan), free, n)


def suspects(scores: np.ndarray) -> np.ndarray:
    """Which runs of `scores` `[S, L, K]` are outliers: too far from the other seeds of their cell to be chance.

    An outlier is more than five points and more than eight robust standard deviations from the median of its cell. The
    standard deviation is the largest of three: that of the cell, that of all runs with as many labels, and half that of
    all runs. So a run that collapsed without an error is an outlier, and a run of an arm that always varies much is
    not. Outliers are not left out of any result.
    """
    with np.errstate(invalid="ignore"):
        away = np.abs(scores - _median(scores, (0,)))
        spreads = (_median(away, (0,)), _median(away, (0, 2)), _median(away, (0, 1, 2)) / 2)
        limit = FAR * 1.4826 * np.maximum.reduce(np.broadcast_arrays(*spreads))
        return away > np.maximum(limit, FAR_POINTS)


def _median(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The median over `axes` (kept, with length 1), NaN ignored; 0 if all values are NaN."""
    stay = [i for i in range(values.ndim) if i not in axes]
    flat = np.sort(values.transpose(*stay, *axes).reshape(*(values.shape[i] for i in stay), -1), axis=-1)  # NaN last
    n = np.isfinite(flat).sum(axis=-1, keepdims=True)
    middle = [np.take_along_axis(flat, np.clip(k, 0, flat.shape[-1] - 1), -1) for k in ((n - 1) // 2, n // 2)]
    found = np.where(n > 0, (middle[0] + middle[1]) / 2, 0.0)
    return found.reshape([1 if i in axes else size for i, size in enumerate(values.shape)])


def _trend(x: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trends of the variances `own` `[L, K]`, log-linear in `x` `[L]`: fitted variances `[L, K]`, hat matrix `[L, L]`.

    A gamma regression, since a fit to the logarithms would be biased for variances of few degrees of freedom.
    """
    design = np.stack([np.ones_like(x), x - x.mean()], axis=1)
    hat = design @ np.linalg.pinv(design)
    fitted = np.broadcast_to(np.log(own.mean(axis=0)), own.shape)
    for _ in range(STEPS):  # iteratively reweighted least squares: with this link all weights are the same
        fitted = hat @ (fitted + np.clip(own / np.exp(fitted) - 1, -1, 1))
    return np.exp(fitted), hat


def _degrees(n: np.ndarray, hat: np.ndarray, lent: np.ndarray) -> np.ndarray:
    """Degrees of freedom of the moderated variances, `[L, K]`, by the delta method (Satterthwaite 1946)."""
    kept = 1 - lent
    among = lent**2 * (hat**2).sum(axis=1)[:, None]
    itself = 2 * kept * lent * np.diag(hat)[:, None]
    return CAUTION * np.minimum((n - 1) / (kept**2 + among + itself), n + WEIGHT - 1)
