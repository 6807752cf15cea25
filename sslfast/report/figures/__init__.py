"""The report's figures, from the analysis' tables. Each returns a `Drawing`."""

from .amounts import data_needed
from .confusion import confusion
from .controls import against_controls
from .curves import against_unlabelled, in_training, training_curves
from .embeddings import embeddings
from .evaluations import across_evaluations
from .forest import self_supervised_against_supervised
from .inventions import inventions
from .pictures import mistakes, reconstructions
from .score_map import score_map
from .style import METRIC_NAMES, Drawing, write_figure
from .times import time_to_threshold, wall_clock

__all__ = [
    "METRIC_NAMES",
    "Drawing",
    "across_evaluations",
    "against_controls",
    "against_unlabelled",
    "confusion",
    "data_needed",
    "embeddings",
    "in_training",
    "inventions",
    "mistakes",
    "reconstructions",
    "score_map",
    "self_supervised_against_supervised",
    "time_to_threshold",
    "training_curves",
    "wall_clock",
    "write_figure",
]
