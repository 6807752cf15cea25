# One job a cell and evaluation (`evaluate` in the config): what the encoder is worth with so many labels.
rule classify:
    input:
        split=SPLIT,
        encoder=of_cell(ENCODER),
        pretrained=of_cell(PRETRAIN_RECORD),
    output:
        record=f"{CELL}.json",
        predictions=f"{CELL}.npy",
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
        code=CODE,
        before=before_cell,
        checkpoint=checkpoint,
    message:
        "{wildcards.stage} over {wildcards.encoder} ({wildcards.method}), u {wildcards.u}, l {wildcards.l}, seed {wildcards.seed}{wildcards.length}"
    script:
        "../scripts/classify.py"
