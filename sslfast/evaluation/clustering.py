"""Clustering: whether clusters of features, found without labels, agree with the classes."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import normalize

from ..errors import DataError
from ..seeds import derive_seed

__all__ = ["Clustering", "cluster"]

STARTS = 10


@dataclass(frozen=True)
class Clustering:
    """How well clusters agree with classes: accuracy under the best matching, and normalised mutual information (NMI).

    Both are from 0 to 1. `clusters` `[N]`: the cluster of each image, as the number of the class that it is matched
    with. With C classes of equal size, random clusters have an NMI near 0, and an accuracy a little above 1 / C, since
    the matching favours them.
    """

    accuracy: float
    nmi: float
    clusters: np.ndarray


def cluster(features: np.ndarray, y: np.ndarray, n_classes: int, seed: int = 0) -> Clustering:
    """k-means of features `[N, D]` with as many clusters as classes, and their agreement with the labels `y` `[N]`.

    The best of 10 starts (k-means++) counts; labels are used for measuring only. Features are first scaled to length 1,
    so that distances depend on direction, as in `knn`. Each cluster is matched with one class, so that as many images
    as possible agree. Images without a label (−1) are clustered, but not counted. With fewer images than classes, each
    image is a cluster. Raises `DataError` if no image has a label.

    Source: Xie et al. 2016, Unsupervised deep embedding for clustering analysis (accuracy by the Hungarian method).
    """
    known = y >= 0
    if not known.any():
        raise DataError("labels: found none, expected some images with a label to compare clusters with")
    k = min(n_classes, len(features))
    means = KMeans(k, n_init=STARTS, random_state=derive_seed(seed, "k-means") % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # raised if there are fewer different images than clusters
        found = means.fit_predict(normalize(features))
    counts = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(counts, (found[known], y[known]), 1)
    _, matched = linear_sum_assignment(counts, maximize=True)
    clusters = matched[found]
    accuracy = float((clusters[known] == y[known]).mean())
    return Clustering(accuracy, float(normalized_mutual_info_score(y[known], found[known])), clusters)
