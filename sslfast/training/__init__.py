"""What makes a fit: the Learner, its callbacks, metrics, precision, checkpoints."""
