"""`python -m sslfast.analysis.simulate --repeats 1000`: how often the analysis is right in worlds of known truth."""

from . import main

main()
