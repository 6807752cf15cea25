"""What evaluations and controls are called, in configs, records and tables. Light to import."""

__all__ = ["EVALUATIONS", "JUDGED_BY", "PIXELS", "RANDOM", "SHUFFLED", "SUPERVISED", "WITHOUT_ENCODER"]

# What is built over an encoder, and what the stage is called that does it.
EVALUATIONS = {"head": "classify", "linear": "linear", "knn": "knn", "finetune": "finetune"}
JUDGED_BY = ("head", "finetune", "linear", "knn")  # conclusions rest on the first of these that a study has
SUPERVISED, RANDOM, PIXELS = "supervised", "random", "pixels"  # the baseline and two controls
WITHOUT_ENCODER = (SUPERVISED, PIXELS)  # these use no unlabelled images, and have no u
SHUFFLED = "shuffled_"  # the control made of a method's encoder is called so, then as the method
