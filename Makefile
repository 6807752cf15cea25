# make study: set up, run the embedded study, build its report.   make test: set up, run the tests.
# make test-long: the tests that take long (inputs by the thousand, accidents).
# make docs: write config/README.md from the schema and the README's verdict from its report, and the documentation's site.
# PYTHON=python3.12 chooses another Python; PIP_ARGS is handed to pip (an index with CPU builds of torch, say).
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: study test test-long lint format docs bench bench-study bench-gpu clean

study: $(READY)
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

# One pip call, so that nothing asks for a newer torch than the pinned one, of which CPU builds exist.
$(READY): pyproject.toml constraints.txt .ci/venv
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	bash .ci/venv "$(PYTHON)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

docs: $(BIN)/.docs
	$(BIN)/python docs/config_readme.py
	$(BIN)/python docs/readme_verdict.py
	$(BIN)/mkdocs build --quiet
	@echo "The documentation is in site/index.html"

$(BIN)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --constraint constraints.txt --editable '.[docs]'
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
