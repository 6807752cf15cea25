"""The higher a line, and the earlier, the better an encoder serves its classifier.

Macro-F1 on validation images in the course of the classifier's training, one panel per number of labels, one
line per unlabelled fraction, the supervised baseline dashed. Means over seeds. It does not show test scores.
"""

from ..drawing.training import caption, in_training, training_curves
from ..figure import Figure

__all__ = ["FIGURE"]

ALIKE = "Macro-F1 counts every class alike, so it lies below accuracy where some classes are learned late."
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
