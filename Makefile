# Everything a person does from a fresh clone. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXPERIMENT ?= smoke
WORK ?= work
PHANTOM := $(WORK)/phantom
WORKERS ?= 2
KAGGLE_USER ?= USERNAME
READY := $(VENV)/ready
REQUIREMENTS := requirements.txt
TESTS ?= tests
# What is also tested on the JAX backend: networks, losses, augmentation, metric.
ON_JAX := $(addprefix tests/net/, networks augment training/test_losses.py \
  training/test_step.py training/test_schedules.py training/test_checkpoint.py) \
  tests/core/test_metric.py
# Most of the time is compiling: not as thoroughly as by default.
JAX := KERAS_BACKEND=jax XLA_FLAGS=--xla_backend_optimization_level=1

ifdef DATA
TRUTH ?=
else
DATA := $(PHANTOM)/competition
TRUTH := $(PHANTOM)/solution.csv
MAKE_PHANTOM := phantom
endif

.PHONY: help setup phantom run test test-jax lint soak bench test-latest kernel clean

help:           ## list the targets
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  *##' Makefile | sed 's/:.*##/\t/' | expand -t 16

setup: $(READY) ## make .venv and install the pinned packages

$(READY): $(REQUIREMENTS)
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)
	touch $(READY)

phantom: setup
	$(BIN)/python -m competition phantom $(PHANTOM) --small

run: setup $(MAKE_PHANTOM) ## prepare, train, submit and score; DATA=folder EXPERIMENT=unet for the real thing
	$(BIN)/python -m competition run --data "$(DATA)" --work "$(WORK)" --experiment "$(EXPERIMENT)" $(if $(TRUTH),--truth "$(TRUTH)")

test: setup lint test-jax ## all tests, lint and types
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-jax: setup ## networks, losses and metric on the JAX backend
	$(JAX) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ON_JAX)

lint: setup     ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: setup     ## the tests that kill and resume, at full size
	SOAK=1 $(BIN)/python -m pytest tests/soak

bench: setup    ## the benchmarks; BENCH=name for one
	$(BIN)/python -m bench $(BENCH)

test-latest:    ## the tests on the newest releases; TESTS=folders for a part of them
	$(MAKE) setup VENV=.venv-latest REQUIREMENTS=tests/latest.txt
	.venv-latest/bin/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

kernel: setup   ## a trained run as dataset and kernel for Kaggle; KAGGLE_USER=you EXPERIMENT=unet
	$(BIN)/python -m competition kernel build --work "$(WORK)" --experiment "$(EXPERIMENT)" --user "$(KAGGLE_USER)"

clean:          ## remove the environments and caches; what is in work/ stays
	rm -rf $(VENV) .venv-latest build *.egg-info .pytest_cache .mypy_cache .ruff_cache
