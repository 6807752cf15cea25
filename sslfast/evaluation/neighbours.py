"""Weighted nearest neighbours: whether images of one class lie together, without training anything."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .encoding import Encoded, Scores

__all__ = ["NEIGHBOURS", "TEMPERATURE", "knn"]

NEIGHBOURS = (10, 20, 50, 100, 200)
TEMPERATURE = 0.07
BLOCK = 2**25  # similarities held at a time


def knn(
    encoded: Encoded,
    neighbours: Sequence[int] = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    device: str | torch.device = "cpu",
    k: int | None = None,
) -> Scores:
    """Class probabilities by the votes of the k most similar labelled images, each of weight exp(cosine / temperature).

    `k`, or that of `neighbours` (none above the number of labelled images) with the highest accuracy on the validation
    images, the largest of equals. Of labelled images that are equally similar, the first come first. `notes`: `k`,
    `temperature`, `valid_accuracy`. An image whose features are all 0 is equally far from all.

    Source: Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination (k = 200, 0.07).
    """
    ks = sorted({min(n, len(encoded.train)) for n in ((k,) if k else neighbours)}, reverse=True)
    bank, y = _unit(encoded.train, device), torch.from_numpy(encoded.train_y).to(device)
    valid, test = (
        _votes(_unit(x, device), bank, y, encoded.n_classes, ks, temperature) for x in (encoded.valid, encoded.test)
    )
    accuracy = [float((scores.argmax(1) == encoded.valid_y).mean()) for scores in valid]
    best = int(np.argmax(accuracy))
    notes = {"k": ks[best], "temperature": temperature, "valid_accuracy": accuracy[best]}
    return Scores(valid[best], test[best], notes)


def _votes(x: Tensor, bank: Tensor, y: Tensor, n_classes: int, ks: list[int], temperature: float) -> list[np.ndarray]:
    """For each k, float32 `[N, n_classes]`."""
    found = [torch.empty(len(x), n_classes, device=x.device) for _ in ks]
    at = 0
    for part in x.split(max(1, BLOCK // len(bank))):
        similarity, nearest = _nearest(part @ bank.T, ks[0])
        # relative to the most similar, so that no temperature makes all weights 0
        weights = ((similarity - similarity[:, :1]) / temperature).exp()
        classes = y[nearest]
        # a class at a time: scattering adds in another order every time on a GPU
        by_class = [weights * (classes == c) for c in range(n_classes)]
        for k, scores in zip(ks, found, strict=True):
            votes = torch.stack([w[:, :k].sum(1) for w in by_class], 1)
            scores[at : at + len(part)] = votes / votes.sum(1, keepdim=True)
        at += len(part)
    return [scores.cpu().numpy() for scores in found]


def _nearest(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row, falling, and their places; of equal ones the first (`topk` takes any)."""
    values, places = similarity.topk(min(k + 1, similarity.shape[1]))
    tied = (values[:, k - 1] == values[:, -1]).nonzero().squeeze(1) if values.shape[1] > k else places.new_empty(0)
    places = places[:, :k]
    if len(tied):
        rows, limit = similarity[tied], values[tied, -1:]
        above, equal = rows > limit, rows == limit
        room = k - above.sum(1, keepdim=True)
        places[tied] = (above | (equal & (equal.cumsum(1) <= room))).nonzero()[:, 1].view(-1, k)
    places = places.sort(1).values
    values, order = similarity.gather(1, places).sort(dim=1, descending=True, stable=True)
    return values, places.gather(1, order)


def _unit(x: np.ndarray, device: str | torch.device) -> Tensor:
    return F.normalize(torch.from_numpy(x).to(device))
