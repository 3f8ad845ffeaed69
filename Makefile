# make demo       a table in a few minutes, from nothing
# make test       the quick tests
# make test-all   all tests: also those marked slow, which start processes, clusters and browsers
# make lint       ruff and mypy
# make docs       the documentation with the board, as pages that open from disk: site/index.html
# make notebooks  runs docs/notebooks again and keeps their outputs
# make stress     kills, damaged input, forged entries and hostile code, counted by kind
#
# On Linux the package index's torch brings CUDA. Without a GPU, the smaller build:
#   make demo TORCH='torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu'
PYTHON ?= python3
VENV ?= .venv
SITE ?= site
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)

# Compiled modules and rewritten tests are kept for all of a run's processes, and for the next run.
BYTECODE := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(abspath $(VENV))/bytecode
PYTEST := $(BYTECODE) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal

.PHONY: demo test test-all lint docs notebooks stress clean

demo: $(VENV)/.installed
	$(BIN)/kapbench run --model sphere --dataset synthetic

test: $(VENV)/.installed-dev
	$(PYTEST) -m 'not slow'

test-all: $(VENV)/.installed-dev
	$(PYTEST) --durations=25

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --site-dir $(SITE)
	$(BIN)/kapbench site --results leaderboard/results -o $(SITE)/board
	@echo "Open $(abspath $(SITE))/index.html; the board is $(abspath $(SITE))/board/index.html."

notebooks: $(VENV)/.installed-docs
	$(BIN)/python scripts/docs_site/run_notebooks.py

stress: $(VENV)/.installed-dev
	PYTHONPATH=tests/stress:tests/support OMP_NUM_THREADS=1 $(BIN)/python -m campaign $(STRESS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "kapbench needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch first and exactly: an open range, resolved with the rest, may fetch gigabytes of CUDA.
$(VENV)/.torch: $(BIN)/python constraints.txt
	$(PIP) $(TORCH)
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml
	$(PIP) -e '.[dev,docs,sd]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.torch pyproject.toml
	$(PIP) -e '.[docs,torchmetrics]'
	@touch $@

clean:
	rm -rf $(VENV) $(SITE) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
