"""Pre-training methods, one a file, each giving `<method>_learner(dls, encoder=…)` with `.encoder`.

A file declares its method by `@method(…)` on the factory; `sslfast.study.methods` finds it there. Light to import.
"""
