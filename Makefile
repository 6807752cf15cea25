# make study: set up, run the embedded study, build its report.   make test: set up, run the tests.
# make test-long: the tests that take long (inputs by the thousand, accidents).
# make docs: write config/README.md from the schema and the README's verdict from its report, and the documentation's site.
# make sbom: what is installed here, as sbom.json (CycloneDX).   make audit: known weaknesses of the pins.   make pins: write pins/.
# PYTHON=python3.12 chooses another Python; PIP_ARGS is handed to pip (an index with CPU builds of torch, say).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STUDY := .venv/.study
READY := .venv/.ready
TOOLS := .venv/tools

.PHONY: study test test-long lint format docs sbom audit pins bench bench-study bench-gpu clean

study: $(STUDY)
	$(BIN)/snakemake --cores all
	@echo "The report is in reports/digits/report.html"

# One process a core, each with whole files of tests.
test: $(READY)
	$(BIN)/pytest -n auto --dist loadfile

test-long: $(READY)
	$(BIN)/pytest -m long -rP

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	[ ! -x $(BIN)/hadolint ] || $(BIN)/hadolint Dockerfile

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# What a study needs, and no more: Snakemake imports each of its plugins at every start, needed or not.
# Files of packages are those whose hashes pins/ has. torch and torchvision, which come in builds of many kinds from many
# indexes, are of a version only; after them nothing is missing but what a build of theirs brings itself.
$(STUDY): pyproject.toml constraints.txt pins/study.txt .ci/venv
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	bash .ci/venv "$(PYTHON)"
	$(PIP) install --quiet $(PIP_ARGS) --require-hashes --no-deps --requirement pins/study.txt
	$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --no-build-isolation --editable .
	$(BIN)/python -m compileall -q sslfast
	@touch $@

$(READY): $(STUDY) pins/dev.txt
	$(PIP) install --quiet $(PIP_ARGS) --require-hashes --no-deps --requirement pins/dev.txt
	$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@

$(TOOLS)/.ready: $(STUDY) pins/tools.txt
	$(BIN)/python -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) --require-hashes --no-deps --requirement pins/tools.txt
	@touch $@

sbom: $(TOOLS)/.ready
	$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json $(BIN)/python
	@echo "What is installed in .venv is in sbom.json"

audit: $(TOOLS)/.ready
	$(TOOLS)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

# The hashes of every file of the versions in constraints.txt, for all systems. What torch's builds bring is left to them.
COMPILE = $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links --constraint constraints.txt
OF_BUILDS := /^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/,/[^\\]$$/d

pins: $(TOOLS)/.ready
	$(COMPILE) pyproject.toml | sed -E '$(OF_BUILDS)' > pins/study.txt
	$(COMPILE) pyproject.toml --extra dev | sed -E '$(OF_BUILDS)' > pins/dev.txt
	$(COMPILE) pyproject.toml --extra s3 --extra kubernetes --extra timm | sed -E '$(OF_BUILDS)' > pins/image.txt
	echo snakemake-storage-plugin-s3 | $(COMPILE) - > pins/pods.txt
	$(COMPILE) pins/tools.in > pins/tools.txt

docs: $(BIN)/.docs
	$(BIN)/python docs/config_readme.py
	$(BIN)/python docs/readme_verdict.py
	$(BIN)/mkdocs build --quiet
	@echo "The documentation is in site/index.html"

$(BIN)/.docs: $(READY)
	$(PIP) install --quiet $(PIP_ARGS) --constraint constraints.txt --no-build-isolation --editable '.[docs]'
	@touch $@

# Benchmarks print ratios, on the images of DATA: a data set's name or a folder of images (then make bench compares
# with fastai's way of reading files, too). benchmarks/README.md explains each figure.
DATA ?= cifar10
STUDY_DATA = $(if $(wildcard $(DATA)),dataset=folder folder=$(abspath $(DATA)),dataset=$(DATA))

bench: $(READY)
	$(BIN)/python benchmarks/learners.py --data $(DATA)
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/memory.py --data $(DATA)
	$(BIN)/python benchmarks/limits.py

bench-study: $(READY)
	$(BIN)/python benchmarks/study.py config/cifar10-quick.yaml $(STUDY_DATA)
	$(BIN)/python benchmarks/study.py config/cifar10.yaml --share $(STUDY_DATA)

# Jobs that share the GPU in a study: a core each, and some GB of its memory.
GPU_JOBS ?= 12

bench-gpu: $(READY)
	$(BIN)/python benchmarks/learners.py --data $(DATA) --device cuda --parts ac --batches 300 --rounds 3
	$(BIN)/python benchmarks/limits.py --device cuda
	$(BIN)/python benchmarks/sharing.py --data $(DATA) --ways 1 4 8
	$(BIN)/python benchmarks/study.py config/cifar10.yaml --share cells $(STUDY_DATA) device=cuda jobs_per_gpu=$(GPU_JOBS) \
		--cores $(GPU_JOBS) --gpu $(GPU_JOBS)

clean:
	rm -rf .venv .snakemake build *.egg-info
