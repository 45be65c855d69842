# What this project can do, and everything it needs on a bare Debian machine with Rust and make.
# `make` alone prints the list. Every target looks first and installs only what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
# Where cargo puts what it builds; set CARGO_TARGET_DIR to have it elsewhere.
TARGET := $(or $(CARGO_TARGET_DIR),target)
INSTALL := tests/services/install.sh
DEMO_ARGS ?=
BENCH_ARGS ?=
CHAOS_ARGS ?=
FUZZ_ARGS ?=
KUBERNETES_ARGS ?=

.PHONY: help demo release test test-compat test-gssapi chaos fuzz timescale bench bench-peers bench-scale bench-cluster bench-hostile bench-http bench-small lint kubernetes plugins services tools cargo

help: ## Print this list
	@echo 'Ferrule: Kafka Connect without the JVM.'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo
	@echo 'Start with `make demo`: it deploys the five example systems and shows what lands.'
	@echo '  make demo DEMO_ARGS=--exit     the same, checked, and ends by itself'
	@echo '  make bench BENCH_ARGS=…        see tests/bench/README.md'
	@echo '  make chaos CHAOS_ARGS=…        --faults N, --seed N'
	@echo '  make fuzz FUZZ_ARGS=…          --seconds N, --target NAME: see tests/fuzz/README.md'
	@echo 'Debian packages are installed by root or through sudo; jars go to ~/.cache/ferrule'
	@echo '(or $$FERRULE_CACHE); builds go to $$CARGO_TARGET_DIR (now: $(TARGET)).'

# The same profile and features as the tests': what is built here, `make test` need not build.
demo: cargo ## Build, start Kafka, registry, Postgres and a worker in one, deploy, show rows
	@$(INSTALL) build wasm postgres
	@$(MAKE) plugins
	$(CARGO) build --locked -p connect-runtime
	@$(TARGET)/debug/ferrule dev --demo $(DEMO_ARGS)

# No path of this machine gets into the binary, so that two machines build the same bytes.
release: cargo ## Build the worker, target/release/ferrule, and the list of what it is made of
	@$(INSTALL) build sbom
	@home=$${CARGO_HOME:-$$HOME/.cargo}; \
	    CFLAGS="$${CFLAGS:-} -ffile-prefix-map=$$home=/cargo -ffile-prefix-map=$(CURDIR)=/ferrule \
	        -ffile-prefix-map=$(abspath $(TARGET))=/target" \
	    RUSTFLAGS="$${RUSTFLAGS:-} --remap-path-prefix=$$home=/cargo --remap-path-prefix=$(CURDIR)=/ferrule \
	        --remap-path-prefix=$(abspath $(TARGET))=/target" \
	    $(CARGO) build --locked --release --no-default-features -p connect-runtime
	@tests/services/sbom.sh $(TARGET)/release/ferrule.cdx.json
	@ls -l $(TARGET)/release/ferrule $(TARGET)/release/ferrule.cdx.json

# The worker is built with the tests' own selection of packages: any other would choose other
# features of the dependencies and build half of them twice. One run tells all that fails.
test: cargo services plugins ## Run all tests, against a real Kafka, registry and Postgres
	$(CARGO) build --locked --workspace --bins --tests
	$(CARGO) test --locked --workspace --no-fail-fast
	cd plugins && $(CARGO) test --locked --workspace --no-fail-fast

# No part of `make test`: it needs the JDBC sink of Debezium and a worker of another version.
test-compat: cargo services plugins ## Compare Ferrule with Kafka Connect: answers, and a sink to and fro
	@$(INSTALL) peers connect
	$(CARGO) build --locked --workspace --bins --tests
	$(CARGO) test --locked --workspace --test compat -- --nocapture

# No part of `make test`: it builds the worker with Kerberos' libraries, which the usual one lacks.
test-gssapi: cargo services plugins ## Log in to a real Kafka by Kerberos, with tickets of a real KDC
	@$(INSTALL) gssapi
	$(CARGO) build --locked --workspace --bins --test gssapi --features connect-runtime/gssapi
	$(CARGO) test --locked --workspace --test gssapi --features connect-runtime/gssapi

