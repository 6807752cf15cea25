"""Say what the study will take, from short measurements on this machine."""

from sslfast.planning.start import BEFORE
from sslfast.runtime.jobs import job, say  # first, it makes the other imports faster

# isort: split
import json
from pathlib import Path

from sslfast.files import replacing
from sslfast.planning.plan import make_plan
from sslfast.planning.text import plan_text
from sslfast.stages.inputs import study_images

with job(snakemake):
    data = study_images(snakemake.params.data, snakemake.config)
    plan = make_plan(
        snakemake.config,
        data,
        snakemake.params.data,
        Path(snakemake.output.plan).parent,
        snakemake.params.reports,
        cores=snakemake.threads,
        gpus=snakemake.params.gpus,
        before=BEFORE,
    )
    text = plan_text(plan)
    for path, content in ((snakemake.output.plan, json.dumps(plan, indent=1)), (snakemake.output.text, text)):
        with replacing(path) as scratch:
            scratch.write_text(content + "\n", encoding="utf-8")
    say(f"\n{text}\n")
