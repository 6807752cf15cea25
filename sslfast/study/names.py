"""What evaluations and controls are called, in configs, records and tables. Light to import."""

__all__ = ["BASE", "PIXELS", "RANDOM", "SHUFFLED", "SUPERVISED", "WITHOUT_ENCODER"]

SUPERVISED, RANDOM, PIXELS = "supervised", "random", "pixels"  # the baseline and two controls
BASE = "base"  # the method of an arm that is an existing net, with weights from elsewhere
WITHOUT_ENCODER = (SUPERVISED, PIXELS)  # these use no unlabelled images, and have no u
SHUFFLED = "shuffled_"  # the control made of a method's encoder is called so, then as the method
