# Everything a person does from a fresh clone. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXPERIMENT ?= smoke
WORK ?= work
PHANTOM := $(WORK)/phantom
WORKERS ?= 2
KAGGLE_USER ?= USERNAME
# TensorFlow's wheel has no CUDA libraries; they are installed where there is a card.
GPU ?= $(shell nvidia-smi -L 2>/dev/null | grep -q '^GPU ' && echo 1 || echo 0)
# By the card too, so that GPU=1 installs them into a .venv that was made without.
READY := $(VENV)/ready$(if $(filter 1,$(GPU)),-gpu)
# Python keeps what it compiles, even where the environment says no: uv leaves that to it,
# and importing TensorFlow takes three times as long when it is compiled anew.
export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
# While one edits: what needs no network trained and no framework loaded.
QUICK ?= tests/core tests/decide tests/prepare tests/ledger tests/machine \
  tests/test_imports.py tests/test_score.py tests/test_validate.py
FITTING := tests/net/training/test_fitting.py::test
RESUMING := $(FITTING)_killed_and_called_again_it_ends_as_if_it_had_not_been
# What another backend of Keras alone can break, and what newer releases alone can.
ON_JAX := $(RESUMING) $(addprefix tests/net/, networks/test_networks.py \
  networks/test_recomputed.py networks/test_batch_norm.py \
  augment/test_engines.py input/test_training_data.py \
  input/test_resident_scans.py training/test_losses.py \
  training/test_step.py training/test_schedules.py training/test_checkpoint.py) \
  -k "not odd_sizes and not saved_and_loaded"
ON_LATEST := tests/core tests/prepare tests/study/search tests/test_pipeline.py \
  tests/report tests/net/networks/test_networks.py \
  tests/net/networks/test_batch_norm.py tests/net/input \
  tests/net/augment tests/net/training/test_checkpoint.py \
  tests/net/training/test_hosts.py $(RESUMING) \
  $(FITTING)_it_trains_in_mixed_precision_and_resumes \
  $(FITTING)_memory_that_runs_out_later_keeps_the_optimizer \
  $(FITTING)_an_encoder_is_frozen_for_the_first_epochs \
  --ignore tests/report/test_browser.py $(addprefix --deselect tests/, \
  net/training/test_hosts.py::test_two_hosts_and_one_in_turn_each_killed_learn_what_one_does \
  study/search/test_search.py::test_killed_for_real_in_a_trial_it_goes_on)
# Most of the time is compiling: XLA optimises less than by default.
JAX := KERAS_BACKEND=jax XLA_FLAGS=--xla_backend_optimization_level=1

ifdef DATA
TRUTH ?=
else
DATA := $(PHANTOM)/competition
TRUTH := $(PHANTOM)/solution.csv
MAKE_PHANTOM := phantom
endif

.PHONY: help setup setup-tests phantom run watch tensorboard quick test test-jax lint \
  soak bench pictures gpu gpu-bundle test-latest check-launchers kernel clean

help:           ## list the targets
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  *##' Makefile | sed 's/:.*##/\t/' | expand -t 16

setup: $(READY) ## make .venv and install what runs
setup-tests: $(VENV)/ready-tests ## install what tests and benchmarks need as well

# uv downloads and unpacks in parallel, in a quarter of pip's time. Where it cannot be
# had, or does not reach the package index that pip is set up for, pip installs.
install = echo "installing $(1)"; \
  { $(BIN)/python -m pip install -qq --disable-pip-version-check uv==0.13.9 \
  && $(BIN)/uv pip install --python $(BIN)/python -r $(1); } \
  || { echo "uv cannot install here; pip does, which takes longer"; \
  $(BIN)/python -m pip install --disable-pip-version-check -r $(1); }

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(READY): requirements.txt | $(BIN)/python
	@$(call install,requirements.txt $(if $(filter 1,$(GPU)),"tensorflow[and-cuda]"))
	@touch $@

$(VENV)/ready-tests: tests/requirements.txt kernels/requirements.txt $(READY)
	@$(call install,tests/requirements.txt)
	@touch $@

$(VENV)/ready-kaggle: kernels/requirements.txt $(READY)
	@$(call install,kernels/requirements.txt)
	@touch $@

