"""Limits of training, here since a plan needs them without importing torch."""

__all__ = ["AUTO_VIEWS", "IN_MEMORY", "N_STATISTICS"]

AUTO_VIEWS = 8  # of an image, where `classify.views` is auto; fewer scored lower, benchmarks/same_scores.py
IN_MEMORY = 2**28  # bytes; a larger array is kept in a file
N_STATISTICS = 10_000  # unlabelled images that a shuffled encoder's BatchNorm sees
