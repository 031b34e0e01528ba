# Works with GNU make 3.81 and later, with the sh of Linux, macOS and Git for Windows.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
VENV_PYTHON := .venv/Scripts/python.exe
else
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
endif

STAMP := .venv/.setup-done
SOURCES := helpers tests benchmarks notebooks .ci

# `make test DEVICE=cuda` says the same as `DEVICE=cuda make test`.
ifdef DEVICE
export DEVICE
endif

.PHONY: help setup lab test render stamp lint bench clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## make .venv and install requirements.txt into it, if they changed

lab: setup  ## open the notebooks in JupyterLab
	$(VENV_PYTHON) -m jupyterlab --ServerApp.root_dir=notebooks

test: setup  ## run the tests and every notebook (DEVICE=cuda: on the GPU)
	$(VENV_PYTHON) -m pytest

render: setup  ## run every notebook and store its outputs (NOTEBOOKS=10: that one)
	$(VENV_PYTHON) .ci/notebooks.py render $(NOTEBOOKS)

stamp: $(if $(REPO),setup)  ## write the repository's address into the files: make stamp REPO=owner/name
	@test -n "$(REPO)" || { echo "Which repository? Say: make stamp REPO=owner/name" >&2; exit 1; }
	$(VENV_PYTHON) .ci/notebooks.py stamp "$(REPO)"

lint: setup  ## check style and types: ruff and mypy
	$(VENV_PYTHON) -m ruff check $(SOURCES)
	$(VENV_PYTHON) -m ruff format --check $(SOURCES)
	$(VENV_PYTHON) -m mypy

bench: setup  ## time training against the bare computation
	$(VENV_PYTHON) benchmarks/training_speed.py

clean:  ## remove caches and build leftovers; data/ and .venv stay (delete .venv to start afresh)
	rm -rf build *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache
	rm -rf __pycache__ */__pycache__ .ci/__pycache__ .ipynb_checkpoints */.ipynb_checkpoints

# The stamp comes last, so that an interrupted or failed setup is taken up again by the next call:
# pip keeps what it finished, and a .venv whose Python or pip does not run is made anew.
$(STAMP): requirements.txt pyproject.toml .ci/check_setup.py $(VENV_PYTHON)
	@$(VENV_PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not that." >&2; \
	    echo "Name another one: make setup PYTHON=python3.12" >&2; exit 1; }; \
	  echo "Making .venv with $(PYTHON)"; rm -rf .venv; $(PYTHON) -m venv .venv; }
	@echo "Installing requirements.txt; the first time this downloads PyTorch, a few gigabytes on Linux"
	$(VENV_PYTHON) -m pip install --disable-pip-version-check -r requirements.txt
	$(VENV_PYTHON) .ci/check_setup.py
	@touch $(STAMP)

# No recipe: where this file is missing, or links to a Python that is gone, the stamp is out of date.
$(VENV_PYTHON):
