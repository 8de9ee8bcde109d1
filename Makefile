# netwatch: every task in one word. `make` alone lists them.
VENV := .venv
PYTHON := $(VENV)/bin/python
NETWATCH := $(VENV)/bin/netwatch
PYTEST := $(PYTHON) -m pytest

.PHONY: help run test check audit bench lab soak deb docs deps-test
help:
	@echo "make run     install into .venv, write run/agent.toml from what is detected, run the agent"
	@echo "make test    install what the tests need and run them all"
	@echo "make check   ruff, strict mypy, architecture"
	@echo "make audit   whether a library of the package has a known vulnerability"
	@echo "make bench   every promised figure, as a table and as JSON"
	@echo "make lab     an interactive lab network to try the agent in"
	@echo "make docs    the documentation as a site, in build/site"
	@echo "make deb     dist/netwatch_VERSION_ARCH.deb, for this architecture and Debian 12"
	@echo "make soak    an hour of kills, two simulated days, a long watch: what held, as a table"

$(VENV)/.installed: pyproject.toml
	@deploy/agent/ensure-python.sh
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e .
	@# The agent runs with -OO: compiled now, it need not be at each start.
	@$(PYTHON) -m compileall -q -o 2 $(VENV)/lib netwatch
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

run: $(VENV)/.installed
	@mkdir -p run
	@test -e run/agent.toml || $(NETWATCH) init --output run/agent.toml --store run/netwatch.db
	@$(NETWATCH) run --config run/agent.toml

deps-test: $(VENV)/.installed-dev
	@tests/install-debian-packages.sh

test: deps-test
	$(PYTEST) -q -n 2 --ignore=tests/netlab --ignore=tests/packaging
	@# The labs time what they do, and a package is built once: alone, one story beside another.
	$(PYTEST) -q tests/netlab tests/packaging

check: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PYTEST) -q tests/test_architecture.py

audit: $(VENV)/.installed-dev
	@$(PYTHON) deploy/agent/audit.py

bench: deps-test
	$(PYTHON) -m bench

docs: $(VENV)/.installed-dev
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet --strict
	@echo "build/site/index.html"

deb: $(VENV)/.installed
	@PYTHON=$(PYTHON) deploy/agent/deb/build.sh

lab: deps-test
	$(PYTHON) -m tests.netlab

soak: deps-test
	$(PYTHON) -m tests.e2e.soak
