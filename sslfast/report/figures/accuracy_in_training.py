"""The higher a line is, and the earlier it rises, the better the encoder serves its classifier.

Accuracy on validation images while the classifier trains, as means over seeds: one panel per number of labels, one line
per unlabelled fraction, the supervised baseline dashed. It does not show test scores.
"""

from ..drawing.training import best_of_the_grid, caption, in_training, training_curves
from ..figure import Figure

__all__ = ["FIGURE"]

FIGURE = Figure(
    heading="Accuracy in training",
    part="training",
    place=1,
    category="Accuracy",
    says=lambda m: len(training_curves(m.whole.history, m.whole.cells, "accuracy")) > 0,
    draw=lambda m: in_training(m.shown.history, m.shown.cells, "accuracy"),
    numbers=lambda m: training_curves(m.shown.history, m.shown.cells, "accuracy"),
    caption=lambda m: caption(m, best_of_the_grid(m.whole.cells, m.whole.settings.metric)),
)
