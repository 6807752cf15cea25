"""How often the analysis is right, by simulation: its verdicts on studies from worlds of known truth are judged.

`python -m sslfast.analysis.simulate --repeats 1000` prints everything. `worlds` holds truths and noise, easy and hard;
`rates` draws, counts and makes the table; each other file judges one kind of statement. Judges call the functions that
real tables go through. Differences are in units of the score, from 0 to 1.
"""
