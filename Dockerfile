# docker build --tag sslfast .                                      torch as the package index has it: with CUDA
# docker build --tag sslfast --build-arg TORCH_INDEX=<index> .      torch from an index of CPU builds: far smaller
# docker run --rm --user "$(id -u)" --volume "$PWD:/workdir" sslfast snakemake --cores all
FROM python:3.11-slim
ARG TORCH_INDEX=""
RUN install --directory --mode=1777 /scratch /workdir
COPY . /opt/sslfast
WORKDIR /opt/sslfast
# As make study does: files of packages by the hashes of pins/, torch and torchvision by their version.
# Each pod of profiles/kubernetes installs the plugin anew: its packages stay here as files, so that it asks no network.
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement pins/image.txt \
    && pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint constraints.txt \
        --no-build-isolation '.[s3,kubernetes,timm]' \
    && pip download --no-cache-dir --require-hashes --no-deps --requirement pins/pods.txt --dest /opt/wheels
# USER: Snakemake says who calls it, and any number may, of which the image knows no name.
ENV PIP_NO_INDEX=1 \
    USER=sslfast \
    PIP_FIND_LINKS=/opt/wheels \
    HOME=/tmp \
    SSLFAST_DATA=/scratch/data \
    SSLFAST_CHECKPOINTS=/scratch/checkpoints
USER 1000
WORKDIR /workdir
