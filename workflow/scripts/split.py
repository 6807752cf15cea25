"""Write the split of one seed."""

from sslfast.runtime.job_server import hand_over

hand_over()  # where torch is imported already, if a process waits there

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
from sslfast.data.splits import make_split, write_split
from sslfast.stages.inputs import study_images

with job(snakemake):
    data = study_images(snakemake.params.data, snakemake.config)
    split = make_split(data, int(snakemake.wildcards.seed), snakemake.params.valid_fraction)
    write_split(split, snakemake.output[0])
