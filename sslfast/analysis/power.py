"""Statistical power: the smallest true difference that a study of this size would find."""

import functools

import numpy as np
from scipy import optimize, special  # not stats, which takes half a second to import

from .comparisons import ALPHA

__all__ = ["detectable"]

N_SPREADS = 24  # quantiles of what the true spread may be, over which the power is averaged


def detectable(se: np.ndarray, free: np.ndarray, alpha: np.ndarray | float = ALPHA, power: float = 0.8) -> np.ndarray:
    """The smallest true difference that a two-sided t test at `alpha` finds in a share `power` of studies like this.

    `se`: the standard error of the difference, estimated with `free` degrees of freedom; NaN gives NaN. Since the true
    standard error is not known, the power is averaged over what it may be (assurance; O'Hagan, Stevens & Campbell
    2005).
    """
    se, free, alpha = np.broadcast_arrays(np.asarray(se, float), free, alpha)
    effects = [_effect(round(f, 1), a, power) if np.isfinite(s) else np.nan
               for s, f, a in zip(se.ravel(), free.ravel().tolist(), alpha.ravel().tolist(), strict=True)]  # fmt: skip
    return se * np.reshape(effects, se.shape)


@functools.lru_cache(10_000)
def _effect(free: float, alpha: float, power: float) -> float:
    """The detectable difference in units of the standard error, by the noncentral t distribution."""
    limit = special.stdtrit(free, 1 - alpha / 2)
    chances = (np.arange(N_SPREADS) + 0.5) / N_SPREADS
    spread = np.sqrt(free / (2 * special.gammaincinv(free / 2, chances)))  # true over estimated

    def missing(effect: float) -> float:  # for large effects scipy gives NaN: there the power is 1
        return float(np.nan_to_num(1 - special.nctdtr(free, effect / spread, limit), nan=1.0).mean()) - power

    return optimize.brentq(missing, 1e-3, 1e4)
