"""Know before you launch: a study's jobs, and what they will take here (`snakemake plan`).

And while it runs: how far it is and how long it will still take (`progress`, `steps`), in words (`screen`), and kept up
to date on a terminal (`terminal`) from what Snakemake logs (`watch`).

The arithmetic (`grid`, `work`, `schedule`, `speeds`, `estimate`, `text`) imports no torch; `trials` measures, in the
processes that `measure` starts.
"""
