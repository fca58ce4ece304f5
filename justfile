# Tasks of millpond. `./x just RECIPE` runs one in the prepared environment; `./x just --list` shows all.

set shell := ["bash", "-euo", "pipefail", "-c"]

cache := env("XDG_CACHE_HOME", env("HOME") / ".cache") / "millpond"
targets := env("CARGO_TARGET_DIR", justfile_directory() / "target")
binary := targets / "release/millpond"
export PATH := cache / "tools/bin:" + env("PATH")

# What CI runs, in this order: what is cheap and fails most often comes first. The simulator is
# among the tests.
stages := "lint deny deploy codegen-check model crates test fuzz doc build instructions sdk"

# Start a server for tests and laptops on 127.0.0.1:4567; its data is in memory
dev *arguments:
    cargo run --release -- dev {{ arguments }}

# Write all code in the one style
fmt:
    cargo fmt --all

# Style and lints, as CI sees them
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# All Rust tests; `just test -p millpond-api` for one crate
test *arguments='--workspace':
    cargo test {{ arguments }}

# Write the types of the API anew from Amazon's model
codegen:
    cargo run -p millpond-codegen

# The checked-in types are what the generator writes
codegen-check:
    cargo run -p millpond-codegen -- --check

# The types agree with the model in the botocore that our model is from
model:
    venv=$(just venv api/tests/requirements.txt) && "$venv/bin/python" api/tests/model.py

# Each crate alone, so that none leans on features that another turned on
crates:
    cargo check -p millpond-quotas
    cargo check -p millpond-api --no-default-features
    cargo check -p millpond-api
    cargo check -p millpond-shards
    cargo check -p millpond

# Every fuzz target reads its seeds; CONTRIBUTING tells how to fuzz
fuzz:
    cargo build --locked -p millpond-fuzz
    for seeds in tests/fuzz/seeds/*; do {{ targets }}/debug/"$(basename "$seeds")" "$seeds"/*; done

# Licences, duplicate versions and sources of all dependencies
deny:
    command -v cargo-deny >/dev/null || cargo install --locked --root {{ cache }}/tools cargo-deny@0.20.2
    cargo deny check licenses bans sources

# The books of the code, without a warning
doc:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps

# Simulate COUNT seeds from FROM on; a failure prints the one command that replays it
sim count='1000' from='1':
    SIM_SEEDS={{ from }}..{{ count }} cargo test -p millpond-shards --test sim

# The release binary
build:
    cargo build --release --locked

# Real clients, faults and the examples against the release binary
sdk: build
    venv=$(tests/clients/tools) && \
        MILLPOND_BIN={{ binary }} "$venv/bin/python" -m pytest -m 'not heavy' \
        tests/clients tests/faults examples

# One real client, also a heavy one, against the release binary: `just client kcl`
client name: build
    venv=$(tests/clients/tools) && \
        MILLPOND_BIN={{ binary }} "$venv/bin/python" -m pytest tests/clients/{{ name }}

# CPU per record, latency and memory beside a bare server; `just bench start`, `just bench --help`
bench command='run' *arguments:
    cargo build --release --locked -p millpond -p millpond-bench
    {{ targets }}/release/bench {{ command }} {{ arguments }}

# Everything that docs/performance/README.md shows, measured anew; takes an hour, 25 GB of disk, and for the peers cargo, node, Java and Python
bench-table gb='1,10' trim='10' window='3s' report=(targets / 'report.json'):
    cargo build --release --locked -p millpond -p millpond-bench
    {{ targets }}/release/bench run --suite table --rounds 2 --duration {{ window }} --report {{ report }}
    {{ targets }}/release/bench start --report {{ report }}
    {{ targets }}/release/bench idle --shards 10000 --report {{ report }}
    {{ targets }}/release/bench subscriptions --report {{ report }}
    {{ targets }}/release/bench slow-readers --report {{ report }}
    {{ targets }}/release/bench growth --gb {{ gb }} --report {{ report }}
    {{ targets }}/release/bench trim --gb {{ trim }} --report {{ report }}
    {{ targets }}/release/bench run --case put-records-500x100B --case put-records-500x1KiB \
        --durable --rounds 3 --duration {{ window }} --report {{ report }}
    {{ targets }}/release/bench peers --rounds 3 --duration {{ window }} --report {{ report }}
    {{ targets }}/release/bench run --case put-record-1KiB-c64 --case put-record-1KiB-c256 \
        --durable --rounds 5 --duration {{ window }} --report {{ report }}
    {{ targets }}/release/bench plot {{ report }} --out docs/performance
    {{ targets }}/release/bench check {{ report }}

# Instructions that a record takes the release binary keep their budgets; counted by valgrind
instructions *arguments='--check bench/instructions.toml': build
    command -v valgrind >/dev/null || .ci/packages valgrind
    cargo build --locked -p millpond-bench
    {{ targets }}/debug/bench instructions --server-bin {{ binary }} {{ arguments }}

# Scripts, and the files of deploy/ as far as a machine without a container engine can check them
deploy:
    venv=$(just venv .ci/requirements.txt) && PATH=$venv/bin:$PATH deploy/check

# A stripped archive, a .deb and their checksums in dist/, for the machine this runs on
release: build
    deploy/package {{ binary }}

# Every stage, a time for each at the end
ci:
    #!/usr/bin/env bash
    set -euo pipefail
    times=()
    trap 'printf "\n%s\n" "${times[@]}"' EXIT
    for stage in {{ stages }}; do
        printf '\n=== %s\n' "$stage"
        started=$SECONDS
        times+=("failed      $stage")
        just "$stage"
        times[-1]=$(printf '%6d s    %s' $((SECONDS - started)) "$stage")
    done

# Prints the folder of a Python environment with exactly these requirements, made if it isn't there
[private]
venv requirements:
    #!/usr/bin/env bash
    set -euo pipefail
    venv={{ cache }}/venv-$(cksum <{{ requirements }} | cut -d' ' -f1)
    if [ ! -e "$venv/complete" ]; then
        python3 -m venv --clear "$venv" >&2
        "$venv/bin/pip" install --quiet --requirement {{ requirements }} >&2
        touch "$venv/complete"
    fi
    printf '%s\n' "$venv"
