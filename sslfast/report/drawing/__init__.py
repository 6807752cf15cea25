"""What drawings share: how they look and are written, lines and panels, images side by side."""

from .style import METRIC_NAMES, Drawing, write_figure

__all__ = ["METRIC_NAMES", "Drawing", "write_figure"]
