# Works with GNU make 3.81 and later, with the sh of Linux, macOS and Git for Windows.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
VENV_PYTHON := .venv/Scripts/python.exe
else
PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
endif

STAMP := .venv/.setup-done
SOURCES := helpers exercises tests benchmarks notebooks docs .ci conftest.py
WORKERS := 2
SWEPT := . $(SOURCES)
CACHES = $(wildcard $(foreach name,__pycache__ .ipynb_checkpoints,$(addsuffix /$(name),$(SWEPT))))

# What gets installed and runs is .venv, the whole of it and nothing else, so these settings of the
# user's own do not reach the commands: they would mix in the packages of another Python, send pip's
# to another folder, run a start-up file in each kernel, or take the assertions out of every cell.
# Where pip downloads from, and through which proxy, stays as he has set it.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONOPTIMIZE PYTEST_DISABLE_PLUGIN_AUTOLOAD
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_NO_DEPS PIP_NO_BUILD_ISOLATION

# A service may start make with its streams closed, and then neither pip nor pytest begins.
OPEN_STREAMS := (: 3>&2) || exec 2>/dev/null; (: 3>&1) 2>/dev/null || exec >/dev/null;

# `make test DEVICE=cuda` says the same as `DEVICE=cuda make test`.
ifdef DEVICE
export DEVICE
endif

.PHONY: help setup lab test site browse render stamp lint lock bench clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## make .venv and install requirements.txt into it, if they changed

lab: setup  ## copy the notebooks to workbook/, which is yours, and open JupyterLab there
	@$(VENV_PYTHON) .ci/workbook.py $(LAB_OPTIONS)

test: setup  ## run the tests and every notebook, two at a time (DEVICE=cuda: on the GPU)
	@$(OPEN_STREAMS) $(VENV_PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

site: setup  ## build the website in build/site, from the notebooks as they are stored
	@$(VENV_PYTHON) docs/build.py

browse: site  ## try the website and JupyterLab in a real browser, where there is one
	@$(OPEN_STREAMS) $(VENV_PYTHON) -m pytest -n $(WORKERS) --dist loadfile tests/browse_*.py

render: setup  ## run every notebook and store its outputs (NOTEBOOKS=11: that one)
	$(VENV_PYTHON) .ci/notebooks.py render $(NOTEBOOKS)

stamp: $(if $(REPO),setup)  ## write the repository's address into the files: make stamp REPO=owner/name
	@test -n "$(REPO)" || { echo "Which repository? Say: make stamp REPO=owner/name" >&2; exit 1; }
	$(VENV_PYTHON) .ci/notebooks.py stamp "$(REPO)"

lint: setup  ## check style and types: ruff and mypy
	$(VENV_PYTHON) -m ruff check $(SOURCES)
	$(VENV_PYTHON) -m ruff format --check $(SOURCES)
	$(VENV_PYTHON) -m mypy

lock: setup  ## write requirements.txt from pyproject.toml (UPGRADE=1: the newest versions)
	$(VENV_PYTHON) .ci/lock.py $(if $(UPGRADE),--upgrade)

bench: setup  ## time training against the bare computation
	$(VENV_PYTHON) benchmarks/training_speed.py

clean:  ## remove caches and build leftovers; workbook/, data/ and .venv stay
	rm -rf build *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache $(CACHES)

# The stamp comes last, so that an interrupted or failed setup is taken up again by the next call:
# pip keeps what it finished, and a .venv whose Python or pip does not run is made anew.
$(STAMP): requirements.txt pyproject.toml .ci/check_setup.py $(VENV_PYTHON)
	@$(VENV_PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not that." >&2; \
	    echo "Name another one: make setup PYTHON=python3.12" >&2; exit 1; }; \
	  echo "Making .venv with $(PYTHON)"; rm -rf .venv; $(PYTHON) -m venv .venv; }
	@echo "Installing requirements.txt; the first time this downloads PyTorch, a few gigabytes on Linux"
	@$(OPEN_STREAMS) $(VENV_PYTHON) -m pip install --disable-pip-version-check --no-user -r requirements.txt || { \
	  echo "pip could not install everything; its reason stands above. Where that speaks of retries," >&2; \
	  echo "or says \"from versions: none\", it reached no package index: look at the network and the" >&2; \
	  echo "proxy. Then say make setup again; it goes on where it stopped." >&2; exit 1; }
	$(VENV_PYTHON) .ci/check_setup.py
	@touch $(STAMP)

# No recipe: where this file is missing, or links to a Python that is gone, the stamp is out of date.
$(VENV_PYTHON):
