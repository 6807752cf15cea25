"""The data sets that a config can name, told without torch."""

__all__ = ["DATASETS", "NAMED", "STL10_SIZE"]

NAMED = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "svhn", "stl10")
DATASETS = (*NAMED, "folder")
STL10_SIZE = 96  # pixels
