# make run      a server with data of its own: .venv, install, start
# make test     what the tests need, then all of them
# make check    test, lint and types
# make test-clients  every real client against the server (docs/clients.rst)
# make mistakes proof that the exactly-once test bites
# make bench    the figures of docs/performance.rst
# make bench-peers  this server and its peers at the same work; needs gcc
#
# Needs python3 (3.11 or newer) with venv: on Debian, python3-venv.

PYTHON ?= python3
# Tests at a time: those with processes and browsers mostly wait.
JOBS   ?= 2
VENV   := .venv
BIN    := $(VENV)/bin
MODULES := tests/clients/node/node_modules
PIP    := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test test-clients lint types check mistakes bench bench-peers clean
.DEFAULT_GOAL := run

run: $(VENV)/installed
	@exec $(BIN)/twistd -n --pidfile= wanderer-sse --demo

test: $(VENV)/installed-dev
	@$(BIN)/python -m twisted.trial --jobs $(JOBS) tests

test-clients: $(VENV)/installed-clients $(MODULES)/installed
	@$(BIN)/python -m tests.clients

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(VENV)/installed-dev
	@$(BIN)/mypy wanderer_twisted tests twisted/plugins/wanderer_sse.py

check: lint types test

mistakes: $(VENV)/installed-dev
	@$(BIN)/python -m tests.mutations

bench: $(VENV)/installed-dev
	@$(BIN)/python -m bench

bench-peers: $(VENV)/installed-bench
	@$(BIN)/python -m bench.peers --table build/peers.rst --picture build/peers.svg

clean:
	rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache
	rm -rf .hypothesis .import_linter_cache .coverage* trial.out
	rm -f twisted/plugins/dropin.cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is not Python 3.11 or newer: make PYTHON=python3.x"; exit 1; }
	@echo "Making $(VENV)"
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/created setup.py
	@echo "Installing wanderer-sse into $(VENV)"
	@$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing what the tests need"
	@$(PIP) install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed-dev
	@echo "Installing the peers that are written in Python"
	@$(PIP) install --quiet --editable '.[bench]'
	@touch $@

$(VENV)/installed-clients: $(VENV)/installed-dev
	@echo "Installing the client libraries of Python that are tried"
	@$(PIP) install --quiet --editable '.[clients]'
	@touch $@

# Without npm the matrix says what it leaves out.
$(MODULES)/installed: tests/clients/node/package-lock.json
	@! command -v npm >/dev/null || { \
	  echo "Installing the client libraries of Node that are tried"; \
	  npm ci --prefix tests/clients/node --silent --no-audit --no-fund && touch $@; }
