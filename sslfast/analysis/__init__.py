"""From run records to tables and conclusions. Never imports torch: results are read anywhere."""
