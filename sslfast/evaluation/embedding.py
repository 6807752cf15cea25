"""A map of features to look at: images that the encoder finds alike stand close together."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from ..seeds import derive_seed

__all__ = ["embed_2d"]

FEW = 10  # images, below which neighbourhoods mean nothing
PERPLEXITY, DIMENSIONS = 30, 50


def embed_2d(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Places float32 `[N, 2]` of images with features `[N, D]`: t-SNE, or PCA below ten different images.

    For up to about 1,000 images (seconds). Features are scaled to length 1, as in `knn`, and reduced to 50 dimensions
    by PCA, where t-SNE starts too. Distances between groups, and their sizes, mean little.

    Source: van der Maaten and Hinton 2008; starts by PCA as Kobak and Berens 2019 advise.
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
    x = np.pad(x, ((0, 0), (0, max(0, 2 - x.shape[1]))))  # a single feature has a single dimension
    return TSNE(init="pca", perplexity=perplexity, random_state=random_state).fit_transform(x).astype(np.float32)
