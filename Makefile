# Two commands do all: `make demo` (installs, then runs the demo) and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test lint bench clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(BIN)/headwater run recipes/demo.yaml --workspace runs/demo
	$(BIN)/headwater report runs/demo
	$(BIN)/headwater status runs/demo
	@echo "Talk to it:  $(BIN)/headwater chat runs/demo/sft"

test: install
	$(BIN)/python -m pytest -m "not slow" -n 2

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script --quick || [ $$? -eq 3 ] || exit 1; done

clean:
	rm -rf .venv runs
