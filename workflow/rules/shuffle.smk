# A control: an encoder whose layers keep their weights, but each in other places.
rule shuffle:
    input:
        split=SPLIT,
        encoder=ENCODER.replace("{length}", ""),
        record=PRETRAIN_RECORD.replace("{length}", ""),
    output:
        encoder=ENCODER.replace("{method}", f"{SHUFFLED}{{method}}").replace("{length}", ""),
        record=PRETRAIN_RECORD.replace("{method}", f"{SHUFFLED}{{method}}").replace("{length}", ""),
    log:
        f"{RESULTS}/logs/shuffle/{{method}}-{{encoder}}-u{{u}}{{of}}-s{{seed}}.log",
    threads: config["threads"]
    resources:
        gpu=GPU,
        mem_mb=memory(),
        runtime=minutes(10),
        turn=1,
    params:
        data=DATA,
        run=RUN,
        code=code,
        before=before_cell,
    message:
        "shuffle {wildcards.encoder} ({wildcards.method}), u {wildcards.u}{wildcards.of}, seed {wildcards.seed}"
    script:
        "../scripts/shuffle.py"
