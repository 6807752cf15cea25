import time


def cores_of_run(_):
    """All cores of this run, so that nothing runs beside the measurement; 1 where a cluster gives them out."""
    try:
        return workflow.cores
    except WorkflowError:
        return 1


# What the study will take, before it starts: `snakemake plan`. Nothing needs it, and it trains nothing.
rule plan:
    input:
        IMAGES,
    output:
        plan=update(f"{RESULTS}/plan.json"),  # an estimate stays beside the job that it was made for
        text=f"{RESULTS}/plan.txt",
    log:
        f"{RESULTS}/logs/plan.log",
    threads: cores_of_run
    resources:
        gpu=GPU,
    params:
        content=CONTENT,
        reports=REPORTS,
        gpus=GPU,
        now=time.time(),  # whoever asks gets a new one
    message:
        f"plan {study.name}: measures for about a minute"
    script:
        "../scripts/plan.py"
