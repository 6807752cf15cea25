"""What a person sees while it runs: how far each stage is, what runs, and how long it will still take."""

from snakemake.settings.enums import Quietness

from sslfast.analysis.planned import read_plan
from sslfast.planning.steps import Asked, steps_of
from sslfast.planning.watch import watch


def begin_progress():
    """Tell it which jobs there are, how many run at once, and what each was planned to take."""
    if not WATCH or workflow.touch:
        return
    dag, at_once, limits = workflow.dag, workflow.nodes, workflow.global_resources
    if workflow.local_exec:
        at_once = max(1, workflow.cores // study.threads)
        if GPU and "gpu" in limits:
            at_once = min(at_once, max(1, limits["gpu"].value))
    jobs = [
        Asked(
            dag.jobid(job),
            job.rule.name,
            job.wildcards_dict,
            job.output,
            tuple(dag.jobid(needed) for needed in dag.dependencies[job]),
            not dag.needrun(job),
        )
        for job in dag.jobs
        if job.rule.name != "all"
    ]
    WATCH.begin(
        steps_of(jobs, read_plan(f"{RESULTS}/plan.json", study)),
        at_once,
        keep_going=workflow.execution_settings.keep_going,
        jobs_speak=workflow.local_exec,
    )


def end_progress():
    if WATCH:
        WATCH.end()


# Whoever asks for more than that, or for less, gets what Snakemake says.
WATCH, output_settings = None, workflow.output_settings
more = output_settings.dryrun or output_settings.verbose or output_settings.printshellcmds or output_settings.debug_dag
less = {Quietness.ALL, Quietness.PROGRESS, Quietness.RULES} & set(output_settings.quiet or ())
if workflow.is_main_process and not more and not less:
    WATCH = watch(logger, study.name, f"{REPORTS}/report.html", colour=not output_settings.nocolor)


onsuccess:
    end_progress()
