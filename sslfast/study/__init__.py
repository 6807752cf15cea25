"""What a study is: its config, its grid, its names, its records. Never torch, never Snakemake."""
