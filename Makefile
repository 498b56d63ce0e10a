# Two commands for a fresh machine: `make digits` learns speech from nothing, `make test` runs the tests.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: digits test lint clean
.DELETE_ON_ERROR:

digits: $(VENV)/ready-recipes
	$(VENV)/bin/python -m egs.digits.run

test: $(VENV)/ready-dev lint
	$(VENV)/bin/python -m pytest -n 2 --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: $(VENV)/ready-dev
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@if $(VENV)/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then $(VENV)/bin/mypy; \
	else echo 'types: checked with Python 3.11 only; numpy for later versions has other stubs'; fi

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready-recipes: $(VENV)/bin/python pyproject.toml setup.py $(wildcard nnet/kernels/*.c)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[audio,decode,digits,threads]'
	touch $@

$(VENV)/ready-dev: $(VENV)/bin/python pyproject.toml setup.py $(wildcard nnet/kernels/*.c)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[audio,decode,digits,dev]'
	touch $@

clean:
	rm -rf $(VENV) exp
