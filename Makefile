# What a developer runs. Every target makes the environment it needs (.venv, from requirements-dev.txt).
PYTHON_IN = .venv/bin/python

.PHONY: test slow lint types check lock install

test: install  ## the fast tests, at most 5 minutes
	$(PYTHON_IN) -m pytest -m "not slow" -n 3 --dist worksteal

slow: install  ## the others
	$(PYTHON_IN) -m pytest -m slow -n 2 --dist loadgroup

lint: install
	$(PYTHON_IN) -m ruff check .
	$(PYTHON_IN) -m ruff format --check .
	@if command -v shellcheck >/dev/null; then shellcheck deploy.sh .ci/run; else echo "shellcheck is not installed: skipped"; fi

types: install
	$(PYTHON_IN) -m mypy

check: lint types test slow

install:
	@./deploy.sh --install dev

lock: install  ## resolve the dependencies of pyproject.toml anew
	$(PYTHON_IN) -m uv pip compile --quiet $(LOCK) --output-file requirements.txt
	$(PYTHON_IN) -m uv pip compile --quiet $(LOCK) --group dev --output-file requirements-dev.txt

LOCK = --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	--no-emit-find-links --group build pyproject.toml