chaos: cargo services plugins ## Let 200 random faults happen while records flow, and check every row
	$(CARGO) build --locked --workspace --bins --tests
	FERRULE_CHAOS='--faults 200 $(CHAOS_ARGS)' \
	    $(CARGO) test --locked --workspace --test it -- chaos::storm --nocapture

fuzz: cargo ## Try inputs of all kinds on whatever reads or writes them, a minute each
	@$(INSTALL) build
	@tests/fuzz/run.sh $(FUZZ_ARGS)

# The server needs TimescaleDB: Debian's PostgreSQL 15 with its package, or another one whose folder
# (of bin and lib) FERRULE_POSTGRES names. Without it the first test fails and says so.
timescale: cargo services plugins ## Run the tests of the sink and the example systems on TimescaleDB
	$(CARGO) build --locked --workspace --bins --tests
	FERRULE_TIMESCALE=1 $(CARGO) test --locked --workspace --test hypertables --test sink
	FERRULE_TIMESCALE=1 $(CARGO) test --locked --workspace --test it -- systems::

bench: cargo services plugins ## Measure the drain into Postgres against plain COPY, and the plugin host
	@tests/bench/run.sh drain $(BENCH_ARGS)
	@tests/bench/run.sh host

bench-peers: cargo services plugins ## Measure Ferrule beside Kafka Connect and faucet
	@$(INSTALL) peers
	@$(INSTALL) faucet || echo 'faucet cannot be built here: its rows stay empty' >&2
	@tests/bench/run.sh peers $(BENCH_ARGS)

bench-scale: cargo services plugins ## Measure partitions, connectors, record sizes, idleness
	@tests/bench/run.sh scale $(BENCH_ARGS)

bench-cluster: cargo services plugins ## Measure 3 workers with 200 connectors, beside Kafka Connect
	@tests/bench/run.sh cluster $(BENCH_ARGS)

bench-hostile: cargo services plugins ## Measure a connector beside one that does harm, or is heavy
	@tests/bench/run.sh hostile $(BENCH_ARGS)

bench-http: cargo services ## Measure requests to the HTTP source beside plain axum handlers
	@tests/bench/run.sh http $(BENCH_ARGS)

bench-small: cargo services plugins ## Measure the IoT system in 256 MiB and a third of a core; as root
	@tests/bench/run.sh small $(BENCH_ARGS)

lint: cargo tools ## Check format, lints, docs, the rules of tests/tidy, licences and advisories
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --workspace --test hypertables --test compat --test gssapi -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items
	cd plugins && $(CARGO) fmt --all --check
	cd plugins && $(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked -p tidy
	@tests/services/deny.sh

# helm is built once from its Go module; no cluster is asked.
kubernetes: ## Lint and render the Helm chart, and check it against Kubernetes' own schemas
	@$(INSTALL) kubernetes
	@docker/kubernetes/check.sh $(KUBERNETES_ARGS)

# The stamp is a hash of all that the plugins are made of, so that a fresh clone or a touched file
# does not start a build, and a changed one does.
plugins: cargo ## Build the WASM plugins into plugins/dist
	@$(INSTALL) build wasm
	@key=$$(find plugins wit -type f -not -path '*/target/*' -not -path 'plugins/dist/*' -print0 \
	    | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum); \
	if [ "$$key" != "$$(cat plugins/dist/.stamp 2>/dev/null)" ]; then \
	    plugins/build.sh; \
	    echo "$$key" > plugins/dist/.stamp; \
	fi

# The tools of C and Python are built or fetched once, into the same folder as the servers' jars.
plugins-all: plugins ## Build the example in Rust, C and Python, check and compare them
	@$(INSTALL) build c python
	@$(MAKE) release
	@tools=$${FERRULE_CACHE:-$$HOME/.cache/ferrule}/tools; \
	    PATH=$$tools/bin:$$tools/python/bin:$$PATH plugins/languages.sh $(TARGET)/release/ferrule

services: ## Install what the tests run against: Kafka, a registry, Postgres
	@$(INSTALL)

tools:
	@$(INSTALL) build

cargo:
	@command -v $(CARGO) >/dev/null || { \
	    echo 'error: no cargo on the PATH: install Rust 1.95 or later (https://rustup.rs)' >&2; \
	    exit 1; }
