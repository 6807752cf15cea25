# The same cells by other means than the study's own head: `evaluate` in the config.
rule evaluate:
    input:
        split=SPLIT,
        encoder=of_cell(ENCODER),
        pretrained=of_cell(PRETRAIN_RECORD),
    output:
        record=f"{EVALUATED}.json",
        predictions=f"{EVALUATED}.npy",
    log:
        f"{RESULTS}/logs/{{stage}}/{{method}}-{{encoder}}-u{{u}}-l{{l}}-s{{seed}}{{length}}.log",
    threads: config["threads"]
    resources:
        gpu=GPU,
        mem_mb=training_memory,
        runtime=training_time("classify"),
        turn=1,
    params:
        data=DATA,
        run=RUN,
        fit=lambda w: {**evaluation_settings(config, w.stage), "share": share(w, w.stage)},
        code=code,
        before=before_cell,
        checkpoint=checkpoint,
    message:
        "{wildcards.stage} over {wildcards.encoder} ({wildcards.method}), u {wildcards.u}, l {wildcards.l}, seed {wildcards.seed}{wildcards.length}"
    script:
        "../scripts/classify.py"
