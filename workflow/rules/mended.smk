"""What two of Snakemake's commands get wrong (9.27), mended."""

import os
from pathlib import Path

import snakemake.persistence
import snakemake.unit_tests

# `--list-changes params` names a file of every job that is as it was: two changes that are none make one with a file.
params_change = getattr(snakemake.persistence, "ParamsChange", None)
if params_change:
    params_change.__iter__ = lambda change: iter(change.files if change else ())


class AnyPath(type(Path())):
    def relative_to(self, other):
        return Path(os.path.relpath(self, other))


# `--generate-unit-tests` knows no config and no Snakefile outside the folder in which it runs.
snakemake.unit_tests.Path = AnyPath
