"""What the workflow asks of clusters and buckets."""
