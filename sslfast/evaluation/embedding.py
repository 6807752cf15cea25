"""A map of images in two dimensions: images with similar features are close together."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from ..seeds import derive_seed

__all__ = ["embed_2d"]

FEW = 10  # with fewer different images, neighbourhoods mean nothing
PERPLEXITY, DIMENSIONS = 30, 50


def embed_2d(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Positions float32 `[N, 2]` of images with features `[N, D]`, by t-SNE, or by PCA below ten different images.

    Takes seconds for up to about 1,000 images. Features are scaled to length 1, as in `knn`, and reduced to 50
    dimensions by PCA, which also gives the initial positions. Distances between groups, and the sizes of groups, mean
    little.

    Source: van der Maaten and Hinton 2008, t-SNE; Kobak and Berens 2019 for the initial positions.
    """
    x = normalize(features).astype(np.float32) if len(features) else np.zeros((0, 1), np.float32)
    different = len(np.unique(x, axis=0))
    if different < 2:
        return np.zeros((len(x), 2), np.float32)
    random_state = derive_seed(seed, "embedding") % 2**32
    x = PCA(min(DIMENSIONS, *x.shape), svd_solver="full").fit_transform(x)
    if different < FEW:
        return np.pad(x, ((0, 0), (0, 2)))[:, :2].astype(np.float32)
    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    x = np.pad(x, ((0, 0), (0, max(0, 2 - x.shape[1]))))  # a single feature gives one dimension; t-SNE needs two
    return TSNE(init="pca", perplexity=perplexity, random_state=random_state).fit_transform(x).astype(np.float32)
