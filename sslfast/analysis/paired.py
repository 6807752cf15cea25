"""Differences paired by seed, where comparisons of one kind lend each other their variance: a trended, moderated t.

Three to five seeds say little about the spread of one difference: its own t interval is honest, and wide. A study has
the same difference at several numbers of labels, over which its spread hardly jumps. So each variance is drawn towards
a trend over them (Smyth 2004, Linear models and empirical Bayes methods; the trend as in limma), and never below
itself: a number of labels that is off the trend keeps its own. Amounts of unlabelled data lend each other nothing, for
the largest, of which verdicts are, may vary more than the others. `sslfast.analysis.simulate` shows what it holds.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special  # not stats, which takes half a second to import

from .intervals import MIN_SEEDS

__all__ = ["MIN_LEVELS", "Paired", "moderated", "suspects"]

MIN_LEVELS = 3  # numbers of labels, below which there is no trend: then each difference has its own variance
WEIGHT = 3.0  # of the trend, in degrees of freedom
CAUTION = 0.95  # of the degrees of freedom: for small p the delta method promises a few too many
STEPS = 30  # of Newton's method, for a trend of two coefficients
FAR = 8.0  # robust standard deviations from the median, beyond which a run is suspect
FAR_POINTS = 0.05  # and at least so much


@dataclass(frozen=True)
class Paired:
    """Mean differences over seeds, arrays of one shape: `mean`, `se` (NaN below three seeds, or where all seeds are
    identical), degrees of freedom `free`, and the number of seeds `n`."""

    mean: np.ndarray
    se: np.ndarray
    free: np.ndarray
    n: np.ndarray

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """`(low, high)` of two-sided t intervals, within −1 to 1, where differences of scores lie."""
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
        """With a known `variance` of the means beside that over seeds: degrees of freedom by Satterthwaite."""
        ours = self.se**2
        total = ours + variance
        with np.errstate(invalid="ignore", divide="ignore"):
            free = np.where(total > 0, self.free * (total / ours) ** 2, self.free)
        return Paired(self.mean, np.sqrt(total), np.minimum(free, 1e6), self.n)


def moderated(
    differences: np.ndarray, n_labelled: np.ndarray | None = None, suspect: np.ndarray | None = None
) -> Paired:
    """The means over seeds of `differences` `[S, L, K]` (seeds, numbers of labels, any comparisons): `[L, K]`.

    NaN for a missing pair, which costs its own comparison only. `n_labelled` `[L]`: None, or fewer than three numbers
    of labels, for plain paired t. Comparisons with a `suspect` run (`[S, L, K]`, see `suspects`) have their own
    variance, and lend it to none. Else a variance is (3 · trend + (n − 1) · own) / (n + 2), or its own if that is
    larger: the trend, one for each of K, is log-linear in the number of labels. Its degrees of freedom are those of a
    weighted sum of the variances.
    """
    known = np.isfinite(differences)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, differences, 0).sum(axis=0) / np.where(n, n, np.nan)
        own = (np.where(known, differences - mean, 0.0) ** 2).sum(axis=0) / np.where(n > 1, n - 1, np.nan)
        own = np.where(own > 1e-18, own, np.nan)  # identical in all seeds: nothing is known of chance
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
    """Which runs of `scores` `[S, L, K]` lie so far from the other seeds of their cell that chance does not explain it.

    More than five points from the median of their cell, and eight robust standard deviations: of the cell, of all runs
    with as many labels, and half that of all, whichever is largest. A run that collapsed and still ended well is such a
    one, and one of an arm that varies much is none. Nothing is left out for it.
    """
    with np.errstate(invalid="ignore"):
        away = np.abs(scores - _median(scores, (0,)))
        spreads = (_median(away, (0,)), _median(away, (0, 2)), _median(away, (0, 1, 2)) / 2)
        limit = FAR * 1.4826 * np.maximum.reduce(np.broadcast_arrays(*spreads))
        return away > np.maximum(limit, FAR_POINTS)


def _median(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The median over `axes`, which stay, of what is known; 0 where nothing is."""
    stay = [i for i in range(values.ndim) if i not in axes]
    flat = np.sort(values.transpose(*stay, *axes).reshape(*(values.shape[i] for i in stay), -1), axis=-1)  # NaN last
    n = np.isfinite(flat).sum(axis=-1, keepdims=True)
    middle = [np.take_along_axis(flat, np.clip(k, 0, flat.shape[-1] - 1), -1) for k in ((n - 1) // 2, n // 2)]
    found = np.where(n > 0, (middle[0] + middle[1]) / 2, 0.0)
    return found.reshape([1 if i in axes else size for i, size in enumerate(values.shape)])


def _trend(x: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances `own` `[L, K]` by log-linear trends in `x` `[L]`, and the hat matrix `[L, L]` of each.

    A gamma regression, whose fit is not biased as that to logarithms of variances of few degrees of freedom would be.
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
