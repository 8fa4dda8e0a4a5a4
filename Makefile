# Commands. Each creates what it needs in .venv and may be repeated.
#
#   make demo [ONCE=1]             play an incident over stand-in vendors; ONCE=1: check it and end
#   make test                      every test that this machine can run; prints what it skipped and why
#   make faults [STORM=200]        injects faults into real processes, one after another; STORM: open incidents (default 6); AT_ONCE=4
#   make races [RACES=12000]       two workers on PostgreSQL, statement by statement in many orders (LOCKSTEP_TEST_POSTGRES)
#   make prove [QUICK=1]           mutants, seeds, races, faults and benchmarks, one after another, with a table of results [BASE=folder]
#   make check [AUDIT=1]           style, types, imports, known vulnerabilities, documents; AUDIT=1: fail if vulnerabilities cannot be looked up
#   make sim SEEDS=500 | SEED=7    the seeded simulation; SEED replays one run
#   make sim MUTANTS=1             removes each guard from a copy of the code; an invariant must fail [ONLY=x]
#   make soak MINUTES=60           the simulation with fresh seeds, for this many minutes
#   make bench [QUICK=1] [ONLY=x]  speed against floors of the same run; the table is also in build/bench.json
#                                  BASE=folder: a checkout of an older version with its own .venv, to compare processor time with
#   make lock [KEEP=1]             renews requirements*.lock; KEEP=1: no newer versions, only what pyproject.toml now requires

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test faults races prove check sim soak bench lock clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(shell for p in python3.13 python3.12 python3.11 python3 python; do command -v $$p && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done | tail -n 1))
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
SEEDS ?= 100
JOBS ?= 2
MINUTES ?= 60

help:
	@sed -n 's/^#  *\(make .*\)/  \1/p' Makefile

$(VENV)/bin/python:
	@$(or $(PYTHON),python3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Lockstep needs Python 3.11 or newer; install it, or give its path: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "this Python cannot create virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# installs the lock file's versions, with every extra
$(VENV)/.installed: pyproject.toml requirements.lock .ci/install.py | $(VENV)/bin/python
	@$(BIN)/python .ci/install.py
	@touch $@

$(VENV)/.installed-test: pyproject.toml requirements.test.lock .ci/install.py | $(VENV)/bin/python
	@$(BIN)/python .ci/install.py --test
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	@$(BIN)/lockstep demo $(if $(ONCE),--once)

test: $(VENV)/.installed-test
	@$(BIN)/python -m pytest -q -n $(JOBS) tests

# one at a time, so that the seconds measure one fault: each runs a hub of five processes of its own. AT_ONCE: this many at once
faults: $(VENV)/.installed-test
	@LOCKSTEP_FAULTS=$(if $(QUICK),quick,all) $(if $(STORM),STORM=$(STORM)) $(BIN)/python -m pytest -v $(if $(AT_ONCE),-n $(AT_ONCE),-p no:xdist) tests/engine/faults

races: $(VENV)/.installed-test
	@LOCKSTEP_REQUIRE_ALL=1 LOCKSTEP_RACES=$(or $(RACES),12000) $(BIN)/python -m pytest -v -p no:xdist tests/engine/races

prove: $(VENV)/.installed-test
	@$(BIN)/python -m tests.prove $(if $(QUICK),--quick) $(if $(BASE),--base $(BASE))

check: $(VENV)/.installed-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PIP) check
	@$(BIN)/python -m tests.audit $(if $(AUDIT),--required)
	@$(BIN)/python -m pytest -q -m docs tests

sim: $(VENV)/.installed-test
	@$(BIN)/python -m $(if $(MUTANTS),tests.simulation.mutate --jobs $(JOBS) $(if $(ONLY),--only "$(ONLY)"),tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(if $(TOLERATE),--tolerate $(TOLERATE)))

soak: $(VENV)/.installed-test
	@$(BIN)/python -m tests.simulation --minutes $(MINUTES)

bench: $(VENV)/.installed-test
	@$(BIN)/python -m tests.bench $(if $(QUICK),--quick) $(addprefix --only ,$(ONLY)) $(if $(BASE),--base $(BASE))

lock: | $(VENV)/bin/python
	@$(BIN)/python .ci/lock.py $(if $(KEEP),--keep)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
