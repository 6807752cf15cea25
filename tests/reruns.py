"""What a change of a config runs again, reckoned from what each job is asked, as Snakemake reckons it from files."""

from collections import Counter
from collections.abc import Mapping

from builders import SCHEMA

from sslfast.data.listing import listing_of
from sslfast.data.sources import content_of
from sslfast.study.config import check_config
from sslfast.study.depends import asked_of, code_of
from sslfast.study.grid import Job, jobs_of
from sslfast.study.stage_table import STAGES
from sslfast.study.study import Study

END = {"collect": 1, "examples": 1, "report": 1}


def changed(config: Mapping, key: str, value: object) -> dict:
    """`config` with another value of a key, which may be one of a section (`classify.lr`)."""
    outer, _, inner = key.partition(".")
    return {**config, outer: {**config.get(outer, {}), inner: value} if inner else value}


def runs_again(before: Mapping, after: Mapping) -> dict[str, int]:
    """Jobs a rule that a study finished under the config `before` runs under `after`.

    Those whose files are not there, or of which something else is asked; and all that stand on such a job, or on others
    than before.
    """
    then, again = _asked(check_config(before, SCHEMA)), set()
    now = check_config(after, SCHEMA)
    for name, (job, *asked) in _asked(now).items():
        if name not in then or then[name][1:] != tuple(asked) or again & set(job.needs):
            again.add(name)
    return dict(Counter(job.rule for job in jobs_of(now) if job.name in again))


def _asked(study: Study) -> dict[str, tuple[Job, object, ...]]:
    """By name the jobs of a study; where its files are, what it stands on, what it depends on."""
    content = content_of(study, listing_of(study) if study.dataset == "folder" else None)
    found = {}
    for job in jobs_of(study):
        code = code_of(study, job) if job.stage in STAGES else None
        found[job.name] = (job, study.name, job.needs, asked_of(study, job), content, code)
    return found
