"""The report's figures, from the analysis' tables. Each returns a `Drawing`."""

from .amounts import data_needed
from .curves import against_epochs, against_unlabelled, epoch_curves
from .forest import self_supervised_against_supervised
from .score_map import score_map
from .style import METRIC_NAMES, Drawing, write_figure
from .times import time_to_threshold, wall_clock

__all__ = [
    "METRIC_NAMES",
    "Drawing",
    "against_epochs",
    "against_unlabelled",
    "data_needed",
    "epoch_curves",
    "score_map",
    "self_supervised_against_supervised",
    "time_to_threshold",
    "wall_clock",
    "write_figure",
]
