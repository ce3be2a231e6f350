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
    {{uv}} pytest -n0 tests/kill -s {{args}}

# simulations on a Ray cluster of two nodes, one of which is killed; fetches Ray
ray *args:
    {{uv}} --extra ray pytest -n0 tests/functional/test_simulate_ray.py {{args}}

# the benchmarks; run them on an idle machine
bench *args:
    for file in tests/bench/bench_*.py; do {{uv}} python -m "tests.bench.$(basename "$file" .py)" {{args}}; done

# the planted ratings that `pasta microworld build --part user-model --work FOLDER` learns from
user-model-data folder:
    {{uv}} pasta microworld ratings --format pickapic --raters 8000 --labels 100 --test-raters 8 --images 14000 --out {{folder}}/ratings/pickapic --work {{folder}}/ratings/work
    {{uv}} pasta microworld ratings --format pickapic --raters 8000 --test-raters 160 --images 14000 --out {{folder}}/ratings/pickapic-25 --work {{folder}}/ratings/work
    {{uv}} pasta microworld ratings --format pasta --raters 120 --test-raters 48 --out {{folder}}/ratings/pasta --work {{folder}}/ratings/work

# the pictures of the documentation, taken from a real session
pictures:
    {{uv}} python -m tests.support.docs_images docs/images

# the wheel and the source distribution
build:
    uv build
