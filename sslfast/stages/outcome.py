"""How a classifier did on the test images."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score

from ..training.metrics import scored

__all__ = ["N_MISTAKES", "test_results"]

N_MISTAKES = 8


def test_results(true: np.ndarray, scores: np.ndarray, classes: Sequence[str]) -> tuple[np.ndarray, dict]:
    """Predicted classes `[N]`, uint8 or uint16, and what a record tells of them.

    `true` `[N]`; `scores` `[N, n_classes]`: softmax probabilities, or any others of which the highest wins.
    """
    predicted, confidence = scores.argmax(1), scores.max(1)
    labels = np.arange(len(classes))
    by_class = f1_score(true, predicted, labels=labels, average=None, zero_division=0)
    found = {
        **scored(true, predicted),
        "f1_by_class": by_class.tolist(),
        "confusion": confusion_matrix(true, predicted, labels=labels).tolist(),
        "classes": list(classes),
        "mistakes": _mistakes(true, predicted, confidence),
    }
    return predicted.astype(np.uint8 if len(classes) <= 256 else np.uint16), found


test_results.__test__ = False  # type: ignore[attr-defined] # not a test, whatever pytest thinks of its name


def _mistakes(true: np.ndarray, predicted: np.ndarray, confidence: np.ndarray) -> list[dict]:
    """The wrong predictions of highest confidence."""
    wrong = np.flatnonzero(true != predicted)
    first = wrong[np.argsort(-confidence[wrong], kind="stable")][:N_MISTAKES]
    columns = {"image": first, "true": true[first], "predicted": predicted[first], "confidence": confidence[first]}
    return [dict(zip(columns, row, strict=True)) for row in zip(*(c.tolist() for c in columns.values()), strict=True)]
