#!/bin/bash
# Builds the release binary, the load generator and the roof, runs the brokers in turn, and writes
# bench/RESULTS.md. ROUNDS and SECONDS_EACH shorten it, SCENARIOS and PEERS (comma lists) choose.
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/npm-ci.sh bench/peers
packaging/build.sh release fairlead fairlead-bench fairlead-roof
ulimit -n "$(ulimit -Hn)"
exec node bench/run.mjs "$@"
