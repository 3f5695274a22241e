# The few commands of the project; `make` alone lists them. Each does its own set-up.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Which of demo/series is taken through the path.
SERIES ?= pass
export PATCHLIFT_TEST_DATA ?= $(CURDIR)/../shared/data

# What building and testing the crates takes; the emulated box has a list of its own, in lab/packages.
test_packages := gcc libc6-dev make pkg-config cmake libssl-dev git cpio openssh-client

# Where everything is kept that takes long to make.
cache := $(or $(PATCHLIFT_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/patchlift)

# .config/nextest.toml says what the profiles are.
nextest := .ci/nextest run --locked --profile $(if $(filter true,$(CI)),ci,default)

.PHONY: help
help: ## Show this list
	@echo "patchlift takes patch series from a mailing list onto a real POWER8 box and brings a verdict back."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Start with 'make demo': no hardware and no account is needed, the box is emulated. It takes a series"
	@echo "that passes; SERIES=build-error, SERIES=panic and SERIES=conflict show the other ends:"
	@echo
	@echo "  make demo SERIES=panic"
	@echo
	@echo "The first run takes about 20 minutes on two cores, the next ones a few. Ctrl-C is safe at any point."

.PHONY: demo
demo: ## Take a patch series to a verdict on an emulated POWER8 box
	@exec demo/run '$(SERIES)'

.PHONY: test
test: ## Run the unit and integration tests
	@lab/packages $(test_packages)
	@$(nextest) --workspace -E 'not binary(lab)'

.PHONY: test-lab
test-lab: ## Run the tests that need the emulated box
	@lab/packages
	@# A test that was killed leaves its box running; where a demo still holds its lock, the box is in use.
	@boxes_down() { lab/down test-ssh; flock --nonblock '$(cache)/demo/lock' lab/down demo || true; }; \
	trap boxes_down EXIT; trap 'exit 130' INT TERM; \
	PATCHLIFT_LAB=1 nice -n 5 $(nextest) -p patchlift-action --test lab
	@# The kernel that these tests have built is good for the box's own tests, too.
	@vmlinux=$$(ls -t '$(cache)'/demo/work/build/*/vmlinux 2>/dev/null | head -n 1) || true; \
	PATCHLIFT_LAB_VMLINUX=$$vmlinux nice -n 5 lab/test

.PHONY: lint
lint: ## Check formatting, code, dependencies, scripts and workflows
	@lab/packages $(test_packages) shellcheck
	@.ci/run lint

.PHONY: bench
bench: ## Run the benchmarks that there are
	@shopt -s nullglob; found=(benches/*.rs */benches/*.rs); \
	if (( $${#found[@]} == 0 )); then echo "there are no benchmarks yet"; exit 0; fi; \
	printf 'benchmark: %s\n' "$${found[@]}"; cargo bench --locked --workspace --bench '*'

# Other things may lie beside these three: PATCHLIFT_CACHE may be any folder.
.PHONY: clean
clean: ## Remove target/, and the cache of the demo, the lab and the linters
	@cd -- '$(cache)' 2>/dev/null || exit 0; \
	if [[ -e demo ]]; then \
		exec 8>demo/lock; \
		flock --nonblock 8 || { echo 'make clean: a demo is running in $(cache); end it first' >&2; exit 1; }; \
	fi; \
	if [[ -e lab ]]; then (cd '$(CURDIR)' && lab/down --all 8>&-); fi; \
	for part in demo lab tools; do \
		if [[ -e $$part ]]; then echo "removing $(cache)/$$part"; rm -rf -- "$$part"; fi; \
	done
	@if command -v cargo >/dev/null; then echo 'removing what cargo built'; cargo clean; fi
