"""The study's question in a notebook: the score of encoders against the number of labels, beside the labels alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import ceil

import numpy as np
import pandas as pd
from fastprogress.fastprogress import progress_bar

from .analysis.intervals import mean_interval, score_intervals
from .data.loaders import ImageDataLoaders, ImageLoaders, ImageRows
from .data.splits import Split, make_split
from .errors import ConfigError, shown
from .evaluation import Encoded, Scores, encode, knn, linear_probe
from .learners import supervised_learner
from .models import as_encoder
from .study.fractions import canonical
from .study.length import MOMENTS, enough_updates
from .training.metrics import scored

__all__ = ["LABELS_ALONE", "LabelCurve", "label_curve"]

LABELS_ALONE = "labels alone"
EVALUATIONS: dict[str, Callable[..., Scores]] = {"linear": linear_probe, "knn": knn}
LR, WEIGHT_DECAY = 3e-3, 0.1  # a study's own defaults


@dataclass(frozen=True)
class LabelCurve:
    """What `label_curve` found. `runs`: a row per fit, with `encoder`, `n_labelled`, `seed`, `macro_f1`, `accuracy`."""

    runs: pd.DataFrame

    def table(self, metric: str = "macro_f1") -> pd.DataFrame:
        """A row per encoder and number of labels: `mean` of `metric` with its 95 % interval `low`, `high`, `seeds`.

        `gain`, `gain_low`, `gain_high`: the difference to the labels alone, paired by seed, with its interval; NaN
        where these were left out. Intervals are NaN with fewer than three seeds.
        """
        if metric not in self.runs.columns:
            raise ConfigError(f"metric: found {shown(metric)}, expected macro_f1 or accuracy")
        rows = []
        for (encoder, n), part in self.runs.groupby(["encoder", "n_labelled"], sort=False):
            values = part.set_index("seed")[metric]
            low, high = score_intervals(values.mean(), values.sem(), np.array(len(values)))
            found = {"mean": values.mean(), "low": float(low), "high": float(high), "seeds": len(values)}
            alone = self.runs[(self.runs.encoder == LABELS_ALONE) & (self.runs.n_labelled == n)]
            if encoder != LABELS_ALONE and len(alone):
                gain = mean_interval(values - alone.set_index("seed")[metric])
                found |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
            rows.append({"encoder": encoder, "labels": n, **found})
        columns = ["encoder", "labels", "mean", "low", "high", "seeds", "gain", "gain_low", "gain_high"]
        return pd.DataFrame(rows).reindex(columns=columns)

    def plot(self, metric: str = "macro_f1", ax=None):
        """Draw means and intervals against the number of labels (logarithmic); returns the matplotlib axes."""
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained")[1] if ax is None else ax
        for encoder, rows in self.table(metric).groupby("encoder", sort=False):
            style = "--" if encoder == LABELS_ALONE else "-"
            (line,) = ax.plot(rows.labels, rows["mean"], style, marker="o", label=encoder)
            ax.fill_between(rows.labels, rows.low, rows.high, color=line.get_color(), alpha=0.15, linewidth=0)
        ax.set(xscale="log", xlabel="labels", ylabel=f"{metric}, test")
        ax.set_xticks(sorted(self.runs.n_labelled.unique()), labels=map(str, sorted(self.runs.n_labelled.unique())))
        ax.minorticks_off()
        ax.legend(frameon=False)
        return ax

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, float_format="{:.3f}".format, na_rep="")


def label_curve(
    dls: ImageLoaders,
    encoders: object,
    labelled: float | Sequence[float] = (0.02, 0.1, 0.5),
    seeds: int | Iterable[int] = 5,
    evaluate: str = "linear",
    baseline: str | None = "original",
    updates: int | None = None,
) -> LabelCurve:
    """What `encoders` score with so many labels, and what the labels alone do, on the test images of `dls`.

    `dls`: what `image_dls` gave. `encoders`: learners, modules or paths of saved encoders, by name, or one of them; a
    name like `conv` is an encoder that learned nothing. They stay frozen. `labelled`: fractions of the images that are
    not set aside for validation; for each, and each of `seeds` (a number, or the seeds), labels are drawn anew, the
    same for all encoders. `evaluate`: `linear` (logistic regression) or `knn`.

    `baseline`: the encoder of the network that is trained on the labels alone, as a study does it: `updates` by the
    number of labels (see `enough_updates`), or as many as you say, with the augmentation of `dls`. That takes most of
    the time; None leaves it out.

    Intervals are over draws of labels, and trainings of the baseline. The encoders are the same in all, so what another
    pre-training would give is not in them: a study (`snakemake`) repeats that, too. Test images decide nothing here;
    call it once, with what you decided on validation images. Raises `ConfigError` for what cannot be.

    Example: `label_curve(dls, {"simclr": learn}, labelled=[0.05, 0.2], seeds=3).plot()`
    """
    if not isinstance(dls, ImageLoaders):
        raise ConfigError(f"dls: found {type(dls).__name__}, expected what image_dls gave, all of it")
    if evaluate not in EVALUATIONS:
        raise ConfigError(f"evaluate: found {shown(evaluate)}, expected {' or '.join(EVALUATIONS)}")
    given = [labelled] if isinstance(labelled, int | float | np.number | str) else list(labelled)
    fractions = [float(canonical(fraction, "labelled")) for fraction in given]
    if not fractions or not min(fractions) > 0:
        raise ConfigError(f"labelled: found {shown(labelled)}, expected fractions above 0, up to 1")
    if isinstance(encoders, list | tuple):
        raise ConfigError(
            "encoders: found a list, expected one, or several by name: {'simclr': learn, 'random': 'conv'}"
        )
    if updates is not None and (isinstance(updates, bool) or not isinstance(updates, int | np.integer) or updates < 1):
        raise ConfigError(f"updates: found {shown(updates)}, expected a number of updates, 1 or more")
    named = dict(encoders) if isinstance(encoders, Mapping) else {"pre-trained": encoders}
    if LABELS_ALONE in named:
        raise ConfigError(f"encoders: found one called {LABELS_ALONE!r}, which is the baseline; call it otherwise")
    if not named:
        raise ConfigError("encoders: found none, expected one or more")
    chosen = list(range(seeds) if isinstance(seeds, int) else seeds)
    if not chosen:
        raise ConfigError(f"seeds: found {seeds}, expected one or more; three or more give intervals")
    splits = [make_split(dls.data, seed, dls.split.valid_fraction) for seed in chosen]
    shape = dls.classify.train_ds.image_shape
    if baseline:
        as_encoder(baseline, shape, 0)  # a name that is none ends here
    features = {name: _features(as_encoder(source, shape, 0), dls) for name, source in named.items()}
    names = [*named, LABELS_ALONE] if baseline else list(named)
    rows = []
    for name, split, fraction in progress_bar(list(product(names, splits, fractions))):
        if name == LABELS_ALONE and baseline:
            predicted = _alone(dls, split, fraction, baseline, updates)
        else:
            predicted = EVALUATIONS[evaluate](features[name](split, fraction)).test.argmax(1)
        about = {"encoder": name, "n_labelled": len(split.labelled(fraction)), "seed": split.seed}
        rows.append({**about, **scored(dls.data.test.y.numpy(), predicted)})
    return LabelCurve(pd.DataFrame(rows))


def _features(encoder, dls: ImageLoaders) -> Callable[[Split, float], Encoded]:
    """From a split and a fraction to the features of a cell; every image is encoded once."""
    data, device = dls.data, dls.test.device
    made = partial(encode, encoder, split=dls.split, device=device)
    train, test = (made(part, np.arange(len(part))) for part in (data.train, data.test))

    def cell(split: Split, fraction: float) -> Encoded:
        y, rows = data.train.y.numpy(), split.labelled(fraction)
        valid = split.valid[split.samples(len(rows))]  # no more labels to choose by than to train on
        return Encoded(train[rows], y[rows], train[valid], y[valid], test, len(data.classes))

    return cell


def _alone(dls: ImageLoaders, split: Split, fraction: float, encoder: str, updates: int | None) -> np.ndarray:
    """The classes that a network trained on the labels alone gives the test images."""
    rows, whole = split.labelled(fraction), dls.classify
    train, valid = (ImageRows(dls.data.train, part, split_idx=n) for n, part in enumerate((rows, split.valid)))
    n_batches = ceil((updates or enough_updates(len(rows))) / MOMENTS)
    loading = {"bs": min(whole.train.bs, len(rows)), "n_batches": n_batches, "seed": split.seed, "epoch": 0}
    own = ImageDataLoaders(whole.train.new(train, **loading), whole.valid.new(valid), device=dls.test.device)
    learn = supervised_learner(own, encoder, seed=split.seed)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(MOMENTS, LR, wd=WEIGHT_DECAY)
        scores, _ = learn.get_preds(dl=dls.test)
    return scores.argmax(1).numpy()