phantom: setup
	$(BIN)/python -m competition phantom $(PHANTOM) --small

run: setup $(MAKE_PHANTOM) ## prepare, train, submit and score; DATA=folder EXPERIMENT=unet for the real thing, BUDGET=9h
	$(BIN)/python -m competition run --data "$(DATA)" --work "$(WORK)" --experiment "$(EXPERIMENT)" $(if $(TRUTH),--truth "$(TRUTH)") $(if $(BUDGET),--budget "$(BUDGET)")

watch: setup    ## how far the folds are while they train; RUN=folder, or the newest in WORK
	@$(BIN)/python -m competition watch $(if $(RUN),"$(RUN)",--work "$(WORK)")

tensorboard: setup ## the curves of all runs in WORK, or of RUN=folder, in a browser
	$(BIN)/tensorboard --logdir "$(or $(RUN),$(WORK))"

quick: setup-tests ## lint, and the tests that take under a minute; QUICK=files for others
	$(BIN)/ruff check .
	$(PYTEST) -x $(QUICK)

test: setup-tests lint test-jax ## all tests, lint and types
	$(PYTEST)

test-jax: setup-tests ## what the JAX backend alone can break
	$(JAX) $(PYTEST) $(ON_JAX)

lint: setup-tests ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: setup-tests ## hours at full size: the tests that kill and disturb, the seeds of smoke and winner
	SOAK=1 $(BIN)/python -m pytest tests/soak tests/test_smoke.py tests/test_experiments.py \
	  tests/test_without_tensorflow.py tests/bench/test_reduced.py \
	  tests/sources/phantom/test_phantom.py

bench: setup-tests ## the benchmarks; BENCH=name for one; reports show WORK/bench.md
	$(BIN)/python -m bench $(BENCH) --out "$(WORK)/bench.md"

pictures: setup-tests ## the pictures of README and docs, from the present state; PICTURES=names
	$(BIN)/python -m submissions.pictures.make "$(WORK)" $(PICTURES)

gpu: $(VENV)/ready-card ## prove and time this machine's card; MINUTES=8 OUT=folder, TOY=1 without one
	$(BIN)/python -m bench.gpu --minutes $(or $(MINUTES),8) --out "$(or $(OUT),$(WORK)/gpu)" $(if $(TOY),--toy)

gpu-bundle: setup-tests ## the same for a machine without network or TensorFlow, in OUT=build/gpu
	$(BIN)/python -m bench.gpu.bundle "$(or $(OUT),build/gpu)"

$(VENV)/ready-card: $(VENV)/ready-tests
	@$(if $(filter 1,$(GPU)),$(call install,tests/requirements.txt "jax[cuda12]"))
	@touch $@

test-latest:    ## what the newest releases alone can break; TESTS=tests for all
	$(MAKE) .venv-latest/ready-latest VENV=.venv-latest
	.venv-latest/bin/python -m pytest -n $(WORKERS) --dist worksteal $(or $(TESTS),$(ON_LATEST))

$(VENV)/ready-latest: tests/latest.txt | $(BIN)/python
	@$(call install,tests/latest.txt)
	@touch $@

check-launchers: ## the launchers for SkyPilot and kinetic, with these packages
	$(MAKE) .venv-launchers/ready-launchers VENV=.venv-launchers
	.venv-launchers/bin/python -m pytest --noconftest tests/kernel/cluster/test_launchers.py

$(VENV)/ready-launchers: tests/kernel/cluster/launchers.txt | $(BIN)/python
	@$(call install,$<)
	@touch $@

kernel: $(VENV)/ready-kaggle ## a trained run as dataset and kernel for Kaggle; KAGGLE_USER=you EXPERIMENT=unet
	$(BIN)/python -m competition kernel build --work "$(WORK)" --experiment "$(EXPERIMENT)" --user "$(KAGGLE_USER)" $(if $(MAKE_PHANTOM),,--data "$(DATA)")

clean:          ## remove the environments and caches; what is in work/ stays
	rm -rf $(VENV) .venv-latest .venv-launchers build *.egg-info .pytest_cache .mypy_cache .ruff_cache
