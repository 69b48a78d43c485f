PYTHON ?= python3
BIN := .venv/bin
# Processes of `make bench`.
JOBS ?= 2

# What `make reproduce` runs, where, and for how long at most.
SUITE ?= standard
DEVICE ?= cpu
BUDGET ?= 9m

.PHONY: bench reproduce test lint smoke lock publish clean

bench: .venv/ready  ## build digits-inrs, run suite quick, print the boards
	@$(BIN)/weightbench run --suite quick --jobs $(JOBS) --out runs

reproduce: .venv/ready  ## some more of the official results: make reproduce SUITE=mini DEVICE=cuda BUDGET=9m
	@$(BIN)/weightbench run --suite $(SUITE) --device $(DEVICE) --jobs $(JOBS) --budget $(BUDGET) --out runs/$(SUITE)

smoke: .venv/ready  ## the same on a small scale, under a minute
	@$(BIN)/weightbench run --suite smoke --out runs/smoke

test: .venv/ready  ## the test suite
	@$(BIN)/pytest

lint: .venv/ready  ## formatting, style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock: .venv/ready  ## resolve the pinned dependencies anew
	$(BIN)/pip-compile --quiet --extra dev --strip-extras --no-emit-index-url --no-emit-find-links --allow-unsafe \
	  --constraint constraints.txt --output-file requirements.lock pyproject.toml
	sed -i 's/^torch==\([0-9.]*\)+.*/torch==\1/' requirements.lock  # whichever build of torch this machine has

publish: .venv/ready  ## push every standard zoo on this machine to the Hub: make publish ORG=your-organisation
	@test -n "$(ORG)" || { echo "say whose: make publish ORG=your-organisation"; exit 2; }
	@for zoo in $$($(BIN)/weightbench zoo list --json | $(BIN)/python -c \
	  'import json, sys; print(*(zoo["name"] for zoo in json.load(sys.stdin) if zoo["here"]))'); do \
	  $(BIN)/weightbench zoo push "$$zoo" --repo-id "$(ORG)/$$zoo" || exit; echo; done

clean:  ## remove the environment and results
	rm -rf .venv runs build dist *.egg-info

.venv/ready: requirements.lock pyproject.toml
	@echo "making the environment in .venv (once; a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "WeightBench needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
