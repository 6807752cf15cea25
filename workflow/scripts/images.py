"""Read the data set, store it decoded (once), and note what was found."""

from sslfast.runtime.jobs import job  # first, it makes the other imports faster

# isort: split
import json
import sys

from sslfast.data.found import found_lines, rare_lines
from sslfast.data.identity import known_by
from sslfast.files import replacing
from sslfast.stages.inputs import check_pool, study_images

with job(snakemake):
    settings = {
        key: value for key, value in snakemake.params.data.items() if key not in ("content", "unlabelled_content")
    }
    data = study_images(snakemake.params.data, snakemake.config, progress=sys.__stderr__, check=True)
    check_pool(data, snakemake.config)
    summary = data.summary()
    for line in found_lines(summary) + rare_lines(summary, snakemake.config):
        print(line)
    with replacing(snakemake.output[0]) as scratch:
        found = {**summary, "settings": settings, "known_by": known_by(snakemake.config)}
        scratch.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
