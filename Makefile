# make demo     a three-node cluster on this machine runs real jobs while its leader is killed
# make test     every test
# make verify   the read-only gate: format, lints, walls, documents, tests
# make fix      the only target that rewrites files
# make bench    measures a three-node cluster on this machine, from socket to three disks
# make bench-micro   measures the parts by themselves; MICRO="--save-baseline before", and later MICRO="--baseline before", compares
# make chaos    kills, pauses, wipes, cuts, fills and misleads a cluster of processes; SEED=n MINUTES=m, or FAULTS=kill-leader:35,…
# make chaos-compose   the same with the nodes of deploy/compose.yaml
# make planted  plants bugs into a test build, one at a time, and sees whether the chaos runs find them; BUGS=stale-read,…
# make bench-peers  measures Quorate beside NATS JetStream and RabbitMQ on this machine (bench/README.md); OPTIONS='--rounds 5'
#
# Each installs what is missing first: Debian packages as root or with sudo (else it says which, and goes on without those that
# only help: ccache, curl), cargo-deny with cargo.
# The first build compiles RocksDB, once for all of them: half an hour on one core. It says how far it is, and may be interrupted.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

DEMO_DIR ?= .demo
JOBS ?= 240
SEED ?= 1
MINUTES ?= 2
FAULTS ?=
MICRO ?=
BUGS ?=
OPTIONS ?=

# Binaries are run from here, whatever the settings of cargo say.
export CARGO_TARGET_DIR := $(CURDIR)/target

.PHONY: help demo test verify lint fix build prepare busybox cargo-deny bench bench-micro bench-peers chaos chaos-compose planted harness image

help:
	@sed '/^#/!Q; s/^# \{0,1\}//' Makefile

demo: build
	@target/release/quorate demo --jobs $(JOBS) --data-dir $(DEMO_DIR) --input .

build: prepare
	@echo "Building quorate (release)"
	@scripts/build build --release --bin quorate

test: prepare busybox
	@tests/scripts/run
	@echo "Building the tests"
	@scripts/build test --workspace --no-run
	@scripts/test --workspace

verify: lint test

lint: prepare cargo-deny
	cargo fmt --all --check
	cargo fmt --manifest-path bench/Cargo.toml --check
	@echo "Linting"
	@scripts/build clippy --workspace --all-targets -- -D warnings
	@echo "Linting what a build with planted bugs has besides"
	@scripts/build clippy --workspace --all-targets --features quorate/planted-bugs -- -D warnings
	cargo deny --log-level error check bans licenses sources
	@if timeout 120 cargo deny --log-level error fetch db >/dev/null 2>&1; then cargo deny --log-level error check advisories; \
	else echo "SKIPPED advisories: RustSec's database cannot be fetched"; fi
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

fix: prepare
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	cargo fmt --all
	cargo fmt --manifest-path bench/Cargo.toml

bench: build
	target/release/quorate bench

bench-micro: prepare
	@echo "Building the benchmarks"
	@scripts/build bench --workspace --bench '*' --no-run
	cargo bench --quiet --workspace --bench '*' -- $(MICRO)

bench-peers: build
	@echo "Building the clients of the peers"
	@CARGO_TARGET_DIR=bench/target scripts/build build --release --locked --manifest-path bench/Cargo.toml
	@bench/target/release/quorate-bench-peers --quorate target/release/quorate --data-dir target $(OPTIONS)

CHAOS = target/release/quorate-chaos --seed $(SEED) $(if $(FAULTS),--faults $(FAULTS),--minutes $(MINUTES))

chaos: build harness
	@$(CHAOS)
	@$(if $(FAULTS),:,echo "Large jobs on small disks"; target/release/quorate-chaos --seed $(SEED) --bulk --minutes 1 --dir target/chaos-bulk)

chaos-compose:
	@if docker version >/dev/null 2>&1; then $(MAKE) --no-print-directory image harness IMAGE=quorate:chaos && $(CHAOS) --host compose; \
	else echo "SKIPPED chaos-compose: no Docker engine answers"; fi

# The test build takes the place of target/release/quorate for as long as it takes to copy it.
planted: build harness
	@echo "Building quorate with bugs to choose from, and then without them again"
	@mkdir -p target/planted; trap 'scripts/build build --release --bin quorate' EXIT; \
	scripts/build build --release --bin quorate --features quorate/planted-bugs && cp target/release/quorate target/planted/quorate
	@target/release/quorate-planted --binary target/planted/quorate $(if $(BUGS),--bugs $(BUGS))

harness: prepare
	@echo "Building the chaos runs"
	@scripts/build build --release -p quorate-chaos

IMAGE = quorate:latest

# The image that deploy/compose.yaml runs, with the binary of this machine.
image: build
	@deploy/base-image.sh
	@docker build --quiet --file deploy/Dockerfile --target prebuilt --tag $(IMAGE) .
	@if python3 -c 'import tomllib' 2>/dev/null; then scripts/sbom $(IMAGE) >target/sbom.json; echo "target/sbom.json lists what is in it (CycloneDX)"; \
	else echo "SKIPPED target/sbom.json: scripts/sbom needs Python 3.11"; fi
	@docker run --rm $(IMAGE) --version || { echo "This machine's binary does not run in the image: its libraries are newer. Build inside: docker build -f deploy/Dockerfile -t $(IMAGE) ."; exit 1; }

prepare:
	@scripts/prepare

# What the tests of the docker driver build their image from; without it, or without Docker, they say that they are skipped.
busybox:
	@if [ "$$(id -u)" = 0 ] && docker version >/dev/null 2>&1 && [ ! -x /bin/busybox ] && command -v apt-get >/dev/null; then \
	  echo "Installing busybox-static"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends busybox-static; } >/dev/null 2>&1 || true; \
	fi

cargo-deny:
	@cargo deny --version >/dev/null 2>&1 || { echo "Installing cargo-deny (some minutes, once)"; cargo install cargo-deny --locked --version '^0.20' --quiet; }
