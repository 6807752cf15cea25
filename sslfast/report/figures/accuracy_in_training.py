"""The higher a line, and the earlier, the better an encoder serves its classifier.

Accuracy on validation images in the course of the classifier's training, one panel per number of labels, one
line per unlabelled fraction, the supervised baseline dashed. Means over seeds. It does not show test scores.
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
