"""Linear probe: how well a linear classifier separates the classes in feature space."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ..errors import ConfigError, DataError, shown
from .encoding import Encoded, Scores

__all__ = ["PENALTIES", "linear_probe"]

PENALTIES = (10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4)
MAX_ITERATIONS = 1000
CONVERGED = 1e-4  # gradient of the mean loss at which a fit ends; with ten times this, accuracy is 0.25 points lower
CHOOSING = 1e-3  # the same while penalties are compared: enough for that, in a third of the time
PATIENCE = 2  # penalties worse than the best, after which the search ends


def linear_probe(
    encoded: Encoded,
    penalties: float | Sequence[float] = PENALTIES,
    device: object = "cpu",
) -> Scores:
    """Probabilities of multinomial logistic regression on standardised features, trained on the labelled images.

    The objective is mean cross-entropy + `penalty` / 2 · ‖weights‖², minimised by L-BFGS. `penalties` are tried from
    the strongest to the weakest, each fit starting at the last one's weights, until two were worse than the best. The
    penalty with the highest accuracy on the validation images (of equal ones, the strongest) is then trained to
    convergence. A class without a labelled image has probability 0. Runs on the CPU, whatever the `device`.

    `notes`: `penalty`, `valid_accuracy`, `iterations`, `converged` (within 1,000 iterations), and `at_end`: whether the
    penalty is the strongest or the weakest of the list. Raises `DataError` if all labelled images are of one class,
    `ConfigError` without `penalties`.

    Source: Alain and Bengio 2016, linear classifier probes; the penalty as in Kornblith et al. 2019.
    """
    wanted = [penalties] if isinstance(penalties, int | float | np.number) else list(penalties)
    if not wanted or not all(penalty > 0 for penalty in wanted):
        raise ConfigError(f"penalties: found {shown(wanted)}, expected numbers above 0")
    present = np.unique(encoded.train_y)
    if len(present) < 2:
        raise DataError(f"labels: found images of {len(present)} classes, expected two or more; label more images")
    mean, std = _statistics(encoded.train)
    train, valid, test = (_standardised(x, mean, std) for x in (encoded.train, encoded.valid, encoded.test))
    model = LogisticRegression(max_iter=MAX_ITERATIONS, warm_start=True)

    def fit(penalty: float, tolerance: float) -> float:
        # scikit-learn's objective is a sum over images, not a mean
        model.set_params(C=1 / (penalty * len(train)), tol=tolerance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the notes say whether it converged
            model.fit(train, encoded.train_y)
        return float((model.predict(valid) == encoded.valid_y).mean())

    best: tuple[float, float, np.ndarray, np.ndarray] | None = None
    worse = 0
    for penalty in sorted(wanted, reverse=True):
        accuracy = fit(penalty, CHOOSING)
        if best is None or accuracy > best[0]:
            best, worse = (accuracy, penalty, model.coef_, model.intercept_), 0
        worse += accuracy < best[0]
        if worse == PATIENCE:  # weaker penalties take longest
            break
    if best is None:
        raise ConfigError("penalties: found none, expected one or more")
    _, penalty, model.coef_, model.intercept_ = best
    accuracy, iterations = fit(penalty, CONVERGED), int(model.n_iter_.max())
    of_valid, of_test = (_of_all(model.predict_proba(x), present, encoded.n_classes) for x in (valid, test))
    notes = {
        "penalty": penalty,
        "valid_accuracy": accuracy,
        "iterations": iterations,
        "converged": iterations < MAX_ITERATIONS,
        "at_end": penalty in (max(wanted), min(wanted)),
    }
    return Scores(of_valid, of_test, notes)


def _statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each feature, float32; the deviation of a constant feature is 1."""
    mean = x.mean(axis=0, dtype=np.float64)
    parts = np.array_split(x, -(-len(x) // 4096))  # a float64 copy of all would be the largest thing in memory
    std = np.sqrt(sum(np.square(part - mean).sum(axis=0) for part in parts) / len(x))
    # rounding gives a constant feature a deviation slightly above 0
    constant = std <= 1e-6 * np.abs(mean) + 1e-12
    return mean.astype(np.float32), np.where(constant, 1, std).astype(np.float32)


def _standardised(x: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    z = x - mean
    z /= std
    return z


def _of_all(probabilities: np.ndarray, present: np.ndarray, n_classes: int) -> np.ndarray:
    """`[N, len(present)]` → `[N, n_classes]`, with 0 for classes without a labelled image."""
    scores = np.zeros((len(probabilities), n_classes), np.float32)
    scores[:, present] = probabilities
    return scores
