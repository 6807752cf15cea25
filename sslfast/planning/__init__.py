"""Know before you launch: a study's jobs, and what they will take here (`snakemake plan`).

The arithmetic (`grid`, `work`, `schedule`, `speeds`, `estimate`, `text`) imports no torch; `trials` measures, in the
processes that `measure` starts.
"""
