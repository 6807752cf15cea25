"""The runs that a study repeats with less training, to see whether its verdict depends on the length of training."""

import math
from dataclasses import dataclass

from .base_nets import learns
from .length import HALF, PASSES
from .stage_table import evaluations, first_to_judge
from .study import Study

__all__ = ["Shorter", "share_of", "shorter_runs", "why_not"]

FEWEST_SEEDS = 3  # no verdict is settled with fewer, so there would be nothing to check
AT_MOST = 0.2  # of a study's time, these runs included
# Times of a head and of pre-training, a baseline's being 1: measured with `original` and `conv` on a CPU (benchmarks/).
HEAD, PRETRAIN = 0.4, 0.3


@dataclass(frozen=True)
class Shorter:
    """Which runs are repeated with less training, for each of `seeds`, `methods` and encoders.

    Half as long: the encoder of the `most` unlabelled images (empty if no method learns), or an existing net as it is,
    what `evaluation` builds over it, and the baseline, at each of `labelled`. With as many passes over its images as
    the encoder of `most` makes: the encoder of each of `fewer` unlabelled images, evaluated at the `fewest` labels.
    `methods` leaves out a net that is not trained if what is built over it is not trained either. All fractions are
    canonical text.
    """

    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    labelled: tuple[str, ...]
    most: str
    fewer: tuple[str, ...]
    evaluation: str

    @property
    def fewest(self) -> str:
        """The smallest labelled fraction."""
        return self.labelled[0]


def shorter_runs(study: Study) -> Shorter | None:
    """The shorter runs of `study`; None where it has none."""
    if why_not(study):
        return None
    labelled = study.labelled
    *fewer, most = [u for u in study.unlabelled if u != "0"] or [""]
    return Shorter(
        methods=(*_learning(study), *_trained_over(study)),
        seeds=study.seeds[: _n_seeds(study)],
        labelled=tuple(dict.fromkeys([labelled[0], labelled[-1]])),
        most=most,
        fewer=tuple(fewer) if study.budget == "updates" else (),  # passes are equal already where epochs are counted
        evaluation=_evaluation(study),
    )


def why_not(study: Study) -> str:
    """Why `study` has no shorter runs, as a clause; nothing where it has them."""
    if not study.check_length:
        return "it was switched off (check_length in the config)"
    learning, frozen = _learning(study), _frozen(study)
    if not learning and not frozen:
        return "nothing is pre-trained, so there is one arm only"
    if len(study.seeds) < FEWEST_SEEDS:
        return f"it takes {FEWEST_SEEDS} seeds"
    judged = evaluations()[_evaluation(study)]
    fits = {"supervised", *([judged.section] if judged.trains else []), *learning}
    short = [name for name in sorted(fits) if _amount(study, name) == 1]
    return f"{short[0]} is trained for one {study.budget[:-1]}, of which there is no half" if short else ""


def share_of(length: str, stage: str, u: str | None, most: str) -> float:
    """The share of the study's own length for which `stage` trains in a run called `length`.

    `u`: its unlabelled fraction, `most`: the study's largest.
    """
    if length == HALF:
        return 0.5
    return float(u) / float(most) if length == PASSES and stage == "pretrain" and u else 1.0


def _learning(study: Study) -> list[str]:
    """The methods that learn from unlabelled images, where the study has any."""
    return [name for name in study.methods if learns(study, name) and study.unlabelled != ("0",)]


def _frozen(study: Study) -> list[str]:
    """The existing nets, as they are."""
    return [name for name in study.methods if not learns(study, name)]


def _trained_over(study: Study) -> list[str]:
    """The existing nets that something is trained over, or that are fine-tuned."""
    return _frozen(study) if evaluations()[_evaluation(study)].trains else []


def _evaluation(study: Study) -> str:
    return study.judged_by or first_to_judge(study.evaluate) or ""


def _amount(study: Study, name: str) -> int | str:
    settings = study.variants.get(name) or study.section(name)
    return settings[study.budget]


def _n_seeds(study: Study) -> int:
    """How many seeds have shorter runs: as many as take at most a fifth of all the study's time, and at least one.

    The unit of time is one seed's baselines at all labels; those at the fewest and the most labels count as if they
    took all of it.
    """
    us = [float(u) for u in study.unlabelled if u != "0"]
    ways, nets = len(_learning(study)), len(_trained_over(study))
    control, n_seeds = "0" in study.unlabelled, len(study.seeds)
    whole = 1 + HEAD * (ways * len(us) + nets + control) + PRETRAIN * ways * len(us)
    half = (1 + ways * (HEAD + PRETRAIN) + nets * HEAD) / 2
    passes = ways and ways * (PRETRAIN * sum(us[:-1]) / us[-1] + HEAD * len(us[:-1]) / len(study.labelled))
    return max(1, min(n_seeds, math.floor(AT_MOST / (1 - AT_MOST) * n_seeds * whole / (half + passes))))
