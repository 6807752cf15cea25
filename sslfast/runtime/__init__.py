"""What surrounds a job on one machine: its process, its attempts, its GPU, its memory."""
