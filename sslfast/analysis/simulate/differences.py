"""Are verdicts and intervals right, of contrasts with the baseline and of plateaus?"""

import zlib
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..comparisons import ALPHA, DELTA, paired_of, verdicts
from ..intervals import score_intervals
from ..paired import moderated, suspects
from ..plateau import plateaus_of
from ..power import detectable
from .worlds import Study, between_amounts, draw

__all__ = ["detected", "differences", "plateau_claims", "score_intervals_cover"]


def differences(study: Study) -> Iterator[tuple[str, bool]]:
    """Do intervals of primary comparisons cover the truth, is any verdict false, and how many are settled?"""
    for by, part in (("", _primary(study)), (" (plain t)", _primary(study, plain=True))):
        known = part[part.p.notna()]
        for row in known.itertuples():
            yield f"covers: difference{by}", row.low <= row.true <= row.high
        judged = verdicts(known, pd.Series(True, known.index), DELTA, ALPHA)
        wrong = [_wrong(row.outcome, row.true) for row in judged.itertuples()]
        yield f"false: better, worse or equal{by}", any(wrong)
        for row, mistaken in zip(judged.itertuples(), wrong, strict=True):
            yield f"settled: rightly{by}", row.outcome != "open" and not mistaken


def _primary(study: Study, plain: bool = False) -> pd.DataFrame:
    """The primary comparisons of a study, one row each, as in `compare`, with the `true` difference."""
    rows = []
    for grid in study.grids:
        base = grid.baseline[:, :, None]
        doubtful = suspects(grid.scores) | suspects(base)
        found = moderated(grid.scores - base, *(() if plain else (grid.n_labelled, doubtful)))
        found = found.with_variance(study.image_variance[grid.method])
        low, high = found.interval()
        true = study.truth[grid.method] - study.baseline[:, None]
        columns = {"true": true, "difference": found.mean, "se": found.se, "free": found.free, "n_seeds": found.n}
        columns |= {"low": low, "high": high, "p": found.two_sided()}
        rows.append(pd.DataFrame({name: values[:, -1] for name, values in columns.items()}))
    return pd.concat(rows, ignore_index=True)


def score_intervals_cover(study: Study) -> Iterator[tuple[str, bool]]:
    """Do intervals of scores cover the truth, for the baseline and each method with the most unlabelled images?"""
    if study.world.noise.test_images is not None:  # intervals of scores hold for these test images only
        return
    runs = [(study.baseline, study.grids[0].baseline)]
    runs += [(study.truth[grid.method][:, -1], grid.scores[:, :, -1]) for grid in study.grids]
    for true, scores in runs:
        n = np.isfinite(scores).sum(axis=0)
        mean = np.nansum(scores, axis=0) / np.maximum(n, 1)
        se = np.sqrt(np.nansum((scores - mean) ** 2, axis=0) / np.maximum(n - 1, 1) / np.maximum(n, 1))
        for value, low, high in zip(true, *score_intervals(mean, se, n), strict=True):
            if np.isfinite(low):
                yield "covers: score", low <= value <= high


def detected(study: Study) -> Iterator[tuple[str, bool]]:
    """Is a true difference as large as the smallest detectable one found in 80 % of studies?

    A second study of the same world stands for these studies; its difference at one number of labels is set to that
    size.
    """
    if study.world.noise.test_images is not None:
        return
    rng = np.random.default_rng(zlib.crc32(study.grids[0].scores.tobytes()))
    again = draw(study.world, len(study.grids[0].seeds), rng)
    said, found = (_primary(one) for one in (study, again))
    at = int(rng.integers(len(said)))
    least = detectable(said.se, said.free, ALPHA / len(said))[at]
    if not np.isfinite(least) or found.n_seeds[at] < said.n_seeds[at]:  # the promise is for as many seeds
        return
    found.loc[at, "difference"] += least - found.true[at]
    paired = paired_of(found)
    found = found.assign(p=paired.two_sided())
    judged = verdicts(found, found.p.notna(), DELTA, ALPHA)
    yield "holds: smallest detectable difference is found", judged.outcome[at] == "better"


def plateau_claims(study: Study) -> Iterator[tuple[str, bool]]:
    """Does any plateau begin too early? Is any smaller amount wrongly called better than the largest?"""
    n_curves = sum(len(grid.labelled) for grid in study.grids)
    early, better, named = [], [], []
    for grid in study.grids:
        true = study.truth[grid.method]
        variance = between_amounts(study.world.noise, true)
        curves = plateaus_of(grid.scores, grid.n_labelled, DELTA, ALPHA / n_curves, variance=variance)
        for i, found in enumerate(curves):
            if found is None:
                continue
            at = found.index
            named.append(at is not None)
            early.append(at is not None and at < true.shape[1] - 1 and _gain(true[i], at) > DELTA - 1e-9)
            better.append(found.better_inside is not None and true[i, found.better_inside] <= true[i, -1] + 1e-9)
    yield "false: plateau", any(early)
    yield "false: better inside", any(better)
    for is_named in named:
        yield "settled: plateau", is_named


def _gain(curve: np.ndarray, index: int) -> float:
    return float((curve[index + 1 :] - curve[index]).max())


def _wrong(outcome: str, true: float) -> bool:
    return {"better": true <= 1e-12, "worse": true >= -1e-12, "equal": abs(true) > DELTA - 1e-9}.get(outcome, False)
