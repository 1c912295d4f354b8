# Each target prepares what it needs: .venv from pinned, hash-checked requirements, and Debian packages.
PYTHON ?= python3
PY := .venv/bin/python
TESTS ?= tests
LOCK := pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --extra postgres --extra pdf pyproject.toml

.PHONY: help demo test soak bench lint format lock clean

help:
	@echo "make demo    six requests between twelve authorities, on this machine"
	@echo "make test    everything that guards a change"
	@echo "make lint    style and types"
	@echo "make bench   our figures beside those of the usual tools"
	@echo "make soak    long runs: crashes, damage and load by the thousand"
	@echo "make lock    choose the newest allowed versions of all dependencies"

demo:
	@$(PYTHON) deploy/prepare.py demo
	@$(PY) -m gateway demo

test:
	@$(PYTHON) deploy/prepare.py test
	$(PY) -m pytest -n 2 --dist worksteal -m "not soak" $(TESTS)

soak:
	@$(PYTHON) deploy/prepare.py test
	$(PY) -m pytest -m soak --timeout 7200 $(TESTS)

bench:
	@$(PYTHON) deploy/prepare.py bench
	$(PY) -m tests.bench

lint:
	@$(PYTHON) deploy/prepare.py lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format:
	@$(PYTHON) deploy/prepare.py lint
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock:
	@$(PYTHON) deploy/prepare.py lint
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(PY) -m uv $(LOCK) --output-file deploy/requirements.txt
	$(PY) -m uv $(LOCK) --group dev --output-file tests/requirements.txt

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis
