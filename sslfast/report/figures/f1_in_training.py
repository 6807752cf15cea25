"""The higher a line is, and the earlier it rises, the better the encoder serves its classifier.

Macro-F1 on validation images while the classifier trains, as means over seeds: one panel per number of labels, one line
per unlabelled fraction, the supervised baseline dashed. It does not show test scores.
"""

from ..drawing.training import caption, in_training, training_curves
from ..figure import Figure

__all__ = ["FIGURE"]

ALIKE = "Macro-F1 gives every class the same weight, so it is below accuracy where some classes are learned late."
FIGURE = Figure(
    heading="F1 in training",
    part="training",
    place=2,
    category="Accuracy",
    says=lambda m: len(training_curves(m.whole.history, m.whole.cells, "macro_f1")) > 0,
    draw=lambda m: in_training(m.shown.history, m.shown.cells, "macro_f1"),
    numbers=lambda m: training_curves(m.shown.history, m.shown.cells, "macro_f1"),
    caption=lambda m: caption(m, ALIKE),
)
