"""What the workflow requests from clusters and buckets, and checks of both before a study starts."""
