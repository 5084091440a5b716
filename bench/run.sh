#!/bin/bash
# Builds the release binary, the load generator and the roof, runs the brokers in turn, and writes
# bench/RESULTS.md. ROUNDS, SECONDS_EACH and SCENARIOS (a comma list) shorten it.
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/build.sh release fairlead fairlead-bench fairlead-roof
ulimit -n "$(ulimit -Hn)"
exec node bench/run.mjs "$@"
