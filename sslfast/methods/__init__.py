"""Pre-training methods, one per file: a factory `<method>_learner(dls, encoder=…)`, marked with `@method(…)`.

The learner's `.encoder` is the pre-trained encoder. `sslfast.study.methods` finds the factories without importing their
files, and this package imports none of them, so that it is fast to import.
"""
