# Needs Python 3.11 or newer and make; everything else comes from the lock files.

SHELL := /bin/sh
VENV := .venv
PYTHON := $(VENV)/bin/python

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start the whole site here and stay until Ctrl-C (HELIOGRAPH_PORT=8080, HELIOGRAPH_VAR=var)
	@ops/install requirements.lock
	@$(PYTHON) -m runtime up

demo: ## Two accounts, a follow, a real photo, the feed: on the running site or one of its own
	@ops/install requirements.lock
	@$(PYTHON) -m bench.demo

stop: ## End every process of the site and nothing else
	@ops/install requirements.lock
	@$(PYTHON) -m runtime stop

status: ## List the site's processes and where each may be asked
	@ops/install requirements.lock
	@$(PYTHON) -m runtime status

test: ## Make the venv, then check everything: what CI runs
	@ops/install requirements-dev.lock
	@$(MAKE) --no-print-directory check

check: lint types ## Lint, types and tests, with the venv as it is
	$(PYTHON) -m pytest $(ARGS)

lint: ## Style and format (ruff)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: ## Types (mypy, strict)
	$(PYTHON) -m mypy

bench: ## Measure, print tables and draw (ARGS=--quick for two minutes, ARGS=... for one question)
	@ops/install requirements-dev.lock
	@$(PYTHON) -m bench $(ARGS)

chaos: ## Hurt a site of its own for minutes, then ask whether all is there (SEED=, SECONDS=600, ARGS=)
	@ops/install requirements-dev.lock
	@$(PYTHON) -m tests.faults.chaos $(if $(SEED),--seed $(SEED)) --seconds $(or $(SECONDS),600) $(ARGS)

mutants: ## Break the code one thing at a time, in a copy, and tell which test notices (ARGS=words)
	@ops/install requirements-dev.lock
	@$(PYTHON) -m tests.mutants $(ARGS)

collect: ## Free bytes that no post shows, now and not tomorrow (ARGS=--dry-run says what it would do)
	@ops/install requirements.lock
	@eval "$$($(PYTHON) -m runtime env)" && $(PYTHON) -m workers collect $(ARGS)

backup: ## Copy the site here, running or not, into a folder of backups (TO=backups)
	@ops/install requirements.lock
	@$(PYTHON) -m runtime engines $(PYTHON) -m events backup $(or $(TO),backups) $(ARGS)

restore: ## Put a backup into an empty site, and hold it to its digests (FROM=backups/...)
	@ops/install requirements.lock
	@$(PYTHON) -m runtime engines $(PYTHON) -m events restore $(FROM) $(ARGS)

lock: ## Pin every dependency again, with hashes
	@ops/install requirements-dev.lock
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(PYTHON) -m uv pip compile pyproject.toml --quiet \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--output-file requirements.lock $(ARGS)
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(PYTHON) -m uv pip compile pyproject.toml --quiet \
		--group dev --constraint requirements.lock \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--output-file requirements-dev.lock $(ARGS)

clean: ## Remove the venv and what tools made; a site's var/ stays
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help run demo stop status test check lint types bench chaos mutants collect backup restore lock clean
