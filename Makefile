# The commands of the project; `make help` lists them. What each needs is installed first (deploy/setup.sh).
PYTHON := .venv/bin/python
SETUP := deploy/setup.sh
.DEFAULT_GOAL := help
.PHONY: help setup setup-test up storage-node down test check demo bench screenshots lock

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile

setup: ## install what is missing: Debian packages, users, .venv
	@$(SETUP)

setup-test: ## the same, and what tests, demo and bench need
	@$(SETUP) test

up: setup ## run everything in the foreground until Ctrl-C
	@exec $(PYTHON) manage.py up

storage-node: setup ## serve disks on a further host, in the foreground until Ctrl-C
	@exec $(PYTHON) manage.py storage_node

down: ## stop the instance that runs on this DATA_PATH
	@exec $(PYTHON) manage.py down

test: setup-test ## the whole suite, with real daemons and virtual machines
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup-test ## format, lint, types, import contracts, templates, migrations
	@deploy/check.sh

demo: setup-test ## boot a virtual PC against the running orchestrator
	@exec $(PYTHON) manage.py demo

bench: setup-test ## measure the boot endpoints, write docs/PERFORMANCE.md
	@exec $(PYTHON) -m tests.bench

screenshots: setup-test ## picture every page of a believable lab into docs/screenshots
	$(PYTHON) -m tests.browser.screenshots

lock: setup-test ## write requirements*.lock from pyproject.toml
	@deploy/lock.sh
