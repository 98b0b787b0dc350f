PYTHON := .venv/bin/python

.PHONY: check test
check:
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) manage.py makemigrations --check --dry-run
test:
	$(PYTHON) -m pytest
