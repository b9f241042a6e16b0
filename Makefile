# `make demo` and `make test` are all a newcomer needs; each does the set-up first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
# uv where it is installed already, else a copy of our own below .tools
UV := $(shell command -v uv || echo .tools/bin/uv)
TOKENIZER_SOURCES := Cargo.toml Cargo.lock tokenizer_rs/pyproject.toml $(shell find tokenizer_rs -name '*.rs' -o -name 'Cargo.toml' -o -name '*.pyi')
export MESHLOOM_SHARED ?= ../shared

.PHONY: help
help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.tools/bin/uv:
	$(PYTHON) -m pip install --quiet --target .tools uv

.PHONY: system
system: ## Debian packages: OpenGL's library for pymeshlab, Chromium and PostgreSQL for their tests (needs root)
	@.ci/system-packages

.venv/.ready: pyproject.toml constraints.txt $(TOKENIZER_SOURCES) | $(filter .tools/%,$(UV))
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --compile-bytecode --constraint constraints.txt --editable ./tokenizer_rs --editable '.[dev]'
	touch $@

.PHONY: setup
setup: system .venv/.ready ## make .venv from the lock files, build the tokenizer in release mode

.PHONY: demo
demo: setup ## the main job, small: curate, train, generate, evaluate (DATA=folder for your own meshes)
	$(BIN)/meshloom demo $(if $(DATA),--data $(DATA))

.PHONY: ui
ui: setup ## the Dagster web UI on http://localhost:3000
	DAGSTER_HOME=$(CURDIR)/.dagster $(BIN)/dagster dev -w workspace.yaml -p 3000

.PHONY: format
format: setup ## rewrite sources in house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cargo fmt

.PHONY: check
check: setup ## lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cargo fmt --check
	cargo clippy --locked --all-targets --quiet -- --deny warnings

.PHONY: test-rust
test-rust: ## Rust tests
	cargo test --locked --release --quiet

.PHONY: fuzz
fuzz: ## every fuzz target for a few seconds (FUZZ_SEED=0 SECONDS_EACH=600 for a long run)
	@.ci/fuzz $(or $(SECONDS_EACH),3)

.PHONY: wheel
wheel: setup ## the tokenizer's wheel, tried alone on every Python found
	@.ci/wheel

.PHONY: test-python
test-python: setup ## Python tests, the browser test among them
	$(BIN)/pytest -q -n 2 --dist loadfile

.PHONY: test
test: check test-rust fuzz wheel test-python demo ## everything CI runs
	@echo "make test: lint, types, Rust tests, fuzz targets, the wheel alone, Python tests, browser test and demo all passed"

.PHONY: benchmark
benchmark: setup ## measure what the README reports
	$(BIN)/python benchmarks/readme_numbers.py

.PHONY: lock
lock: .venv/.ready ## rewrite constraints.txt from what is installed
	{ sed -n '/^#/p' constraints.txt; VIRTUAL_ENV=.venv $(UV) pip freeze | grep -v -E '^-e|meshloom'; } > .constraints.new
	mv .constraints.new constraints.txt

.PHONY: clean
clean: ## remove what the build and the demo made
	rm -rf .venv .tools target demo
