PYTHON ?= python3
BIN := .venv/bin
# What `make reproduce` runs, where, and for how long at most.
SUITE ?= standard
DEVICE ?= cpu
BUDGET ?= 9m
# How many cells run at once, there and in `make bench`; those of one GPU would spoil each other's times.
JOBS ?= $(if $(filter cuda%,$(DEVICE)),1,2)
# What `make replicate` draws: how many official cells, on which zoos, and by what.
SAMPLE ?= 40
ZOOS ?= digits-inrs digits-mlps moons-mlps
SEED ?= $(shell git rev-parse HEAD)
# What `make bundle` packs: raw data sets of SOURCE_DIR, for the Python of a machine without internet.
SOURCE_DIR ?= data
SOURCES ?= mnist
TARGET_PYTHON ?= 3.12
# What goes there along; torch, torch_geometric, pandas, pyarrow and scikit-learn it must have.
TRAVELLING := pydantic pydantic-core annotated-types typing-inspection typing-extensions typer annotated-doc click \
  shellingham rich markdown-it-py mdurl pygments platformdirs filelock joblib jinja2 markupsafe safetensors

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK := $(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --allow-unsafe

# Modules are compiled when they are first imported, and that is kept.
unexport PYTHONDONTWRITEBYTECODE

# Material's notice about its successor is not for readers of a build.
export NO_MKDOCS_2_WARNING := 1

.PHONY: bench reproduce replicate bundle release test lint smoke docs tutorials lock publish clean

bench: .venv/run-ready  ## build three small zoos, run suite quick, print the boards
	@$(BIN)/weightbench run --suite quick --jobs $(JOBS) --out runs

reproduce: .venv/run-ready  ## some more of the official results: make reproduce SUITE=mini DEVICE=cuda BUDGET=9m
	@$(BIN)/weightbench run --suite $(SUITE) --device $(DEVICE) --jobs $(JOBS) --budget $(BUDGET) --out runs/$(SUITE) \
	  || [ $$? -eq 3 ]  # the budget is spent

replicate: .venv/run-ready  ## run official cells again, drawn by the commit, within five minutes: make replicate SEED=monday
	@$(BIN)/weightbench replicate $(addprefix --zoo ,$(ZOOS)) --sample $(SAMPLE) --seed $(SEED) --budget 5m

bundle: .venv/ready  ## the suite for a machine without internet: make bundle SOURCE_DIR=data SOURCES=mnist
	@for source in $(SOURCES); do test -d "$(SOURCE_DIR)/$$source" || { \
	  echo "$(SOURCE_DIR)/$$source: no such folder; SOURCE_DIR=... names the one with the raw data sets"; exit 2; }; done
	@rm -rf build && mkdir -p build/weightbench-bundle/data dist
	@$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/weightbench-bundle/wheels .
	@$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version $(TARGET_PYTHON) \
	  --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux_2_28_x86_64 \
	  --constraint requirements.lock --dest build/weightbench-bundle/wheels $(TRAVELLING)
	@for source in $(SOURCES); do cp -r "$(SOURCE_DIR)/$$source" build/weightbench-bundle/data/; done
	@cp benchmarks/portable/run.sh build/weightbench-bundle/
	@tar -C build -czf dist/weightbench-bundle.tar.gz weightbench-bundle
	@echo "dist/weightbench-bundle.tar.gz ($$(du -h dist/weightbench-bundle.tar.gz | cut -f1)): unpack it there, then: sh run.sh"

release: .venv/ready  ## sdist and wheel in dist/, checked: make release TAG=v0.1.0
	@BIN=$(BIN) .ci/release $(TAG)

smoke: .venv/run-ready  ## the same on a small scale, under a minute
	@$(BIN)/weightbench run --suite smoke --out runs/smoke

test: .venv/ready  ## the test suite, on up to four processors
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal

lint: .venv/ready  ## formatting, style, types, and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: .venv/docs-ready  ## the documentation site, in build/site
	@$(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

tutorials: .venv/docs-ready  ## the same site, with the tutorials run on the way
	@RUN_TUTORIALS=true PYTHONWARNINGS="ignore:IProgress not found" $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

lock: .venv/ready  ## resolve the pinned dependencies anew
	$(LOCK) --extra dev --constraint constraints.txt --output-file requirements.lock pyproject.toml
	$(LOCK) --extra docs --constraint requirements.lock --output-file requirements-docs.lock pyproject.toml
	sed -i 's/^torch==\([0-9.]*\)+.*/torch==\1/' requirements.lock requirements-docs.lock  # whichever build of torch is here

publish: .venv/ready  ## push every standard zoo on this machine to the Hub: make publish ORG=your-organisation
	@test -n "$(ORG)" || { echo "say whose: make publish ORG=your-organisation"; exit 2; }
	@for zoo in $$($(BIN)/weightbench zoo list --json | $(BIN)/python -c \
	  'import json, sys; print(*(zoo["name"] for zoo in json.load(sys.stdin) if zoo["here"]))'); do \
	  $(BIN)/weightbench zoo push "$$zoo" --repo-id "$(ORG)/$$zoo" || exit; echo; done

clean:  ## remove the environment and results
	rm -rf .venv runs build dist *.egg-info

# What running takes, at the locked versions.
.venv/run-ready: requirements.lock pyproject.toml
	@echo "making the environment in .venv (once; a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "WeightBench needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv .venv
	@PYTHONWARNINGS=ignore $(PIP) --no-compile --constraint requirements.lock --editable .
	@touch $@

# What testing and linting take too.
.venv/ready: .venv/run-ready
	@echo "completing the environment in .venv (once; a minute or two)"
	@$(PIP) --no-compile -r requirements.lock
	@touch $@

.venv/docs-ready: .venv/run-ready requirements-docs.lock
	@$(PIP) -r requirements-docs.lock
	@touch $@
