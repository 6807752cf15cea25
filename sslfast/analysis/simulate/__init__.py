"""How often the analysis is right, by simulation: studies made up in worlds whose truth is known, judged by it.

`python -m sslfast.analysis.simulate --repeats 1000` prints all of it. `worlds`: the truths and the noise, kind and
unkind; `rates`: drawing, counting and the table; the other files are judges, one a kind of statement. They go through
the functions that real tables go through. Differences are scores from 0 to 1.
"""
