# `uv run just` lists these; each also works as the command it stands for.
set shell := ["bash", "-euo", "pipefail", "-c"]

uv := "uv run --frozen"

# list the recipes
default:
    @just --list

# everything .ci/run checks, in the present environment
check: lint types contracts test

# style and formatting
lint:
    {{uv}} ruff check
    {{uv}} ruff format --check

# apply what ruff can fix by itself
fix:
    {{uv}} ruff check --fix
    {{uv}} ruff format

# mypy, strict
types:
    {{uv}} mypy

# which layer may import which (import-linter)
contracts:
    {{uv}} lint-imports

# the test suite, or part of it: just test tests/unit -k store
test *args:
    {{uv}} pytest {{args}}

# kill a session at 50 random moments and compare what it resumes to
kill *args:
    {{uv}} pytest tests/kill -s {{args}}

# the benchmarks; run them on an idle machine
bench *args:
    for file in tests/bench/bench_*.py; do {{uv}} python -m "tests.bench.$(basename "$file" .py)" {{args}}; done

# the wheel and the source distribution
build:
    uv build
