rule supervised:
    input:
        split=SPLIT,
    output:
        record=f"{BASELINE}.json",
        predictions=f"{BASELINE}.npy",
    log:
        f"{RESULTS}/logs/supervised/{{encoder}}-l{{l}}-s{{seed}}.log",
    params:
        data=DATA,
        run=RUN,
        fit=config["supervised"],
        code=CODE,
    threads: config["threads"]
    resources:
        gpu=GPU,
    message:
        "supervised {wildcards.encoder}, l {wildcards.l}, seed {wildcards.seed}"
    script:
        "../scripts/supervised.py"
