# Everything is a line or two here; the work is in packaging/, tests/ and bench/.
.DEFAULT_GOAL := help
.PHONY: help run build test chaos deps deps-test deps-bench fmt lint sim fuzz fuzz-coverage \
  bench bench-growth clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

run: build ## build, make certificates and demo devices if there are none, serve (PORT=…)
	@exec packaging/run.sh

build: deps ## release binary at build/release/fairlead
	@packaging/build.sh release fairlead

test: deps deps-test ## everything: release, interop, tidy, AddressSanitizer, ThreadSanitizer
	@exec tests/run.sh

chaos: deps deps-test build ## kill the server N=1000 times under load: nothing may be lost
	@exec tests/chaos/run.sh chaos.mjs $(or $(N),1000)

deps: ## install the Debian packages that building needs
	@packaging/deps.sh build

deps-test: ## install the Debian packages that testing needs
	@packaging/deps.sh test

deps-bench:
	@packaging/deps.sh bench

fmt: ## lay out the sources with clang-format
	@git ls-files -z -co --exclude-standard '*.h' '*.cc' '*.c' | xargs -0 clang-format-14 -i

lint: deps deps-test ## house rules (tests/tidy) and clang-tidy
	@tests/lint.sh

sim: deps deps-test ## simulated worlds with crashes, from seeds (SIM_SEEDS=20000)
	@exec tests/sim.sh

fuzz: deps deps-test ## search for inputs that break a parser (FUZZ_SECONDS=60 each)
	@tests/fuzz.sh

fuzz-coverage: deps deps-test ## what replaying the corpora covers of the parsers
	@tests/fuzz_coverage.sh

bench: deps deps-bench build ## ratios against other brokers, into bench/RESULTS.md
	@exec bench/run.sh

bench-growth: deps deps-bench build ## costs against what is held, into bench/GROWTH.md (QUICK=1)
	@exec bench/growth.sh

clean: ## remove build/
	@rm -rf build
