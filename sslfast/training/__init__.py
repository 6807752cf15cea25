"""What a fit consists of: the Learner, its callbacks, losses, metrics, precision, checkpoints."""
