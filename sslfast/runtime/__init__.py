"""What is around a job on one machine: its process, its attempts, its GPU, its memory."""
