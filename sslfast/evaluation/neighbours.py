"""Weighted nearest neighbours: whether images of one class have similar features; nothing is trained."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ConfigError, shown
from .encoding import Encoded, Scores

__all__ = ["NEIGHBOURS", "TEMPERATURE", "knn"]

NEIGHBOURS = (10, 20, 50, 100, 200)
TEMPERATURE = 0.07
BLOCK = 2**25  # similarities in memory at a time


def knn(
    encoded: Encoded,
    neighbours: int | Sequence[int] = NEIGHBOURS,
    temperature: float = TEMPERATURE,
    device: str | torch.device = "cpu",
    k: int | None = None,
) -> Scores:
    """Class probabilities by the votes of the k most similar labelled images, each of weight exp(cosine / temperature).

    Without `k`, it is the one of `neighbours` with the highest accuracy on the validation images; of equal ones, the
    largest. k is at most the number of labelled images. Of equally similar labelled images, those that come first are
    taken. An image whose features are all 0 is equally similar to all. `notes`: `k`, `temperature`, `valid_accuracy`.

    Source: Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination (k = 200, 0.07).
    """
    wanted = neighbours if k is None else k
    wanted = [wanted] if isinstance(wanted, int | np.integer) else list(wanted)
    if not wanted or not all(isinstance(n, int | np.integer) and n >= 1 for n in wanted):
        raise ConfigError(f"neighbours: found {shown(wanted)}, expected numbers of images, 1 or more")
    ks = sorted({min(n, len(encoded.train)) for n in wanted}, reverse=True)
    bank, y = _unit(encoded.train, device), torch.from_numpy(encoded.train_y).to(device)
    valid, test = (
        _votes(_unit(x, device), bank, y, encoded.n_classes, ks, temperature) for x in (encoded.valid, encoded.test)
    )
    accuracy = [float((scores.argmax(1) == encoded.valid_y).mean()) for scores in valid]
    best = int(np.argmax(accuracy))
    notes = {"k": ks[best], "temperature": temperature, "valid_accuracy": accuracy[best]}
    return Scores(valid[best], test[best], notes)


def _votes(x: Tensor, bank: Tensor, y: Tensor, n_classes: int, ks: list[int], temperature: float) -> list[np.ndarray]:
    """The class probabilities for each k, float32 `[N, n_classes]`."""
    found = [torch.empty(len(x), n_classes, device=x.device) for _ in ks]
    at = 0
    for part in x.split(max(1, BLOCK // len(bank))):
        similarity, nearest = _nearest(part @ bank.T, ks[0])
        # relative to the most similar image, so that no temperature makes all weights 0
        weights = ((similarity - similarity[:, :1]) / temperature).exp()
        classes = y[nearest]
        # class by class: on a GPU, scattered additions have another order each time, so results would differ
        by_class = [weights * (classes == c) for c in range(n_classes)]
        for k, scores in zip(ks, found, strict=True):
            votes = torch.stack([w[:, :k].sum(1) for w in by_class], 1)
            scores[at : at + len(part)] = votes / votes.sum(1, keepdim=True)
        at += len(part)
    return [scores.cpu().numpy() for scores in found]


def _nearest(similarity: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest values of each row in descending order, and their columns; of equal ones, the first.

    torch's `topk` does not say which of equal values it takes.
    """
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
